//! PROXY headers of both versions: what is read is the header, and not a byte of what follows.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use longshore::data::read_client;
use tokio::runtime::{Builder, Runtime};

use super::contains;

/// The fixed part of version 2.
const FIXED: usize = 16;
/// With the most that may follow it.
const LONGEST: usize = FIXED + 4096;

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
    if !header.starts_with(b"PROXY ") {
        assert_eq!(taken, FIXED + usize::from(u16::from_be_bytes([header[14], header[15]])));
        assert_eq!(client, by_definition(header));
    } else {
        // Behind UNKNOWN anything may stand before the line's end.
        assert!(header.ends_with(b"\r\n") && !contains(&header[..taken - 2], b"\r\n"));
        let Some(client) = client else { return };
        let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        let other = if client.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" };
        let (ip, port) = (client.ip(), client.port());
        assert!(same(self::read(format!("PROXY {family} {ip} {other} {port} 21\r\n").as_bytes()).0));
    }
}

/// The client of a whole header of version 2.
fn by_definition(header: &[u8]) -> Option<SocketAddr> {
    let (is_proxied, family, rest) = (header[12] & 0x0f == 1, header[13] >> 4, &header[FIXED..]);
    let port = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
    match (is_proxied, family) {
        (true, 1) => Some((<[u8; 4]>::try_from(&rest[..4]).ok()?, port(8)).into()),
        (true, 2) => Some((<[u8; 16]>::try_from(&rest[..16]).ok()?, port(32)).into()),
        _ => None,
    }
}

fn read(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, usize) {
    let mut rest = bytes;
    let client = RUNTIME.with_borrow(|runtime| runtime.block_on(read_client(&mut rest)));
    (client, bytes.len() - rest.len())
}
