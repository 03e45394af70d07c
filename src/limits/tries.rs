//! Tries: failed log-ins by address, across sessions, and the bans that follow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::{AddressKey, lock, one_address};
use crate::settings::Cidrs;

/// The most addresses remembered, about 1 MiB. When there are more, the one whose record would end first is forgotten:
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
    records: Mutex<HashMap<AddressKey, Record>>,
}

impl Tries {
    /// An address is banned for `ban_time` at its `ban_after`th failure; `None` bans nobody. Peers in `trusted` are
    /// exempt, as many clients stand behind one of them.
    #[must_use]
    pub fn new(ban_after: Option<u32>, ban_time: Duration, trusted: Cidrs) -> Self {
        Self { ban_after, ban_time, trusted, records: Mutex::default() }
    }

    /// Counts a failed log-in. Whether the address is banned now.
    pub fn failed(&self, ip: IpAddr) -> bool {
        let Some(ban_after) = self.limit_for(ip) else { return false };
        let address = one_address(ip);
        let now = Instant::now();
        let mut records = lock(&self.records);
        if !records.contains_key(&address) {
            make_room(&mut records, now);
        }
        let record = records.entry(address).or_insert(Record { failures: 0, ends: now });
        if record.ends <= now {
            record.failures = 0;
        }
        if record.failures < ban_after {
            record.failures += 1;
            record.ends = now + self.ban_time;
        }
        record.failures >= ban_after
    }

    /// Whether a peer is to be turned away.
    #[must_use]
    pub fn is_banned(&self, ip: IpAddr) -> bool {
        let Some(ban_after) = self.limit_for(ip) else { return false };
        let records = lock(&self.records);
        records.get(&one_address(ip)).is_some_and(|record| record.failures >= ban_after && record.ends > Instant::now())
    }

    fn limit_for(&self, ip: IpAddr) -> Option<u32> {
        self.ban_after.filter(|_| !self.trusted.contains(ip))
    }
}

#[derive(Debug)]
struct Record {
    failures: u32,
    ends: Instant,
}

/// Makes room for one more. A walk through the whole table, but only when it is full, and each failure has cost a
/// password check, which is far dearer.
fn make_room(records: &mut HashMap<AddressKey, Record>, now: Instant) {
    if records.len() < MAX_ADDRESSES {
        return;
    }
    records.retain(|_, record| record.ends > now);
    if records.len() < MAX_ADDRESSES {
        return;
    }
    let oldest = records.iter().min_by_key(|(_, record)| record.ends).map(|(&address, _)| address);
    if let Some(oldest) = oldest {
        records.remove(&oldest);
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
    async fn banned_at_the_limit_and_not_before() {
        let tries = tries(Some(3));
        assert!(!tries.failed(ip("192.0.2.1")));
        assert!(!tries.failed(ip("::ffff:192.0.2.1")));
        assert!(!tries.is_banned(ip("192.0.2.1")));
        assert!(tries.failed(ip("192.0.2.1")));
        assert!(tries.is_banned(ip("192.0.2.1")));
        assert!(tries.failed(ip("192.0.2.1")));
        assert!(!tries.is_banned(ip("192.0.2.2")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ban_ends_on_time_whatever_is_tried_meanwhile() {
        let tries = tries(Some(1));
        assert!(tries.failed(ip("192.0.2.1")));
        advance(BAN_TIME - MOMENT).await;
        assert!(tries.failed(ip("192.0.2.1")));
        assert!(tries.is_banned(ip("192.0.2.1")));
        advance(MOMENT).await;
        assert!(!tries.is_banned(ip("192.0.2.1")));
    }

    #[tokio::test(start_paused = true)]
    async fn counting_begins_anew_after_a_ban_and_after_a_quiet_time() {
        let tries = tries(Some(2));
        assert!(!tries.failed(ip("192.0.2.1")));
        advance(BAN_TIME).await;
        assert!(!tries.failed(ip("192.0.2.1")));
        advance(BAN_TIME - MOMENT).await;
        assert!(tries.failed(ip("192.0.2.1")));
        advance(BAN_TIME).await;
        assert!(!tries.failed(ip("192.0.2.1")));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_banned_without_a_limit_and_no_trusted_peer_ever() {
        let (off, on) = (tries(None), tries(Some(1)));
        for _ in 0..100 {
            assert!(!off.failed(ip("192.0.2.1")));
            assert!(!on.failed(ip("10.1.2.3")));
        }
        assert!(!off.is_banned(ip("192.0.2.1")));
        assert!(!on.is_banned(ip("10.1.2.3")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_table_forgets_the_oldest_and_still_limits() {
        let tries = tries(Some(1));
        for number in 0..MAX_ADDRESSES {
            assert!(tries.failed(numbered(number)));
            advance(Duration::from_micros(1)).await;
        }
        assert!(tries.is_banned(numbered(0)));
        assert!(tries.failed(ip("192.0.2.1")));
        assert!(tries.is_banned(ip("192.0.2.1")));
        assert!(!tries.is_banned(numbered(0)));
        assert!(tries.is_banned(numbered(1)));
        assert_eq!(lock(&tries.records).len(), MAX_ADDRESSES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_table_forgets_first_what_has_ended() {
        let tries = tries(Some(2));
        for number in 0..MAX_ADDRESSES {
            tries.failed(numbered(number));
        }
        advance(BAN_TIME).await;
        tries.failed(ip("192.0.2.1"));
        assert_eq!(lock(&tries.records).len(), 1);
    }
}
