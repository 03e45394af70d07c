//! Who a client is, as seen from inside a bridge network, by each way in; and what it is told in return.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::engine::{ALICE, Container, Network, SECRET, free_ports, interface_address};
use crate::wire::{Client, all_of, is_refused, until_end};

/// A server whose ports are published, and another container in the same network, from which clients come too.
struct Scene {
    server: Container,
    other: Container,
    /// The control port as this machine publishes it.
    port: u16,
    // Last, for it cannot go before those that are in it.
    network: Network,
}

impl Scene {
    fn new(options: impl FnOnce(&Network) -> Vec<String>) -> Self {
        let network = Network::new();
        let ports = free_ports(6);
        let port = ports.start;
        let passive = format!("{}-{}", port + 1, ports.end - 1);
        let published = [format!("{port}:2121"), format!("{passive}:{passive}")];
        let range = format!("FTP_PASSIVE_PORTS={passive}");
        let options = options(&network);
        let mut all = vec!["--network", &network.name, "-p", &published[0], "-p", &published[1], "-e", &range];
        all.extend(["-e", ALICE, "-e", SECRET, "-e", "FTP_DATA_CONNECT_TIMEOUT=2s"]);
        all.extend(options.iter().flat_map(|variable| ["-e", variable]));
        let server = Container::start(&all);
        let other = Container::start(&["--network", &network.name, "-e", ALICE, "-e", SECRET]);
        Self { server, other, port, network }
    }

    fn published(&self, ip: impl Into<IpAddr>) -> SocketAddr {
        SocketAddr::new(ip.into(), self.port)
    }
}

/// A listing by EPSV: the data connection takes the way of the control connection.
fn list_by_epsv(client: &mut Client) {
    let to = client.epsv();
    list_at(client, to);
}

fn list_at(client: &mut Client, to: SocketAddr) {
    let mut data = client.data(to);
    client.ask("LIST", "150");
    all_of(&mut data);
    client.expect("226");
}

