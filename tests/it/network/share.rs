//! One client at its worst leaves a passive port for the next one.

use std::net::SocketAddr;

use crate::harness::{TestServer, set};
use crate::wire::{Client, all_of, free_port};

const TAKEN: &str = "425 Another client needed the passive port. Use PASV or EPSV again.";

/// As compose.yaml has it: ten ports, and a gateway that is trusted, which these are or are not.
fn server(trusted: &str) -> TestServer {
    let first = free_port();
    let server = TestServer::start(|settings| {
        set(settings, "passive_ports", &format!("{first}-{}", first + 9));
        set(settings, "trusted_peers", trusted);
    });
    std::fs::write(server.home("reader").join("file"), "for the reader").unwrap();
    std::fs::write(server.home("anonymous").join("file"), "for everybody").unwrap();
    server
}

/// Ten sessions that say EPSV and no more.
fn ten_that_wait(server: &TestServer, source: &str, user: &str) -> Vec<(Client, SocketAddr)> {
    let one = |_| {
        let mut client = Client::login_from(source, server.address, user);
        let port = client.epsv();
        (client, port)
    };
    (0..10).map(one).collect()
}

#[test]
fn a_stranger_behind_the_same_gateway_holds_no_port_that_another_needs() {
    let server = server("127.0.0.0/8");
    let mut strangers = ten_that_wait(&server, "127.0.0.1", "anonymous");
    for _ in 0..3 {
        let mut reader = Client::login(server.address, "reader");
        assert_eq!(reader.retrieve("file"), b"for the reader");
        // Not only a named user: the next stranger as well.
        let mut another = Client::login(server.address, "anonymous");
        assert_eq!(another.retrieve("file"), b"for everybody");
    }
    // The longest idle one gave way, which it hears when it needs the port; it may ask again.
    let (first, _) = &mut strangers[0];
    first.ask("RETR file", TAKEN);
    assert_eq!(first.retrieve("file"), b"for everybody");
    // The last one still has its own.
    let (last, port) = strangers.pop().unwrap();
    let mut last = last;
    let mut data = last.data(port);
    last.ask("RETR file", "150");
    assert_eq!(all_of(&mut data), b"for everybody");
}

#[test]
fn transfers_without_a_connection_hold_a_bounded_share() {
    let server = server("127.0.0.0/8");
    let mut strangers = ten_that_wait(&server, "127.0.0.1", "anonymous");
    strangers.iter_mut().for_each(|(client, _)| client.send("RETR file"));
    strangers.iter_mut().for_each(|(client, _)| drop(client.expect("150")));
    let mut reader = Client::login(server.address, "reader");
    assert_eq!(reader.retrieve("file"), b"for the reader");
    // Which one gave way is the server's choice: the one that has waited longest.
    strangers[0].0.expect("425 Can't open data connection.");
}

#[test]
fn ten_strangers_with_ten_sessions_each_leave_a_port_to_the_eleventh_client() {
    // A gateway is trusted, and none of these is it.
    let server = server("192.0.2.1/32");
    let _strangers: Vec<_> =
        (10..20).map(|last| ten_that_wait(&server, &format!("127.0.0.{last}"), "anonymous")).collect();
    let mut reader = Client::login_from("127.0.0.9", server.address, "reader");
    for _ in 0..10 {
        assert_eq!(reader.retrieve("file"), b"for the reader");
    }
}

#[test]
fn clients_share_ports_where_a_gateway_is_trusted_too() {
    let port = free_port();
    let server = TestServer::start(|settings| {
        set(settings, "passive_ports", &port.to_string());
        set(settings, "trusted_peers", "127.0.0.8/32");
    });
    std::fs::write(server.home("reader").join("file"), "for the reader").unwrap();
    std::fs::write(server.home("bob").join("file"), "for bob").unwrap();
    let mut bob = Client::login_from("127.0.0.2", server.address, "bob");
    let mut reader = Client::login_from("127.0.0.3", server.address, "reader");
    let (to_bob, to_reader) = (bob.epsv(), reader.epsv());
    assert_eq!((to_bob.port(), to_reader.port()), (port, port));
    bob.ask("RETR file", "150");
    reader.ask("RETR file", "150");
    assert_eq!(all_of(&mut reader.data(to_reader)), b"for the reader");
    assert_eq!(all_of(&mut bob.data(to_bob)), b"for bob");
}

/// More clients of one address than ports: each has its turn, and every 226 has its byte. A connection that came to the
/// port of the next session would be an empty upload there.
#[test]
fn a_crowd_of_one_address_shares_few_ports_without_a_loss() {
    const CLIENTS: usize = 40;
    const UPLOADS: usize = 8;
    let server = server("192.0.2.1/32");
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::login(server.address, "bob");
                for _ in 0..UPLOADS {
                    client.append("log", b"x");
                }
            });
        }
    });
    assert_eq!(std::fs::read(server.home("bob").join("log")).unwrap().len(), CLIENTS * UPLOADS);
}
