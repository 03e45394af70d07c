//! NAT: clients behind one, a server behind another, and what each must be told; on networks of the test's own.

mod names;

use std::net::TcpListener;

use crate::binary::{Running, Setup};
use crate::namespaces::Host;
use crate::wire::{Client, all_of};

/// The address that the server's router has on the outside.
const PUBLIC: &str = "198.51.100.1";
/// The address of the server behind it.
const PRIVATE: &str = "10.2.0.2";
/// The address that the client's router has on the outside.
const CLIENTS_PUBLIC: &str = "198.51.100.7";

/// A client behind a router, a server behind another, and between them an Internet that knows the routers only.
pub(super) struct Internet {
    client: Host,
    clients_router: Host,
    servers_router: Host,
    server: Host,
}

impl Internet {
    fn new() -> Self {
        let new = Host::new;
        let net = Self { client: new(), clients_router: new(), servers_router: new(), server: new() };
        net.client.cable("10.1.0.2/24", &net.clients_router, "10.1.0.1/24");
        net.clients_router.cable("198.51.100.7/24", &net.servers_router, "198.51.100.1/24");
        net.servers_router.cable("10.2.0.1/24", &net.server, "10.2.0.2/24");
        net.client.default_route("10.1.0.1");
        net.server.default_route("10.2.0.1");
        net.clients_router.forward();
        net.servers_router.forward();
        net.clients_router.filter(&format!(
            "table ip nat {{
                chain out {{
                    type nat hook postrouting priority srcnat
                    ip saddr 10.1.0.0/24 snat to {CLIENTS_PUBLIC}
                }}
            }}"
        ));
        net.servers_router.filter(&format!(
            "table ip nat {{
                chain in {{
                    type nat hook prerouting priority dstnat
                    ip saddr 198.51.100.0/24 ip daddr {PUBLIC} tcp dport {{ 2121, 30000-30009 }} dnat to {PRIVATE}
                }}
                chain out {{
                    type nat hook postrouting priority srcnat
                    ip saddr {PRIVATE} ip daddr 198.51.100.0/24 snat to {PUBLIC}
                }}
            }}"
        ));
        net
    }

    fn serve(&self, setup: Setup) -> Running {
        self.server.run(|| setup.start())
    }
}

/// As a server in a container or behind a router is set up.
fn setup() -> Setup {
    Setup::new()
        .variable("FTP_IP", PRIVATE)
        .variable("FTP_PORT", "2121")
        .variable("FTP_PASSIVE_PORTS", "30000-30009")
        .variable("FTP_LOG_LEVEL", "trace")
}

