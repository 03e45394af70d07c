//! `longshore status`, `kick` and `reload`, as an operator uses them on a running server.

pub(crate) mod strangers;
mod terminal;

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::process::Command;

use longshore::session::Seen;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::binary::{PROGRAM, Running, Setup};
use crate::reload::put;
use crate::wire::{Client, PATIENCE, free_port, until_end, wait_until};

/// The program, as the operator of a server calls it in its folder.
fn operator(server: &Running, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(server.folder()).env_clear();
    command.env("FTP_IP", server.address.ip().to_string()).env("FTP_PORT", server.address.port().to_string());
    command
}

/// Its exit code, and what it prints and complains of.
pub(crate) fn told(server: &Running, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = operator(server, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What `status --json` prints, line by line.
#[track_caller]
fn lines(server: &Running) -> Vec<Value> {
    let (code, printed, complaints) = told(server, &["status", "--json"]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn sessions(server: &Running) -> Vec<Seen> {
    lines(server).into_iter().map(|line| serde_json::from_value(line).unwrap()).collect()
}

/// Bytes of a file that takes a while at 64 KiB a second.
const SIZE: usize = 8 << 20;
/// Its name, which is a command to a terminal.
const NAME: &str = "a\u{1b}[2J\u{9b}z";

/// bob uploads the first bytes of a file, and downloads another one slowly.
fn at_work(server: &Running) -> (Client, std::net::TcpStream, Client, std::net::TcpStream) {
    std::fs::write(server.folder().join("home/bob").join(NAME), vec![7; SIZE]).unwrap();
    let mut up = Client::login(server.address, "bob");
    let mut upload = up.open();
    up.ask("STOR new", "150");
    upload.write_all(&[7; 100_000]).unwrap();
    up.await_moved(100_000);
    let mut down = Client::login(server.address, "bob");
    let download = down.open();
    down.ask(&format!("RETR {NAME}"), "150");
    (up, upload, down, download)
}

#[test]
fn transfers_under_way_are_told_with_their_figures() {
    let server = Setup::new().variable("FTP_MAX_DOWNLOAD", "64K").start();
    let (up, _upload, down, _download) = at_work(&server);
    let mut idle = Client::connect(server.address);
    idle.expect("220");
    wait_until("some of it has moved", || sessions(&server)[1].transfer.as_ref().is_some_and(|work| work.bytes > 0));
    let seen = sessions(&server);
    assert_eq!(seen.iter().map(|seen| seen.session).collect::<Vec<_>>(), [1, 2, 3]);
    let [stor, retr] = [0, 1].map(|index| seen[index].transfer.clone().unwrap());
    assert_eq!((stor.verb.as_str(), stor.path.as_str(), stor.direction.as_deref()), ("STOR", "/new", Some("upload")));
    assert_eq!((stor.bytes, stor.size, seen[0].uploaded), (100_000, None, 100_000));
    assert_eq!((retr.direction.as_deref(), retr.size), (Some("download"), Some(SIZE as u64)));
    assert_eq!(retr.path.strip_prefix('/'), Some(NAME));
    // The one is counted a moment after the other.
    assert!((1..=retr.bytes).contains(&seen[1].downloaded), "{} of {}", seen[1].downloaded, retr.bytes);
    assert!(retr.bytes < SIZE as u64 && retr.rate > 0 && retr.rate < 1 << 20, "{retr:?}");
    for (seen, client) in seen.iter().zip([&up, &down, &idle]) {
        assert_eq!((seen.peer, seen.local), (client.local(), server.address));
    }
    assert_eq!((&seen[0].user, seen[0].idle, &seen[2].user), (&Some("bob".to_owned()), None, &None));
    assert!(seen[2].idle.is_some() && seen[2].transfer.is_none() && seen[2].verb.is_none());

    let (code, table, complaints) = told(&server, &["status"]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    assert!(table.starts_with("longshore ") && table.contains(": sessions 3 of 512, ports "), "{table}");
    assert!(!table.contains('\u{1b}'), "{table}");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["SESSION", "USER", "FROM", "SINCE", "DOING", "BYTES", "RATE", "PROGRESS"]);
    assert_eq!(
        (rows[2][..3].to_vec(), rows[2][4..8].to_vec()),
        (vec!["1", "bob", "127.0.0.1"], vec!["STOR", "/new", "97.6", "KiB"])
    );
    assert_eq!(rows[3][4..6], ["RETR", "/a\u{fffd}[2J\u{fffd}z"]);
    assert!(rows[3].iter().any(|word| word.starts_with('[') && word.len() == 12), "{table}");
    assert!(rows[3].ends_with(&["of", "8.0", "MiB"]), "{table}");
    assert_eq!(rows[4][4], "idle");
    assert!(rows[4][5].ends_with('s'), "{table}");
}

/// As README has it, each field there in each line.
#[test]
fn each_line_has_all_fields() {
    let server = Setup::new().start();
    let (_up, _upload, _down, _download) = at_work(&server);
    let (_, printed, _) = told(&server, &["status", "--json"]);
    assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{printed:?}");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for line in lines(&server) {
        let mut names = keys(&line);
        names.sort();
        assert_eq!(names.join(" "), "downloaded idle local peer seconds session since tls transfer uploaded user verb");
        if !line["transfer"].is_null() {
            let mut names = keys(&line["transfer"]);
            names.sort();
            assert_eq!(names.join(" "), "bytes direction path rate seconds size verb");
        }
    }
}

#[test]
fn who_is_kicked_hears_why_and_all_that_was_his_is_free() {
    let port = free_port().to_string();
    let mut server = Setup::new().variable("FTP_MAX_CONS", "1").variable("FTP_PASSIVE_PORTS", &port).start();
    let mut client = Client::login(server.address, "bob");
    let mut upload = client.open();
    client.ask("STOR new", "150");
    upload.write_all(b"some of it").unwrap();
    client.await_moved(10);
    let kicked = format!("session 1 of bob from {} is ended\n", client.local());
    assert_eq!(told(&server, &["kick", "1"]), (Some(0), kicked, String::new()));
    // Its seat, its port and its place among bob's sessions: at once.
    let mut next = Client::login(server.address, "bob");
    next.pasv();
    client.expect("426");
    client.expect("421 The operator has ended this session.");
    client.expect_end();
    assert_eq!(until_end(&mut upload), b"");
    assert!(!server.folder().join("home/bob/new").exists(), "it was not whole");
    let uid = nix::unistd::geteuid();
    let line = server.wait_for_line("\"kicked\"");
    assert!(line.contains("\"session\":1,") && line.contains(&format!("\"uid\":{uid}")), "{line}");
    let line = server.wait_for_line("session closed");
    assert!(line.contains("ended by the operator") && line.contains("\"uploaded\":10,"), "{line}");
    // One that does nothing, and one that waits to be told that its password was wrong.
    assert_eq!(told(&server, &["kick", "2"]).0, Some(0));
    next.expect("421");
}

#[test]
fn who_waits_for_a_refusal_is_kicked_too() {
    let server = Setup::new().variable("FTP_AUTH_FAILED_DELAY", "10m").start();
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("USER bob", "331");
    client.send("PASS wrong");
    wait_until("it waits", || {
        let seen = &sessions(&server)[0];
        seen.verb.as_deref() == Some("PASS") && seen.idle.is_none()
    });
    assert_eq!(told(&server, &["kick", "1"]).0, Some(0));
    client.expect("421 The operator has ended this session.");
    assert_eq!(sessions(&server), []);
}

#[test]
fn what_cannot_be_kicked_is_said() {
    let server = Setup::new().start();
    for number in ["0", "1", "18446744073709551615"] {
        let complaint = format!("there is no session {number}\n");
        assert_eq!(told(&server, &["kick", number]), (Some(1), String::new(), complaint));
    }
    for arguments in [&["kick"][..], &["kick", "bob"], &["kick", "-1"]] {
        assert_eq!(told(&server, arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn reload_says_what_came_of_it() {
    let server = Setup::new().file("conf/settings.toml", "max_cons = 5\n").start();
    put(&server, "conf/settings.toml", "max_cons = 7\nlog_keep = 3\n");
    let (code, printed, complaints) = told(&server, &["reload"]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    let said = "done, for sessions that begin from now on\nsettings changed: max_cons\nusers: 0 added, 0 removed, 0 changed\n\
                needs a restart, until then the old value: log_keep\n";
    assert!(printed.starts_with(said), "{printed}");
    assert!(told(&server, &["status"]).1.contains("sessions 0 of 7,"));
    put(&server, "conf/settings.toml", "max_cons = \"many\"\n");
    let (code, printed, complaints) = told(&server, &["reload"]);
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(complaints.contains("settings.toml: max_cons: found ") && complaints.contains("many"), "{complaints}");
    // The settings that will not do say where the server is all the same.
    assert!(told(&server, &["status"]).1.contains("sessions 0 of 7,"));
}

#[test]
fn a_server_that_ends_says_so_and_can_be_helped() {
    let mut server = Setup::new().variable("FTP_SHUTDOWN_GRACE", "10m").start();
    let mut client = Client::login(server.address, "bob");
    let _upload = client.open();
    client.ask("STOR new", "150");
    server.signal(Signal::SIGTERM);
    server.wait_for_line("\"stopping\"");
    wait_until("it ends", || told(&server, &["status"]).1.contains(", ending: "));
    assert_eq!(told(&server, &["reload"]), (Some(1), String::new(), "not reloaded: the server is ending\n".to_owned()));
    assert_eq!(told(&server, &["kick", "1"]).0, Some(0));
    assert_eq!(server.wait().status.code(), Some(0));
}

#[test]
fn nobody_there_is_an_error_that_says_where_it_looked() {
    let port = free_port().to_string();
    for command in [&["status"][..], &["status", "--json"], &["kick", "1"], &["reload"]] {
        let output = Setup::empty().variable("FTP_PORT", &port).arguments(command).run();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        let place = format!(
            "no server with these settings runs here: nobody answers at the Unix socket @longshore/0.0.0.0:{port};"
        );
        assert!(complaint.starts_with(&place), "{complaint}");
        let output = Setup::empty().variable("FTP_PORT", "0").arguments(command).run();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(output.stderr, b"port: found 0, any free one, expected the one to ask: say it by --port\n");
    }
}

/// T66: those who ask, and those who do not wait for the answer, leave nothing.
#[test]
fn a_thousand_questions_leave_nothing_behind() {
    let server = Setup::new().start();
    let name = format!("longshore/{}", server.address);
    let address = net::SocketAddr::from_abstract_name(&name).unwrap();
    let connect = || {
        let stream = net::UnixStream::connect_addr(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let before = server.descriptors_at_rest();
    for number in 0..1000 {
        let mut stream = connect();
        match number % 4 {
            0 => drop(stream),
            1 => stream.write_all(b"\"sta").unwrap(),
            2 => stream.write_all(b"\"status\"\n").unwrap(),
            _ => {
                stream.write_all(if number % 8 == 3 { b"\"status\"\n" } else { b"\"nonsense\"\n" }).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                let last = answer.lines().last().unwrap();
                assert!(last == "\"done\"" || last.contains("does not know this question"), "{answer}");
            }
        }
    }
    // A line without an end is bounded.
    let mut long = connect();
    let _ = long.write_all(&[b' '; 100_000]);
    let mut answer = Vec::new();
    let _ = long.read_to_end(&mut answer);
    assert!(String::from_utf8(answer).unwrap().contains("does not know this question"));
    drop(long);
    assert_eq!(server.descriptors_at_rest(), before);
    assert_eq!(sessions(&server), []);
}
