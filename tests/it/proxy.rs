//! The PROXY protocol: a real HAProxy before the control port and the passive ports, and those who only claim to be one.

mod forged;
mod haproxy;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::binary::{Running, Setup};
use crate::namespaces::Host;
use crate::wire::{Client, PATIENCE, all_of, until_end};

use haproxy::HaProxy;

/// Where clients find the proxy.
const PROXY: &str = "10.4.1.1";
/// Where the proxy comes from.
const PROXY_INSIDE: &str = "10.4.9.1";
const SERVER: &str = "10.4.9.2";
const ONE: &str = "10.4.1.2";
const TWO: &str = "10.4.2.2";
const RANGE: std::ops::RangeInclusive<u16> = 30000..=30001;

/// Two clients, a proxy that is also their router, and a server behind it.
struct Net {
    one: Host,
    two: Host,
    proxy: Host,
    server: Host,
}

impl Net {
    fn new() -> Self {
        let net = Self { one: Host::new(), two: Host::new(), proxy: Host::new(), server: Host::new() };
        net.proxy.cable("10.4.1.1/24", &net.one, "10.4.1.2/24");
        net.proxy.cable("10.4.2.1/24", &net.two, "10.4.2.2/24");
        net.proxy.cable("10.4.9.1/24", &net.server, "10.4.9.2/24");
        net.one.default_route("10.4.1.1");
        net.two.default_route("10.4.2.1");
        net.server.default_route(PROXY_INSIDE);
        net.proxy.forward();
        net
    }

    fn serve(&self, mode: &str, change: impl FnOnce(Setup) -> Setup) -> Running {
        let setup = Setup::new()
            .variable("FTP_IP", SERVER)
            .variable("FTP_PORT", "2121")
            .variable("FTP_PASSIVE_PORTS", &format!("{}-{}", RANGE.start(), RANGE.end()))
            .variable("FTP_MASQUERADE_ADDRESS", PROXY)
            .variable("FTP_PROXY_PROTOCOL", mode)
            .variable("FTP_PROXY_FROM", PROXY_INSIDE)
            .variable("FTP_LOG_LEVEL", "debug");
        let setup = change(setup);
        std::fs::write(setup.path("home/bob/file"), "what is in it").unwrap();
        self.server.run(|| setup.start())
    }
}

fn through_the_proxy() -> SocketAddr {
    format!("{PROXY}:2121").parse().unwrap()
}

fn past_the_proxy() -> SocketAddr {
    format!("{SERVER}:2121").parse().unwrap()
}

/// A connection that never waits for ever.
fn connect(host: &Host, to: SocketAddr) -> TcpStream {
    host.run(|| {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    })
}

/// Logs in and transfers, on the host that it is on.
#[track_caller]
fn download(at: SocketAddr) {
    let mut client = Client::login(at, "bob");
    assert_eq!(client.retrieve("file"), b"what is in it");
}

/// Once somebody has come; before it, the operator is told what may be better set otherwise.
#[track_caller]
fn assert_no_warning(lines: &[String]) {
    let first = lines.iter().position(|line| line.contains("\"probed\"") || line.contains("session opened")).unwrap();
    let warned = |line: &&String| line.contains("\"WARN\"") || line.contains("\"ERROR\"");
    let warnings: Vec<_> = lines[first..].iter().filter(warned).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
}

