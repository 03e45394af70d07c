//! T71: whoever is turned away without end does not fill the disk with it, and is still counted to the last.

use serde_json::Value;

use crate::binary::{Running, Setup};
use crate::wire::{Client, stream_from, until_end};

const REFUSED: u64 = 1000;
const SESSIONS: u64 = 1000;
const LOG_INS: u64 = 50;
const STRANGERS: u64 = 300;

fn refusals(server: &Running) {
    let _held: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = Client::connect_from("127.0.0.2", server.address);
            client.expect("220");
            client
        })
        .collect();
    for _ in 0..REFUSED {
        Client::connect_from("127.0.0.2", server.address).expect("421");
    }
}

/// Ten bad commands are a session's lot.
fn bad_commands(server: &Running) {
    for _ in 0..SESSIONS {
        let mut client = Client::connect_from("127.0.0.3", server.address);
        client.expect("220");
        client.send(&["XXXX"; 10].join("\r\n"));
        (0..9).for_each(|_| drop(client.expect("500")));
        client.expect("421");
    }
}

fn bad_log_ins(server: &Running) {
    let mut client = Client::connect_from("127.0.0.4", server.address);
    client.expect("220");
    for _ in 0..LOG_INS {
        client.ask("USER nobody", "331");
        client.ask("PASS guess", "530");
    }
}

fn strangers(server: &Running) {
    let mut client = Client::login(server.address, "bob");
    let address = client.pasv();
    for _ in 0..STRANGERS {
        assert_eq!(until_end(&mut stream_from("127.0.0.5".parse().unwrap(), address).unwrap()), b"");
    }
    client.ask("ABOR", "225");
}

#[test]
fn a_flood_is_told_in_few_lines_and_counted_exactly() {
    let server = Setup::new()
        .variable("FTP_MAX_PER_IP", "2")
        .variable("FTP_BAN_AFTER", "0")
        .variable("FTP_MAX_LOGIN_ATTEMPTS", "0")
        .start();
    refusals(&server);
    bad_commands(&server);
    bad_log_ins(&server);
    strangers(&server);
    let lines = server.end().lines;
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(bytes < 64 * 1024, "{bytes} bytes");
    let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Who did it stands under another name in each.
    let is_by = |event: &Value, by: &str| {
        ["peer", "stranger", "by"]
            .iter()
            .filter_map(|name| event[name].as_str())
            .any(|found| found == by || found.starts_with(&format!("{by}:")))
    };
    for (what, by, times, told) in [
        ("connection refused", "127.0.0.2", REFUSED, 10),
        ("session opened", "127.0.0.3", SESSIONS, 60),
        ("log-in failed", "127.0.0.4", LOG_INS, 10),
        ("data connection refused", "127.0.0.5", STRANGERS, 10),
    ] {
        let own: Vec<&Value> = events.iter().filter(|event| is_by(event, by)).collect();
        let one_by_one =
            own.iter().filter(|event| event["message"].as_str().is_some_and(|it| it.starts_with(what))).count();
        let summed_up: u64 =
            own.iter().filter(|event| event["like"] == what).map(|event| event["more"].as_u64().unwrap()).sum();
        // Twice as many where the minute is over in the midst of it.
        assert!(one_by_one == told || one_by_one == 2 * told, "{what}: {own:#?}");
        assert_eq!(one_by_one as u64 + summed_up, times, "{what}: {own:#?}");
    }
    // Each session that had a beginning in the log has its end there, and no other: one of them is bob's.
    let count = |message: &str| events.iter().filter(|event| event["message"] == message).count();
    assert_eq!(count("session closed"), count("session opened"));
    assert_eq!(count("logged in"), 1);
}
