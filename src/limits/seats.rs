//! Seats: how many control sessions there are, in all and from one address.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::address::networks;
use super::tally::Tally;
use super::{AddressKey, lock, one_address};
use crate::settings::Cidrs;

/// The seats of one server. Clones share them.
#[derive(Debug, Clone)]
pub struct Seats {
    max_cons: Option<u32>,
    max_per_ip: Option<u32>,
    trusted: Cidrs,
    taken: Arc<Mutex<Taken>>,
}

/// One session's place, given back when dropped.
#[derive(Debug)]
#[must_use = "a seat is free again as soon as it is dropped"]
pub struct Seat {
    taken: Arc<Mutex<Taken>>,
    ip: IpAddr,
}

/// Why a connection is turned away at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `max_cons` sessions are there.
    ServerFull,
    /// `max_per_ip` sessions from this address are there, or as many as its IPv6 network may have.
    AddressFull,
    /// The address failed too often to log in, see [`Tries`](super::Tries).
    Banned,
}

impl Seats {
    /// `None` is no limit. Peers in `trusted` are exempt from `max_per_ip`, as many clients stand behind one of them.
    #[must_use]
    pub fn new(max_cons: Option<u32>, max_per_ip: Option<u32>, trusted: Cidrs) -> Self {
        let taken = Arc::new(Mutex::new(Taken { total: 0, by_address: Tally::new() }));
        Self { max_cons, max_per_ip, trusted, taken }
    }

    /// These limits, for the seats of `before`: whoever has one there counts here, and keeps it.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self { taken: Arc::clone(&before.taken), ..self }
    }

    /// Takes a seat for a peer; counted and compared in one step, so the limits are exact.
    ///
    /// # Errors
    /// [`Refusal::ServerFull`] or [`Refusal::AddressFull`]; nothing was taken.
    pub fn admit(&self, ip: IpAddr) -> Result<Seat, Refusal> {
        let max_per_ip = self.max_per_ip.filter(|_| !self.trusted.contains(ip));
        let mut taken = lock(&self.taken);
        if self.max_cons.is_some_and(|max| taken.total >= max) {
            return Err(Refusal::ServerFull);
        }
        let is_full = |max: u32| {
            networks(ip).any(|(network, times)| taken.by_address.count(&network) >= max.saturating_mul(times))
        };
        if max_per_ip.is_some_and(is_full) {
            return Err(Refusal::AddressFull);
        }
        taken.total += 1;
        networks(ip).for_each(|(network, _)| taken.by_address.add(network));
        Ok(Seat { taken: Arc::clone(&self.taken), ip })
    }

    /// Sessions there are now.
    #[must_use]
    pub fn taken(&self) -> u32 {
        lock(&self.taken).total
    }

    /// Sessions there are now from what counts as the same address as `ip`.
    #[must_use]
    pub fn taken_from(&self, ip: IpAddr) -> u32 {
        lock(&self.taken).by_address.count(&one_address(ip))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.total -= 1;
        networks(self.ip).for_each(|(network, _)| taken.by_address.remove(&network));
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerFull => "max_cons sessions are there",
            Self::AddressFull => "max_per_ip sessions from this address are there",
            Self::Banned => "banned after failed log-ins (ban_after)",
        })
    }
}

impl std::error::Error for Refusal {}

#[derive(Debug)]
struct Taken {
    total: u32,
    by_address: Tally<AddressKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn seats(max_cons: Option<u32>, max_per_ip: Option<u32>) -> Seats {
        Seats::new(max_cons, max_per_ip, "10.0.0.0/8".parse().unwrap())
    }

    #[test]
    fn the_server_is_full_at_max_cons_and_not_before() {
        let seats = seats(Some(3), None);
        let two = [seats.admit(ip("192.0.2.1")).unwrap(), seats.admit(ip("192.0.2.2")).unwrap()];
        let third = seats.admit(ip("192.0.2.3")).unwrap();
        assert_eq!(seats.admit(ip("192.0.2.4")).unwrap_err(), Refusal::ServerFull);
        assert_eq!(seats.taken(), 3);
        drop(third);
        let again = seats.admit(ip("192.0.2.4")).unwrap();
        assert_eq!(seats.taken(), 3);
        drop((two, again));
        assert_eq!(seats.taken(), 0);
    }

