//! What counts as one address: an IPv4 address, or an IPv6 /64; and the larger IPv6 networks, which have limits too.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::settings::Cidrs;
use crate::turns::{Group, Whose};

/// Bits of an IPv6 address that name the network of one client; the rest is the client's to choose.
const CLIENT: u8 = 64;
/// The larger networks that a provider gives to one site, and how many times the limits of a client each of them has.
const SITES: [(u8, u32); 2] = [(56, 4), (48, 16)];

/// An address as limits see it: an IPv4 address, or an IPv6 network. Displayed as the address, or as `prefix::/64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey {
    ip: IpAddr,
    prefix: u8,
}

/// What `ip` counts as: v4-mapped IPv6 is IPv4 (a dual-stack socket shows it so), and any IPv6 address is its /64,
/// which one client has for itself.
#[must_use]
pub fn one_address(ip: IpAddr) -> AddressKey {
    network(ip, CLIENT)
}

/// What `ip` counts as, and how many times the limit of a client each of these has: the client itself first and once; for IPv6 also
/// its /56 four times and its /48 sixteen times. Otherwise whoever has a /48 would be 65,536 clients.
pub fn networks(ip: IpAddr) -> impl DoubleEndedIterator<Item = (AddressKey, u32)> + Clone {
    let sites = SITES.iter().filter(move |_| ip.to_canonical().is_ipv6());
    std::iter::once((one_address(ip), 1)).chain(sites.map(move |&(prefix, times)| (network(ip, prefix), times)))
}

fn network(ip: IpAddr, prefix: u8) -> AddressKey {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let network = v6.to_bits() & (u128::MAX << (128 - u32::from(prefix)));
            AddressKey { ip: Ipv6Addr::from_bits(network).into(), prefix }
        }
        v4 => AddressKey { ip: v4, prefix: 32 },
    }
}

/// Who takes a turn at what clients share: a session from `ip`, with its `user` or the name that was given at log-in.
/// Many clients stand behind a peer in `trusted`, so there each user is a client of its own, and each session before it
/// has one.
#[must_use]
pub fn whose(ip: IpAddr, user: Option<Arc<str>>, session: u64, trusted: &Cidrs) -> Whose {
    let group = match &user {
        _ if !trusted.contains(ip) => Group::Address(one_address(ip).ip),
        Some(name) => Group::User(Arc::clone(name)),
        None => Group::Session(session),
    };
    Whose { group, user }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/{}", self.prefix),
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
    fn turns_are_by_address_and_behind_a_trusted_peer_by_user() {
        let trusted: Cidrs = "10.0.0.0/8".parse().unwrap();
        let whose =
            |ip: &str, user: Option<&str>, session| whose(ip.parse().unwrap(), user.map(Arc::from), session, &trusted);
        assert_eq!(whose("192.0.2.1", None, 1), whose("::ffff:192.0.2.1", None, 2));
        assert_eq!(whose("2001:db8::1", Some("a"), 1), whose("2001:db8::2", Some("a"), 2));
        assert_eq!(whose("192.0.2.1", Some("a"), 1).group, whose("192.0.2.1", Some("b"), 1).group);
        assert_ne!(whose("192.0.2.1", Some("a"), 1), whose("192.0.2.1", Some("b"), 1));
        assert_ne!(whose("10.0.0.1", Some("a"), 1).group, whose("10.0.0.1", Some("b"), 1).group);
        assert_eq!(whose("10.0.0.1", Some("a"), 1), whose("10.0.0.2", Some("a"), 2));
        assert_ne!(whose("10.0.0.1", None, 1).group, whose("10.0.0.1", None, 2).group);
    }

    #[test]
    fn an_ipv6_address_counts_for_its_site_too() {
        let of = |text: &str| -> Vec<(String, u32)> {
            networks(text.parse().unwrap()).map(|(key, times)| (key.to_string(), times)).collect()
        };
        assert_eq!(of("::ffff:192.0.2.1"), [("192.0.2.1".to_owned(), 1)]);
        let wanted = [("2001:db8:1:203::/64", 1), ("2001:db8:1:200::/56", 4), ("2001:db8:1::/48", 16)];
        assert_eq!(of("2001:db8:1:203:4::5"), wanted.map(|(key, times)| (key.to_owned(), times)));
    }

    #[test]
    fn what_is_shown() {
        assert_eq!(key("::ffff:192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(key("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
    }
}
