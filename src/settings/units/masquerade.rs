//! The address that clients are told for data connections, where it is not the local one.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::value::unit;

/// What PASV tells clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Masquerade {
    /// The local address of the control connection.
    Off,
    /// This address.
    Address(IpAddr),
    /// What this host name resolves to.
    Name(String),
}

unit!(Masquerade, Text, "an address that clients can reach (not 0.0.0.0 or ::), a host name, or nothing");

impl Masquerade {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Off);
        }
        match text.parse() {
            Ok(address) => reachable(address).map(Self::Address),
            Err(_) => is_host_name(text).then(|| Self::Name(text.to_owned())),
        }
    }
}

impl fmt::Display for Masquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => Ok(()),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Rules for clients that need different answers; the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MasqueradeMap(Vec<MasqueradeRule>);

/// One rule of a [`MasqueradeMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasqueradeRule {
    /// Which sessions it is for.
    pub when: MasqueradeWhen,
    /// What these are told.
    pub tell: MasqueradeTo,
}

/// Which sessions a [`MasqueradeRule`] is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasqueradeWhen {
    /// The client's address is in this network.
    Client(IpNet),
    /// The server's own end of the control connection has this address.
    Local(IpAddr),
}

/// What a [`MasqueradeRule`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasqueradeTo {
    /// This address.
    Address(IpAddr),
    /// The real local address.
    Local,
}

unit!(
    MasqueradeMap,
    List,
    "rules with commas between, each `client network = address` or `local address = address`, such as \
     `10.0.0.0/8 = local, 192.0.2.1 = 203.0.113.9`"
);

impl MasqueradeMap {
    /// What a client at `client` is told that came in at our address `local`; none if no rule is for it.
    #[must_use]
    pub fn answer(&self, client: IpAddr, local: IpAddr) -> Option<MasqueradeTo> {
        let (client, local) = (client.to_canonical(), local.to_canonical());
        let fits = |rule: &&MasqueradeRule| match rule.when {
            MasqueradeWhen::Client(network) => network.contains(&client),
            MasqueradeWhen::Local(address) => address == local,
        };
        self.0.iter().find(fits).map(|rule| rule.tell)
    }

    /// Whether there is no rule.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn parse(text: &str) -> Option<Self> {
        let rules = text.split([',', ';', '\n']).map(str::trim).filter(|rule| !rule.is_empty());
        rules.map(rule).collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for MasqueradeMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            match rule.when {
                MasqueradeWhen::Client(network) => network.fmt(f)?,
                MasqueradeWhen::Local(address) => address.fmt(f)?,
            }
            match rule.tell {
                MasqueradeTo::Address(address) => write!(f, " = {address}")?,
                MasqueradeTo::Local => f.write_str(" = local")?,
            }
        }
        Ok(())
    }
}

fn rule(text: &str) -> Option<MasqueradeRule> {
    let (when, tell) = text.split_once('=')?;
    let (when, tell) = (when.trim(), tell.trim());
    let when = if when.contains('/') {
        MasqueradeWhen::Client(when.parse().ok()?)
    } else {
        MasqueradeWhen::Local(when.parse::<IpAddr>().ok()?.to_canonical())
    };
    let tell =
        if tell == "local" { MasqueradeTo::Local } else { MasqueradeTo::Address(reachable(tell.parse().ok()?)?) };
    Some(MasqueradeRule { when, tell })
}

fn reachable(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    (!address.is_unspecified()).then_some(address)
}

/// RFC 1123 section 2.1, with the underscore that some networks use. A last label of digits would be a mistyped address.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(label) && !last_is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(
        MasqueradeMap,
        "(10\\.[0-9]\\.0\\.0/[89] ?= ?(local|192\\.0\\.2\\.[1-9])[,;\n] ?){0,3}10\\.0\\.0\\.[1-9] = local"
    );

    #[test]
    fn addresses_and_names() {
        assert_eq!("".parse(), Ok(Masquerade::Off));
        assert_eq!("203.0.113.9".parse(), Ok(Masquerade::Address([203, 0, 113, 9].into())));
        for name in ["ftp.example.org", "ftp.example.org.", "host", "my_host-1"] {
            assert_eq!(name.parse(), Ok(Masquerade::Name(name.to_owned())));
        }
        for text in
            ["0.0.0.0", "::", "::ffff:0.0.0.0", "300.1.2.3", "1.2.3", "a b", "-a", "a..b", "http://x", "203.0.113.9:21"]
        {
            assert!(text.parse::<Masquerade>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let map: MasqueradeMap =
            "10.1.0.0/16 = local, 10.0.0.0/8 = 10.0.0.5\n192.168.1.2 = 203.0.113.9; 2001:db8::/32 = 2001:db8::1"
                .parse()
                .unwrap();
        let told = |address: &str| Some(MasqueradeTo::Address(address.parse().unwrap()));
        for (client, local, answer) in [
            ("10.1.2.3", "192.168.1.2", Some(MasqueradeTo::Local)),
            ("10.2.2.3", "192.168.1.2", told("10.0.0.5")),
            ("::ffff:10.2.2.3", "::ffff:192.168.1.2", told("10.0.0.5")),
            ("198.51.100.1", "192.168.1.2", told("203.0.113.9")),
            ("198.51.100.1", "192.168.1.3", None),
            ("2001:db8::7", "2001:db8::2", told("2001:db8::1")),
        ] {
            assert_eq!(map.answer(client.parse().unwrap(), local.parse().unwrap()), answer, "{client} at {local}");
        }
    }

    #[test]
    fn what_is_no_rule() {
        for text in [
            "10.0.0.0/8",
            "= local",
            "10.0.0.0/8 = ",
            "10.0.0.0/8 = host",
            "10.0.0.0/40 = local",
            "a = b",
            "10.0.0.1 = 0.0.0.0",
        ] {
            assert!(text.parse::<MasqueradeMap>().is_err(), "{text}");
        }
        assert!("".parse::<MasqueradeMap>().unwrap().is_empty());
    }
}
