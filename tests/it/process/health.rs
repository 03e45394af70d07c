//! `longshore healthcheck`, and probes that connect and say nothing.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Output;

use crate::binary::{Running, Setup};
use crate::wire::{Client, free_port, wait_until};

/// A server on a port that is known before, with `max_cons` sessions.
fn serve(variables: &[(&str, &str)]) -> (Running, u16) {
    let port = free_port();
    let setup = Setup::new().variable("FTP_PORT", &port.to_string()).variable("FTP_LOG_FORMAT", "text");
    let setup = variables.iter().fold(setup, |setup, (name, value)| setup.variable(name, value));
    (setup.start(), port)
}

fn ask(port: u16, variables: &[(&str, &str)]) -> Output {
    let setup = Setup::empty().variable("FTP_IP", "127.0.0.1").variable("FTP_PORT", &port.to_string());
    let setup = variables.iter().fold(setup, |setup, (name, value)| setup.variable(name, value));
    setup.arguments(&["healthcheck"]).run()
}

#[track_caller]
fn is_well(port: u16, variables: &[(&str, &str)]) {
    let output = ask(port, variables);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b""[..], &b""[..]));
}

#[track_caller]
fn is_unwell(port: u16, variables: &[(&str, &str)], why: &str) {
    let output = ask(port, variables);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("127.0.0.1:{port}: {why}\n"));
}

/// The lines of the log after the screen, to the end of the server.
fn log(mut server: Running) -> Vec<String> {
    // The last line of the start: users.conf of the tests has such a password.
    let screen = server.wait_for_line("plain password");
    let ended = server.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.complaints);
    let begin = ended.lines.iter().position(|line| *line == screen).unwrap();
    ended.lines[begin + 1..].to_vec()
}

#[test]
fn a_server_that_serves_is_well_and_its_log_is_silent_about_it() {
    for banner in ["Welcome", "Several\nlines\nof welcome"] {
        let (server, port) = serve(&[("FTP_WELCOME_MSG", banner)]);
        for _ in 0..3 {
            is_well(port, &[]);
        }
        let log = log(server);
        assert!(log.len() == 1 && log[0].contains("stopping"), "{log:#?}");
    }
}

#[test]
fn nobody_there_and_somebody_else_there_are_unwell() {
    is_unwell(free_port(), &[], "nobody listens there");
    let somebody_else = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = somebody_else.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        for said in [&b"SSH-2.0-x\r\n"[..], b"500 no\r\n", b"22", b""] {
            somebody_else.accept().unwrap().0.write_all(said).unwrap();
        }
    });
    is_unwell(port, &[], "no greeting of FTP, but \"SSH\"");
    is_unwell(port, &[], "no greeting of FTP, but \"500\"");
    is_unwell(port, &[], "closed without a greeting");
    is_unwell(port, &[], "closed without a greeting");
    thread.join().unwrap();
}

#[test]
fn whoever_is_silent_is_unwell_with_proxies_and_without() {
    // The kernel takes the connections, and nobody accepts them.
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hung.local_addr().unwrap().port();
    is_unwell(port, &[], "waited 4 s for a greeting");
    let required = [("FTP_PROXY_PROTOCOL", "required"), ("FTP_PROXY_FROM", "127.0.0.1")];
    is_unwell(port, &required, "waited 4 s for a greeting");
}

#[test]
fn a_full_server_is_well() {
    let (server, port) = serve(&[("FTP_MAX_CONS", "1")]);
    let _only = Client::login(server.address, "bob");
    Client::connect(server.address).expect("421");
    is_well(port, &[]);
}

#[test]
fn a_server_that_only_proxies_may_speak_to_is_well() {
    for from in ["192.0.2.1", "127.0.0.1"] {
        let variables = [("FTP_PROXY_PROTOCOL", "required"), ("FTP_PROXY_FROM", from)];
        let (server, port) = serve(&variables);
        is_well(port, &variables);
        let log = log(server);
        assert!(!log.iter().any(|line| line.contains("WARN") || line.contains("session opened")), "{from}: {log:#?}");
    }
    is_unwell(
        free_port(),
        &[("FTP_PROXY_PROTOCOL", "required"), ("FTP_PROXY_FROM", "127.0.0.1")],
        "nobody listens there",
    );
}

#[test]
fn settings_that_cannot_be_read_are_unwell_too() {
    let output = ask(2121, &[("FTP_MAX_CONS", "many")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("FTP_MAX_CONS: "));
    let output = ask(0, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("port: "));
}

#[test]
fn a_thousand_probes_leave_nothing_behind() {
    let (server, _) = serve(&[
        ("FTP_BAN_AFTER", "1"),
        ("FTP_LOG_LEVEL", "debug"),
        // They come faster than they can go.
        ("FTP_MAX_CONS", "0"),
        ("FTP_MAX_PER_IP", "0"),
    ]);
    // One session before, so that what is made for the first is there.
    drop(Client::login(server.address, "bob"));
    TcpStream::connect(server.address).unwrap();
    let before = server.descriptors_at_rest();
    for _ in 0..1000 {
        drop(TcpStream::connect(server.address).unwrap());
    }
    // Connections are accepted in their order, so the probes are all in once this one is.
    Client::login(server.address, "bob").ask("QUIT", "221");
    wait_until("the descriptors are back", || server.descriptors() <= before);
    // No ban, and no seat that is taken for good.
    let mut client = Client::login(server.address, "bob");
    client.ask("QUIT", "221");
    let log = log(server);
    assert!(!log.iter().any(|line| line.contains("WARN") || line.contains("ERROR")), "{log:#?}");
    assert_eq!(log.iter().filter(|line| line.contains("probed")).count(), 1001);
    assert_eq!(log.iter().filter(|line| line.contains("session opened")).count(), 3);
    let last = log.iter().rfind(|line| line.contains("session opened")).unwrap();
    assert!(last.contains("sessions=1"), "{last}");
}
