//! Headers from those who are not the proxy, and from clients of the proxy who write one of their own.

use std::io::{Read, Write};

use super::{HaProxy, Net, ONE, connect, past_the_proxy, through_the_proxy};
use crate::harness::{TestServer, set};
use crate::wire::{Client, until_end};

const V1: &[u8] = b"PROXY TCP4 192.0.2.66 10.4.9.2 1024 2121\r\n";
/// The same in version 2.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x42\x0a\x04\x09\x02\x04\0\x08\x49";

/// T65: a header from elsewhere is not looked at.
#[test]
fn required_refuses_whoever_comes_past_the_proxy_with_a_header_or_without() {
    let net = Net::new();
    let mut server = net.serve("required", |setup| setup);
    for beginning in [&b""[..], V1, V2] {
        let mut forger = connect(&net.one, past_the_proxy());
        // It may have been closed already.
        let _ = forger.write_all(beginning);
        assert_eq!(until_end(&mut forger), b"");
        let line = server.wait_for_line("connection refused");
        assert!(line.contains(&format!("\"peer\":\"{ONE}:")) && line.contains("proxy_from"), "{line}");
    }
    let lines = server.end().lines;
    assert!(!lines.iter().any(|line| line.contains("192.0.2.66") || line.contains("session opened")), "{lines:#?}");
}

/// T65: nor where headers are optional.
#[test]
fn optional_does_not_believe_a_header_that_comes_past_the_proxy() {
    let net = Net::new();
    let mut server = net.serve("optional", |setup| setup);
    let mut client = net.one.run(|| Client::connect(past_the_proxy()));
    client.stream().write_all(V1).unwrap();
    client.expect("220");
    client.expect("500");
    client.ask("USER bob", "331");
    client.ask("PASS secret", "230");
    let line = server.wait_for_line("logged in");
    assert!(line.contains(&format!("\"peer\":\"{ONE}\"")), "{line}");

    let mut forger = connect(&net.one, past_the_proxy());
    forger.write_all(V2).unwrap();
    forger.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    // It ends, in order or not.
    let _ = forger.read_to_string(&mut said);
    assert!(said.starts_with("220 ") && !said.contains("230"), "{said}");
    let line = server.wait_for_line("session opened");
    assert!(line.contains(&format!("\"peer\":\"{ONE}:")), "{line}");
    assert!(!server.end().lines.iter().any(|line| line.contains("\"peer\":\"192.0.2.66")));
}

/// T65: nor one behind the proxy's own.
#[test]
fn a_client_of_the_proxy_cannot_write_a_header_of_its_own() {
    let net = Net::new();
    for (mode, send) in [("required", "send-proxy"), ("optional", "send-proxy-v2")] {
        let mut server = net.serve(mode, |setup| setup);
        let proxy = HaProxy::start(&net.proxy, send, "");
        let mut client = net.one.run(|| Client::connect(through_the_proxy()));
        client.stream().write_all(V1).unwrap();
        client.expect("220");
        client.expect("500");
        client.ask("USER bob", "331");
        client.ask("PASS secret", "230");
        let line = server.wait_for_line("logged in");
        assert!(line.contains(&format!("\"peer\":\"{ONE}\"")), "{line}");
        drop((client, proxy));
        assert!(!server.end().lines.iter().any(|line| line.contains("\"peer\":\"192.0.2.66")));
    }
}

/// The client connects to the proxy by IPv6 and the proxy to us by IPv4: the client's protocol counts.
#[test]
fn a_client_of_another_protocol_than_the_proxy_is_asked_for_its_own() {
    let server = TestServer::start(|settings| {
        set(settings, "proxy_protocol", "required");
        set(settings, "proxy_from", "127.0.0.0/8");
    });
    let mut client = Client::connect(server.address);
    client.stream().write_all(b"PROXY TCP6 2001:db8::7 2001:db8::1 1024 2121\r\n").unwrap();
    client.expect("220");
    client.ask("USER bob", "331");
    client.ask("PASS secret", "230");
    client.ask("EPSV 2", "229");
    client.ask("EPSV", "229");
    assert!(client.ask("EPSV 1", "522").contains("(2)"));
}
