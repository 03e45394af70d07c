//! Timeouts: what ends the session, what ends only the transfer, and what must not be taken for silence.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{TestServer, set};
use crate::wire::{Client, all_of, is_refused, until_end, wait_until};

const TIMED_OUT: &str = "421 Control connection timed out.";

fn server(change: &[(&str, &str)]) -> TestServer {
    TestServer::start(|settings| change.iter().for_each(|(name, value)| set(settings, name, value)))
}

#[track_caller]
fn ends_by_time(mut client: Client) {
    client.expect(TIMED_OUT);
    client.expect_end();
}

/// Sends the same again and again, as fast as it goes.
fn send_until(is_over: &AtomicBool, stream: &mut TcpStream, bytes: &[u8]) {
    while !is_over.load(Ordering::Acquire) {
        if stream.write_all(bytes).is_err() {
            return;
        }
    }
}

#[test]
fn whoever_says_nothing_after_the_greeting_is_let_go() {
    let server = server(&[("login_timeout", "400ms")]);
    let connected = Instant::now();
    let mut client = Client::connect(server.address);
    client.expect("220");
    ends_by_time(client);
    assert!(connected.elapsed() >= Duration::from_millis(400));
}

/// T41: no line ever ends.
#[test]
fn the_time_to_log_in_is_over_although_bytes_keep_coming() {
    let server = server(&[("login_timeout", "500ms")]);
    let mut client = Client::connect(server.address);
    client.expect("220");
    let mut sending = client.stream().try_clone().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // No line ever ends. The write fails when the server has had enough.
            send_until(&is_over, &mut sending, b"N");
        });
        let reply = client.reply();
        is_over.store(true, Ordering::Release);
        // A line too long is one of the things it may say on the way.
        let reply = if reply.starts_with("500") { client.reply() } else { reply };
        assert_eq!(reply, TIMED_OUT);
    });
}

/// T41: no log-in ever comes.
#[test]
fn the_time_to_log_in_is_over_although_commands_keep_coming() {
    let server = server(&[("login_timeout", "500ms")]);
    let mut client = Client::connect(server.address);
    client.expect("220");
    let mut sending = client.stream().try_clone().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            send_until(&is_over, &mut sending, &b"NOOP\r\n".repeat(500));
        });
        let last = loop {
            let reply = client.reply();
            if !reply.starts_with("200") {
                break reply;
            }
        };
        is_over.store(true, Ordering::Release);
        assert_eq!(last, TIMED_OUT);
    });
}

#[test]
fn the_time_to_log_in_begins_anew_with_a_log_out() {
    let server = server(&[("login_timeout", "700ms"), ("max_download", "100KiB")]);
    std::fs::write(server.home("bob").join("file"), vec![7; 100 * 1024]).unwrap();
    for log_out in ["REIN", "USER reader"] {
        let mut client = Client::login(server.address, "bob");
        // Something that takes longer than there is to log in.
        assert_eq!(client.retrieve("file").len(), 100 * 1024);
        assert!(["220", "331"].contains(&&client.say(log_out)[..3]));
        client.ask("USER reader", "331");
        client.ask("PASS secret", "230");
        client.ask(log_out, "");
        ends_by_time(client);
    }
}

#[test]
fn an_idle_session_is_let_go() {
    let server = server(&[("idle_timeout", "400ms")]);
    let client = Client::login(server.address, "bob");
    let idle = Instant::now();
    ends_by_time(client);
    assert!(idle.elapsed() >= Duration::from_millis(300));
}

#[test]
fn commands_are_no_idleness() {
    let server = server(&[("idle_timeout", "1s")]);
    let mut client = Client::login(server.address, "bob");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        client.ask("NOOP", "200");
    }
    ends_by_time(client);
}

/// F44: the control connection is silent, but the session is not idle.
#[test]
fn a_transfer_that_moves_is_no_idleness() {
    let server = server(&[("idle_timeout", "500ms"), ("max_download", "100KiB"), ("max_upload", "100KiB")]);
    let content = vec![7; 150 * 1024];
    std::fs::write(server.home("bob").join("file"), &content).unwrap();
    let mut client = Client::login(server.address, "bob");
    let begun = Instant::now();
    assert_eq!(client.retrieve("file"), content);
    client.ask("NOOP", "200");
    client.store("new", &content);
    assert!(begun.elapsed() > Duration::from_secs(1), "too fast to tell");
    client.ask("NOOP", "200");
    ends_by_time(client);
}

