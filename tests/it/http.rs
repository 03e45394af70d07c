//! What `http_listen` answers: probes, and figures for Prometheus.

mod documents;
pub(crate) mod figures;
mod manners;
mod page;
mod probes;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::binary::{Running, Setup};
use crate::wire::PATIENCE;

/// An answer, taken apart.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Says these bytes and hears all that comes of it.
fn speak(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    String::from_utf8(said).unwrap()
}

#[track_caller]
fn request(address: SocketAddr, method: &str, path: &str) -> Answer {
    request_with(address, method, path, "")
}

/// The same with more lines in its head, each with its end.
#[track_caller]
fn request_with(address: SocketAddr, method: &str, path: &str, lines: &str) -> Answer {
    let said = speak(address, format!("{method} {path} HTTP/1.1\r\nHost: longshore\r\n{lines}\r\n").as_bytes());
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: {said:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Status and body of what GET finds there.
#[track_caller]
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = request(address, "GET", path);
    (answer.status, answer.body)
}

/// The program with HTTP on a free port of loopback, and where that is.
pub(crate) fn serve(setup: Setup) -> (Running, SocketAddr) {
    let mut server = setup.variable("FTP_HTTP_LISTEN", "127.0.0.1:0").variable("FTP_LOG_FORMAT", "text").start();
    let line = server.wait_for_line(" http  ");
    let address = line.rsplit(' ').next().unwrap().trim_end_matches('"').parse().unwrap();
    (server, address)
}
