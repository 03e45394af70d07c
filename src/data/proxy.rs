//! Who a connection is really from, where a proxy stands before us: the PROXY protocol, versions 1 and 2
//! (haproxy.org, proxy-protocol.txt).
//!
//! A header is believed only from the peers of `proxy_from`: from anybody else it would be a forged address.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ppp::{HeaderResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::{Cidrs, ProxyProtocol};

/// A header comes with the connection; one that has not come whole after this does not come.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// How long a peer that need not send a header is waited for: it says nothing before the greeting.
const OPTIONAL_DEADLINE: Duration = Duration::from_secs(1);
/// The shortest headers are `PROXY UNKNOWN` and its line end, and a version 2 header without addresses: both are
/// longer than the part that tells which version it is, so this may be read without taking what is not ours.
const SIGNATURE: usize = 12;
/// The longest line of version 1, with its end.
const LONGEST_V1: usize = 107;
/// The fixed part of version 2, whose last two bytes tell how long the rest is.
const FIXED_V2: usize = 16;
/// What the rest may hold: addresses and a proxy's own remarks.
const LONGEST_V2: usize = 4096;

/// Which peers are proxies, and whether they must say for whom they speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    mode: ProxyProtocol,
    from: Cidrs,
}

/// What is known of a peer before anything is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It speaks for itself.
    Direct,
    /// It is a proxy: its header tells for whom it speaks.
    Proxy,
    /// It is no proxy, and only proxies may connect (`required`).
    Refused,
}

impl Proxies {
    /// By `proxy_protocol` and `proxy_from`.
    #[must_use]
    pub fn new(mode: ProxyProtocol, from: Cidrs) -> Self {
        Self { mode, from }
    }

    /// What is known of a peer by its address.
    #[must_use]
    pub fn standing(&self, peer: SocketAddr) -> Standing {
        match self.mode {
            ProxyProtocol::Off => Standing::Direct,
            _ if self.from.contains(peer.ip()) => Standing::Proxy,
            ProxyProtocol::Optional => Standing::Direct,
            ProxyProtocol::Required => Standing::Refused,
        }
    }

    /// Reads the header of a proxy's connection, and no byte more. Gives the client that it names; the proxy itself
    /// where it speaks for itself (a health check) or, with `optional`, sends none; nobody where it left without a
    /// byte, as the plainest health checks do.
    ///
    /// # Errors
    /// No header came in time, or what came is none.
    pub async fn client_of(&self, stream: &mut TcpStream, proxy: SocketAddr) -> io::Result<Option<SocketAddr>> {
        let is_optional = self.mode == ProxyProtocol::Optional;
        let patience = if is_optional { OPTIONAL_DEADLINE } else { HEADER_DEADLINE };
        match beginning(stream, patience).await? {
            Beginning::Gone => Ok(None),
            Beginning::Silence | Beginning::Other if is_optional => Ok(Some(proxy)),
            Beginning::Silence => Err(no_header("nothing came")),
            Beginning::Other | Beginning::Header => {
                let named = timeout(HEADER_DEADLINE, read_client(stream)).await??;
                Ok(Some(named.unwrap_or(proxy)))
            }
        }
    }
}

/// What a connection begins with.
enum Beginning {
    /// Its end.
    Gone,
    /// Nothing, so far.
    Silence,
    /// A header.
    Header,
    /// Something else, or too little to tell.
    Other,
}

/// Looks at the first bytes and leaves them where they are.
async fn beginning(stream: &TcpStream, patience: Duration) -> io::Result<Beginning> {
    let mut first = [0; SIGNATURE];
    let Ok(looked) = timeout(patience, stream.peek(&mut first)).await else { return Ok(Beginning::Silence) };
    let count = match looked {
        Ok(count) => count,
        // HAProxy ends its health checks so.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
        Err(error) => return Err(error),
    };
    let begun = &first[..count];
    let is_header =
        begun.starts_with(V1_PREFIX) || (count >= V1_PREFIX.len() && v2::PROTOCOL_PREFIX.starts_with(begun));
    Ok(match count {
        0 => Beginning::Gone,
        _ if is_header => Beginning::Header,
        _ => Beginning::Other,
    })
}

const V1_PREFIX: &[u8] = b"PROXY ";

/// Reads a header, and no byte more. Gives the client that it names; nobody where the proxy speaks for itself.
///
/// # Errors
/// What came is no header, or it ended too soon.
pub async fn read_client(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    named_client(&read_header(stream).await?)
}

async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut header = vec![0; SIGNATURE];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        header.resize(FIXED_V2, 0);
        stream.read_exact(&mut header[SIGNATURE..]).await?;
        let rest = usize::from(u16::from_be_bytes([header[FIXED_V2 - 2], header[FIXED_V2 - 1]]));
        if rest > LONGEST_V2 {
            return Err(no_header("its length is beyond all use"));
        }
        header.resize(FIXED_V2 + rest, 0);
        stream.read_exact(&mut header[FIXED_V2..]).await?;
        return Ok(header);
    }
    if !header.starts_with(V1_PREFIX) {
        return Err(no_header("it begins with something else"));
    }
    // Byte by byte, for what follows the line is the client's.
    while !header.ends_with(b"\r\n") {
        if header.len() == LONGEST_V1 {
            return Err(no_header("the line has no end"));
        }
        header.push(stream.read_u8().await?);
    }
    Ok(header)
}

