//! Networks that fail: clients that vanish or break off, packets that are lost, routers that forget.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::binary::{Running, Setup};
use crate::namespaces::Host;
use crate::wire::{Client, all_of, wait_until};

const SERVER: &str = "10.4.0.1";
const CLIENT: &str = "10.4.0.2";
/// What runs in a session when TCP waits for something to be acknowledged, and when it watches over a silent peer.
const RETRANSMITS: &str = "01";
const KEEPS_ALIVE: &str = "02";

/// A client, a server on another host, and the cable between them, which tests cut.
struct Wire {
    client: Host,
    host: Host,
    server: Running,
}

/// A connection of the server, as the kernel shows it (proc(5), /proc/net/tcp).
struct Socket {
    timer: String,
    retransmissions: u32,
}

impl Wire {
    fn new(change: &[(&str, &str)]) -> Self {
        let (client, host) = (Host::new(), Host::new());
        client.cable(&format!("{CLIENT}/24"), &host, &format!("{SERVER}/24"));
        let server = host.run(|| setup(change).start());
        Self { client, host, server }
    }

    fn file(&self, content: &[u8]) {
        std::fs::write(self.server.folder().join("home/bob/file"), content).unwrap();
    }

    fn login(&self) -> Client {
        let address = self.server.address;
        self.client.run(|| Client::login(address, "bob"))
    }

    fn open(&self, client: &mut Client) -> TcpStream {
        self.client.run(|| client.open())
    }

    /// Nothing gets through any more, either way, and nobody is told.
    fn cut(&self) {
        self.client.filter(&both_ways("drop"));
    }

    fn mend(&self) {
        self.client.filter("flush ruleset");
    }

    /// The server says 426 to whom it cannot reach, ends the session, and has nothing open that it had not before.
    fn await_the_end(&mut self, idle: usize) {
        self.server.wait_for_line(r#""code":426"#);
        self.server.wait_for_line("session closed");
        wait_until("all is closed", || self.server.descriptors() <= idle);
    }
}

/// A server that waits for nobody for long, and has room for one session with one port.
const IMPATIENT: [(&str, &str); 4] =
    [("FTP_DATA_TIMEOUT", "1s"), ("FTP_IDLE_TIMEOUT", "1s"), ("FTP_MAX_CONS", "1"), ("FTP_PASSIVE_PORTS", "30000")];

/// These rules for all that comes to a host and all that leaves it.
fn both_ways(rule: &str) -> String {
    let chain = |hook: &str| format!("chain {hook} {{\n type filter hook {hook} priority 0\n {rule}\n }}\n");
    format!("table ip faults {{\n {}{} }}", chain("input"), chain("output"))
}

fn setup(change: &[(&str, &str)]) -> Setup {
    let setup = Setup::new().variable("FTP_IP", SERVER).variable("FTP_LOG_LEVEL", "trace");
    change.iter().fold(setup, |setup, (name, value)| setup.variable(name, value))
}

/// The connections of the server's host that stand.
fn sockets(server: &Running) -> Vec<Socket> {
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", server.pid())).unwrap();
    let socket = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let timer = words[5].split(':').next().unwrap().to_owned();
        (words[3] == ESTABLISHED).then(|| Socket { timer, retransmissions: u32::from_str_radix(words[6], 16).unwrap() })
    };
    table.lines().skip(1).filter_map(socket).collect()
}

/// Bytes without a pattern that a mistake could hide in.
fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// F01: the old file stands, and whoever comes next has the session's place and port, and goes on with what came.
#[test]
fn a_client_that_vanishes_in_an_upload_leaves_the_old_file_and_what_came() {
    let mut wire = Wire::new(&IMPATIENT);
    wire.file(b"old");
    let idle = wire.server.descriptors_at_rest();
    let mut client = wire.login();
    let mut data = wire.open(&mut client);
    client.ask("STOR file", "150");
    data.write_all(b"hello, ").unwrap();
    client.await_moved(7);
    wire.cut();
    wire.await_the_end(idle);
    let address = wire.server.address;
    wire.host.run(|| {
        let mut next = Client::login(address, "bob");
        assert_eq!(next.retrieve("file"), b"old");
        next.ask("SIZE file", "213 3");
        next.resume("file", 7, b"world");
        assert_eq!(next.retrieve("file"), b"hello, world");
    });
}

/// F02: 426 is tried, and within the limits of time the session, its place, its port and all that it had open are free.
#[test]
fn a_client_that_vanishes_in_a_download_leaves_nothing() {
    let mut wire = Wire::new(&IMPATIENT);
    // More than all buffers on the way hold.
    let large = std::fs::File::create(wire.server.folder().join("home/bob/large")).unwrap();
    large.set_len(256 << 20).unwrap();
    wire.file(b"content");
    let idle = wire.server.descriptors_at_rest();
    let mut client = wire.login();
    let mut data = wire.open(&mut client);
    client.ask("RETR large", "150");
    data.read_exact(&mut [0; 1000]).unwrap();
    wire.cut();
    wire.await_the_end(idle);
    let address = wire.server.address;
    wire.host.run(|| {
        let mut next = Client::login(address, "bob");
        assert_eq!(next.pasv().port(), 30_000);
        assert_eq!(next.retrieve("file"), b"content");
    });
}