/// Who the server takes this client for.
fn seen_as(server: &mut Container, client: &mut Client) -> IpAddr {
    list_by_epsv(client);
    let line = server.wait_for_line("session opened");
    let peer = line.split(r#""peer":""#).nth(1).unwrap().split('"').next().unwrap();
    peer.parse::<SocketAddr>().unwrap().ip()
}

/// T64: who a client is for the server, by each way into a bridge network.
#[test]
fn each_way_in_is_served_by_epsv() {
    let mut scene = Scene::new(|_| Vec::new());
    let gateway = scene.network.gateway;
    let interface = interface_address();
    let own = SocketAddr::new(scene.server.control().ip(), 2121);
    let localhost = std::net::ToSocketAddrs::to_socket_addrs(&("localhost", scene.port)).unwrap().next().unwrap();
    for (way, to, peer) in [
        ("loopback", scene.published(Ipv4Addr::LOCALHOST), gateway),
        ("loopback, IPv6", scene.published(Ipv6Addr::LOCALHOST), gateway),
        ("localhost", localhost, gateway),
        ("the container's own address", own, gateway),
        ("this machine's address", scene.published(interface), interface),
    ] {
        let mut client = Client::login(to, "alice");
        assert_eq!(seen_as(&mut scene.server, &mut client), peer, "{way}");
    }
    // And from another container: by this machine's address it appears as the gateway, directly as itself.
    let from = scene.other.control().ip();
    for (to, peer) in [(scene.published(gateway), gateway), (scene.published(interface), gateway), (own, from)] {
        let Scene { server, other, .. } = &mut scene;
        let seen = other.inside(|| seen_as(server, &mut Client::login(to, "alice")));
        assert_eq!(seen, peer, "from another container to {to}");
    }
}

/// T64: behind a gateway the log says what to set, and then it works.
#[test]
fn data_that_comes_another_way_than_control_is_refused_unless_it_is_trusted() {
    let interface = interface_address();
    let told = "FTP_MASQUERADE_ADDRESS=127.0.0.1";
    let mut strict = Scene::new(|_| vec![told.to_owned()]);
    // On loopback both come from the gateway.
    let mut local = Client::login(strict.published(Ipv4Addr::LOCALHOST), "alice");
    let to = local.pasv();
    assert_eq!(to.ip(), Ipv4Addr::LOCALHOST);
    list_at(&mut local, to);
    // Here the control connection comes from this machine's address, and the data connection from the gateway.
    let mut client = Client::login(strict.published(interface), "alice");
    let to = client.pasv();
    let mut data = crate::wire::stream_from(Ipv4Addr::LOCALHOST.into(), to).unwrap();
    client.ask("LIST", "150");
    assert_eq!(until_end(&mut data), b"");
    client.expect("425");
    let line = strict.server.wait_for_line("data connection refused");
    for part in
        ["trusted_peers", &format!(r#""stranger":"{}""#, strict.network.gateway), &format!(r#""client":"{interface}""#)]
    {
        assert!(line.contains(part), "{part}: {line}");
    }

    let open = Scene::new(|network| vec![told.to_owned(), format!("FTP_TRUSTED_PEERS={}", network.gateway)]);
    let mut client = Client::login(open.published(interface), "alice");
    let to = client.pasv();
    let mut data = crate::wire::stream_from(Ipv4Addr::LOCALHOST.into(), to).unwrap();
    client.ask("LIST", "150");
    all_of(&mut data);
    client.expect("226");
}

#[test]
fn each_client_is_told_the_address_that_it_can_reach() {
    let interface = interface_address();
    let scene = Scene::new(|network| {
        let map = format!("{}/32 = 127.0.0.1, {} = local", network.gateway, network.subnet);
        vec![format!("FTP_MASQUERADE_ADDRESS={interface}"), format!("FTP_MASQUERADE_MAP={map}")]
    });
    for (to, told) in
        [(scene.published(Ipv4Addr::LOCALHOST), Ipv4Addr::LOCALHOST.into()), (scene.published(interface), interface)]
    {
        let mut client = Client::login(to, "alice");
        let to = client.pasv();
        assert_eq!(to.ip(), told);
        list_at(&mut client, to);
    }
    let server = scene.server.control();
    scene.other.inside(|| {
        let mut client = Client::login(server, "alice");
        let to = client.pasv();
        assert_eq!(to.ip(), server.ip());
        list_at(&mut client, to);
    });
}

#[test]
fn clients_of_different_addresses_share_one_port() {
    let network = Network::new();
    let start =
        |more: &[&str]| Container::start(&[&["--network", &network.name, "-e", ALICE, "-e", SECRET], more].concat());
    let server = start(&["-e", "FTP_PASSIVE_PORTS=30000-30000"]);
    let (one, another) = (start(&[]), start(&[]));
    let control = server.control();
    let mut client = server.alice();
    client.store("one", b"what one wants");
    client.store("another", b"what another wants");
    client.ask("QUIT", "221");
    let mut first = one.inside(|| Client::login(control, "alice"));
    let mut second = another.inside(|| Client::login(control, "alice"));
    let told = [first.pasv(), second.pasv()];
    assert_eq!(told.map(|to| to.port()), [30_000, 30_000]);
    // The second comes before the first.
    let mut data_of_second = another.inside(|| second.data(told[1]));
    let mut data_of_first = one.inside(|| first.data(told[0]));
    first.ask("RETR one", "150");
    second.ask("RETR another", "150");
    assert_eq!(all_of(&mut data_of_first), b"what one wants");
    assert_eq!(all_of(&mut data_of_second), b"what another wants");
    first.expect("226");
    second.expect("226");
    drop((first, second));
}

#[test]
fn active_mode_works_where_the_server_reaches_the_client_and_else_says_so() {
    let network = Network::new();
    let start = || Container::start(&["--network", &network.name, "-e", ALICE, "-e", SECRET]);
    let (server, other) = (start(), start());
    let control = server.control();
    // Within the network there is nothing in between.
    other.inside(|| {
        let mut client = Client::login(control, "alice");
        let listener = std::net::TcpListener::bind((client.local().ip(), 0)).unwrap();
        client.announce(&listener);
        client.ask("STOR file", "150");
        let (mut data, _) = listener.accept().unwrap();
        data.write_all(b"sent out").unwrap();
        drop(data);
        client.expect("226");
    });
    // What a client of this machine says of itself is not where the server sees it.
    let mut client = server.alice();
    let reply = client.say("PORT 127,0,0,1,200,200");
    assert!(reply.starts_with('5'), "{reply}");
    assert!(is_refused("127.0.0.1", SocketAddr::from((Ipv4Addr::LOCALHOST, 51_400))));
    list_by_epsv(&mut client);
}
