//! Tries: failed log-ins by address, across sessions, and the bans that follow.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::{AddressKey, lock, networks};
use crate::settings::Cidrs;

/// The most addresses remembered, about 2 MiB. When there are more, the one whose record would end first is forgotten:
/// a newcomer is always counted, so a full table never means that there is no limit.
const MAX_ADDRESSES: usize = 16 * 1024;

/// Failed log-ins by address.
///
/// A record ends `ban_time` after the last failure, be it a count or a ban; failures during a ban do not prolong it.
/// A success clears nothing, or a guesser with an account of his own would log in between his guesses.
#[derive(Debug)]
pub struct Tries {
    ban_after: Option<u32>,
    ban_time: Duration,
    trusted: Cidrs,
    records: Arc<Mutex<Records>>,
}

impl Tries {
    /// An address is banned for `ban_time` at its `ban_after`th failure; `None` bans nobody. Peers in `trusted` are
    /// exempt, as many clients stand behind one of them.
    #[must_use]
    pub fn new(ban_after: Option<u32>, ban_time: Duration, trusted: Cidrs) -> Self {
        Self { ban_after, ban_time, trusted, records: Arc::default() }
    }

    /// These limits, with all that is known of addresses `before`: bans go on, as long as they were meant to.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self { records: Arc::clone(&before.records), ..self }
    }

    /// Counts a failed log-in, for the address and for the IPv6 networks that it is in. What is banned now, the largest.
    pub fn failed(&self, ip: IpAddr) -> Option<AddressKey> {
        let ban_after = self.limit_for(ip)?;
        let now = Instant::now();
        let mut records = lock(&self.records);
        let mut banned = None;
        for (network, times) in networks(ip) {
            let ban_after = ban_after.saturating_mul(times);
            records.make_room(network, now);
            let failures = records.by_address.get(&network).map_or(0, |record| record.failures);
            if failures < ban_after {
                records.put(network, Record { failures: failures + 1, ends: now + self.ban_time });
            }
            if failures.saturating_add(1) >= ban_after {
                banned = Some(network);
            }
        }
        banned
    }

    /// Whether a peer is to be turned away.
    #[must_use]
    pub fn is_banned(&self, ip: IpAddr) -> bool {
        let Some(ban_after) = self.limit_for(ip) else { return false };
        let (records, now) = (lock(&self.records), Instant::now());
        networks(ip).any(|(network, times)| {
            let record = records.by_address.get(&network);
            record.is_some_and(|record| record.failures >= ban_after.saturating_mul(times) && record.ends > now)
        })
    }

    fn limit_for(&self, ip: IpAddr) -> Option<u32> {
        self.ban_after.filter(|_| !self.trusted.contains(ip))
    }
}

/// By address, and in the order in which they end: whoever fills the table on purpose is no more work than anybody.
#[derive(Debug, Default)]
struct Records {
    by_address: HashMap<AddressKey, Record>,
    by_end: BTreeSet<(Instant, AddressKey)>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    ends: Instant,
}

impl Records {
    /// Forgets what has ended, and makes room for this one.
    fn make_room(&mut self, newcomer: AddressKey, now: Instant) {
        while let Some(&(ends, address)) = self.by_end.first() {
            let has_room = self.by_address.len() < MAX_ADDRESSES || self.by_address.contains_key(&newcomer);
            if ends > now && has_room {
                return;
            }
            self.by_end.remove(&(ends, address));
            self.by_address.remove(&address);
        }
    }

