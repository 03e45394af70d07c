//! `longshore healthcheck`: asks the running server, as a client would, whether it is there.

use std::io::{self, BufRead, BufReader, Write};
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
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut control = BufReader::new(stream);
    let mut line = String::new();
    control.read_line(&mut line)?;
    if !line.starts_with("220") && !line.starts_with("421") {
        return Err(io::Error::other(format!("greeted by {:?}", line.trim_end())));
    }
    if line.starts_with("220") {
        control.get_mut().write_all(b"QUIT\r\n")?;
        // To the end, so that the server does not have to wait for ours.
        while control.read_line(&mut line)? > 0 {
            line.clear();
        }
    }
    Ok(())
}
