//! Many log-ins at once: guesses that wait for their answers, and hashes that wait for a processor.

use std::io::{ErrorKind, Write};
use std::num::NonZero;

use crate::binary::Setup;
use crate::harness::{TestServer, set};
use crate::wire::Client;

/// What one hash of `hash-password` needs, in KiB.
const HASH_MEMORY: u64 = 19 * 1024;

/// Says USER and PASS and does not wait for the answer to PASS.
fn guess(client: &mut Client, user: &str) {
    client.ask(&format!("USER {user}"), "331");
    client.stream().write_all(b"PASS wrong\r\n").unwrap();
}

fn is_answered(client: &Client) -> bool {
    client.stream().set_nonblocking(true).unwrap();
    let peeked = client.stream().peek(&mut [0]);
    client.stream().set_nonblocking(false).unwrap();
    match peeked {
        Ok(_) => true,
        Err(why) if why.kind() == ErrorKind::WouldBlock => false,
        Err(why) => panic!("{why}"),
    }
}

fn greeted(address: std::net::SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.expect("220");
    client
}

/// T15: guesses cost their guesser time, and nobody else: while sixty wait for their refusals, others log in and work.
/// (Three are all a session has: `tests/dialogues/login.txt`.)
#[test]
fn guessers_wait_and_nobody_waits_for_them() {
    let server = TestServer::start(|settings| {
        set(settings, "auth_failed_delay", "10m");
        set(settings, "login_timeout", "0");
        set(settings, "max_per_ip", "0");
    });
    let mut guessers: Vec<Client> = (0..60).map(|_| greeted(server.address)).collect();
    for (index, guesser) in guessers.iter_mut().enumerate() {
        guess(guesser, ["bob", "nobody", "reader"][index % 3]);
    }
    let mut member = Client::login(server.address, "bob");
    member.store("file", b"content");
    assert_eq!(member.retrieve("file"), b"content");
    assert!(!guessers.iter().any(is_answered));
}

/// T17: as many passwords are hashed at a time as there are processors, and their memory is all that is taken. Who is
/// logged in is answered meanwhile.
#[test]
fn hashing_takes_neither_the_memory_nor_the_time_of_others() {
    let hash = Setup::empty().arguments(&["hash-password"]).run_with_input(b"secret").stdout;
    let hash = String::from_utf8(hash).unwrap();
    let users = format!("bob secret elr bob\ncarol {} elr bob\n", hash.trim_end());
    let server = Setup::new()
        .file("conf/users.conf", &users)
        .variable("FTP_MAX_PER_IP", "0")
        .variable("FTP_AUTH_FAILED_DELAY", "0")
        .start();
    let mut member = Client::login(server.address, "bob");
    let before = server.kib("VmRSS");
    let mut crowd: Vec<Client> = (0..60).map(|_| greeted(server.address)).collect();
    crowd.iter_mut().for_each(|one| drop(one.ask("USER carol", "331")));
    for one in &mut crowd {
        one.stream().write_all(b"PASS wrong\r\n").unwrap();
    }
    member.ask("NOOP", "200");
    assert!(!crowd.iter().all(is_answered), "NOOP waited for all the hashes");
    for one in &mut crowd {
        one.expect("530");
    }
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let allowed = before + u64::try_from(processors).unwrap() * HASH_MEMORY * 11 / 10 + 8 * 1024;
    let after = server.kib("VmHWM");
    assert!(after <= allowed, "{before} KiB grew to {after} KiB, {allowed} KiB is allowed");
}

/// T17: the queue for a processor is as long as there are seats, and nobody stands in it for longer than a log-in may
/// take: then the seat is free.
#[test]
fn a_log_in_that_waits_is_over_when_its_time_is() {
    let server = TestServer::start(|settings| {
        set(settings, "auth_failed_delay", "10m");
        set(settings, "login_timeout", "500ms");
        set(settings, "max_cons", "1");
    });
    for user in ["bob", "carol", "nobody"] {
        let mut client = greeted(server.address);
        guess(&mut client, user);
        client.expect("421 Control connection timed out.");
        client.expect_end();
    }
    drop(Client::login(server.address, "bob"));
}
