//! What counts as one address: an IPv4 address, or an IPv6 /64.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The part of an IPv6 address that names a network; the rest is the client's to choose.
const PREFIX_64: u128 = !0 << 64;

/// An address as limits see it. Displayed as the address, or as `prefix::/64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey(IpAddr);

/// What `ip` counts as: v4-mapped IPv6 is IPv4 (a dual-stack socket shows it so), and any IPv6 address is its /64,
/// which one client has for itself.
#[must_use]
pub fn one_address(ip: IpAddr) -> AddressKey {
    AddressKey(match ip.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & PREFIX_64).into(),
        v4 => v4,
    })
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AddressKey {
        one_address(text.parse().unwrap())
    }

    /// T45: a client may choose among 2^64 addresses.
    #[test]
    fn a_network_of_64_bits_is_one_address() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    /// T45: or be shown in another form.
    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("::ffff:192.0.2.1"), key("::ffff:192.0.2.2"));
    }

    #[test]
    fn what_is_shown() {
        assert_eq!(key("::ffff:192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(key("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
    }
}
