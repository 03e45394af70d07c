//! Who is there and what they do, for an operator who asks. A session writes to its own entry only; nothing that all of
//! them share is touched by a command or a transfer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::history::History;
use super::news::{News, NewsItem};
use super::seen::{Seen, SeenWork};
use crate::data::Progress;
use crate::limits::Direction;
use crate::observe::SessionId;
use crate::settings::TlsVersion;
use crate::users::Account;

/// How often it is noted how many bytes have moved. Rates are over the last one or two of these.
pub const TICK: Duration = Duration::from_secs(3);

/// All sessions there are, and what is remembered of those that are gone. Clones share it.
#[derive(Debug, Clone)]
pub struct Board(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    opened: Instant,
    here: Mutex<Here>,
    history: Mutex<History>,
    news: Mutex<News>,
}

#[derive(Debug, Default)]
struct Here {
    sessions: BTreeMap<u64, Arc<Live>>,
    /// Bytes of the sessions that are gone.
    gone: Moved,
}

/// Bytes that went over data connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// From clients.
    pub uploaded: u64,
    /// To clients.
    pub downloaded: u64,
}

/// A session on the board.
#[derive(Debug)]
pub struct Live {
    id: SessionId,
    peer: SocketAddr,
    local: SocketAddr,
    began: Instant,
    /// The same in seconds since 1970.
    since: i64,
    drain: CancellationToken,
    doing: Mutex<Doing>,
}

#[derive(Debug)]
struct Doing {
    /// Of the command under way, or the last one; empty before the first.
    verb: &'static str,
    is_idle: bool,
    /// Since when it is idle.
    rested: Instant,
    account: Option<Arc<Account>>,
    tls: Option<TlsVersion>,
    /// A transfer, or a sum over a file, and what ends it early.
    work: Option<(Arc<Progress>, CancellationToken)>,
    moved: Moved,
    /// Why it is told to go, when it is and the server is not.
    ends: Option<Ends>,
}

/// Why a session is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// By an operator.
    Kicked,
    /// By the ban of its address.
    Banned,
}

/// A session's own entry, taken off the board when dropped.
#[derive(Debug)]
pub struct OnBoard {
    board: Board,
    live: Arc<Live>,
}

