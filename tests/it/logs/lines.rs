//! Lines on standard output: JSON on a pipe, text when asked for, one event each.

use std::io::Write;

use serde_json::Value;

use crate::binary::{Running, Setup};
use crate::wire::{Client, until_end};

/// Every line as JSON.
#[track_caller]
fn parsed(lines: &[String]) -> Vec<Value> {
    assert!(!lines.is_empty());
    lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect()
}

#[track_caller]
fn only<'a>(events: &'a [Value], message: &str) -> &'a Value {
    let found: Vec<&Value> = events.iter().filter(|event| event["message"] == message).collect();
    assert_eq!(found.len(), 1, "{message}: {events:#?}");
    found[0]
}

fn work(server: &Running) {
    let mut client = Client::login(server.address, "bob");
    client.store("new", b"12345");
    assert_eq!(client.retrieve("new"), b"12345");
    client.ask("MKD folder", "257");
    client.ask("DELE new", "250");
    client.ask("QUIT", "221");
}

#[test]
fn on_a_pipe_every_line_is_json_and_those_of_a_session_name_it() {
    let mut server = Setup::new().variable("FTP_LOG_LEVEL", "trace").start();
    work(&server);
    server.wait_for_line("session closed");
    let events = parsed(&server.end().lines);
    for event in &events {
        let time = event["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-11-21T10:00:00.000Z".len(), "{time}");
        assert!(event["level"].is_string() && event["message"].is_string(), "{event}");
    }
    let begun = events.iter().position(|event| event["message"] == "session opened").unwrap();
    let ended = events.iter().position(|event| event["message"] == "session closed").unwrap();
    assert!(ended - begun > 20, "{events:#?}");
    for event in &events[begun..=ended] {
        assert_eq!(event["session"], 1, "{event}");
    }
    // The greeting is said before it is known whether this is a session or a probe.
    let before = events[..begun].iter().filter(|event| event.get("session").is_some());
    assert!(before.map(|event| &event["code"]).eq([&serde_json::json!(220)]));

    let stored = only(&events, "STOR done");
    assert_eq!((&stored["user"], &stored["path"], &stored["bytes"]), (&"bob".into(), &"/new".into(), &5.into()));
    assert_eq!(stored["direction"], "upload");
    assert_eq!(only(&events, "RETR done")["direction"], "download");
    assert_eq!(only(&events, "directory made")["path"], "/folder");
    assert_eq!(only(&events, "deleted")["path"], "/new");
    let closed = only(&events, "session closed");
    assert_eq!((&closed["uploaded"], &closed["downloaded"]), (&5.into(), &5.into()));
    assert_eq!(closed["why"], "closed with 221");
    // The last reply is one of the replies.
    let last = events[..ended].iter().rfind(|event| event["message"] == "reply").unwrap();
    assert_eq!(last["code"], 221);
}

#[test]
fn a_transfer_that_ends_with_its_session_is_logged() {
    let mut server = Setup::new().start();
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("STOR new", "150");
    data.write_all(b"12345").unwrap();
    for _ in 0..9 {
        client.ask(&"x".repeat(5000), "500");
    }
    client.send(&"x".repeat(5000));
    client.expect("426");
    client.expect("421 Too many bad commands.");
    client.expect_end();
    drop(client);
    server.wait_for_line("session closed");
    let events = parsed(&server.end().lines);
    assert_eq!(only(&events, "STOR failed")["why"], "aborted");
}

#[test]
fn a_transfer_whose_control_connection_breaks_is_no_success() {
    let mut server = Setup::new().start();
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("STOR new", "150");
    data.write_all(b"12345").unwrap();
    socket2::SockRef::from(client.stream()).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    // Ended by the server: this side has not.
    assert_eq!(until_end(&mut data), b"");
    server.wait_for_line("session closed");
    let events = parsed(&server.end().lines);
    let why = &only(&events, "STOR failed")["why"];
    assert_eq!(why, "the client closed the control connection before the end of the data");
    assert!(only(&events, "session closed")["why"].as_str().unwrap().starts_with("the connection broke"));
}

#[test]
fn text_is_written_when_asked_for() {
    let mut server = Setup::new().variable("FTP_LOG_FORMAT", "text").start();
    work(&server);
    server.wait_for_line("session closed");
    let lines = server.end().lines;
    let stored = lines.iter().find(|line| line.contains("STOR done")).unwrap();
    assert!(
        stored.contains(" INFO session=1 user=\"bob\" STOR done path=\"/new\" direction=upload bytes=5"),
        "{stored}"
    );
    assert!(!lines.iter().any(|line| line.starts_with('{') || line.contains('\x1b')), "{lines:#?}");
}

#[test]
fn failures_refusals_and_strangers_are_told() {
    let mut server = Setup::new().variable("FTP_MAX_CONS", "1").variable("FTP_DATA_TIMEOUT", "300ms").start();
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("USER bob", "331");
    client.ask("PASS wrong", "530");
    client.ask("USER bob", "331");
    client.ask("PASS secret", "230");
    Client::connect(server.address).expect("421");
    let address = client.pasv();
    until_end(&mut crate::wire::stream_from("127.0.0.9".parse().unwrap(), address).unwrap());
    let mut data = client.data(address);
    client.ask("STOR new", "150");
    client.expect("426");
    until_end(&mut data);
    drop(client);
    server.wait_for_line("session closed");
    let events = parsed(&server.end().lines);
    assert_eq!(only(&events, "log-in failed")["user"], "bob");
    assert_eq!(only(&events, "connection refused")["why"], "max_cons sessions are there");
    let stranger = events.iter().find(|event| event["stranger"] == "127.0.0.9").unwrap();
    assert_eq!((&stranger["session"], &stranger["client"]), (&1.into(), &"127.0.0.1".into()));
    assert_eq!(only(&events, "STOR failed")["why"], "nothing moved for data_timeout");
    assert_eq!(only(&events, "session closed")["why"], "the client left");
}

/// T70: whatever is typed, a line of the log is one event.
#[test]
fn names_forge_no_line() {
    for format in ["json", "text"] {
        let mut server = Setup::new().variable("FTP_LOG_LEVEL", "trace").variable("FTP_LOG_FORMAT", format).start();
        let mut client = Client::login(server.address, "bob");
        let forged = "x\x1b[2J\x07\u{9b}1m\tINFO session=9 forged\x0b\x7f\"}";
        let home = server.folder().join("home/bob");
        std::fs::write(home.join(forged), "12345").unwrap();
        std::fs::create_dir(home.join(format!("{forged}.d"))).unwrap();
        assert_eq!(client.retrieve(forged), b"12345");
        client.ask(&format!("STOR {forged}"), "553");
        client.ask(&format!("RMD {forged}.d"), "250");
        client.say(&format!("USER {forged}"));
        client.say(forged);
        client.say(&format!("CLNT {forged}"));
        // A bare CR is no end of a line, and must not be one in the log.
        client.say("CLNT a\rINFO forged");
        client.ask("QUIT", "221");
        drop(client);
        server.wait_for_line("session closed");
        let lines = server.end().lines;
        assert!(lines.iter().any(|line| line.contains("RETR done")), "{lines:#?}");
        for line in &lines {
            let is_clean = line.chars().all(|c| !c.is_control());
            assert!(is_clean, "{line:?}");
            let starts_well =
                if format == "json" { line.starts_with("{\"timestamp\":\"2") } else { line.starts_with('2') };
            assert!(starts_well, "{line:?}");
        }
        if format == "json" {
            parsed(&lines);
        }
    }
}