#[test]
fn no_limit_is_no_limit() {
    let all_off = ["login_timeout", "idle_timeout", "data_timeout", "data_connect_timeout"].map(|name| (name, "0"));
    let server = server(&all_off);
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    assert_eq!(client.retrieve("file"), b"content");
    client.store("new", b"content");
    client.ask("QUIT", "221");
}

/// T42: a slow writer.
#[test]
fn an_upload_that_stalls_fails_and_the_session_lives() {
    let server = server(&[("data_timeout", "400ms")]);
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("STOR new", "150");
    data.write_all(b"12345").unwrap();
    assert_eq!(client.reply(), "426 Data connection timed out; 5 bytes transmitted.");
    until_end(&mut data);
    client.store("new", b"after all");
    assert_eq!(client.retrieve("new"), b"after all");
}

/// T42: a slow reader.
#[test]
fn a_download_that_nobody_reads_fails_and_the_session_lives() {
    let server = server(&[("data_timeout", "400ms")]);
    // More than all buffers on the way hold.
    std::fs::File::create(server.home("bob").join("large")).unwrap().set_len(256 << 20).unwrap();
    std::fs::write(server.home("bob").join("small"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("RETR large", "150");
    client.expect("426 Data connection timed out;");
    // What was cut off must not look like the end of the file.
    let mut received = Vec::new();
    let end = std::io::Read::read_to_end(&mut data, &mut received);
    assert!(end.is_err(), "{} bytes, then the end", received.len());
    assert_eq!(client.retrieve("small"), b"content");
}

#[test]
fn a_transfer_as_slow_as_its_rate_does_not_stall() {
    let server = server(&[("data_timeout", "500ms"), ("max_download", "20000")]);
    std::fs::write(server.home("bob").join("file"), vec![7; 30_000]).unwrap();
    let mut client = Client::login(server.address, "bob");
    assert_eq!(client.retrieve("file").len(), 30_000);
}

/// T40: whoever asks for a port and never comes.
#[test]
fn a_client_that_does_not_connect_is_told_and_the_session_lives() {
    let server = server(&[("data_connect_timeout", "400ms")]);
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    for command in ["RETR file", "STOR new", "LIST"] {
        let address = client.pasv();
        client.ask(command, "150");
        assert_eq!(client.reply(), "425 Can't open data connection.", "{command}");
        assert!(is_refused("127.0.0.1", address), "{command}");
    }
    assert!(!server.home("bob").join("new").exists());
    assert_eq!(client.retrieve("file"), b"content");
}

#[test]
fn a_client_that_cannot_be_connected_to_is_told_at_once() {
    let server = server(&[]);
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    client.announce(&listener);
    drop(listener);
    client.ask("RETR file", "150");
    client.expect("425");
    client.ask("NOOP", "200");
}

/// T39: what is held without use comes back in time.
#[test]
fn a_passive_port_that_is_not_used_is_given_back_whatever_is_said_meanwhile() {
    let server = server(&[("data_connect_timeout", "600ms")]);
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    let address = client.pasv();
    assert!(!is_refused("127.0.0.9", address));
    let opened = Instant::now();
    while opened.elapsed() < Duration::from_millis(700) {
        client.ask("NOOP", "200");
    }
    client.ask("RETR file", "425 Use PASV");
    assert!(is_refused("127.0.0.1", address));
    assert_eq!(client.retrieve("file"), b"content");
}

#[test]
fn a_port_that_is_given_back_is_so_while_the_session_is_silent() {
    let server = server(&[("data_connect_timeout", "300ms")]);
    let mut client = Client::login(server.address, "bob");
    let address = client.epsv();
    wait_until("the port is given back", || is_refused("127.0.0.9", address));
    client.ask("NOOP", "200");
}

#[test]
fn a_transfer_may_begin_late_once_the_client_has_connected() {
    let server = server(&[("data_connect_timeout", "500ms")]);
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("RETR file", "150");
    assert_eq!(all_of(&mut data), b"content");
    client.expect("226");
}
