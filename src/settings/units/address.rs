//! Where to listen, and whom to trust.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::super::value::unit;

/// The addresses to listen on: at least one, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddresses(Vec<IpAddr>);

unit!(ListenAddresses, List, "IP addresses with commas between, none twice, such as 0.0.0.0 or 192.0.2.1,2001:db8::1");

impl ListenAddresses {
    /// Each address, as listed.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.0.iter().copied()
    }

    fn parse(text: &str) -> Option<Self> {
        let addresses: Vec<IpAddr> = separated(text, |item| item.parse().ok())?;
        let twice = addresses.iter().enumerate().any(|(index, address)| addresses[..index].contains(address));
        (!addresses.is_empty() && !twice).then_some(Self(addresses))
    }
}

impl From<IpAddr> for ListenAddresses {
    fn from(address: IpAddr) -> Self {
        Self(vec![address])
    }
}

impl fmt::Display for ListenAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_separated(f, &self.0)
    }
}

/// Sockets to listen on, possibly none, and none twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListenSockets(Vec<SocketAddr>);

unit!(ListenSockets, List, "addresses with ports, with commas between, none twice, such as 0.0.0.0:990 or [::]:990");

impl ListenSockets {
    /// Each, as listed.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.iter().copied()
    }

    fn parse(text: &str) -> Option<Self> {
        let sockets: Vec<SocketAddr> = separated(text, |item| item.parse().ok())?;
        let twice = sockets.iter().enumerate().any(|(index, socket)| sockets[..index].contains(socket));
        (!twice).then_some(Self(sockets))
    }
}

impl fmt::Display for ListenSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_separated(f, &self.0)
    }
}

/// Networks, possibly none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cidrs(Vec<IpNet>);

unit!(Cidrs, List, "networks with commas between, such as 10.0.0.0/8 or 192.0.2.1,2001:db8::/32");

impl Cidrs {
    /// Whether one of the networks holds `address`. An IPv4 address in an IPv6 coat counts as the former.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Whether each of the `other` networks lies in one of these.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|inner| self.0.iter().any(|network| network.contains(inner)))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn parse(text: &str) -> Option<Self> {
        separated(text, network).map(Self)
    }
}

impl fmt::Display for Cidrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_separated(f, &self.0)
    }
}

/// A network, or one address as a network of its own.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.to_canonical().into()))
}

/// The items between commas; an empty text has none, an empty item is an error.
fn separated<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    if text.is_empty() { Some(Vec::new()) } else { text.split(',').map(|item| read(item.trim())).collect() }
}

fn write_separated<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(Cidrs, "(10\\.[0-9]\\.0\\.0/[89], ?){0,3}2001:db8::/[1-9][0-9]");

    #[test]
    fn listen_addresses() {
        for (text, count) in [("0.0.0.0", 1), ("::", 1), ("127.0.0.1, ::1", 2)] {
            assert_eq!(text.parse::<ListenAddresses>().unwrap().iter().count(), count, "{text}");
        }
        for text in ["", "localhost", "127.0.0.1,", "127.0.0.1,127.0.0.1", "1.2.3", "0.0.0.0:21"] {
            assert!(text.parse::<ListenAddresses>().is_err(), "{text}");
        }
        for (text, count) in [("", 0), ("0.0.0.0:990", 1), ("127.0.0.1:990, [::1]:990", 2)] {
            assert_eq!(text.parse::<ListenSockets>().unwrap().iter().count(), count, "{text}");
        }
        for text in ["990", ":990", "0.0.0.0", "::1:990x", "0.0.0.0:990,", "0.0.0.0:990,0.0.0.0:990", "0.0.0.0:70000"] {
            assert!(text.parse::<ListenSockets>().is_err(), "{text}");
        }
    }

    #[test]
    fn networks_hold_their_addresses_and_mapped_ones() {
        let trusted: Cidrs = "10.0.0.0/8, 192.0.2.1, 2001:db8::/32".parse().unwrap();
        for (address, inside) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("::ffff:10.1.1.1", true),
            ("2001:db8::5", true),
            ("2001:db9::5", false),
        ] {
            assert_eq!(trusted.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!("".parse::<Cidrs>().unwrap().is_empty());
        for text in ["10.0.0.0/33", "10.0.0/8", "ten", ",", "10.0.0.0/8,"] {
            assert!(text.parse::<Cidrs>().is_err(), "{text}");
        }
    }
}
