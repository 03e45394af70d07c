//! More connections than there is room for.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::binary::{PROGRAM, Setup};
use crate::harness::{TestServer, set};
use crate::wire::{Client, wait_until};

/// T63: one address takes its own seats and nobody else's.
#[test]
fn one_address_does_not_take_the_seats_of_others() {
    let server = TestServer::start(|settings| {
        set(settings, "max_cons", "40");
        set(settings, "max_per_ip", "10");
    });
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut greeted = Vec::new();
    for _ in 0..1000 {
        let mut one = Client::connect_from("127.0.0.2", server.address);
        if one.reply().starts_with("220") {
            greeted.push(one);
        }
    }
    assert_eq!(greeted.len(), 10);
    let mut other = Client::login_from("127.0.0.3", server.address, "bob");
    assert_eq!(other.retrieve("file"), b"content");
}

/// T68: a connection that is reset before it is accepted is nobody's trouble.
#[test]
fn connections_that_are_reset_at_once_leave_nothing() {
    const SEATS: usize = 5;
    let server = TestServer::start(|settings| {
        set(settings, "max_cons", &SEATS.to_string());
        set(settings, "max_per_ip", "0");
    });
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    for _ in 0..2000 {
        let stream = TcpStream::connect(server.address).unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    let greeted = || {
        let mut client = Client::connect(server.address);
        client.reply().starts_with("220").then_some(client)
    };
    wait_until("all seats are free", || (0..SEATS).map(|_| greeted()).collect::<Vec<_>>().iter().all(Option::is_some));
    wait_until("they are free again", || greeted().is_some());
    wait_until("somebody is served", || {
        let Some(mut client) = greeted() else { return false };
        client.ask("USER bob", "331");
        client.ask("PASS secret", "230");
        client.retrieve("file") == b"content"
    });
}

/// T67, F15: with no descriptors left the server neither spins nor fills the log, and serves again once there are some.
#[test]
fn without_descriptors_it_waits_and_serves_again_when_there_are_some() {
    let mut server = Setup::new()
        .variable("FTP_MAX_CONS", "0")
        .variable("FTP_MAX_PER_IP", "0")
        // Both limits, or it would raise the one to the other.
        .program(&["/bin/sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\"", PROGRAM])
        .start();
    std::fs::write(server.folder().join("home/bob/file"), "content").unwrap();
    let begun = Instant::now();
    let crowd: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    server.wait_for_line("accepting a connection failed");
    // As long as it takes to tell a pause from none.
    wait_until("a while has passed", || begun.elapsed() > Duration::from_millis(1500));
    drop(crowd);
    let mut client = Client::login(server.address, "bob");
    assert_eq!(client.retrieve("file"), b"content");
    client.ask("QUIT", "221");
    let longest = begun.elapsed();
    let lines = server.end().lines;
    let about = |line: &&String| line.contains("accepting a connection failed");
    let told: Vec<&String> = lines.iter().filter(about).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    let more = told[1].split("\"more\":").nth(1).unwrap().split(',').next().unwrap();
    // One attempt in 100 ms, and not many thousand.
    let attempts = u128::from(more.parse::<u32>().unwrap()) + 1;
    assert!(attempts <= longest.as_millis() / 100 + 1, "{attempts} attempts in {longest:?}");
    assert!(attempts > 2, "{told:#?}");
}
