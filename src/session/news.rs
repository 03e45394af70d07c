//! Who got in of late, or not.

use std::collections::VecDeque;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

/// How many are remembered.
const ITEMS: usize = 20;

/// The last of them.
#[derive(Debug, Default)]
pub(super) struct News(VecDeque<NewsSeen>);

/// Somebody who got in, or not. A name that is no user's is never in it: it may be a password, typed in the wrong place.
#[derive(Debug)]
pub struct NewsItem {
    /// What became of it.
    pub what: Tried,
    /// The user, if there is one of the name.
    pub user: Option<String>,
    /// The client.
    pub peer: IpAddr,
    /// Why not.
    pub why: Option<String>,
}

/// What became of somebody who came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tried {
    /// Logged in.
    LoggedIn,
    /// The log-in failed.
    LoginFailed,
    /// Turned away at the door.
    Refused,
}

/// The same as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewsSeen {
    /// When it was first so, in seconds since 1970.
    pub first: i64,
    /// When it was last so.
    pub last: i64,
    /// How many times, one after the other.
    pub times: u64,
    /// What became of it.
    pub what: Tried,
    /// The user, if there is one of the name.
    pub user: Option<String>,
    /// The client.
    pub peer: IpAddr,
    /// Why not.
    pub why: Option<String>,
}

impl News {
    /// One more. What is like one before it is counted there, so that one client can push nobody else out.
    pub(super) fn add(&mut self, now: Timestamp, item: NewsItem) {
        let NewsItem { what, user, peer, why } = item;
        let (now, peer) = (now.as_second(), peer.to_canonical());
        let is_like = |seen: &NewsSeen| seen.what == what && seen.peer == peer && seen.user == user && seen.why == why;
        let (first, times) = match self.0.iter().position(is_like).and_then(|index| self.0.remove(index)) {
            Some(before) => (before.first, before.times + 1),
            None => (now, 1),
        };
        self.0.push_front(NewsSeen { first, last: now, times, what, user, peer, why });
        self.0.truncate(ITEMS);
    }

    pub(super) fn seen(&self) -> Vec<NewsSeen> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(user: Option<&str>, last: u8) -> NewsItem {
        let what = if user.is_some() { Tried::LoggedIn } else { Tried::Refused };
        NewsItem { what, user: user.map(str::to_owned), peer: IpAddr::from([192, 0, 2, last]), why: None }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// T66: bounded, and a flood from one address takes one place.
    #[test]
    fn the_last_are_remembered_and_those_alike_are_counted() {
        let mut news = News::default();
        news.add(at(1), item(Some("bob"), 1));
        (2..1002).for_each(|second| news.add(at(second), item(None, 2)));
        let seen = news.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!((seen[0].first, seen[0].last, seen[0].times), (2, 1001, 1000));
        assert_eq!((seen[1].user.as_deref(), seen[1].times), (Some("bob"), 1));
        (0..100).for_each(|last| news.add(at(2000), item(None, last)));
        assert_eq!(news.seen().len(), ITEMS);
        assert_eq!(news.seen()[0].peer, IpAddr::from([192, 0, 2, 99]));
    }
}