fn named_client(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    let client = match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => match header.addresses {
            v1::Addresses::Tcp4(ip) => Some(SocketAddr::from((ip.source_address, ip.source_port))),
            v1::Addresses::Tcp6(ip) => Some(SocketAddr::from((ip.source_address, ip.source_port))),
            v1::Addresses::Unknown => None,
        },
        HeaderResult::V2(Ok(header)) => match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => {
                Some(SocketAddr::from((ip.source_address, ip.source_port)))
            }
            (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => {
                Some(SocketAddr::from((ip.source_address, ip.source_port)))
            }
            _ => None,
        },
        HeaderResult::V1(Err(why)) => return Err(no_header(&why.to_string())),
        HeaderResult::V2(Err(why)) => return Err(no_header(&why.to_string())),
    };
    Ok(client)
}

fn no_header(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no PROXY header: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    const V2_TCP4: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x30\x39\x08\x49";
    const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

    /// What a proxy's connection turns out to be, and what is left for us to read of it.
    async fn ask(mode: ProxyProtocol, sent: &[u8]) -> (io::Result<Option<SocketAddr>>, Vec<u8>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, proxy) = listener.accept().await.unwrap();
        peer.write_all(sent).await.unwrap();
        peer.shutdown().await.unwrap();
        let proxies = Proxies::new(mode, "127.0.0.0/8".parse().unwrap());
        let client = proxies.client_of(&mut stream, proxy).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        (client, rest, proxy)
    }

    #[tokio::test]
    async fn a_header_names_the_client_and_nothing_behind_it_is_taken() {
        for (header, client) in [
            (&b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 2121\r\n"[..], "192.0.2.7:12345"),
            (b"PROXY TCP6 2001:db8::7 ::1 12345 2121\r\n", "[2001:db8::7]:12345"),
            (V2_TCP4, "192.0.2.7:12345"),
        ] {
            for mode in [ProxyProtocol::Optional, ProxyProtocol::Required] {
                let (named, rest, _) = ask(mode, &[header, b"USER bob\r\n"].concat()).await;
                assert_eq!(named.unwrap(), Some(client.parse().unwrap()));
                assert_eq!(rest, b"USER bob\r\n");
            }
        }
    }

    #[tokio::test]
    async fn a_proxy_that_speaks_for_itself_is_the_client() {
        for header in [&b"PROXY UNKNOWN\r\n"[..], V2_LOCAL] {
            let (named, rest, proxy) = ask(ProxyProtocol::Required, header).await;
            assert_eq!(named.unwrap(), Some(proxy));
            assert!(rest.is_empty());
        }
    }

    #[tokio::test]
    async fn without_a_header_a_proxy_is_refused_unless_it_is_optional() {
        for sent in [&b"USER bob\r\nPASS secret\r\n"[..], b"PRET LIST\r\nLIST\r\n"] {
            let (named, _, _) = ask(ProxyProtocol::Required, sent).await;
            assert!(named.is_err(), "{sent:?}");
            let (named, rest, proxy) = ask(ProxyProtocol::Optional, sent).await;
            assert_eq!(named.unwrap(), Some(proxy));
            assert_eq!(rest, sent);
        }
    }

    #[tokio::test]
    async fn a_proxy_that_leaves_without_a_byte_is_nobody() {
        for mode in [ProxyProtocol::Optional, ProxyProtocol::Required] {
            let (named, ..) = ask(mode, b"").await;
            assert_eq!(named.unwrap(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_says_nothing_is_not_waited_for_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _mute = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, proxy) = listener.accept().await.unwrap();
        let of = |mode| Proxies::new(mode, "127.0.0.0/8".parse().unwrap());
        assert_eq!(of(ProxyProtocol::Optional).client_of(&mut stream, proxy).await.unwrap(), Some(proxy));
        assert!(of(ProxyProtocol::Required).client_of(&mut stream, proxy).await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for sent in [
            &b"PROXY TCP4 192.0.2.7\r\n"[..],
            b"PROXY TCP4 192.0.2.777 10.0.0.1 1 2\r\n",
            b"PROXY TCP9 192.0.2.7 10.0.0.1 1 2\r\n",
            &[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 2121",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
        ] {
            let (named, _, _) = ask(ProxyProtocol::Required, sent).await;
            assert!(named.is_err(), "{}", sent.escape_ascii());
        }
    }

    #[test]
    fn standing_of_a_peer() {
        let from: Cidrs = "10.0.0.0/8".parse().unwrap();
        let (inside, outside) = ("10.1.1.1:1".parse().unwrap(), "192.0.2.1:1".parse().unwrap());
        for (mode, proxy, other) in [
            (ProxyProtocol::Off, Standing::Direct, Standing::Direct),
            (ProxyProtocol::Optional, Standing::Proxy, Standing::Direct),
            (ProxyProtocol::Required, Standing::Proxy, Standing::Refused),
        ] {
            let proxies = Proxies::new(mode, from.clone());
            assert_eq!((proxies.standing(inside), proxies.standing(outside)), (proxy, other));
        }
    }
}