    fn put(&mut self, address: AddressKey, record: Record) {
        if let Some(before) = self.by_address.insert(address, record) {
            self.by_end.remove(&(before.ends, address));
        }
        self.by_end.insert((record.ends, address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const BAN_TIME: Duration = Duration::from_secs(600);
    const MOMENT: Duration = Duration::from_millis(1);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn numbered(number: usize) -> IpAddr {
        IpAddr::from(u32::try_from(number).unwrap().to_be_bytes())
    }

    fn tries(ban_after: Option<u32>) -> Tries {
        Tries::new(ban_after, BAN_TIME, "10.0.0.0/8".parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_ban_outlives_the_limits_that_it_came_by() {
        let before = tries(Some(1));
        assert!(before.failed(ip("192.0.2.1")).is_some());
        let other = Tries::new(Some(1), MOMENT, Cidrs::default()).after(&before);
        advance(BAN_TIME - MOMENT).await;
        assert!(other.is_banned(ip("192.0.2.1")));
        assert!(!tries(None).after(&before).is_banned(ip("192.0.2.1")), "there is no ban any more");
        assert!(
            other.failed(ip("192.0.2.2")).is_some() && before.is_banned(ip("192.0.2.2")),
            "they are counted together"
        );
        advance(MOMENT).await;
        assert!(!other.is_banned(ip("192.0.2.1")));
    }

    #[tokio::test(start_paused = true)]
    async fn banned_at_the_limit_and_not_before() {
        let tries = tries(Some(3));
        assert!(tries.failed(ip("192.0.2.1")).is_none());
        assert!(tries.failed(ip("::ffff:192.0.2.1")).is_none());
        assert!(!tries.is_banned(ip("192.0.2.1")));
        assert!(tries.failed(ip("192.0.2.1")).is_some());
        assert!(tries.is_banned(ip("192.0.2.1")));
        assert!(tries.failed(ip("192.0.2.1")).is_some());
        assert!(!tries.is_banned(ip("192.0.2.2")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ban_ends_on_time_whatever_is_tried_meanwhile() {
        let tries = tries(Some(1));
        assert!(tries.failed(ip("192.0.2.1")).is_some());
        advance(BAN_TIME - MOMENT).await;
        assert!(tries.failed(ip("192.0.2.1")).is_some());
        assert!(tries.is_banned(ip("192.0.2.1")));
        advance(MOMENT).await;
        assert!(!tries.is_banned(ip("192.0.2.1")));
    }

    #[tokio::test(start_paused = true)]
    async fn counting_begins_anew_after_a_ban_and_after_a_quiet_time() {
        let tries = tries(Some(2));
        assert!(tries.failed(ip("192.0.2.1")).is_none());
        advance(BAN_TIME).await;
        assert!(tries.failed(ip("192.0.2.1")).is_none());
        advance(BAN_TIME - MOMENT).await;
        assert!(tries.failed(ip("192.0.2.1")).is_some());
        advance(BAN_TIME).await;
        assert!(tries.failed(ip("192.0.2.1")).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_banned_without_a_limit_and_no_trusted_peer_ever() {
        let (off, on) = (tries(None), tries(Some(1)));
        for _ in 0..100 {
            assert!(off.failed(ip("192.0.2.1")).is_none());
            assert!(on.failed(ip("10.1.2.3")).is_none());
        }
        assert!(!off.is_banned(ip("192.0.2.1")));
        assert!(!on.is_banned(ip("10.1.2.3")));
    }

    /// Guesses from each network of a site are those of the site.
    #[tokio::test(start_paused = true)]
    async fn a_ban_grows_to_the_site_that_fails_from_many_networks() {
        let tries = tries(Some(3));
        let at =
            |network: u128| IpAddr::from(std::net::Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | network << 64 | 9));
        let shown = |network| tries.failed(at(network)).map(|banned| banned.to_string());
        // Two a network stay below its own limit; the twelfth of the /56 is one too many.
        for network in 0..5 {
            assert_eq!((shown(network), shown(network)), (None, None), "{network}");
        }
        assert_eq!((shown(5), shown(5)), (None, Some("2001:db8::/56".to_owned())));
        assert!(tries.is_banned(at(200)) && !tries.is_banned(at(256)));
        // Twelve have been counted for the /48, which has 48.
        for network in 1..18 {
            assert_eq!((shown(network << 8), shown(network << 8)), (None, None), "{network}");
        }
        assert_eq!((shown(0x7700), shown(0x7800)), (None, Some("2001:db8::/48".to_owned())));
        assert!(tries.is_banned(at(65_535)) && !tries.is_banned(at(65_536)));
        advance(BAN_TIME).await;
        assert!(!tries.is_banned(at(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_table_forgets_the_oldest_and_still_limits() {
        let tries = tries(Some(1));
        for number in 0..MAX_ADDRESSES {
            assert!(tries.failed(numbered(number)).is_some());
            advance(Duration::from_micros(1)).await;
        }
        assert!(tries.is_banned(numbered(0)));
        assert!(tries.failed(ip("192.0.2.1")).is_some());
        assert!(tries.is_banned(ip("192.0.2.1")));
        assert!(!tries.is_banned(numbered(0)));
        assert!(tries.is_banned(numbered(1)));
        assert_eq!(lock(&tries.records).by_address.len(), MAX_ADDRESSES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_table_forgets_first_what_has_ended() {
        let tries = tries(Some(2));
        for number in 0..MAX_ADDRESSES {
            tries.failed(numbered(number));
        }
        advance(BAN_TIME).await;
        tries.failed(ip("192.0.2.1"));
        assert_eq!(lock(&tries.records).by_address.len(), 1);
    }

    /// T66: however many addresses fail, the memory is that of a full table, and the last one is limited as the first.
    #[tokio::test(start_paused = true)]
    async fn addresses_without_number_take_bounded_memory_and_are_limited_each() {
        let tries = tries(Some(1));
        for number in 0..20 * MAX_ADDRESSES {
            let address = numbered(number << 8);
            assert!(tries.failed(address).is_some() && tries.is_banned(address));
        }
        let records = lock(&tries.records);
        assert_eq!((records.by_address.len(), records.by_end.len()), (MAX_ADDRESSES, MAX_ADDRESSES));
    }
}
