//! `longshore healthcheck`: asks the running server, as a client would, whether it is there.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::settings::{ProxyProtocol, Settings};

/// A server that takes longer for its greeting is not well. All of the check takes no longer: whoever asks has a
/// deadline of its own, and would not hear what is wrong.
const PATIENCE: Duration = Duration::from_secs(4);
/// What a proxy says that speaks for nobody but itself.
const OWN_HEADER: &[u8] = b"PROXY UNKNOWN\r\n";

/// Where `http_listen` is set, asks there for `/livez`. Else connects to the server of these settings, hears its greeting
/// and leaves. A server that is full (421) is well.
///
/// # Errors
/// What is wrong, in words.
pub fn check_health(settings: &Settings) -> Result<(), String> {
    if let Some(address) = settings.http_listen.iter().next() {
        return ask("http_listen", address, "an answer", is_alive);
    }
    let ip = settings.ip.iter().next().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    ask("port", SocketAddr::new(ip, settings.port), "a greeting", |address| greet(address, settings.proxy_protocol))
}

/// Asks at the address that `setting` says for what is `awaited`.
fn ask(
    setting: &str,
    address: SocketAddr,
    awaited: &str,
    ask: impl Fn(SocketAddr) -> io::Result<()>,
) -> Result<(), String> {
    if address.port() == 0 {
        return Err(format!("{setting}: found 0, any free one, expected the one to ask"));
    }
    let address = SocketAddr::new(own(address.ip()), address.port());
    ask(address).map_err(|error| format!("{address}: {}", in_words(&error, awaited)))
}

/// Where a server that listens on this is found from here.
fn own(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn is_alive(address: SocketAddr) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.write_all(b"GET /livez HTTP/1.0\r\n\r\n")?;
    match begin::<12>(&mut stream, deadline)? {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'2', b'0', b'0'] => Ok(()),
        said => Err(io::Error::other(format!("no answer of HTTP with 200, but {:?}", String::from_utf8_lossy(&said)))),
    }
}

/// Nothing is said to the server, and no command above all: that would be a session in its log each time.
fn greet(address: SocketAddr, proxy_protocol: ProxyProtocol) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    let needs_header = proxy_protocol == ProxyProtocol::Required;
    if needs_header {
        // If it is closed already, that is found out below.
        let _ = stream.write_all(OWN_HEADER);
    }
    match begin::<3>(&mut stream, deadline) {
        Ok(code) if [b"220", b"421"].contains(&&code) => Ok(()),
        Ok(code) => Err(io::Error::other(format!("no greeting of FTP, but {:?}", String::from_utf8_lossy(&code)))),
        // Unless we are one of its proxies, a server that wants a header is done with us as soon as it sees us.
        Err(error) if needs_header && is_closed(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The first bytes that the server says.
fn begin<const LENGTH: usize>(stream: &mut TcpStream, deadline: Instant) -> io::Result<[u8; LENGTH]> {
    let mut said = [0; LENGTH];
    let mut count = 0;
    while count < LENGTH {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut said[count..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(said)
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn in_words(error: &io::Error, awaited: &str) -> String {
    match error.kind() {
        // The kernel says the latter when the time to read is over.
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => format!("waited {} s for {awaited}", PATIENCE.as_secs()),
        io::ErrorKind::UnexpectedEof => format!("closed without {awaited}"),
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        _ => error.to_string(),
    }
}
