//! Who may ask, and who is believed: both sides look who the other one is.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use super::{operator, sessions, told};
use crate::binary::{PROGRAM, Running, Setup};
use crate::wire::{Client, free_port};

/// Words that have a program run as nobody in particular.
const AS_A_STRANGER: [&str; 4] = ["/usr/bin/setpriv", "--reuid=4321", "--regid=4321", "--clear-groups"];

/// The program as somebody else calls it.
pub(crate) fn asked_by_a_stranger(server: &Running, arguments: &[&str]) -> Output {
    // Where it lies, others may be unable to reach it.
    let copy = server.folder().join("longshore");
    if !copy.exists() {
        std::fs::copy(PROGRAM, &copy).unwrap();
    }
    std::fs::set_permissions(server.folder(), PermissionsExt::from_mode(0o755)).unwrap();
    let called = operator(server, arguments);
    let mut command = Command::new(AS_A_STRANGER[0]);
    command.args(&AS_A_STRANGER[1..]).arg(&copy).args(arguments).current_dir("/").env_clear();
    command.envs(called.get_envs().filter_map(|(name, value)| Some((name, value?)))).output().unwrap()
}

#[test]
fn another_user_is_refused_and_told() {
    let mut server = Setup::new().start();
    let mut client = Client::login(server.address, "bob");
    for arguments in [&["status"][..], &["status", "--json"], &["kick", "1"], &["reload"]] {
        let output = asked_by_a_stranger(&server, arguments);
        let uid = nix::unistd::geteuid();
        let complaint = format!("only root and the user of the server may ask, which is uid {uid}\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), complaint, "{arguments:?}");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()));
    }
    let line = server.wait_for_line("not the operator");
    assert!(line.contains("\"uid\":4321"), "{line}");
    client.ask("NOOP", "200");
    assert_eq!(sessions(&server).len(), 1);
}

/// In a user namespace that does not know them, all the users of the machine look like one, and that may be the server's.
#[test]
fn a_user_whom_the_user_namespace_does_not_know_is_not_the_server() {
    let setup = Setup::new().program(&["/usr/bin/unshare", "--user", "--map-user=65534", "--map-group=65534", PROGRAM]);
    let mut server = setup.start();
    let mut client = Client::login(server.address, "bob");
    for arguments in [&["status"][..], &["kick", "1"], &["reload"]] {
        let output = asked_by_a_stranger(&server, arguments);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.starts_with("only root may ask: the server runs as uid 65534, by which"), "{complaint}");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()));
    }
    server.wait_for_line("not the operator");
    client.ask("NOOP", "200");
}

/// And the other way round: who asks from such a namespace does not believe that the server is its own.
#[test]
fn a_server_whom_the_user_namespace_does_not_know_is_not_believed() {
    let server = Setup::new().start();
    let called = operator(&server, &["kick", "1"]);
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--user", "--map-user=65534", "--map-group=65534", PROGRAM, "kick", "1"]).env_clear();
    let output = command.envs(called.get_envs().filter_map(|(name, value)| Some((name, value?)))).output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("belongs to process") && complaint.contains("uid 65534"), "{complaint}");
    assert_eq!(output.status.code(), Some(1));
}

/// It is root who asks, and a server that is somebody else by `run_as`.
#[test]
fn root_asks_a_server_that_is_not_root_any_more() {
    let setup = Setup::new().variable("FTP_RUN_AS", "4321:4321");
    std::os::unix::fs::chown(setup.path("home/bob"), Some(4321), Some(4321)).unwrap();
    std::fs::set_permissions(setup.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    let server = setup.start();
    let mut client = Client::login(server.address, "bob");
    let asked = |run_as: &str| {
        let output = operator(&server, &["kick", "1"]).env("FTP_RUN_AS", run_as).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, complaint) = asked("");
    assert_eq!(code, Some(1));
    let of = format!(
        "belongs to process {} of uid 4321, and a server of uid 0 was expected; if it is the server, ask as its user\n",
        server.pid()
    );
    assert!(complaint.ends_with(&of), "{complaint}");
    let (code, said) = asked("4321:4321");
    assert_eq!(code, Some(0), "{said}");
    client.expect("421");
}

/// A process of somebody else's that has taken the name of a server's socket.
struct Impostor {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Impostor {
    /// Says all that it hears, once somebody has come.
    fn take(listening: SocketAddr) -> Self {
        const SCRIPT: &str = "
import socket, sys
taken = socket.socket(socket.AF_UNIX)
taken.bind('\\0longshore/' + sys.argv[1])
taken.listen()
print('taken', flush=True)
client, _ = taken.accept()
print(client.recv(100), flush=True)";
        let mut command = Command::new(AS_A_STRANGER[0]);
        command.args(&AS_A_STRANGER[1..]).args(["/usr/bin/python3", "-B", "-c", SCRIPT, &listening.to_string()]);
        let mut child = command.current_dir("/").stdout(Stdio::piped()).spawn().unwrap();
        let mut impostor = Self { output: BufReader::new(child.stdout.take().unwrap()), child };
        let mut said = String::new();
        impostor.output.read_line(&mut said).unwrap();
        assert_eq!(said, "taken\n");
        impostor
    }

    fn heard(mut self) -> String {
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        self.child.wait().unwrap();
        said
    }
}

/// The server does without, and whoever asks is told who has the name, and tells it nothing.
#[test]
fn who_took_the_name_is_found_out() {
    let port = free_port();
    let impostor = Impostor::take(SocketAddr::from(([127, 0, 0, 1], port)));
    let mut server = Setup::new().variable("FTP_PORT", &port.to_string()).start();
    let line = server.wait_for_line("`longshore status`");
    assert!(line.contains("WARN") && line.contains("will not work") && line.contains("in use"), "{line}");
    Client::login(server.address, "bob").ask("QUIT", "221");
    let (code, printed, complaint) = told(&server, &["kick", "1"]);
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    let want = format!(
        "@longshore/127.0.0.1:{port}: belongs to process {} of uid 4321, and a server of uid 0 was expected; if it is the server, ask as its user\n",
        impostor.child.id()
    );
    assert_eq!(complaint, want);
    assert_eq!(impostor.heard(), "b''\n");
}