/// F04: wherever the client breaks off, the session says 426 and goes on.
#[test]
fn a_download_that_is_reset_anywhere_is_426() {
    const READ_AT_MOST: u64 = 4 << 20;
    let server = Setup::new().start();
    let home = server.folder().join("home/bob");
    std::fs::File::create(home.join("large")).unwrap().set_len(256 << 20).unwrap();
    std::fs::write(home.join("file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    let open = server.descriptors_at_rest();
    for turn in 0..200_u64 {
        let mut data = client.open();
        client.ask("RETR large", "150");
        let count = turn * turn * turn % READ_AT_MOST;
        assert_eq!(std::io::copy(&mut (&mut data).take(count), &mut std::io::sink()).unwrap(), count);
        SockRef::from(&data).set_linger(Some(Duration::ZERO)).unwrap();
        drop(data);
        client.expect("426");
    }
    wait_until("all is closed", || server.descriptors() <= open);
    assert_eq!(client.retrieve("file"), b"content");
    assert!(server.end().status.success());
}

/// F42: what was sent in vain is sent again when the way is there again, and nobody has noticed.
#[test]
fn transfers_outlive_a_partition() {
    let wire = Wire::new(&[("FTP_MAX_DOWNLOAD", "1MiB")]);
    let content = bytes(3 << 20);
    wire.file(&content);
    let mut client = wire.login();
    let mut data = wire.open(&mut client);
    client.ask("RETR file", "150");
    let mut received = vec![0; 100_000];
    data.read_exact(&mut received).unwrap();
    wire.cut();
    // Each wait is twice as long as the one before: the fourth is over after some seconds.
    wait_until("packets are lost again and again", || {
        sockets(&wire.server).iter().any(|socket| socket.timer == RETRANSMITS && socket.retransmissions >= 4)
    });
    wire.mend();
    received.extend(all_of(&mut data));
    assert!(received == content, "{} bytes came", received.len());
    client.expect("226");
    client.ask("NOOP", "200");
}

/// F43: every twentieth packet is lost, either way, and the client has room for next to nothing.
#[test]
fn transfers_over_a_bad_line_are_whole() {
    let wire = Wire::new(&[]);
    wire.client.filter(&both_ways("numgen inc mod 20 0 drop"));
    let content = bytes(200_003);
    wire.file(&content);
    let mut client = wire.login();

    let at = client.pasv();
    let mut data = wire.client.run(|| narrow(at));
    client.ask("RETR file", "150");
    assert!(all_of(&mut data) == content);
    client.expect("226");

    let mut data = wire.open(&mut client);
    client.ask("STOR back", "150");
    data.write_all(&content).unwrap();
    drop(data);
    client.expect("226");
    assert!(std::fs::read(wire.server.folder().join("home/bob/back")).unwrap() == content);
}

/// A connection with the smallest window that there is.
fn narrow(to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(crate::wire::PATIENCE)).unwrap();
    socket.into()
}

/// F44: both connections of a silent transfer are watched over.
#[test]
fn both_connections_are_kept_alive() {
    let wire = Wire::new(&[]);
    let mut client = wire.login();
    let data = wire.open(&mut client);
    client.ask("STOR new", "150");
    let timers = || sockets(&wire.server).into_iter().map(|socket| socket.timer).collect::<Vec<_>>();
    wait_until("both are silent", || timers() == [KEEPS_ALIVE, KEEPS_ALIVE]);
    drop(data);
    client.expect("226");
}

/// F44: a router forgets what is silent for longer than the control connection is during a transfer; and the transfer
/// takes longer than a session may be idle.
#[test]
fn the_control_connection_outlives_a_transfer_through_a_router_that_forgets() {
    let [client_host, router, host] = [Host::new(), Host::new(), Host::new()];
    client_host.cable("10.5.0.2/24", &router, "10.5.0.1/24");
    router.cable("10.4.0.254/24", &host, &format!("{SERVER}/24"));
    client_host.default_route("10.5.0.1");
    router.forward();
    router.filter(
        "table ip nat {
            chain out {
                type nat hook postrouting priority srcnat
                ip saddr 10.5.0.0/24 snat to 10.4.0.254
            }
            chain through {
                type filter hook forward priority 0
                ct state invalid drop
            }
        }",
    );
    router.run(|| {
        let setting = |name: &str, value| std::fs::write(format!("/proc/sys/net/netfilter/{name}"), value).unwrap();
        setting("nf_conntrack_tcp_timeout_established", "4");
        // It does not take up in the middle what it has forgotten.
        setting("nf_conntrack_tcp_loose", "0");
    });
    let change = [("FTP_KEEPALIVE", "1s"), ("FTP_IDLE_TIMEOUT", "3s"), ("FTP_MAX_DOWNLOAD", "100KiB")];
    let server = host.run(|| setup(&change).start());
    std::fs::write(server.folder().join("home/bob/file"), bytes(800 << 10)).unwrap();
    let address = server.address;
    client_host.run(|| {
        let mut client = Client::login(address, "bob");
        assert!(client.retrieve("file") == bytes(800 << 10));
        client.ask("NOOP", "200");
    });
}
