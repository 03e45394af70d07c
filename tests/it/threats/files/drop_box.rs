//! T53: a directory into which anybody may put something, and from which nobody takes it.

use std::io::Write;

use crate::harness::{TestServer, set};
use crate::wire::Client;

fn server(letters: &str) -> TestServer {
    TestServer::start(|settings| set(settings, "anonymous_perm", letters))
}

#[test]
fn what_anybody_brings_is_neither_seen_nor_changed_by_the_next() {
    let server = server("w");
    Client::login(server.address, "anonymous").store("new", b"first");
    for _ in 0..2 {
        let mut client = Client::login(server.address, "anonymous");
        for line in ["RETR new", "LIST", "NLST", "MLSD", "APPE new"] {
            client.pasv();
            client.ask(line, "550 Not enough privileges.");
        }
        for line in
            ["DELE new", "SIZE new", "MLST new", "STAT new", "HASH new", "RNFR new", "MKD d", "SITE CHMOD 0 new"]
        {
            client.ask(line, "550 Not enough privileges.");
        }
        client.ask("REST 1", "350");
        client.pasv();
        client.ask("STOR new", "550 Not enough privileges.");
        client.pasv();
        client.ask("STOR new", "553 File exists, and may not be replaced.");
    }
    assert_eq!(std::fs::read(server.home("anonymous").join("new")).unwrap(), b"first");
    // Where names clash the server finds one.
    let mut client = Client::login(server.address, "anonymous");
    let mut data = client.open();
    client.ask("STOU new", "150 FILE: new.");
    data.write_all(b"second").unwrap();
    drop(data);
    client.expect("226");
    assert_eq!(std::fs::read_dir(server.home("anonymous")).unwrap().count(), 2);
}

/// Whoever wants them to replace files gives them `d`; users with a password need only `w`, as everywhere.
#[test]
fn who_may_replace_files_is_a_matter_of_letters() {
    let server = server("dw");
    let mut client = Client::login(server.address, "anonymous");
    client.store("new", b"first");
    client.store("new", b"second");
    assert_eq!(std::fs::read(server.home("anonymous").join("new")).unwrap(), b"second");
    let server = TestServer::start_with_users("writer secret w bob\n", |_| {});
    let mut client = Client::login(server.address, "writer");
    client.store("new", b"first");
    client.store("new", b"second");
    assert_eq!(std::fs::read(server.home("bob").join("new")).unwrap(), b"second");
}
