//! `longshore healthcheck`: asks the running server, as a client would, whether it is there.

use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::settings::{ProxyProtocol, Settings};

/// A server that takes longer for its greeting is not well.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects to the server of these settings, hears its greeting and leaves. A server that is full (421) is well.
///
/// # Errors
/// What is wrong, in words.
pub fn check_health(settings: &Settings) -> Result<(), String> {
    let address = own_address(settings);
    greet(address, settings.proxy_protocol).map_err(|error| format!("{address}: {error}"))
}

fn own_address(settings: &Settings) -> SocketAddr {
    let ip = match settings.ip.iter().next() {
        Some(IpAddr::V6(ip)) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        Some(ip) if !ip.is_unspecified() => ip,
        _ => Ipv4Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, settings.port)
}

fn greet(address: SocketAddr, proxy_protocol: ProxyProtocol) -> io::Result<()> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    if proxy_protocol == ProxyProtocol::Required {
        // We are no proxy, so this is as far as we are let in.
        return Ok(());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    if !line.starts_with("220") && !line.starts_with("421") {
        return Err(io::Error::other(format!("greeted by {:?}", line.trim_end())));
    }
    // Leaving without a word is what a probe does: the log has no session to tell of, twice a minute.
    Ok(())
}
