//! Open files: as many sessions as there are enough for, and sockets that are counted as long as they are open.

use std::io::Write;
use std::net::TcpStream;

use crate::binary::{PROGRAM, Running, Setup};
use crate::wire::Client;

const FULL: &str = "421 Too many connections. Service temporarily unavailable.";

/// What is reckoned for all that is no session.
const APART: usize = 208;
/// What a session holds at most.
const OF_A_SESSION: usize = 5;

/// A server that may have no more open files than these, soft and hard.
fn start(open_files: usize, max_cons: &str) -> Running {
    let command = format!("ulimit -n {open_files}; exec \"$0\" \"$@\"");
    Setup::new()
        .variable("FTP_MAX_CONS", max_cons)
        .variable("FTP_MAX_PER_IP", "0")
        .program(&["/bin/sh", "-c", &command, PROGRAM])
        .start()
}

/// An upload in a folder, of which bytes have come.
fn upload(server: &Running, number: usize) -> (Client, TcpStream) {
    let mut client = Client::login(server.address, "bob");
    client.ask(&format!("MKD folder{number}"), "257");
    client.ask(&format!("CWD folder{number}"), "250");
    let mut data = client.open();
    client.ask("STOR file", "150");
    data.write_all(b"begun, ").unwrap();
    client.await_moved(7);
    (client, data)
}

#[track_caller]
fn turned_away(server: &Running) {
    let mut client = Client::connect(server.address);
    assert_eq!(client.reply(), FULL);
    client.expect_end();
}

#[track_caller]
fn never_ran_out(server: Running) {
    let lines = server.end().lines;
    let out: Vec<_> = lines.iter().filter(|line| line.contains("accepting a connection failed")).collect();
    assert!(out.is_empty(), "{out:#?}");
}

#[test]
fn all_sessions_that_there_may_be_upload_and_the_next_hears_421() {
    const SESSIONS: usize = 12;
    let server = start(APART + SESSIONS * OF_A_SESSION, "12");
    let before = server.descriptors_at_rest();
    let uploads: Vec<_> = (0..SESSIONS).map(|number| upload(&server, number)).collect();
    let held = server.descriptors() - before;
    assert!(held <= SESSIONS * OF_A_SESSION, "{held} by {SESSIONS} uploads");
    turned_away(&server);
    for (number, (mut client, mut data)) in uploads.into_iter().enumerate() {
        data.write_all(b"and done").unwrap();
        drop(data);
        client.expect("226");
        let stored = std::fs::read(server.folder().join(format!("home/bob/folder{number}/file"))).unwrap();
        assert_eq!(stored, b"begun, and done");
    }
    never_ran_out(server);
}

#[test]
fn where_open_files_are_few_sessions_are_as_many_as_they_are_enough_for() {
    const SESSIONS: usize = 10;
    let mut server = start(APART + SESSIONS * OF_A_SESSION, "512");
    server.wait_for_line("only 10 sessions are served at a time; raise the limit");
    let uploads: Vec<_> = (0..SESSIONS).map(|number| upload(&server, number)).collect();
    for _ in 0..3 {
        turned_away(&server);
    }
    for (mut client, data) in uploads {
        drop(data);
        client.expect("226");
    }
    never_ran_out(server);
}

/// A session that said goodbye has its socket, and so its seat, until the client closes it, the time for that is over, or
/// somebody else needs the seat.
#[test]
fn a_crowd_that_quits_and_does_not_close_takes_no_more_than_its_seats() {
    const SESSIONS: usize = 5;
    let server = start(APART + SESSIONS * OF_A_SESSION, "5");
    let before = server.descriptors_at_rest();
    let mut gone = Vec::new();
    for _ in 0..500 {
        let mut client = Client::connect(server.address);
        client.expect("220");
        client.ask("QUIT", "221");
        gone.push(client);
    }
    let open = server.descriptors() - before;
    assert!(open <= SESSIONS, "{open} sockets of {SESSIONS} seats");
    never_ran_out(server);
}