impl Board {
    /// Nobody is there, from now on.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            opened: Instant::now(),
            here: Mutex::default(),
            history: Mutex::default(),
            news: Mutex::default(),
        };
        Self(Arc::new(shared))
    }

    /// When the first of a server's boards was opened.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.0.opened
    }

    /// Puts a session on the board, which is told to go by `drain` when it is kicked.
    #[must_use]
    pub fn enter(&self, id: SessionId, peer: SocketAddr, local: SocketAddr, drain: &CancellationToken) -> OnBoard {
        let began = Instant::now();
        let doing = Doing {
            verb: "",
            is_idle: true,
            rested: began,
            account: None,
            tls: None,
            work: None,
            moved: Moved::default(),
            ends: None,
        };
        let live = Arc::new(Live {
            id,
            peer,
            local,
            began,
            since: Timestamp::now().as_second(),
            drain: drain.clone(),
            doing: Mutex::new(doing),
        });
        lock(&self.0.here).sessions.insert(id.0, Arc::clone(&live));
        OnBoard { board: self.clone(), live }
    }

    /// All who are there, in the order of their numbers.
    #[must_use]
    pub fn sessions(&self) -> Vec<Seen> {
        let sessions: Vec<_> = lock(&self.0.here).sessions.values().cloned().collect();
        sessions.iter().map(|live| live.seen()).collect()
    }

    /// Ends a session: it is told so, after the end of its transfer, which is aborted. How it stood, unless there is none
    /// of that number.
    #[must_use]
    pub fn kick(&self, id: SessionId) -> Option<Seen> {
        let live = lock(&self.0.here).sessions.get(&id.0).cloned()?;
        let seen = live.seen();
        let mut doing = lock(&live.doing);
        doing.ends = Some(Ends::Kicked);
        doing.work.iter().for_each(|(_, stop)| stop.cancel());
        drop(doing);
        live.drain.cancel();
        Some(seen)
    }

    /// Ends all sessions in which nobody is logged in whose client is one of these, but the one of this number.
    pub fn end_without_login(&self, but: SessionId, is_one: impl Fn(SocketAddr) -> bool) {
        let here: Vec<_> = lock(&self.0.here).sessions.values().cloned().collect();
        for live in here.iter().filter(|live| live.id.0 != but.0 && is_one(live.peer)) {
            let mut doing = lock(&live.doing);
            if doing.account.is_none() {
                doing.ends.get_or_insert(Ends::Banned);
                live.drain.cancel();
            }
        }
    }

    /// Whether there is a session of that number.
    #[must_use]
    pub fn has(&self, id: SessionId) -> bool {
        lock(&self.0.here).sessions.contains_key(&id.0)
    }

    /// Notes now and then how far all transfers are, for ever.
    pub async fn keep_noting(&self) -> Infallible {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let moved = self.mark();
            lock(&self.0.history).note(moved);
        }
    }

    /// Marks all that is under way. Bytes that have moved so far, of all sessions there ever were.
    fn mark(&self) -> Moved {
        let here = lock(&self.0.here);
        here.sessions.values().fold(here.gone, |sum, live| {
            let doing = lock(&live.doing);
            doing.work.iter().for_each(|(work, _)| work.mark());
            sum.and(doing.moved())
        })
    }

    /// Bytes of each [`TICK`] of the last minutes, the oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<Moved> {
        lock(&self.0.history).ticks()
    }

    /// Remembers that somebody got in, or not.
    pub fn tell(&self, item: NewsItem) {
        lock(&self.0.news).add(Timestamp::now(), item);
    }

    /// Who got in, or not, of late, the newest first.
    #[must_use]
    pub fn news(&self) -> Vec<super::NewsSeen> {
        lock(&self.0.news).seen()
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// The client.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Our end.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// When the connection was accepted.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Why it is ended from outside, alone.
    #[must_use]
    pub fn ends(&self) -> Option<Ends> {
        lock(&self.doing).ends
    }

    /// A command is under way.
    pub fn begin(&self, verb: &'static str) {
        let mut doing = lock(&self.doing);
        (doing.verb, doing.is_idle) = (verb, false);
    }

    /// It is over, and this is who is logged in now.
    pub fn rest(&self, now: Instant, account: Option<&Arc<Account>>) {
        let mut doing = lock(&self.doing);
        (doing.rested, doing.is_idle) = (now, true);
        let is_known = match (&doing.account, account) {
            (None, None) => true,
            (Some(known), Some(account)) => Arc::ptr_eq(known, account),
            _ => false,
        };
        if !is_known {
            doing.account = account.cloned();
        }
    }

    /// The control connection speaks TLS, of this version.
    pub fn secured(&self, version: TlsVersion) {
        lock(&self.doing).tls = Some(version);
    }

    /// The command has become work that takes its time, and ends early by `stop`.
    pub fn begin_work(&self, work: &Arc<Progress>, stop: &CancellationToken) {
        let mut doing = lock(&self.doing);
        if doing.ends.is_some() {
            stop.cancel();
        }
        doing.work = Some((Arc::clone(work), stop.clone()));
    }

    /// The work is over.
    pub fn end_work(&self) {
        let mut doing = lock(&self.doing);
        doing.moved = doing.moved();
        doing.work = None;
    }

    /// The work under way.
    #[must_use]
    pub fn work(&self) -> Option<Arc<Progress>> {
        lock(&self.doing).work.as_ref().map(|(work, _)| Arc::clone(work))
    }

    /// Bytes so far, with those of a transfer under way.
    #[must_use]
    pub fn moved(&self) -> Moved {
        lock(&self.doing).moved()
    }

    fn seen(&self) -> Seen {
        let doing = lock(&self.doing);
        let Moved { uploaded, downloaded } = doing.moved();
        Seen {
            session: self.id.0,
            user: doing.account.as_ref().map(|account| account.name.clone()),
            peer: self.peer,
            local: self.local,
            since: self.since,
            seconds: self.began.elapsed().as_secs(),
            tls: doing.tls.map(|version| version.to_string()),
            verb: Some(doing.verb).filter(|verb| !verb.is_empty()).map(str::to_owned),
            idle: doing.is_idle.then(|| doing.rested.elapsed().as_secs()),
            uploaded,
            downloaded,
            transfer: doing.work.as_ref().map(|(work, _)| SeenWork::of(doing.verb, work)),
        }
    }
}

impl Doing {
    fn moved(&self) -> Moved {
        let under_way = self.work.as_ref().map(|(work, _)| match work.direction {
            Some(Direction::Upload) => Moved { uploaded: work.bytes(), downloaded: 0 },
            Some(Direction::Download) => Moved { uploaded: 0, downloaded: work.bytes() },
            None => Moved::default(),
        });
        self.moved.and(under_way.unwrap_or_default())
    }
}

impl Moved {
    fn and(self, other: Self) -> Self {
        Self { uploaded: self.uploaded + other.uploaded, downloaded: self.downloaded + other.downloaded }
    }
}

impl OnBoard {
    /// The entry itself, which may be read when it is off the board.
    #[must_use]
    pub fn entry(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }
}

impl Deref for OnBoard {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.live
    }
}

impl Drop for OnBoard {
    fn drop(&mut self) {
        let mut here = lock(&self.board.0.here);
        here.gone = here.gone.and(self.live.moved());
        here.sessions.remove(&self.live.id.0);
    }
}

/// What is behind it is whole after each statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
