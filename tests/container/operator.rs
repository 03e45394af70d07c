//! What an operator has besides the log: the commands in the container, and the status page.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::engine::{ALICE, Container, SECRET, both, wait_until};

/// What compose.yaml and the manifests take away.
const NO_RIGHTS: [&str; 5] = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];

/// Exit code and all that is said by the program, run beside the server.
fn exec(container: &Container, options: &[&str], arguments: &[&str]) -> (Option<i32>, String) {
    let words = [&["exec"], options, &[&container.name, "longshore"], arguments].concat();
    let output = Command::new("docker").args(words).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), both(&output))
}

#[test]
fn the_commands_work_without_rights_and_on_a_read_only_root() {
    let container = Container::start(&[&["-e", ALICE, "-e", SECRET][..], &NO_RIGHTS].concat());
    assert!(!container.said().contains("WARN\",\"message\":\"`longshore"), "{}", container.said());
    let mut client = container.alice();
    let mut upload = client.open();
    client.ask("STOR new", "150");
    upload.write_all(b"some of it").unwrap();
    client.await_moved(10);
    let (code, said) = exec(&container, &[], &["status", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let line: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((line["user"].as_str(), line["session"].as_u64()), (Some("alice"), Some(1)));
    assert_eq!((line["transfer"]["path"].as_str(), line["transfer"]["bytes"].as_u64()), (Some("/new"), Some(10)));
    let (code, said) = exec(&container, &[], &["status"]);
    assert!(code == Some(0) && said.contains("STOR /new") && said.contains(": sessions 1 of 512"), "{said}");
    assert_eq!(exec(&container, &[], &["reload"]).0, Some(0));
    // Another user does not believe the server, which would not hear him either.
    let (code, said) = exec(&container, &["--user", "4321"], &["kick", "1"]);
    let of = "belongs to process 1 of uid 1000, and a server of uid 4321 or 0 was expected";
    assert!(code == Some(1) && said.contains(of), "{said}");
    let (code, said) = exec(&container, &[], &["kick", "1"]);
    assert_eq!((code, said), (Some(0), format!("session 1 of alice from {} is ended\n", client.local())));
    client.expect("426");
    client.expect("421 The operator has ended this session.");
    client.expect_end();
    let (code, said) = exec(&container, &[], &["kick", "1"]);
    assert_eq!((code, said.as_str()), (Some(1), "there is no session 1\n"));
}

/// `docker exec -it`, for which the engine makes a terminal in the container.
#[test]
fn the_table_is_drawn_again_on_a_terminal_of_the_engine() {
    let container = Container::start(&[&["-e", ALICE, "-e", SECRET][..], &NO_RIGHTS].concat());
    let line = format!("docker exec -it {} longshore status", container.name);
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm");
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut drawn = String::new();
    let mut read = |drawn: &mut String| {
        let mut piece = [0; 4096];
        let count = output.read(&mut piece).unwrap();
        assert!(count > 0, "it ended: {drawn}");
        *drawn += &String::from_utf8_lossy(&piece[..count]);
    };
    while !drawn.contains("nobody is there") {
        read(&mut drawn);
    }
    let _client = container.alice();
    while !drawn.contains(" alice ") {
        read(&mut drawn);
    }
    child.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{drawn}");
}

#[test]
fn the_page_is_there_for_who_has_the_token_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "a token of this test\n").unwrap();
    let mount = format!("{}:/run/secrets:ro", folder.path().display());
    let page = ["-e", "FTP_HTTP_LISTEN=0.0.0.0:8080", "-e", "FTP_HTTP_TOKEN_FILE=/run/secrets/token", "-v", &mount];
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let container = Container::start(&[&["-e", ALICE, "-e", SECRET][..], &page, &NO_RIGHTS].concat());
    let address = SocketAddr::new(container.control().ip(), 8080);
    let ask = |authorization: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /status.json HTTP/1.1\r\nHost: a\r\n{authorization}\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    };
    assert!(ask("").starts_with("HTTP/1.1 401 "));
    let _client = container.alice();
    let has_her = || ask("Authorization: Bearer a token of this test\r\n").contains("\"user\":\"alice\"");
    wait_until("she is on the page", has_her);
}
