//! Active mode: from where the server connects, and when.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use crate::harness::{TestServer, set};
use crate::wire::{Client, all_of, free_port};

fn server(change: &[(&str, &str)]) -> TestServer {
    let server = TestServer::start(|settings| change.iter().for_each(|(name, value)| set(settings, name, value)));
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    server
}

/// Fetches the file in active mode; where the data connection came from.
#[track_caller]
fn fetch(client: &mut Client) -> SocketAddr {
    let listener = TcpListener::bind((client.local().ip(), 0)).unwrap();
    client.announce(&listener);
    client.ask("RETR file", "150");
    let (mut data, from) = listener.accept().unwrap();
    assert_eq!(all_of(&mut data), b"content");
    client.expect("226");
    from
}

#[test]
fn the_source_is_the_address_of_the_control_connection() {
    let server = server(&[("ip", "0.0.0.0")]);
    for host in [[127, 0, 0, 5], [127, 0, 0, 6]] {
        let there = SocketAddr::from((host, server.address.port()));
        assert_eq!(fetch(&mut Client::login(there, "bob")).ip(), there.ip());
    }
}

#[test]
fn the_source_port_is_the_one_that_was_asked_for_again_and_again() {
    let port = free_port();
    let server = server(&[("active_source_port", &port.to_string())]);
    let mut client = Client::login(server.address, "bob");
    let mut other = Client::login(server.address, "bob");
    for _ in 0..3 {
        assert_eq!(fetch(&mut client), SocketAddr::new(server.address.ip(), port));
        assert_eq!(fetch(&mut other), SocketAddr::new(server.address.ip(), port));
    }
}

#[test]
fn two_transfers_leave_from_one_source_port_at_once() {
    let port = free_port();
    let server = server(&[("active_source_port", &port.to_string())]);
    let listeners = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut clients = [(), ()].map(|()| Client::login(server.address, "bob"));
    let mut connections = Vec::new();
    for (client, listener) in clients.iter_mut().zip(&listeners) {
        client.announce(listener);
        client.ask("STOR new", "150");
        let (data, from) = listener.accept().unwrap();
        assert_eq!(from.port(), port);
        connections.push(data);
    }
    drop(connections);
    clients.iter_mut().for_each(|client| drop(client.expect("226")));
}

/// T36: no bounce, for nothing is connected to before it is known what for.
#[test]
fn nothing_is_sent_to_the_announced_address_before_the_transfer() {
    let server = server(&[]);
    let mut client = Client::login(server.address, "bob");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    client.announce(&listener);
    // Had PORT connected, it would have before the answers to these.
    client.ask("NOOP", "200");
    client.ask("RETR missing", "550");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    listener.set_nonblocking(false).unwrap();
    client.announce(&listener);
    client.ask("RETR file", "150");
    assert_eq!(all_of(&mut listener.accept().unwrap().0), b"content");
}

/// T36: nor to others, nor to services.
#[test]
fn foreign_addresses_and_low_ports_are_refused_unless_permitted() {
    for (command, setting) in
        [("PORT 192,0,2,9,200,200", "permit_foreign_addresses"), ("PORT 127,0,0,1,3,255", "permit_privileged_ports")]
    {
        Client::login(server(&[]).address, "bob").ask(command, "504");
        Client::login(server(&[(setting, "on")]).address, "bob").ask(command, "200");
    }
    let without = server(&[("enable_active", "off")]);
    let mut client = Client::login(without.address, "bob");
    client.ask("PORT 127,0,0,1,200,200", "502");
    client.ask("EPRT |1|127.0.0.1|51400|", "502");
    client.ask("RETR file", "425");
}

/// T37: no stale parameters.
#[test]
fn a_refused_port_does_not_leave_the_one_before_in_force() {
    let server = server(&[]);
    let mut client = Client::login(server.address, "bob");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    client.announce(&listener);
    client.ask("PORT 127,0,0,9,200,200", "504");
    client.ask("RETR file", "425 Use");
}

#[test]
fn over_ipv6_the_server_connects_by_eprt() {
    let server = server(&[("ip", "::1")]);
    let mut client = Client::login(server.address, "bob");
    assert_eq!(fetch(&mut client).ip(), server.address.ip());
    client.ask("EPRT |1|127.0.0.1|51400|", "522 Network protocol not supported, use (2).");
    client.ask("PORT 127,0,0,1,200,200", "5");
}
