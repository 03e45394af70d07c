//! Clients that leave in the midst of something: nothing is reported as done for them, and nothing is kept.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::harness::{TestServer, set};
use crate::wire::{Client, wait_until};

/// A server with a transfer log, and room for one session.
fn server() -> TestServer {
    TestServer::start(|settings| {
        let log = settings.home_root.join("xferlog");
        set(settings, "transfer_log", log.to_str().unwrap());
        set(settings, "max_cons", "1");
    })
}

/// What the transfer log says of its only transfer: `c` is complete, `i` is not.
fn told(server: &TestServer) -> char {
    let log = server.folder().join("xferlog");
    wait_until("a transfer is logged", || std::fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n')));
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().chars().last().unwrap()
}

#[test]
fn an_upload_whose_client_says_quit_first_is_whole() {
    let server = server();
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("STOR file", "150");
    client.send("QUIT");
    data.write_all(b"all of it").unwrap();
    drop(data);
    client.expect("226");
    client.expect("221");
    assert_eq!(told(&server), 'c');
    assert_eq!(std::fs::read(server.home("bob").join("file")).unwrap(), b"all of it");
}

/// F05: what was asked for is done and told, and then the session ends.
#[test]
fn a_download_goes_on_for_a_client_that_has_closed_its_side_only() {
    let server = server();
    std::fs::write(server.home("bob").join("file"), vec![7; 3_000_000]).unwrap();
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("RETR file", "150");
    client.stream().shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    data.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), 3_000_000);
    client.expect("226");
    client.expect_end();
    assert_eq!(told(&server), 'c');
}

/// A sum over a file of a tebibyte takes hours, and the seat is wanted by others.
#[test]
fn a_sum_ends_with_its_client() {
    let server = server();
    std::fs::File::create(server.home("bob").join("huge")).unwrap().set_len(1 << 40).unwrap();
    let mut client = Client::login(server.address, "bob");
    client.send("HASH huge");
    assert!(Client::connect(server.address).reply().starts_with("421"));
    drop(client);
    wait_until("the seat is free", || Client::connect(server.address).reply().starts_with("220"));
}

#[test]
fn a_sum_is_stopped_by_abor() {
    let server = server();
    std::fs::File::create(server.home("bob").join("huge")).unwrap().set_len(1 << 40).unwrap();
    let mut client = Client::login(server.address, "bob");
    client.send("XSHA512 huge");
    client.ask("NOOP", "200");
    client.ask("ABOR", "426");
    client.expect("226");
    client.ask("NOOP", "200");
}

/// With no limit of time for the data connection, it is the control connection that tells that nobody will come.
#[test]
fn nobody_waits_for_the_data_connection_of_an_upload_whose_client_has_left() {
    let server = TestServer::start(|settings| {
        set(settings, "data_connect_timeout", "0");
        set(settings, "max_cons", "1");
    });
    let mut client = Client::login(server.address, "bob");
    client.epsv();
    client.ask("STOR file", "150");
    drop(client);
    wait_until("the seat is free", || Client::connect(server.address).reply().starts_with("220"));
    assert!(!server.home("bob").join("file").exists());
}
