//! What happens again and again: the log tells the first few of a kind one by one, and of the rest how many there
//! were. Else whoever is turned away could fill the disk with it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::SessionId;
use crate::limits::AddressKey;

/// How long is counted before the number is told.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// The most who are counted each by itself, about 1 MiB. Newcomers beyond that are counted together, so that many
/// addresses can fill the log no more than one.
const MAX_COUNTED: usize = 4096;

/// What anybody can bring about at no cost. Log-ins, transfers and changes are not among it: each of them is told. Nor
/// is what only `debug` tells, for whoever asks for that wants all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Repeated {
    AcceptFailed,
    ProxyRefused,
    Refused,
    SessionOpened,
    LoginFailed,
    Stranger,
    NotTheOperator,
    PageRefused,
    Failed,
}

/// Whose doing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum By {
    Address(AddressKey),
    Session(SessionId),
    /// Nobody's, or that of all for whom there was no room.
    Others,
}

/// So many more than were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) what: Repeated,
    pub(super) by: By,
    pub(super) more: u64,
}

/// Counts by what and by whom.
#[derive(Debug, Default)]
pub(super) struct Floods(HashMap<(Repeated, By), Count>);

#[derive(Debug)]
struct Count {
    since: Instant,
    seen: u64,
}

impl Repeated {
    /// How many of a window are told one by one: more of what an ordinary client does in a busy minute.
    fn told(self) -> u64 {
        match self {
            Self::AcceptFailed => 1,
            Self::SessionOpened => 60,
            _ => 10,
        }
    }

    /// The message of the lines that it stands for.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::AcceptFailed => "accepting a connection failed",
            Self::ProxyRefused => "connection of a proxy refused",
            Self::Refused => "connection refused",
            Self::SessionOpened => "session opened",
            Self::LoginFailed => "log-in failed",
            Self::Stranger => "data connection refused",
            Self::NotTheOperator => "not the operator",
            Self::PageRefused => "status page refused",
            Self::Failed => "failed",
        }
    }

    /// As the lines that it stands for are.
    pub(super) fn is_warning(self) -> bool {
        match self {
            Self::AcceptFailed
            | Self::ProxyRefused
            | Self::Stranger
            | Self::NotTheOperator
            | Self::PageRefused
            | Self::Failed => true,
            Self::Refused | Self::SessionOpened | Self::LoginFailed => false,
        }
    }
}

impl Floods {
    /// Counts one more: whether it is to be told, after what is to be told of the window before.
    pub(super) fn count(&mut self, what: Repeated, by: By, now: Instant) -> (bool, Option<Summary>) {
        let is_known = self.0.contains_key(&(what, by));
        let by = if is_known || self.0.len() < MAX_COUNTED { by } else { By::Others };
        let count = self.0.entry((what, by)).or_insert(Count { since: now, seen: 0 });
        let mut before = None;
        if count.since + WINDOW <= now {
            before = summary(what, by, count);
            *count = Count { since: now, seen: 0 };
        }
        count.seen += 1;
        (count.seen <= what.told(), before)
    }

    /// Forgets the windows that are over, and says what is to be told of them.
    pub(super) fn over(&mut self, now: Instant) -> Vec<Summary> {
        let over = self.0.extract_if(|_, count| count.since + WINDOW <= now);
        over.filter_map(|((what, by), count)| summary(what, by, &count)).collect()
    }

    /// Forgets all, and says what is to be told of it.
    pub(super) fn all(&mut self) -> Vec<Summary> {
        self.0.drain().filter_map(|((what, by), count)| summary(what, by, &count)).collect()
    }
}

fn summary(what: Repeated, by: By, count: &Count) -> Option<Summary> {
    let more = count.seen.saturating_sub(what.told());
    (more > 0).then_some(Summary { what, by, more })
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Session(session) => write!(f, "session {}", session.0),
            Self::Others => f.write_str("others"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::one_address;
    use std::net::IpAddr;

    fn numbered(number: u32) -> By {
        By::Address(one_address(IpAddr::from(number.to_be_bytes())))
    }

    /// How many of these are told.
    fn told(floods: &mut Floods, what: Repeated, by: By, times: usize, now: Instant) -> usize {
        (0..times).filter(|_| floods.count(what, by, now).0).count()
    }

    /// T71: the first are told one by one, the rest as an exact number.
    #[test]
    fn the_first_are_told_and_the_rest_are_counted() {
        let (mut floods, now) = (Floods::default(), Instant::now());
        assert_eq!(told(&mut floods, Repeated::Refused, numbered(1), 10, now), 10);
        assert_eq!(told(&mut floods, Repeated::Refused, numbered(1), 412, now), 0);
        // Another address, and another event of this one, are new.
        assert_eq!(told(&mut floods, Repeated::Refused, numbered(2), 3, now), 3);
        assert_eq!(told(&mut floods, Repeated::Stranger, numbered(1), 3, now), 3);
        assert_eq!(floods.over(now + WINDOW - Duration::from_millis(1)), []);
        let more = Summary { what: Repeated::Refused, by: numbered(1), more: 412 };
        assert_eq!(floods.over(now + WINDOW), [more]);
        assert_eq!(floods.0.len(), 0);
        assert_eq!(told(&mut floods, Repeated::Refused, numbered(1), 11, now + WINDOW), 10);
        assert_eq!(floods.all(), [Summary { more: 1, ..more }]);
        assert_eq!(floods.all(), []);
    }

    #[test]
    fn what_goes_on_is_told_of_each_window() {
        let (mut floods, now) = (Floods::default(), Instant::now());
        told(&mut floods, Repeated::AcceptFailed, By::Others, 600, now);
        let before = Summary { what: Repeated::AcceptFailed, by: By::Others, more: 599 };
        assert_eq!(floods.count(Repeated::AcceptFailed, By::Others, now + WINDOW), (true, Some(before)));
        assert_eq!(floods.count(Repeated::AcceptFailed, By::Others, now + WINDOW), (false, None));
    }

    /// T66, T71: from however many addresses, the table and what is told are bounded, and nothing goes uncounted.
    #[test]
    fn a_full_table_counts_newcomers_together() {
        let (mut floods, now) = (Floods::default(), Instant::now());
        let newcomers = 100_000;
        let all = u32::try_from(MAX_COUNTED).unwrap() + newcomers;
        let told = (0..all).filter(|&number| floods.count(Repeated::Refused, numbered(number), now).0).count();
        assert_eq!(told, MAX_COUNTED + 10);
        assert_eq!(floods.0.len(), MAX_COUNTED + 1);
        let more = u64::from(newcomers) - 10;
        assert_eq!(floods.over(now + WINDOW), [Summary { what: Repeated::Refused, by: By::Others, more }]);
        assert!(floods.0.is_empty());
    }
}
