//! How HTTP is spoken: what is refused, and what is bounded.

use std::io::Read;
use std::net::TcpStream;

use super::{get, request, speak};
use crate::harness::{TestServer, set};
use crate::wire::Client;

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

/// Those who say nothing take no session's place, no more than so many, and not for long.
#[test]
fn silent_connections_are_bounded_in_number_and_time_and_are_no_sessions() {
    let server = server("127.0.0.1:0");
    let http = server.http.unwrap();
    let mut silent: Vec<_> = (0..80).map(|_| TcpStream::connect(http).unwrap()).collect();
    // max_cons is 1.
    Client::login(server.address, "bob").ask("QUIT", "221");
    // Its turn comes when one of them has had its time.
    assert_eq!(get(http, "/livez").0, 200);
    let is_closed = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0]), Ok(0))
    };
    assert!(silent.iter_mut().any(is_closed), "it was answered before");
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
