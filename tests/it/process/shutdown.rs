//! `shutdown_grace`: how transfers end that run when the server is told to end.

use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;

use crate::binary::{Ended, Running, Setup};
use crate::wire::{Client, all_of, is_refused, until_end, wait_until};

const PARTING: &str = "421 Service is shutting down.";

/// Longer than any test waits for a reply: who is answered does not owe it to the end of the grace.
const LONG: &str = "10m";

fn serve(grace: &str) -> Running {
    Setup::new().variable("FTP_SHUTDOWN_GRACE", grace).start()
}

/// An upload that has begun: the first bytes are there.
fn upload(server: &Running, bytes: &[u8]) -> (Client, TcpStream) {
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("STOR new", "150");
    data.write_all(bytes).unwrap();
    client.await_moved(bytes.len());
    (client, data)
}

#[track_caller]
fn ends(server: Running) -> Ended {
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(0), "{} {:#?}", ended.complaints, ended.lines);
    ended
}

#[test]
fn idle_sessions_are_not_what_the_grace_is_for() {
    let server = serve(LONG);
    let mut idle = Client::login(server.address, "bob");
    // A port that waits for its client is no transfer.
    let mut waiting = Client::login(server.address, "bob");
    waiting.pasv();
    server.signal(Signal::SIGTERM);
    for client in [&mut idle, &mut waiting] {
        client.expect(PARTING);
        client.expect_end();
    }
    drop((idle, waiting));
    ends(server);
}

/// F19: they have the time that they are promised.
#[test]
fn transfers_that_end_within_the_grace_are_whole() {
    let server = serve(LONG);
    let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    std::fs::write(server.folder().join("home/bob/old"), content.repeat(100)).unwrap();
    let (mut uploader, mut up) = upload(&server, &content[..100_000]);
    let mut downloader = Client::login(server.address, "bob");
    let mut down = downloader.open();
    downloader.ask("RETR old", "150");
    // More than all buffers on the way hold: it cannot be over before the rest is read.
    let mut first = vec![0; 1000];
    down.read_exact(&mut first).unwrap();
    let mut idle = Client::login(server.address, "bob");

    server.signal(Signal::SIGTERM);
    idle.expect(PARTING);
    let address = server.address;
    wait_until("the port is closed", || is_refused("127.0.0.1", address));
    // It is still listened to those who are at work.
    uploader.ask("NOOP", "200");

    up.write_all(&content[100_000..]).unwrap();
    drop(up);
    uploader.expect("226");
    uploader.expect(PARTING);
    uploader.expect_end();
    first.extend(all_of(&mut down));
    downloader.expect("226");
    downloader.expect(PARTING);
    downloader.expect_end();
    assert!(first == content.repeat(100), "{} bytes came", first.len());
    drop((uploader, downloader, idle));
    let ended = ends(server);
    assert!(std::fs::read(ended.folder.path().join("home/bob/new")).unwrap() == content);
}

/// F19: and no more, and leave no half file.
#[test]
fn a_transfer_that_outlasts_the_grace_is_stopped() {
    for grace in ["1s", "0"] {
        let server = serve(grace);
        let (mut client, mut data) = upload(&server, b"begun");
        server.signal(Signal::SIGTERM);
        client.expect("426");
        client.expect(PARTING);
        client.expect_end();
        until_end(&mut data);
        drop(client);
        let ended = ends(server);
        assert!(!ended.folder.path().join("home/bob/new").exists(), "half a file has no name");
    }
}

#[test]
fn a_session_with_a_transfer_begins_no_other_while_the_server_ends() {
    let server = serve(LONG);
    let (mut client, data) = upload(&server, b"content");
    server.signal(Signal::SIGTERM);
    let address = server.address;
    wait_until("the port is closed", || is_refused("127.0.0.1", address));
    // Behind the transfer, and never heard.
    client.send("PASV\r\nSTOR other");
    drop(data);
    client.expect("226");
    let mut last = client.reply();
    if last.starts_with("227") {
        last = client.reply();
    }
    assert_eq!(last, PARTING);
    client.expect_end();
    drop(client);
    let ended = ends(server);
    assert!(!ended.folder.path().join("home/bob/other").exists());
}

#[test]
fn a_second_signal_ends_a_transfer_within_the_grace() {
    let mut server = serve(LONG);
    let (client, mut data) = upload(&server, b"begun");
    server.signal(Signal::SIGTERM);
    server.wait_for_line("stopping");
    server.signal(Signal::SIGINT);
    ends(server);
    until_end(&mut data);
    drop(client);
}
