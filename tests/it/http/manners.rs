//! How HTTP is spoken: what is refused, and what is bounded.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::{get, request, speak};
use crate::harness::{TestServer, set};
use crate::wire::{Client, PATIENCE, stream_from, wait_until};

fn server(listen: &str) -> TestServer {
    TestServer::start(|settings| {
        set(settings, "http_listen", listen);
        set(settings, "max_cons", "1");
    })
}

#[test]
fn get_and_head_are_answered_and_nothing_else_is() {
    let server = server("127.0.0.1:0");
    let http = server.http.unwrap();
    for path in ["/livez", "/readyz", "/metrics"] {
        let (get, head) = (request(http, "GET", path), request(http, "HEAD", path));
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert!(!get.body.is_empty() && head.body.is_empty(), "{path}");
        // Figures change.
        if path != "/metrics" {
            let length = format!("content-length: {}\r\n", get.body.len());
            assert!(head.head.contains(&length), "{}", head.head);
        }
        assert!(
            get.head.contains("content-type: text/plain") && get.head.contains("cache-control: no-store"),
            "{path}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
        let refused = request(http, method, "/livez");
        assert_eq!(refused.status, 405, "{method}");
        assert!(refused.head.contains("\r\nallow: get, head\r\n"), "{}", refused.head);
    }
    for path in ["/", "/nothing", "/livez/", "//livez", "/../livez", "/%6civez", "/LIVEZ"] {
        assert_eq!(get(http, path).0, 404, "{path}");
    }
    assert_eq!(get(http, "/livez?verbose").0, 200);
}

#[test]
fn what_is_no_http_and_what_is_too_long_is_refused() {
    let server = server("127.0.0.1:0");
    let http = server.http.unwrap();
    let long = format!("GET /livez HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "A: a\r\n".repeat(100));
    for (request, status) in [("USER bob\r\n\r\n", "400"), (long.as_str(), "431"), (many.as_str(), "431")] {
        let said = speak(http, request.as_bytes());
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.40}: {said}");
    }
    assert_eq!(get(http, "/livez").0, 200);
}

/// Whether the server has closed it.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    matches!(stream.read(&mut [0]), Ok(0))
}

fn silent(http: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(http).unwrap()).collect()
}

/// One peer that holds as many connections as there are does not keep a probe waiting, be it from another address or
/// from its own. Those who say nothing take no session's place.
#[test]
fn a_probe_is_answered_whoever_holds_connections() {
    let server = server("127.0.0.1:0");
    let http = server.http.unwrap();
    let mut silent = silent(http, 80);
    // max_cons is 1.
    Client::login(server.address, "bob").ask("QUIT", "221");
    let mut probe = stream_from("127.0.0.2".parse().unwrap(), http).unwrap();
    probe.write_all(b"GET /livez HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert_eq!(get(http, "/livez").0, 200);
    // Those that came last are heard all the same: no time was up.
    let mut last = silent.pop().unwrap();
    assert!(!is_closed(&mut last));
    last.set_nonblocking(false).unwrap();
    last.write_all(b"GET /livez HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("alive\n"), "{answer}");
}

/// Connections are bounded in number: those that came first are closed for those that come.
#[test]
fn there_are_so_many_connections_and_no_more() {
    let server = server("127.0.0.1:0");
    let mut silent = silent(server.http.unwrap(), 80);
    wait_until("the first are closed", || silent[..16].iter_mut().all(is_closed));
    assert!(!silent[16..].iter_mut().any(is_closed));
}

/// One who never ends its request is closed in time.
#[test]
fn a_head_that_does_not_end_is_not_waited_for() {
    let server = server("127.0.0.1:0");
    let mut slow = TcpStream::connect(server.http.unwrap()).unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nA: ").unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(!rest.ends_with(b"alive\n"));
}

#[test]
fn both_families_are_answered() {
    let one = server("[::1]:0");
    assert_eq!(get(one.http.unwrap(), "/readyz"), (200, "ready\n".to_owned()));
    let all = server("[::]:0");
    let port = all.http.unwrap().port();
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert_eq!(get(address.parse().unwrap(), "/livez"), (200, "alive\n".to_owned()), "{address}");
    }
}