    #[test]
    fn an_address_is_full_at_max_per_ip_and_others_are_not() {
        let seats = seats(None, Some(2));
        let first = seats.admit(ip("2001:db8::1")).unwrap();
        let _second = seats.admit(ip("2001:db8::2")).unwrap();
        assert_eq!(seats.admit(ip("2001:db8::3")).unwrap_err(), Refusal::AddressFull);
        assert_eq!(seats.taken_from(ip("2001:db8::9")), 2);
        let _other = seats.admit(ip("2001:db8:0:1::1")).unwrap();
        drop(first);
        let _third = seats.admit(ip("2001:db8::3")).unwrap();
        assert_eq!(seats.admit(ip("2001:db8::1")).unwrap_err(), Refusal::AddressFull);
    }

    /// A site with a /48 has 65,536 networks of 64 bits, and is not so many clients.
    #[test]
    fn a_site_is_full_at_some_times_the_limit_of_an_address() {
        let seats = seats(None, Some(2));
        let admit = |site: u128, network: u128| {
            let bits = (0x2001_0db8_u128 << 96) | site << 80 | network << 64 | 1;
            seats.admit(std::net::Ipv6Addr::from_bits(bits).into())
        };
        let mut all: Vec<Seat> = (0..8).map(|network| admit(1, network).unwrap()).collect();
        assert_eq!(admit(1, 255).unwrap_err(), Refusal::AddressFull, "its /56 has eight");
        all.extend(
            (1..4)
                .flat_map(|part| (0..8).map(move |network| part * 256 + network))
                .map(|network| admit(1, network).unwrap()),
        );
        assert_eq!(admit(1, 65_535).unwrap_err(), Refusal::AddressFull, "its /48 has 32");
        all.push(admit(2, 0).unwrap());
        drop(all.remove(0));
        let _again = admit(1, 65_535).unwrap();
        all.clear();
    }

    #[test]
    fn a_trusted_peer_is_exempt_from_the_limit_of_an_address_only() {
        let seats = seats(Some(3), Some(1));
        let all: Vec<_> = (0..3).map(|_| seats.admit(ip("::ffff:10.1.2.3")).unwrap()).collect();
        assert_eq!(seats.admit(ip("10.1.2.3")).unwrap_err(), Refusal::ServerFull);
        assert_eq!(all.len(), 3);
    }

    /// T66: no memory of those who are gone.
    #[test]
    fn nothing_is_remembered_of_an_address_that_left() {
        let seats = seats(None, Some(1));
        for last in 0..=255 {
            let _ = seats.admit(IpAddr::from([192, 0, 2, last])).unwrap();
            let _ = seats.admit(ip(&format!("2001:db8:{last:x}::1"))).unwrap();
        }
        assert_eq!(lock(&seats.taken).by_address.keys(), 0);
    }

    /// F47.
    #[test]
    fn other_limits_count_those_who_are_there() {
        let before = seats(Some(3), None);
        let mut all: Vec<_> = (0..3).map(|_| before.admit(ip("192.0.2.1")).unwrap()).collect();
        let lower = seats(Some(2), Some(1)).after(&before);
        assert_eq!(lower.admit(ip("192.0.2.2")).unwrap_err(), Refusal::ServerFull);
        all.truncate(1);
        assert_eq!(lower.admit(ip("192.0.2.1")).unwrap_err(), Refusal::AddressFull);
        let _other = lower.admit(ip("192.0.2.2")).unwrap();
        assert_eq!((lower.taken(), before.taken()), (2, 2));
        all.clear();
        assert_eq!(lower.taken(), 1);
    }

    #[test]
    fn no_more_than_the_limit_get_in_at_once() {
        let seats = seats(Some(100), None);
        let admit_many = || (0..50).filter_map(|_| seats.admit(ip("192.0.2.1")).ok()).collect::<Vec<_>>();
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(admit_many)).collect();
            let taken: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            taken.iter().map(Vec::len).sum()
        });
        assert_eq!(admitted, 100);
        assert_eq!(seats.taken(), 0);
    }
}
