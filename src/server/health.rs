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

/// Connects to the server of these settings, hears its greeting and leaves. A server that is full (421) is well.
///
/// # Errors
/// What is wrong, in words.
pub fn check_health(settings: &Settings) -> Result<(), String> {
    if settings.port == 0 {
        return Err("port: found 0, any free one, expected the one to ask".to_owned());
    }
    let address = own_address(settings);
    greet(address, settings.proxy_protocol).map_err(|error| format!("{address}: {}", in_words(&error)))
}

fn own_address(settings: &Settings) -> SocketAddr {
    let ip = match settings.ip.iter().next() {
        Some(IpAddr::V6(ip)) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        Some(ip) if !ip.is_unspecified() => ip,
        _ => Ipv4Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, settings.port)
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
    match code(&mut stream, deadline) {
        Ok(code) if [b"220", b"421"].contains(&&code) => Ok(()),
        Ok(code) => Err(io::Error::other(format!("no greeting of FTP, but {:?}", String::from_utf8_lossy(&code)))),
        // Unless we are one of its proxies, a server that wants a header is done with us as soon as it sees us.
        Err(error) if needs_header && is_closed(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The first three bytes that the server says.
fn code(stream: &mut TcpStream, deadline: Instant) -> io::Result<[u8; 3]> {
    let mut code = [0; 3];
    let mut count = 0;
    while count < code.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut code[count..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(code)
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        // The kernel says the latter when the time to read is over.
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => format!("no greeting within {} s", PATIENCE.as_secs()),
        io::ErrorKind::UnexpectedEof => "closed without a greeting".to_owned(),
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        _ => error.to_string(),
    }
}