#[test]
fn curl_transfers_through_haproxy_and_the_log_has_the_clients_address() {
    for send in ["send-proxy", "send-proxy-v2"] {
        let net = Net::new();
        let mut server = net.serve("required", |setup| setup);
        let _proxy = HaProxy::start(&net.proxy, send, "");
        let sent: Vec<u8> = (0..700_001_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        let source = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(source.path(), &sent).unwrap();
        let url = format!("ftp://bob:secret@{PROXY}:2121/there");
        for (host, address) in [(&net.one, ONE), (&net.two, TWO)] {
            for (flag, dialogue) in
                [("--ftp-pasv", "> EPSV"), ("--disable-epsv", "227 Entering passive mode (10,4,1,1,")]
            {
                host.curl(&[flag, "--upload-file", source.path().to_str().unwrap(), &url]).well(dialogue);
                assert!(std::fs::read(server.folder().join("home/bob/there")).unwrap() == sent, "{send} {flag}");
                assert!(host.curl(&[flag, &url]).well(dialogue) == sent, "{send} {flag}");
                for event in ["session opened", "logged in", "session opened", "logged in"] {
                    let line = server.wait_for_line(event);
                    assert!(line.contains(&format!("\"peer\":\"{address}")), "{line}");
                }
            }
        }
        assert_no_warning(&server.end().lines);
    }
}

#[test]
fn the_limit_for_one_address_is_that_of_the_client() {
    let net = Net::new();
    let mut server = net.serve("required", |setup| setup.variable("FTP_MAX_PER_IP", "1"));
    let _proxy = HaProxy::start(&net.proxy, "send-proxy-v2", "");
    let at = through_the_proxy();
    let _first = net.one.run(|| Client::login(at, "bob"));
    net.one.run(|| Client::connect(at).expect("421"));
    let line = server.wait_for_line("connection refused");
    assert!(line.contains(&format!("\"peer\":\"{ONE}:")), "{line}");
    // Who comes by the same proxy from elsewhere is another.
    net.two.run(|| download(at));
}

#[test]
fn another_clients_data_connection_through_the_proxy_is_a_strangers() {
    let net = Net::new();
    let mut server = net.serve("required", |setup| setup.variable("FTP_PASSIVE_PORTS", "30000"));
    let _proxy = HaProxy::start(&net.proxy, "send-proxy", "");
    let mut client = net.one.run(|| Client::login(through_the_proxy(), "bob"));
    let at = client.pasv();
    assert_eq!(at, format!("{PROXY}:30000").parse().unwrap());
    let mut stranger = connect(&net.two, at);
    client.send("RETR file");
    client.expect("150");
    assert_eq!(until_end(&mut stranger), b"");
    let line = server.wait_for_line("data connection refused");
    assert!(line.contains(&format!("\"stranger\":\"{TWO}\",\"client\":\"{ONE}\"")), "{line}");
    // Nor may anybody come past the proxy.
    let mut direct = connect(&net.one, format!("{SERVER}:30000").parse().unwrap());
    assert_eq!(until_end(&mut direct), b"");
    server.wait_for_line("data connection refused");
    // The wait goes on for whom it is.
    let mut data = net.one.run(|| client.data(at));
    assert_eq!(all_of(&mut data), b"what is in it");
    client.expect("226");
}

#[test]
fn two_clients_share_a_port_through_the_proxy() {
    let net = Net::new();
    let server = net.serve("required", |setup| setup.variable("FTP_PASSIVE_PORTS", "30000"));
    let _proxy = HaProxy::start(&net.proxy, "send-proxy-v2", "");
    std::fs::write(server.folder().join("home/bob/other"), "the other").unwrap();
    let login = |host: &Host| host.run(|| Client::login(through_the_proxy(), "bob"));
    let (mut first, mut second) = (login(&net.one), login(&net.two));
    let at = first.pasv();
    assert_eq!(second.pasv(), at);
    let mut seconds = connect(&net.two, at);
    let mut firsts = connect(&net.one, at);
    first.send("RETR file");
    second.send("RETR other");
    assert_eq!(all_of(&mut firsts), b"what is in it");
    assert_eq!(all_of(&mut seconds), b"the other");
    for client in [&mut first, &mut second] {
        client.expect("150");
        client.expect("226");
    }
}

#[test]
fn optional_serves_those_who_come_by_the_proxy_and_those_who_do_not() {
    let net = Net::new();
    let mut server = net.serve("optional", |setup| setup.variable("FTP_MASQUERADE_MAP", "10.4.2.0/24 = local"));
    let _proxy = HaProxy::start(&net.proxy, "send-proxy", "");
    net.one.run(|| download(through_the_proxy()));
    net.two.run(|| download(past_the_proxy()));
    // A program on the proxy's host, which sends no header.
    net.proxy.run(|| Client::login(past_the_proxy(), "bob"));
    for address in [ONE, TWO, PROXY_INSIDE] {
        let line = server.wait_for_line("logged in");
        assert!(line.contains(&format!("\"peer\":\"{address}\"")), "{line}");
    }
}

#[test]
fn health_checks_of_haproxy_are_harmless() {
    // With a header of either version, in which HAProxy speaks for itself, and with none: then it breaks off before the
    // connection stands, so other plain probes from there stand in for it.
    for (send, check) in [
        ("send-proxy-v2", "check check-send-proxy inter 100ms"),
        ("send-proxy", "check check-send-proxy inter 100ms"),
        ("send-proxy", "check port 2121 inter 100ms"),
    ] {
        let net = Net::new();
        let limits = |setup: Setup| setup.variable("FTP_MAX_PER_IP", "1").variable("FTP_BAN_AFTER", "1");
        let mut server = net.serve("required", limits);
        let proxy = HaProxy::start(&net.proxy, send, check);
        proxy.wait_until_up();
        for _ in 0..5 {
            if !check.contains("check-send-proxy") {
                drop(connect(&net.proxy, past_the_proxy()));
            }
            let line = server.wait_for_line("\"probed\"");
            assert!(line.contains(&format!("\"peer\":\"{PROXY_INSIDE}:")), "{line}");
        }
        net.one.run(|| download(through_the_proxy()));
        let line = server.wait_for_line("session opened");
        assert!(line.contains(&format!("\"peer\":\"{ONE}:")), "{line}");
        proxy.wait_until_up();
        assert_no_warning(&server.end().lines);
    }
}

/// T65: a header has its time.
#[test]
fn a_header_that_never_comes_holds_nobody_up_and_has_an_end() {
    let net = Net::new();
    let mut server = net.serve("required", |setup| setup.variable("FTP_PASSIVE_PORTS", "30000"));
    let _proxy = HaProxy::start(&net.proxy, "send-proxy-v2", "");
    let serve_between_mute_ones = || {
        let mute = connect(&net.proxy, past_the_proxy());
        let mut half = connect(&net.proxy, past_the_proxy());
        half.write_all(b"PROXY TCP4 10.4.").unwrap();
        let mut client = net.one.run(|| Client::login(through_the_proxy(), "bob"));
        let at = client.pasv();
        let mute_data = connect(&net.proxy, format!("{SERVER}:30000").parse().unwrap());
        let mut data = net.one.run(|| client.data(at));
        client.ask("RETR file", "150");
        assert_eq!(all_of(&mut data), b"what is in it");
        client.expect("226");
        [mute, half, mute_data]
    };
    // On a machine that is very busy their time may be over first, but not again and again.
    let still_there = (0..5).map(|_| serve_between_mute_ones()).find(|mute| mute.iter().all(is_open));
    for mut stream in still_there.expect("who says nothing is always dealt with first") {
        assert_eq!(until_end(&mut stream), b"");
    }
    for _ in 0..3 {
        let line = server.wait_for_line("connection of a proxy refused");
        assert!(line.contains(&format!("\"proxy\":\"{PROXY_INSIDE}:")), "{line}");
    }
}

/// Nothing has come over it, its end neither.
fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    read.is_err_and(|why| why.kind() == std::io::ErrorKind::WouldBlock)
}
