//! T71: whoever is turned away without end does not fill the disk with it, and is still counted to the last.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};

use serde_json::Value;

use crate::binary::{Running, Setup};
use crate::logs::schema::valid;
use crate::wire::{Client, free_port, stream_from, until_end};

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
    let is_sum_of = |event: &Value, what: &str| {
        event["like"] == what || (event["message"] == "more log-ins failed" && what == "log-in failed")
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
            own.iter().filter(|event| is_sum_of(event, what)).map(|event| event["more"].as_u64().unwrap()).sum();
        // Twice as many where the minute is over in the midst of it.
        assert!(one_by_one == told || one_by_one == 2 * told, "{what}: {own:#?}");
        assert_eq!(one_by_one as u64 + summed_up, times, "{what}: {own:#?}");
    }
    // Each session that had a beginning in the log has its end there, and no other: one of them is bob's.
    let count = |message: &str| events.iter().filter(|event| event["message"] == message).count();
    assert_eq!(count("session closed"), count("session opened"));
    assert_eq!(count("logged in"), 1);
}

/// All that a session of anonymous can be told in one go, many times over.
fn in_a_pipeline(server: &Running, from: &str, times: usize, commands: &str) {
    let mut stream = stream_from(from.parse().unwrap(), server.address).unwrap();
    let login = "USER anonymous\r\nPASS x\r\n";
    let (mut writer, commands) = (stream.try_clone().unwrap(), commands.repeat(times));
    let writing = std::thread::spawn(move || {
        writer.write_all(format!("{login}{commands}QUIT\r\n").as_bytes()).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    writing.join().unwrap();
    assert!(replies.contains("\r\n221 "), "{}", &replies[replies.len().saturating_sub(200)..]);
    assert!(replies.matches("\r\n2").count() > times, "{}", &replies[..replies.len().min(1000)]);
}

/// Log-ins, changes, listings: whatever anonymous repeats, its address has some lines of it, and the rest as a number.
#[test]
fn anonymous_does_not_fill_the_log() {
    const TIMES: usize = 2000;
    let server = Setup::new()
        .variable("FTP_ENABLE_ANONYMOUS", "on")
        .variable("FTP_ANONYMOUS_PERM", "elradfmwMT")
        .variable("FTP_ANONYMOUS_PATH", "guests")
        .file("guests/file", "")
        .start();
    in_a_pipeline(&server, "127.0.0.2", TIMES, "USER anonymous\r\nPASS x\r\n");
    in_a_pipeline(&server, "127.0.0.2", TIMES, "REIN\r\nUSER anonymous\r\nPASS x\r\n");
    in_a_pipeline(&server, "127.0.0.2", TIMES, "MKD a\r\nRMD a\r\n");
    in_a_pipeline(&server, "127.0.0.2", TIMES, "RNFR file\r\nRNTO other\r\nRNFR other\r\nRNTO file\r\n");
    in_a_pipeline(&server, "127.0.0.2", TIMES, "SITE CHMOD 644 file\r\nMFMT 20260101000000 file\r\n");
    let mut client = Client::login_from("127.0.0.2", server.address, "anonymous");
    for _ in 0..300 {
        client.retrieve("file");
    }
    client.ask("QUIT", "221");
    // Somebody with a password is told of each time.
    let mut bob = Client::login(server.address, "bob");
    for _ in 0..100 {
        bob.ask("MKD a", "257");
        bob.ask("RMD a", "250");
    }
    bob.ask("QUIT", "221");
    let lines = server.end().lines;
    valid(&lines);
    let (bobs, anonymous): (Vec<&String>, Vec<&String>) =
        lines.iter().partition(|line| line.contains("\"user\":\"bob\""));
    assert_eq!(bobs.iter().filter(|line| line.contains("directory ")).count(), 200);
    let bytes: usize = anonymous.iter().map(|line| line.len()).sum();
    assert!(bytes < 256 * 1024, "{bytes} bytes");
    let more = |like: &str| -> u64 {
        let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["like"] == like).map(|event| event["more"].as_u64().unwrap()).sum()
    };
    let told =
        |message: &str| anonymous.iter().filter(|line| line.contains(&format!("\"message\":\"{message}"))).count();
    for (like, times) in [
        ("logged in", 4006),
        ("logged out", 4000),
        ("directory made", 2000),
        ("renamed", 4000),
        ("mode set", 2000),
        ("RETR", 300),
    ] {
        assert_eq!(more(like) + told(like) as u64, times, "{like}");
    }
}

/// Bytes that are no TLS, a handshake that ends in the midst, and one that is refused.
const NO_HANDSHAKES: [&[u8]; 3] =
    [b"USER anonymous\r\nPASS x\r\nQUIT\r\n", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"];

#[test]
fn failing_handshakes_do_not_fill_the_log() {
    const TIMES: usize = 300;
    let implicit = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let server = Setup::new().variable("FTP_TLS", "allowed").variable("FTP_TLS_LISTEN", &implicit.to_string()).start();
    for bytes in NO_HANDSHAKES {
        for _ in 0..TIMES {
            let mut stream = stream_from("127.0.0.2".parse().unwrap(), implicit).unwrap();
            stream.write_all(bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            until_end(&mut stream);
            let mut client = Client::connect_from("127.0.0.3", server.address);
            client.expect("220");
            client.ask("AUTH TLS", "234");
            client.stream().write_all(bytes).unwrap();
            client.stream().shutdown(Shutdown::Write).unwrap();
            until_end(&mut client.stream().try_clone().unwrap());
        }
    }
    let lines = server.end().lines;
    valid(&lines);
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(bytes < 64 * 1024, "{bytes} bytes in {} lines", lines.len());
    for address in ["127.0.0.2", "127.0.0.3"] {
        assert!(lines.iter().any(|line| line.contains("and more like it") && line.contains(address)), "{lines:#?}");
    }
}

/// Many sessions of one address, each with a failure of its own, take no room from the failed log-ins of others.
#[test]
fn short_sessions_do_not_hide_failed_log_ins_of_others() {
    let server = Setup::new()
        .variable("FTP_ENABLE_ANONYMOUS", "on")
        .variable("FTP_ANONYMOUS_PATH", "guests")
        .file("guests/file", "")
        .variable("FTP_MAX_LOGIN_ATTEMPTS", "0")
        .start();
    // A home that is gone is a failure of each session.
    std::fs::remove_dir_all(server.folder().join("guests")).unwrap();
    for _ in 0..4200 {
        let mut stream = stream_from("127.0.0.1".parse().unwrap(), server.address).unwrap();
        stream.write_all(b"USER anonymous\r\nPASS x\r\nQUIT\r\n").unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).unwrap();
        assert!(replies.contains("\r\n331 ") && !replies.contains("\r\n230 "), "{replies}");
    }
    for address in ["127.0.0.8", "127.0.0.9"] {
        for user in ["nobody", "bob"] {
            let mut client = Client::connect_from(address, server.address);
            client.expect("220");
            for _ in 0..10 {
                client.ask(&format!("USER {user}"), "331");
                client.ask("PASS guess", "530");
            }
        }
    }
    let lines = server.end().lines;
    valid(&lines);
    for address in ["127.0.0.8", "127.0.0.9"] {
        let own: Vec<&String> = lines.iter().filter(|line| line.contains(&format!("\"peer\":\"{address}\""))).collect();
        let told = own.iter().filter(|line| line.contains("\"log-in failed\"")).count();
        let more = own.iter().find(|line| line.contains("\"more log-ins failed\""));
        assert!(told == 10 && more.is_some_and(|line| line.ends_with("\"more\":10}")), "{own:#?}");
    }
}