/// Bytes without a pattern that a mistake could hide in.
fn bytes() -> Vec<u8> {
    (0..1_000_003_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// An upload and a download by curl, which end with the same bytes.
#[track_caller]
fn there_and_back(host: &Host, server: &Running, at: &str, flags: &[&str], dialogue: &str) {
    let (source, sent) = (tempfile::NamedTempFile::new().unwrap(), bytes());
    std::fs::write(source.path(), &sent).unwrap();
    let url = format!("ftp://bob:secret@{at}:2121/there");
    let up = [flags, &["--upload-file", source.path().to_str().unwrap(), &url]].concat();
    host.curl(&up).well(dialogue);
    assert!(std::fs::read(server.folder().join("home/bob/there")).unwrap() == sent, "the upload is damaged");
    let down = [flags, &[&url]].concat();
    assert!(host.curl(&down).well(dialogue) == sent, "the download is damaged");
    std::fs::remove_file(server.folder().join("home/bob/there")).unwrap();
}

#[test]
fn both_behind_nat_transfer_in_every_passive_way() {
    let net = Internet::new();
    let mut server = net.serve(setup().variable("FTP_MASQUERADE_ADDRESS", PUBLIC));
    there_and_back(&net.client, &server, PUBLIC, &["--ftp-pasv"], "> EPSV");
    there_and_back(
        &net.client,
        &server,
        PUBLIC,
        &["--ftp-pasv", "--disable-epsv"],
        "227 Entering passive mode (198,51,100,1,",
    );
    let opened = server.wait_for_line("session opened");
    assert!(opened.contains(CLIENTS_PUBLIC), "{opened}");
}

#[test]
fn without_masquerade_address_pasv_leads_nowhere_and_epsv_works() {
    let net = Internet::new();
    let mut server = net.serve(setup());
    there_and_back(&net.client, &server, PUBLIC, &["--ftp-pasv"], "> EPSV");
    let url = format!("ftp://bob:secret@{PUBLIC}:2121/");
    // 7 is: no connection.
    net.client.curl(&["--disable-epsv", &url]).badly(7, "227 Entering passive mode (10,2,0,2,");
    // The operator was told at the start.
    server.wait_for_line("session opened");
    let ended = server.end();
    let warned = |line: &String| line.contains("PASV tells clients the private address 10.2.0.2");
    assert!(ended.lines.iter().any(warned), "{:#?}", ended.lines);
}

#[test]
fn active_mode_from_behind_nat_is_refused_with_its_reason() {
    let net = Internet::new();
    let server = net.serve(setup());
    let url = format!("ftp://bob:secret@{PUBLIC}:2121/");
    // 30 is: neither EPRT nor PORT was taken.
    for flags in [&["--ftp-port", "-"][..], &["--ftp-port", "-", "--disable-eprt"]] {
        net.client.curl(&[flags, &[url.as_str()]].concat()).badly(30, "< 504 ");
    }
    net.client.run(|| {
        let mut client = Client::login(format!("{PUBLIC}:2121").parse().unwrap(), "bob");
        let listener = TcpListener::bind("10.1.0.2:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (high, low) = (port / 256, port % 256);
        let refusal = client.ask(&format!("PORT 10,1,0,2,{high},{low}"), "504");
        assert_eq!(refusal, "504 Data connections to foreign addresses are refused.");
        client.ask(&format!("EPRT |1|10.1.0.2|{port}|"), "504");
        // Nothing is left of it.
        client.ask("LIST", "425");
        // A client that knows its public address is believed, and its router has no such port.
        client.ask(&format!("PORT 198,51,100,7,{high},{low}"), "200");
        client.ask("LIST", "150");
        client.expect("425");
        // The session goes on.
        let at = client.epsv();
        let mut data = client.data(at);
        client.ask("LIST", "150");
        all_of(&mut data);
        client.expect("226");
    });
    drop(server);
}

/// The addresses of the server's machine are services of its own, whatever is permitted.
#[test]
fn active_mode_never_leads_to_the_servers_own_addresses() {
    let net = Internet::new();
    let beside = Host::new();
    beside.cable("10.2.1.2/24", &net.server, "10.2.1.1/24");
    let server = net.serve(setup().variable("FTP_PERMIT_FOREIGN_ADDRESSES", "on"));
    net.client.run(|| {
        let mut client = Client::login(format!("{PUBLIC}:2121").parse().unwrap(), "bob");
        for own in ["10,2,0,2", "10,2,1,1", "127,0,0,1"] {
            let refusal = client.ask(&format!("PORT {own},200,200"), "504");
            assert_eq!(refusal, "504 Data connections to this address are refused. Use EPSV or PASV.");
        }
        for other in ["10,2,1,2", "10,2,0,1", "198,51,100,7"] {
            client.ask(&format!("PORT {other},200,200"), "200");
        }
    });
    drop(server);
}

#[test]
fn a_map_tells_those_inside_and_those_outside_different_addresses() {
    let net = Internet::new();
    let inner = Host::new();
    inner.cable("10.2.1.2/24", &net.servers_router, "10.2.1.1/24");
    inner.default_route("10.2.1.1");
    let server = net.serve(
        setup().variable("FTP_MASQUERADE_MAP", "10.2.0.0/16 = local").variable("FTP_MASQUERADE_ADDRESS", PUBLIC),
    );
    let by_pasv = ["--disable-epsv"];
    there_and_back(&inner, &server, PRIVATE, &by_pasv, "227 Entering passive mode (10,2,0,2,");
    there_and_back(&net.client, &server, PUBLIC, &by_pasv, "227 Entering passive mode (198,51,100,1,");
    // Each would be lost with the other's answer: the router turns nothing from inside back to the inside.
    inner.run(|| assert!(std::net::TcpStream::connect((PUBLIC, 2121)).is_err()));
}

#[test]
fn two_clients_share_a_range_of_one_port_at_the_same_time() {
    let [one, two, server_host] = [Host::new(), Host::new(), Host::new()];
    one.cable("10.3.1.2/24", &server_host, "10.3.1.1/24");
    two.cable("10.3.2.2/24", &server_host, "10.3.2.1/24");
    two.default_route("10.3.2.1");
    let setup = setup().variable("FTP_IP", "10.3.1.1").variable("FTP_PASSIVE_PORTS", "30000");
    let server = server_host.run(|| setup.start());
    let login = |host: &Host| host.run(|| Client::login(server.address, "bob"));
    let (mut first, mut second) = (login(&one), login(&two));
    for (number, text) in [(1, "of one"), (2, "of two")] {
        std::fs::write(server.folder().join(format!("home/bob/{number}")), text).unwrap();
    }
    // Both wait on the one port.
    let (at, same) = (first.pasv(), second.pasv());
    assert_eq!((at, same), ("10.3.1.1:30000".parse().unwrap(), at));
    // The second comes first, and the first accepts for it.
    let mut seconds = two.run(|| second.data(at));
    let mut firsts = one.run(|| first.data(at));
    first.ask("RETR 1", "150");
    second.ask("RETR 2", "150");
    assert_eq!((all_of(&mut firsts), all_of(&mut seconds)), (b"of one".to_vec(), b"of two".to_vec()));
    first.expect("226");
    second.expect("226");
    // Uploads that run at the same time.
    let (at, same) = (first.pasv(), second.pasv());
    assert_eq!(at, same);
    let (mut firsts, mut seconds) = (one.run(|| first.data(at)), two.run(|| second.data(at)));
    first.ask("STOR up1", "150");
    second.ask("STOR up2", "150");
    for (data, text) in [(&mut seconds, "two"), (&mut firsts, "one")] {
        std::io::Write::write_all(data, text.as_bytes()).unwrap();
    }
    drop((firsts, seconds));
    first.expect("226");
    second.expect("226");
    for (name, text) in [("up1", "one"), ("up2", "two")] {
        assert_eq!(std::fs::read_to_string(server.folder().join("home/bob").join(name)).unwrap(), text);
    }
}
