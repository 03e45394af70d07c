//! What happens again and again: the log tells the first few of a kind one by one, and of the rest how many there
//! were. Otherwise a client that is turned away, or logs in as anonymous, could fill the disk with it.
//!
//! Each kind counts by itself and by address, so that neither one address nor one kind takes the room of another.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{AddressKey, networks};

/// How long is counted before the number is told.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// The most that are counted each by itself of one kind, about 512 KiB. Newcomers beyond that are counted together, so
/// that many addresses can fill the log no more than these; but failed log-ins, which always name their address.
const MAX_COUNTED: usize = 4096;

/// What an unauthenticated or anonymous client, or another user of the machine, can bring about at no cost. Log-ins,
/// transfers and changes of users with a password are not among it: each of them is told. Nor is what only `debug`
/// tells, for whoever asks for that wants all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Repeated {
    AcceptFailed,
    ProxyRefused,
    Refused,
    SessionOpened,
    /// The end of a session that had no beginning in the log: a handshake failed, or nothing was said in time.
    SessionClosed,
    LoginFailed,
    /// Of anonymous.
    LoggedIn,
    /// Of anonymous.
    LoggedOut,
    /// A transfer of anonymous by this command.
    Transferred(&'static str),
    /// A change by anonymous, by its message.
    Changed(&'static str),
    /// What a program says of an event that anonymous has caused.
    HookSaid,
    Stranger,
    NotTheOperator,
    PageRefused,
    Failed,
    Panicked,
    SessionPanicked,
}

/// Whose doing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Peer(IpAddr),
    /// A user of this machine.
    Uid(u32),
    /// Unknown, or the server's own.
    Nobody,
}

/// Who is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum By {
    Network(AddressKey),
    Uid(u32),
    /// Nobody in particular, or all for whom there was no room.
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
pub(super) struct Floods(HashMap<Repeated, Counts>);

/// Counts of one kind.
#[derive(Debug, Default)]
struct Counts {
    by: HashMap<By, Count>,
    /// Who is counted since when, the oldest first.
    since: VecDeque<(Instant, By)>,
}

#[derive(Debug, Default)]
struct Count {
    told: u64,
    more: u64,
}

impl Repeated {
    /// How many of a window are told one by one: more of what an ordinary client does in a busy minute.
    fn told(self) -> u64 {
        match self {
            Self::AcceptFailed => 1,
            Self::SessionOpened | Self::LoggedIn | Self::LoggedOut | Self::Changed(_) | Self::HookSaid => 60,
            Self::Transferred(_) => 120,
            _ => 10,
        }
    }

    /// The message of the lines that it stands for, or its first word.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::AcceptFailed => "accepting a connection failed",
            Self::ProxyRefused => "connection of a proxy refused",
            Self::Refused => "connection refused",
            Self::SessionOpened => "session opened",
            Self::SessionClosed => "session closed",
            Self::LoginFailed => "log-in failed",
            Self::LoggedIn => "logged in",
            Self::LoggedOut => "logged out",
            Self::Transferred(verb) => verb,
            Self::Changed(message) => message,
            Self::HookSaid => "command of an event said",
            Self::Stranger => "data connection refused",
            Self::NotTheOperator => "not the operator",
            Self::PageRefused => "status page refused",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::SessionPanicked => "session ended by a panic",
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
            | Self::Failed
            | Self::Panicked
            | Self::SessionPanicked => true,
            Self::Refused
            | Self::SessionOpened
            | Self::SessionClosed
            | Self::LoginFailed
            | Self::LoggedIn
            | Self::LoggedOut
            | Self::Transferred(_)
            | Self::Changed(_)
            | Self::HookSaid => false,
        }
    }
}

impl Cause {
    /// Who is counted, the most first, and how many times as much they may have told as one address.
    fn counted(self) -> impl Iterator<Item = (By, u64)> + Clone {
        let (peer, by) = match self {
            Self::Peer(peer) => (Some(peer), None),
            Self::Uid(uid) => (None, Some(By::Uid(uid))),
            Self::Nobody => (None, Some(By::Others)),
        };
        let networks = peer.into_iter().flat_map(|peer| networks(peer).rev());
        let networks = networks.map(|(network, times)| (By::Network(network), u64::from(times)));
        networks.chain(by.map(|by| (by, 1)))
    }
}

impl Floods {
    /// Counts one more: whether it is to be told, after what is to be told of windows that are over.
    pub(super) fn count(&mut self, what: Repeated, cause: Cause, now: Instant) -> (bool, Vec<Summary>) {
        let counts = self.0.entry(what).or_default();
        let mut summaries = counts.over(what, now);
        let is_full =
            |(by, times): &(By, u64)| counts.by.get(by).is_some_and(|count| count.told >= times * what.told());
        if let Some((by, _)) = cause.counted().find(is_full) {
            counts.count(by, now).more += 1;
            return (false, summaries);
        }
        let newcomers = cause.counted().filter(|(by, _)| !counts.by.contains_key(by)).count();
        while newcomers > 0 && counts.by.len() + newcomers > MAX_COUNTED {
            if what != Repeated::LoginFailed {
                let others = counts.count(By::Others, now);
                let is_told = others.told < what.told();
                *(if is_told { &mut others.told } else { &mut others.more }) += 1;
                return (is_told, summaries);
            }
            summaries.extend(counts.forget_oldest(what));
        }
        cause.counted().for_each(|(by, _)| counts.count(by, now).told += 1);
        (true, summaries)
    }

    /// Forgets the windows that are over, and says what is to be told of them.
    pub(super) fn over(&mut self, now: Instant) -> Vec<Summary> {
        let summaries = self.0.iter_mut().flat_map(|(&what, counts)| counts.over(what, now)).collect();
        self.0.retain(|_, counts| !counts.by.is_empty());
        summaries
    }

    /// Forgets all, and says what is to be told of it.
    pub(super) fn all(&mut self) -> Vec<Summary> {
        let all = self.0.drain().flat_map(|(what, counts)| counts.by.into_iter().map(move |count| (what, count)));
        all.filter_map(|(what, (by, count))| summary(what, by, &count)).collect()
    }
}

impl Counts {
    fn count(&mut self, by: By, now: Instant) -> &mut Count {
        self.by.entry(by).or_insert_with(|| {
            self.since.push_back((now, by));
            Count::default()
        })
    }

    fn over(&mut self, what: Repeated, now: Instant) -> Vec<Summary> {
        let mut summaries = Vec::new();
        while self.since.front().is_some_and(|(since, _)| *since + WINDOW <= now) {
            summaries.extend(self.forget_oldest(what));
        }
        summaries
    }

    fn forget_oldest(&mut self, what: Repeated) -> Option<Summary> {
        let (_, by) = self.since.pop_front()?;
        let count = self.by.remove(&by)?;
        summary(what, by, &count)
    }
}

fn summary(what: Repeated, by: By, count: &Count) -> Option<Summary> {
    (count.more > 0).then_some(Summary { what, by, more: count.more })
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Uid(uid) => write!(f, "uid {uid}"),
            Self::Others => f.write_str("others"),
        }
    }
}

#[cfg(test)]
mod tests;
