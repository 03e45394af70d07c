//! What follows the verb: numbers, control bytes, and text that is meant for somebody else's eyes.

use std::net::SocketAddr;

use longshore::commands::TABLE;

use crate::harness::{TestServer, set};
use crate::wire::Client;

/// Numbers that are none, or none that a file can have.
const NO_NUMBERS: [&str; 12] = [
    "-1",
    "+1",
    "-0",
    "1e3",
    "0x10",
    "1.0",
    "1 ,",
    "\u{661}",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1000000000000000000000000000000",
];

/// T03: a control byte in what is neither a password nor the name of a file is 501 before anything is done with it; in a
/// new name it is 553. Nothing is made, and the session goes on.
#[test]
fn control_bytes_are_refused_everywhere() {
    let server = TestServer::start(|_| {});
    let control = (1..0x20).chain([0x7F]).map(char::from).filter(|byte| !"\r\n".contains(*byte));
    for byte in control.chain(['\0', '\r']) {
        let mut client = Client::login(server.address, "bob");
        let cuts = "\0\r".contains(byte);
        for entry in TABLE {
            let spec = entry.spec;
            // TYPE I would be right without it, and so would QUIT.
            for argument in [format!("a{byte}b"), format!("{byte}"), format!("I{byte}"), format!("{byte}[2J")] {
                let reply = client.say(&format!("{} {argument}", spec.verb));
                let names_a_new_file = ["STOR", "APPE", "STOU", "MKD"].contains(&spec.verb);
                let wanted = if cuts || !spec.any_bytes {
                    "501 Syntax error"
                } else if names_a_new_file {
                    "553 A new name may not contain control characters."
                } else {
                    "5"
                };
                // Nobody has such a file, no file fits the pattern that one of them is, and nothing is arranged for a listing.
                let is_nothing = reply.starts_with("425") || reply == "213-Status of \"/\":\r\n213 End of status.";
                assert!(
                    reply.starts_with(wanted) || (wanted == "5" && is_nothing),
                    "{} {argument:?}: {reply}",
                    spec.verb
                );
                assert!(!reply.contains(byte) || byte == '\r', "{} {argument:?}: {reply:?}", spec.verb);
            }
            client.ask("NOOP", "200");
        }
    }
    assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 0);
}

/// T09: a position is digits up to 2^63-1. A bad one leaves no earlier one in force, lest an upload go where its client
/// was told it would not.
#[test]
fn numbers_are_digits_within_their_bounds() {
    let server = TestServer::start(|_| {});
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    for good in ["0", "7", "007", "2147483647", "2147483648", "4294967296", "9223372036854775807"] {
        client.ask(&format!("REST {good}"), "350");
    }
    client.ask("ALLO 0", "202");
    client.ask("ALLO 9223372036854775807", "504");
    for bad in NO_NUMBERS {
        client.ask("REST 3", "350");
        client.ask(&format!("REST {bad}"), "501");
        assert_eq!(client.retrieve("file"), b"content", "after REST {bad}");
        client.ask(&format!("ALLO {bad}"), "501");
        client.ask(&format!("ALLO 1 R {bad}"), "501");
        client.ask(&format!("SIZE {bad}"), "550");
        // There is no RANG here.
        client.ask(&format!("RANG {bad} 1"), "500");
    }
}

/// T09: the same for the numbers of an address; and no earlier address is left in force.
#[test]
fn numbers_of_an_address_are_digits_within_their_bounds() {
    let server = TestServer::start(|_| {});
    let mut client = Client::login(server.address, "bob");
    for bad in NO_NUMBERS.into_iter().chain(["256", "65536", "4294967297", ""]) {
        for place in 0..6 {
            let mut numbers = ["127", "0", "0", "1", "200", "200"];
            numbers[place] = bad;
            client.ask("PORT 127,0,0,1,200,200", "200");
            client.ask(&format!("PORT {}", numbers.join(",")), "501");
            client.ask("LIST", "425 Use");
        }
        if bad != "256" {
            client.ask("EPRT |1|127.0.0.1|50000|", "200");
            client.ask(&format!("EPRT |1|127.0.0.1|{bad}|"), "501");
            client.ask("LIST", "425 Use");
        }
        let reply = client.say(&format!("EPRT |{bad}|127.0.0.1|50000|"));
        assert!(reply.starts_with("501") || reply.starts_with("522"), "{bad}: {reply}");
        let reply = client.say(&format!("EPSV {bad}"));
        assert!(bad.is_empty() || reply.starts_with("501") || reply.starts_with("522"), "{bad}: {reply}");
    }
}

/// T11: a page that makes a browser talk to this port gets nothing of its own back that a browser would run, and nothing
/// that a firewall would take for the answer to a PASV.
#[test]
fn no_reply_carries_what_was_said() {
    const ANSWER: &str = "227 Entering Passive Mode (10,0,0,1,0,22)";
    let server = TestServer::start(|_| {});
    let mut asked = 0;
    for evil in ["<script>alert(1)</script>", "<script>*", ANSWER, "x 227 Entering Passive Mode (10,0,0,1,0,22)"] {
        for spec in TABLE.iter().map(|entry| entry.spec) {
            for verb in std::iter::once(&spec.verb).chain(spec.aliases) {
                let mut visitor = Client::connect(server.address);
                visitor.expect("220");
                let mut member = Client::login(server.address, "bob");
                for client in [&mut visitor, &mut member] {
                    for line in [format!("{verb} {evil}"), format!("{verb}{evil}"), evil.to_owned()] {
                        let reply = client.say(&line);
                        // The name of a directory that was made stands in quotes, as RFC 959 asks.
                        let is_quoted = spec.verb == "MKD" && reply.starts_with("257 \"/");
                        assert!(is_quoted || !reply.contains('<'), "{line}: {reply}");
                        assert!(is_quoted || !reply.contains("227 "), "{line}: {reply}");
                        assert!(!reply.lines().any(|line| line.starts_with("227")), "{line}: {reply}");
                        asked += 1;
                    }
                }
            }
        }
    }
    assert!(asked > 900, "{asked}");
}

/// T12: PORT opens nothing but a client's own high ports: what a web page makes a NAT believe of port 22 is refused here.
#[test]
fn privileged_ports_of_the_client_itself_are_refused() {
    let server = TestServer::start(|settings| set(settings, "ip", "::"));
    for (host, family) in [("127.0.0.1", 1), ("::1", 2)] {
        let there = SocketAddr::new(host.parse().unwrap(), server.address.port());
        let mut client = Client::login(there, "bob");
        for port in [1_u16, 22, 25, 1023] {
            if family == 1 {
                client.ask(&format!("PORT 127,0,0,1,{},{}", port >> 8, port & 0xFF), "504");
            }
            client.ask(&format!("EPRT |{family}|{host}|{port}|"), "504");
            client.ask("LIST", "425 Use");
        }
        client.ask(&format!("EPRT |{family}|{host}|1024|"), "200");
    }
}
