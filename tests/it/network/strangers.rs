//! Strangers at a passive port: they get nothing and hold nobody up, unless the operator trusts them.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};

use crate::harness::{TestServer, set};
use crate::wire::{Client, all_of, is_refused, stream_from, until_end};

const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 9));

fn server(change: &[(&str, &str)]) -> TestServer {
    let server = TestServer::start(|settings| change.iter().for_each(|(name, value)| set(settings, name, value)));
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    server
}

fn intrude(address: SocketAddr) -> TcpStream {
    stream_from(STRANGER, address).unwrap()
}

/// T34: theft of a download.
#[test]
fn a_stranger_reads_nothing_and_the_owner_is_served() {
    let server = server(&[]);
    let mut client = Client::login(server.address, "bob");
    // Before the transfer is asked for, and after.
    let address = client.pasv();
    assert_eq!(until_end(&mut intrude(address)), b"");
    client.ask("RETR file", "150");
    assert_eq!(until_end(&mut intrude(address)), b"");
    assert_eq!(all_of(&mut client.data(address)), b"content");
    client.expect("226 Transfer complete.");
    // Nothing was said about strangers in between.
    client.ask("NOOP", "200");
}

/// T34: an upload forged.
#[test]
fn a_stranger_stores_nothing() {
    let server = server(&[]);
    let mut client = Client::login(server.address, "bob");
    let address = client.pasv();
    client.ask("STOR new", "150");
    let mut stranger = intrude(address);
    // May fail, if the server was faster.
    let _ = std::io::Write::write_all(&mut stranger, b"forged");
    assert_eq!(until_end(&mut stranger), b"");
    let mut data = client.data(address);
    std::io::Write::write_all(&mut data, b"true").unwrap();
    drop(data);
    client.expect("226");
    assert_eq!(std::fs::read(server.home("bob").join("new")).unwrap(), b"true");
}

/// T34: strangers in numbers.
#[test]
fn a_hundred_strangers_hold_nobody_up() {
    let server = server(&[]);
    let mut client = Client::login(server.address, "bob");
    let address = client.pasv();
    client.ask("RETR file", "150");
    let mut strangers: Vec<TcpStream> = (0..100).map(|_| intrude(address)).collect();
    assert_eq!(all_of(&mut client.data(address)), b"content");
    client.expect("226");
    for stranger in &mut strangers {
        assert_eq!(until_end(stranger), b"");
    }
}

#[test]
fn more_strangers_than_may_queue_hold_nobody_up_before_the_transfer() {
    let server = server(&[]);
    let mut client = Client::login(server.address, "bob");
    let address = client.pasv();
    let strangers: Vec<TcpStream> = (0..300).map(|_| intrude(address)).collect();
    let mut data = client.data(address);
    client.ask("RETR file", "150");
    assert_eq!(all_of(&mut data), b"content");
    client.expect("226");
    assert_eq!(strangers.len(), 300);
}

#[test]
fn another_session_from_the_same_address_cannot_be_mixed_up_with_this_one() {
    let server = server(&[]);
    std::fs::write(server.home("reader").join("file"), "for the reader").unwrap();
    let mut bob = Client::login(server.address, "bob");
    let mut reader = Client::login(server.address, "reader");
    for _ in 0..20 {
        let (to_bob, to_reader) = (bob.pasv(), reader.pasv());
        assert_ne!(to_bob, to_reader);
        let mut for_reader = reader.data(to_reader);
        let mut for_bob = bob.data(to_bob);
        bob.ask("RETR file", "150");
        reader.ask("RETR file", "150");
        assert_eq!(all_of(&mut for_bob), b"content");
        assert_eq!(all_of(&mut for_reader), b"for the reader");
        bob.expect("226");
        reader.expect("226");
    }
}

#[test]
fn who_is_trusted_may_come_for_the_client() {
    for trust in [("trusted_peers", "127.0.0.8/31"), ("permit_foreign_addresses", "on")] {
        let server = server(&[trust]);
        let mut client = Client::login(server.address, "bob");
        for is_early in [true, false] {
            let address = client.pasv();
            let early = is_early.then(|| intrude(address));
            client.ask("RETR file", "150");
            let mut stranger = early.unwrap_or_else(|| intrude(address));
            assert_eq!(all_of(&mut stranger), b"content", "{trust:?}");
            client.expect("226");
        }
        // The client itself may come as before.
        assert_eq!(client.retrieve("file"), b"content");
    }
}

#[test]
fn a_port_for_which_others_may_come_is_not_shared() {
    for (setting, networks, [one, other]) in [
        // A connection may be for either of them.
        ("permit_foreign_addresses", "on", ["127.0.0.2", "127.0.0.3"]),
        ("trusted_peers", "127.0.0.9/32", ["127.0.0.9", "127.0.0.3"]),
        ("trusted_peers", "127.0.0.9/32", ["127.0.0.2", "127.0.0.9"]),
    ] {
        let port = crate::wire::free_port().to_string();
        let server = server(&[(setting, networks), ("passive_ports", &port)]);
        let mut first = Client::login_from(one, server.address, "bob");
        let mut second = Client::login_from(other, server.address, "bob");
        first.pasv();
        first.ask("RETR file", "150");
        second.ask("PASV", "425");
    }
}

/// For whom it comes cannot be told.
#[test]
fn a_trusted_peer_gets_nothing_on_a_port_that_others_share() {
    let port = crate::wire::free_port().to_string();
    let server = server(&[("trusted_peers", "127.0.0.8/31"), ("passive_ports", &port)]);
    let mut first = Client::login_from("127.0.0.2", server.address, "bob");
    let mut second = Client::login_from("127.0.0.3", server.address, "bob");
    let address = first.pasv();
    assert_eq!(second.pasv(), address);
    first.ask("RETR file", "150");
    let mut stranger = intrude(address);
    let own = first.data(address);
    assert!(!matches!(stranger.read(&mut [0]), Ok(1..)));
    assert_eq!(all_of(&mut { own }), b"content");
    first.expect("226");
}

/// F51: of all the addresses that the server listens on.
#[test]
fn a_passive_port_is_open_where_the_control_connection_is_and_nowhere_else() {
    let server = server(&[("ip", "0.0.0.0")]);
    let there = SocketAddr::from(([127, 0, 0, 5], server.address.port()));
    let mut client = Client::login(there, "bob");
    let address = client.pasv();
    assert_eq!(address.ip(), there.ip());
    assert!(is_refused("127.0.0.1", SocketAddr::from(([127, 0, 0, 6], address.port()))));
    let mut data = client.data(address);
    client.ask("RETR file", "150");
    assert_eq!(all_of(&mut data), b"content");
}
