//! Active mode: the server connects to the client (PORT, RFC 959; EPRT, RFC 2428).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tokio::net::{TcpSocket, TcpStream};

use crate::settings::Cidrs;

/// Addresses at which clouds answer their own machines, beside the link-local 169.254.169.254: Alibaba, Azure, Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];

/// Whether an active data connection to `to` is refused whatever the settings permit. `gateways` are the networks that
/// `trusted_peers` and `proxy_from` name: a client that appears under such an address is not there, but a host is that
/// has services of its own. Loopback, link-local, metadata, multicast and unspecified addresses, and those of this
/// machine, are for a client that is there itself.
#[must_use]
pub fn is_out_of_bounds(to: IpAddr, client: IpAddr, gateways: [&Cidrs; 2]) -> bool {
    let to = to.to_canonical();
    let within = embedded(to);
    let all = || [Some(to), within].into_iter().flatten();
    if all().any(|to| gateways.iter().any(|networks| networks.contains(to))) {
        return true;
    }
    to != client.to_canonical() && (all().any(is_special) || is_own(to))
}

/// An address that is never somebody else's on the network.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            // The network 0.0.0.0/8 is "this host", the class above multicast is reserved and holds the broadcast address.
            first == 0 || first >= 224 || v4.is_loopback() || v4.is_link_local() || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => {
            // Amazon's services for its own machines are in fd00:ec2::/32, Google's metadata is at fd20:ce::254.
            let is_metadata = matches!(v6.segments(), [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254]);
            v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local() || is_metadata
        }
    }
}

/// The IPv4 address that an IPv6 address leads to: IPv4-compatible (RFC 4291), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let last = |[.., high, low]: [u16; 8]| u32::from(high) << 16 | u32::from(low);
    let v4 = match v6.segments() {
        [0x2002, high, low, ..] => u32::from(high) << 16 | u32::from(low),
        [0, 0, 0, 0, 0, 0, ..] if !v6.is_loopback() && !v6.is_unspecified() => last(v6.segments()),
        [0x64, 0xff9b, 0 | 1, ..] => last(v6.segments()),
        _ => return None,
    };
    Some(Ipv4Addr::from(v4).into())
}

/// Whether an address is one of this machine: then the kernel would connect from the very address. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let any = if address.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == address)
}

/// Connects to the client. `from` is the control connection's local address, as a client behind a firewall expects no
/// other; its port is 0 for any, or the 20 that RFC 959 names and old firewalls want.
///
/// # Errors
/// What the kernel says: the port cannot be bound, the client refuses or is not reached.
pub(super) async fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if from.port() != 0 {
        // Every client is reached from the one port, so it is bound many times over.
        socket.set_reuseaddr(true)?;
    }
    // With `permit_foreign_addresses` the client may have named the other family.
    if from.is_ipv4() == to.is_ipv4() {
        socket.bind(from)?;
    }
    socket.connect(to).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "198.51.100.7";

    fn is_refused(to: &str, client: &str) -> bool {
        let gateways = [&"172.18.0.1,fd12::/64".parse().unwrap(), &"10.4.0.0/24".parse().unwrap()];
        is_out_of_bounds(to.parse().unwrap(), client.parse().unwrap(), gateways)
    }

    #[test]
    fn gateways_and_proxies_are_refused_to_everybody() {
        for to in ["172.18.0.1", "::ffff:172.18.0.1", "64:ff9b::172.18.0.1", "10.4.0.200", "fd12::1"] {
            assert!(is_refused(to, CLIENT) && is_refused(to, to), "{to}");
        }
    }

    #[test]
    fn special_addresses_are_refused_unless_the_client_is_there() {
        for to in [
            "127.0.0.1",
            "127.255.3.4",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::127.0.0.1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::",
        ] {
            assert!(is_refused(to, CLIENT), "{to}");
            assert!(!is_refused(to, to), "{to}");
        }
    }

    #[test]
    fn others_are_not_refused() {
        for to in [CLIENT, "192.0.2.1", "10.1.2.3", "169.253.1.1", "172.18.0.2", "100.100.100.201", "2001:db8::1"] {
            assert!(!is_refused(to, CLIENT), "{to}");
        }
        for to in ["fd00:ec3::254", "fec0::1", "64:ff9b::192.0.2.1", "2002:c000:201::1"] {
            assert!(!is_refused(to, CLIENT), "{to}");
        }
    }
}
