//! Other protocols on the control port.

use std::io::Write;

use crate::harness::TestServer;
use crate::wire::Client;

const NOT_FTP: &str = "421 This is an FTP server.";

/// T10: the first word of HTTP or SMTP ends the session, and nothing behind it is done: it is an attacker's, sent by
/// somebody else's browser. (Ten bad commands in a row: `tests/dialogues/lines.txt`.)
#[test]
fn the_first_foreign_word_ends_the_session() {
    let server = TestServer::start(|_| {});
    for word in [
        "GET / HTTP/1.1",
        "POST / HTTP/1.1",
        "PUT /x HTTP/1.0",
        "HEAD / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT example.org:443 HTTP/1.1",
        "PATCH / HTTP/1.1",
        "TRACE / HTTP/1.1",
        "DELETE / HTTP/1.1",
        "get /",
        "EHLO example.org",
        "HELO example.org",
        "Host: example.org",
        "HOST: x",
    ] {
        let mut visitor = Client::connect(server.address);
        visitor.expect("220");
        let mut member = Client::login(server.address, "bob");
        for client in [&mut visitor, &mut member] {
            let lines = format!("{word}\r\nX: y\r\n\r\nUSER bob\r\nPASS secret\r\nMKD owned\r\nNOOP\r\n");
            client.stream().write_all(lines.as_bytes()).unwrap();
            assert_eq!(client.reply(), NOT_FTP, "{word}");
            client.expect_end();
        }
    }
    assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 0);
}

/// T10: the same behind a good command in one segment, and while a transfer runs, which is whole.
#[test]
fn a_foreign_word_ends_the_session_wherever_it_comes() {
    let server = TestServer::start(|_| {});
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    client.stream().write_all(b"NOOP\r\nGET / HTTP/1.1\r\nMKD owned\r\n").unwrap();
    client.expect("200");
    assert_eq!(client.reply(), NOT_FTP);
    client.expect_end();

    let mut client = Client::login(server.address, "bob");
    let address = client.pasv();
    client.ask("RETR file", "150");
    client.stream().write_all(b"POST / HTTP/1.1\r\nMKD owned\r\n").unwrap();
    let mut data = client.data(address);
    assert_eq!(crate::wire::all_of(&mut data), b"content");
    client.expect("226");
    assert_eq!(client.reply(), NOT_FTP);
    client.expect_end();
    assert!(!server.home("bob").join("owned").exists());
}
