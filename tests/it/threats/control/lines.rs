//! Bytes that make no line, or a bad one.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use longshore::commands::TABLE;
use socket2::{Domain, Socket, Type};

use crate::binary::Setup;
use crate::harness::{TestServer, set};
use crate::wire::{Client, PATIENCE};

/// More than a server that holds nothing can need for its other work, in KiB.
const ROOM: u64 = 16 * 1024;

/// T01: a line without an end, before the log-in, from many at once: it is read over and not held, and 500 at its end.
#[test]
fn lines_without_an_end_cost_no_memory() {
    let server = Setup::new().variable("FTP_MAX_PER_IP", "0").start();
    drop(Client::login(server.address, "bob"));
    let before = server.kib("VmRSS");
    let mut clients: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = Client::connect(server.address);
            client.expect("220");
            client.stream().write_all(&[b'A'; 64 << 10]).unwrap();
            client
        })
        .collect();
    for _ in 0..256 {
        clients[0].stream().write_all(&[b'A'; 64 << 10]).unwrap();
    }
    Client::login(server.address, "bob").ask("STAT /", "213-");
    for client in &mut clients {
        assert_eq!(client.say(""), "500 Command too long.");
        client.ask("NOOP", "200");
    }
    let after = server.kib("VmHWM");
    assert!(after <= before + ROOM / 2, "{before} KiB grew to {after} KiB");
}

/// T02: a long argument is an argument like any other to every verb, up to the limit of a line.
#[test]
fn long_arguments_of_every_verb_are_answered_and_the_session_goes_on() {
    const FREE_TEXT: [&str; 4] = ["USER", "CLNT", "NOOP", "OPTS"];
    let server = TestServer::start(|_| {});
    for spec in TABLE.iter().map(|entry| entry.spec) {
        for verb in std::iter::once(&spec.verb).chain(spec.aliases) {
            let mut client = Client::login(server.address, "bob");
            for length in [255, 256, 4095, 4096, 8191] {
                let reply = client.say(&format!("{verb} {}", "a".repeat(length)));
                let refused = reply.starts_with(['4', '5']) && !reply.starts_with("421");
                let fits = FREE_TEXT.contains(&spec.verb) || (length == 255 && ["MKD", "RMD"].contains(&spec.verb));
                assert!(refused || (fits && length < 4000), "{verb} with {length} bytes: {reply}");
                assert!(reply.lines().count() == 1 && reply.len() < 600, "{verb}: {reply}");
                client.ask("NOOP", "200");
            }
        }
    }
}

/// T04: Telnet's byte without measure is neither held nor an endless loop, in pairs and on its own.
#[test]
fn a_flood_of_telnet_bytes_is_one_long_line() {
    let server = TestServer::start(|_| {});
    for flood in [&b"\xff"[..], b"\xff\xff\xf4", b"\xff\xfb"] {
        let mut client = Client::login(server.address, "bob");
        client.stream().write_all(&flood.repeat((1 << 20) / flood.len())).unwrap();
        client.ask("\r\nNOOP", "500");
        client.expect("200");
    }
    drop(Client::login(server.address, "bob"));
}

/// T07: commands without end from a client that reads no reply: the server stops reading, holds nothing, and answers
/// each once when the client reads at last. (That it gives up after a while: `server/connection.rs`.)
#[test]
fn a_flood_of_commands_waits_for_its_replies_to_be_read() {
    const MOST: usize = 50_000_000;
    let server = Setup::new().start();
    drop(Client::login(server.address, "bob"));
    let before = server.kib("VmRSS");
    // Small windows, or the kernel would take much of it.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.connect(&server.address.into()).unwrap();
    socket.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let flood = b"NOOP\r\n".repeat(1000);
    let mut sent = 0;
    while sent < MOST {
        match stream.write(&flood[sent % 6..]) {
            Ok(taken) => sent += taken,
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(why) => panic!("after {sent} bytes: {why}"),
        }
    }
    assert!(sent < MOST / 2, "{sent} bytes were read from a client that reads nothing");
    let after = server.kib("VmHWM");
    assert!(after <= before + ROOM / 4, "{before} KiB grew to {after} KiB");
    drop(Client::login(server.address, "bob"));
    stream.shutdown(Shutdown::Write).unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert_eq!(replies.lines().filter(|line| line.starts_with("200 ")).count(), sent / 6);
    assert_eq!(replies.lines().count(), 1 + sent / 6);
}

/// T08: whatever byte a line begins with, it is a verb that does not exist.
#[test]
fn a_line_may_begin_with_any_byte() {
    let server = TestServer::start(|settings| set(settings, "max_per_ip", "0"));
    for first in 0..=u8::MAX {
        for rest in [&b"\r\n"[..], b"x\r\n", b"\n", b" x\r\n"] {
            let mut client = Client::connect(server.address);
            client.expect("220");
            client.stream().write_all(&[&[first], rest].concat()).unwrap();
            if first == 0x16 {
                // A TLS hello.
                client.expect("421 This is an FTP server.");
                client.expect_end();
                continue;
            }
            client.stream().write_all(b"NOOP\r\nQUIT\r\n").unwrap();
            let mut replies: Vec<String> =
                std::iter::from_fn(|| Some(client.reply()).filter(|it| !it.is_empty())).collect();
            assert_eq!(replies.pop().as_deref(), Some("221 Goodbye."), "{first:#x} {rest:?}");
            let noop = replies.pop();
            assert!(noop.is_some_and(|it| it.starts_with("200")), "{first:#x} {rest:?}: {replies:?}");
            assert!(replies.iter().all(|it| it.starts_with("500")), "{first:#x} {rest:?}: {replies:?}");
        }
    }
    drop(Client::login(server.address, "bob"));
}
