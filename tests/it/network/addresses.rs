//! Addresses: IPv6, dual stack, and what PASV tells behind NAT.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::harness::{TestServer, set};
use crate::wire::{Client, address_in, all_of, wait_until};

fn server(change: &[(&str, &str)]) -> TestServer {
    let server = TestServer::start(|settings| change.iter().for_each(|(name, value)| set(settings, name, value)));
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    server
}

#[track_caller]
fn fetch_by_epsv(client: &mut Client) {
    let address = client.epsv();
    let mut data = client.data(address);
    client.ask("RETR file", "150");
    assert_eq!(all_of(&mut data), b"content");
    client.expect("226");
}

/// F52: whoever has IPv6 only is told what to use.
#[test]
fn over_ipv6_epsv_serves_and_pasv_says_so() {
    let server = server(&[("ip", "::1")]);
    assert!(server.address.is_ipv6());
    let mut client = Client::login(server.address, "bob");
    assert_eq!(client.say("PASV"), "425 No IPv4 address to tell. Use EPSV.");
    fetch_by_epsv(&mut client);
    client.ask("EPSV 1", "522 Network protocol not supported, use (2).");
    client.ask("EPSV 2", "229");
}

/// T45: a v4-mapped client passes the check of its data connection.
#[test]
fn a_dual_stack_listener_serves_ipv4_clients_as_such() {
    let server = server(&[("ip", "::")]);
    let there = SocketAddr::from(([127, 0, 0, 5], server.address.port()));
    let mut client = Client::login(there, "bob");
    assert_eq!(client.pasv().ip(), there.ip());
    assert_eq!(client.retrieve("file"), b"content");
    fetch_by_epsv(&mut client);
    client.ask("EPSV 2", "522 Network protocol not supported, use (1).");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    client.announce(&listener);
    client.ask("RETR file", "150");
    assert_eq!(all_of(&mut listener.accept().unwrap().0), b"content");
    let six = SocketAddr::new("::1".parse().unwrap(), server.address.port());
    fetch_by_epsv(&mut Client::login(six, "bob"));
}

fn told_to(source: &str, server: &TestServer) -> IpAddr {
    address_in(&Client::login_from(source, server.address, "bob").ask("PASV", "227")).ip()
}

#[test]
fn pasv_tells_the_address_of_masquerade_address() {
    let server = server(&[("masquerade_address", "203.0.113.7")]);
    let mut client = Client::login(server.address, "bob");
    let told = address_in(&client.ask("PASV", "227"));
    assert_eq!(told.ip(), Ipv4Addr::new(203, 0, 113, 7));
    // It is told, not listened on.
    let mut data = client.data(SocketAddr::new(server.address.ip(), told.port()));
    client.ask("RETR file", "150");
    assert_eq!(all_of(&mut data), b"content");
    client.expect("226");
    fetch_by_epsv(&mut client);
}

#[test]
fn the_map_goes_before_masquerade_address() {
    let map = "127.0.0.2/32 = local, 127.0.0.3/32 = 198.51.100.3";
    let server = server(&[("masquerade_address", "203.0.113.7"), ("masquerade_map", map)]);
    assert_eq!(told_to("127.0.0.2", &server), server.address.ip());
    assert_eq!(told_to("127.0.0.3", &server), Ipv4Addr::new(198, 51, 100, 3));
    assert_eq!(told_to("127.0.0.4", &server), Ipv4Addr::new(203, 0, 113, 7));
}

#[test]
fn the_map_knows_local_addresses_too() {
    let server = server(&[("ip", "0.0.0.0"), ("masquerade_map", "127.0.0.5 = 198.51.100.5")]);
    for (host, told) in [([127, 0, 0, 5], [198, 51, 100, 5]), ([127, 0, 0, 6], [127, 0, 0, 6])] {
        let there = SocketAddr::from((host, server.address.port()));
        let reply = Client::login(there, "bob").ask("PASV", "227");
        assert_eq!(address_in(&reply).ip(), IpAddr::from(told));
    }
}

#[test]
fn a_name_is_resolved_in_the_background() {
    let server = server(&[("ip", "0.0.0.0"), ("masquerade_address", "localhost")]);
    // Not 127.0.0.1, so that the local address cannot be taken for the answer.
    let mut client = Client::login(SocketAddr::from(([127, 0, 0, 5], server.address.port())), "bob");
    wait_until("the name is resolved", || client.say("PASV").starts_with("227"));
    assert_eq!(address_in(&client.say("PASV")).ip(), Ipv4Addr::LOCALHOST);
}

#[test]
fn a_name_without_an_answer_holds_nobody_up() {
    let server = server(&[("masquerade_address", "no-such-host.invalid")]);
    let mut client = Client::login(server.address, "bob");
    assert_eq!(client.say("PASV"), "425 No IPv4 address to tell. Use EPSV.");
    fetch_by_epsv(&mut client);
}
