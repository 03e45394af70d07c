//! PROXY headers of both versions: what is read is the header, and not a byte of what follows.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use longshore::data::read_client;
use tokio::runtime::{Builder, Runtime};

/// The fixed part of version 2, and the most that may follow it.
const LONGEST: usize = 16 + 4096;

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(Builder::new_current_thread().build().unwrap());
}

/// What a proxy's connection begins with.
pub(super) fn run(input: &[u8]) {
    let (read, taken) = read(input);
    assert!(taken <= LONGEST, "{taken} bytes were taken");
    let Ok(client) = read else { return };
    let header = &input[..taken];
    let same = |other: io::Result<Option<SocketAddr>>| other.is_ok_and(|other| other == client);
    assert!(same(self::read(header).0), "what follows changed the client");
    assert!(same(self::read(&[header, b"USER bob\r\n"].concat()).0), "what follows changed the client");
    assert!(self::read(&header[..taken - 1]).0.is_err(), "a part of a header was taken for one");
    if header.starts_with(b"PROXY ") {
        assert!(header.ends_with(b"\r\n") && header.iter().filter(|byte| **byte == b'\n').count() == 1);
        let Some(client) = client else { return };
        let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        let other = if client.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" };
        let (ip, port) = (client.ip(), client.port());
        assert!(same(self::read(format!("PROXY {family} {ip} {other} {port} 21\r\n").as_bytes()).0));
    }
}

fn read(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, usize) {
    let mut rest = bytes;
    let client = RUNTIME.with_borrow(|runtime| runtime.block_on(read_client(&mut rest)));
    (client, bytes.len() - rest.len())
}
