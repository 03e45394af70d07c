//! curl: the four ways to a data connection, three ways to a path, and exit codes of its own for refusals.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::desk::Desk;
use super::tree::{self, EMPTY_FOLDER, Half};
use crate::harness::{TestServer, set};

/// The ways to a data connection: the verb that curl must have used, and the flags that make it.
const WAYS: [(&str, &[&str]); 4] = [
    ("EPSV", &["--ftp-pasv"]),
    ("PASV", &["--ftp-pasv", "--disable-epsv"]),
    ("EPRT", &["--ftp-port", "-"]),
    ("PORT", &["--ftp-port", "-", "--disable-eprt"]),
];

/// curl makes a folder for a file, never an empty one.
fn can(name: &[u8]) -> bool {
    name != EMPTY_FOLDER.as_bytes()
}

fn url(server: &TestServer, path: impl AsRef<Path>) -> String {
    format!("ftp://bob:secret@{}/{}", server.address, escaped(path.as_ref()))
}

/// A path as a URL has it. `%` and `;type=a` of a name must not be read as anything else.
fn escaped(path: &Path) -> String {
    let escape = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.as_os_str().as_bytes().iter().map(escape).collect()
}

/// Arguments that transfer every file of `local`, by `flag`, to or from below `remote`.
fn each_file(server: &TestServer, listed: &Path, flag: &str, local: &Path, remote: &str) -> Vec<OsString> {
    let transfer = |path: std::path::PathBuf| {
        [flag.into(), local.join(&path).into_os_string(), url(server, Path::new(remote).join(path)).into()]
    };
    tree::files(listed).into_iter().flat_map(transfer).collect()
}

fn there_and_back(server: &TestServer, way: &str, flags: &[&str]) {
    let desk = Desk::new();
    let source = desk.path("source");
    tree::plant(&source, can);
    // One after the other, curl 7.88 pauses for a second at each passive connection of a session that it uses again.
    let common = ["--silent", "--show-error", "--globoff", "--verbose", "--parallel", "--parallel-max", "8"];
    let common = common.iter().chain(flags).map(OsString::from);
    let up = common.clone().chain(["--ftp-create-dirs".into()]).chain(each_file(
        server,
        &source,
        "--upload-file",
        &source,
        "up",
    ));
    desk.run("curl", up).succeeded().said(&format!("> {way}"));
    tree::assert_same(&source, &server.home("bob").join("up"));
    let back = desk.path("back");
    let down = common.chain(["--create-dirs".into()]).chain(each_file(server, &source, "--output", &back, "up"));
    desk.run("curl", down).succeeded().said(&format!("> {way}"));
    tree::assert_same(&source, &back);
}

#[test]
fn a_tree_there_and_back_in_each_way() {
    for (way, flags) in WAYS {
        there_and_back(&TestServer::start(|_| {}), way, flags);
    }
}

#[test]
fn a_tree_there_and_back_over_ipv6() {
    for (way, flags) in [WAYS[0], WAYS[2]] {
        there_and_back(&TestServer::start(|settings| set(settings, "ip", "::1")), way, flags);
    }
}

#[test]
fn resumes_both_ways() {
    let (server, desk, half) = (TestServer::start(|_| {}), Desk::new(), Half::new());
    for (way, flags) in WAYS {
        let (there, here) = (server.home("bob").join("file"), desk.path("file"));
        let run = |verb: &str, more: [&std::ffi::OsStr; 3]| {
            let common = ["-sSv", "--continue-at", "-"].iter().chain(flags).map(AsRef::as_ref);
            desk.run("curl", common.chain(more)).succeeded().said(&format!("> {way}")).said(verb);
        };
        let url = url(&server, "file");

        std::fs::write(&there, &half.whole).unwrap();
        std::fs::write(&here, &half.part).unwrap();
        run("> REST 123457", ["--output".as_ref(), here.as_os_str(), url.as_ref()]);
        half.assert_resumed(&here);

        std::fs::write(&here, &half.whole).unwrap();
        std::fs::write(&there, &half.part).unwrap();
        run("> APPE file", ["--upload-file".as_ref(), here.as_os_str(), url.as_ref()]);
        half.assert_resumed(&there);
    }
}

#[test]
fn every_way_to_a_path() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    std::fs::create_dir_all(server.home("bob").join("a/b c")).unwrap();
    std::fs::write(server.home("bob").join("a/b c/file"), "found").unwrap();
    for method in ["multicwd", "singlecwd", "nocwd"] {
        for path in ["a/b c/file", "/a/b c/file"] {
            let ended = desk.run("curl", ["-sS", "--ftp-method", method, &url(&server, path)]).succeeded();
            assert_eq!(ended.out, "found", "{method} {path}");
        }
    }
}

#[test]
fn makes_renames_and_deletes() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let home = server.home("bob");
    std::fs::write(home.join("old name"), "text").unwrap();
    let quote = |commands: &[&str]| {
        let quoted = commands.iter().flat_map(|command| ["--quote", command]);
        desk.run("curl", ["-sS", "--list-only"].into_iter().chain(quoted).chain([url(&server, "").as_str()]))
            .succeeded()
            .out
    };
    assert_eq!(quote(&["RNFR old name", "RNTO new name", "MKD folder"]).lines().count(), 2);
    assert!(home.join("folder").is_dir());
    assert_eq!(std::fs::read(home.join("new name")).unwrap(), b"text");
    assert_eq!(quote(&["DELE new name", "RMD folder"]), "");
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 0);
}

#[test]
fn lists_and_asks_for_size_and_time() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let file = std::fs::File::create(server.home("bob").join("a file")).unwrap();
    file.set_len(1234).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(981_173_106)).unwrap();
    desk.run("curl", ["-sS", &url(&server, "")]).succeeded().said(" 1234 Feb 03  2001 a file\n");
    desk.run("curl", ["-sS", "--list-only", &url(&server, "")]).succeeded().said("a file\n");
    desk.run("curl", ["-sS", "--head", &url(&server, "a file")])
        .succeeded()
        .said("Content-Length: 1234")
        .said("Last-Modified: Sat, 03 Feb 2001 04:05:06 GMT");
    desk.run("curl", ["-sS", "--remote-time", "--output", "copy", &url(&server, "a file")]).succeeded();
    let copied = std::fs::metadata(desk.path("copy")).unwrap().modified().unwrap();
    assert_eq!(copied.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 981_173_106);
}

#[test]
fn says_what_was_refused() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    std::fs::write(desk.path("file"), "text").unwrap();
    let address = server.address;
    let get = |user: &str| desk.run("curl", ["-sS", &format!("ftp://{user}@{address}/missing")]);
    get("bob:wrong").failed(67).said("Access denied: 530");
    get("nobody:secret").failed(67).said("Access denied: 530");
    get("bob:secret").failed(78).said("The file does not exist");
    desk.run("curl", ["-sS", "-T", "file", &format!("ftp://reader:secret@{address}/")])
        .failed(25)
        .said("Failed FTP upload: 550");
    desk.run("curl", ["-sS", &url(&server, "missing/file")]).failed(9).said("Server denied you to change");
}

#[test]
fn says_that_the_server_is_gone() {
    let (mut server, desk) = (TestServer::start(|_| {}), Desk::new());
    desk.run("curl", ["-sS", &url(&server, "")]).succeeded();
    server.stop();
    desk.run("curl", ["-sS", &url(&server, "")]).failed(7).said("Failed to connect");
}
