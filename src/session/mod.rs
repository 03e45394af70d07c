//! The states of one conversation on a control connection.

mod board;
mod ending;
mod history;
mod member;
mod news;
mod outcome;
mod protection;
mod refusal;
mod seen;
mod service;
mod stop;
mod telling;

pub use board::{Board, Ends, Live, Moved, OnBoard, TICK};
pub use ending::Ending;
pub use member::{Member, Representation};
pub use news::{NewsItem, NewsSeen, Tried};
pub use outcome::{IfClientLeaves, Outcome, Task};
pub use protection::Protection;
pub use seen::{Overview, Seen, SeenWork};
pub use service::Service;
pub use stop::Stop;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::files::{Algorithm, FileError};
use crate::limits::whose;
use crate::listing::facts::FactSet;
use crate::observe::events::{self, SessionId};
use crate::settings::Encoding;
use crate::turns::Whose;
use crate::users::Account;

/// What is true of a conversation from its first byte to its last, whoever is logged in.
pub struct Session {
    /// Counts up from 1; every log line of the session carries it.
    pub id: SessionId,
    /// What AUTH, PBSZ and PROT have brought about.
    pub protection: Protection,
    /// What all sessions share.
    pub service: Arc<Service>,
    /// The facts that MLSD and MLST tell (OPTS MLST).
    pub facts: FactSet,
    /// The sum that HASH makes (OPTS HASH).
    pub algorithm: Algorithm,
    /// How file names stand on the wire (OPTS UTF8).
    pub encoding: Encoding,
    /// Log-ins that failed.
    pub failed_logins: u32,
    /// Time without a log-in before the last one, if that took no password: it goes on to count after a log-out.
    pub without_login: Duration,
    /// What operators see of it, and how they end it.
    pub live: OnBoard,
}

/// Who the client is.
pub enum Phase {
    /// Nobody yet.
    Greeted {
        /// The name to log in with, as bytes: what USER said.
        named: Option<Vec<u8>>,
        /// Since when `login_timeout` counts: the greeting, or the last log-out less the time that nobody had been logged
        /// in before. Nothing else that is said extends it.
        since: Instant,
    },
    /// Somebody. Logging out is dropping this: seat, port, pending rename and restart go with it.
    LoggedIn(Box<Member>),
}

/// A conversation: what is always true, and who the client is.
pub struct Conversation {
    /// What is always true.
    pub session: Session,
    /// Who the client is.
    pub phase: Phase,
}

impl Session {
    /// A session that has just begun, and is told to go by `drain` if it is kicked. Its addresses are canonical: a v4-mapped IPv6 address is the IPv4
    /// one.
    #[must_use]
    pub fn new(
        id: SessionId,
        peer: SocketAddr,
        local: SocketAddr,
        service: Arc<Service>,
        drain: &CancellationToken,
    ) -> Self {
        let encoding = service.settings.encoding;
        let live = service.board.enter(id, peer, local, drain);
        Self {
            id,
            protection: Protection::default(),
            service,
            facts: FactSet::default(),
            algorithm: Algorithm::Sha256,
            encoding,
            failed_logins: 0,
            without_login: Duration::ZERO,
            live,
        }
    }
}

impl Session {
    /// The client.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.live.peer()
    }

    /// Our end of the control connection.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.live.local()
    }

    /// Who takes turns at what all clients share: this client, with the name of whoever is logged in or wants to be.
    #[must_use]
    pub fn whose(&self, user: Option<&str>) -> Whose {
        whose(self.peer().ip(), user.map(Arc::from), self.id.0, &self.service.settings.trusted_peers)
    }

    /// Logs what went wrong with a file if it is more than a client's mistake.
    pub fn note_trouble(&self, why: &FileError) {
        if matches!(why, FileError::OverQuota) {
            events::met_limit("quota");
        }
        if why.is_trouble() {
            events::failed(self.id, self.peer().ip(), "working on files", why);
        }
    }
}

impl Phase {
    /// Nobody, from now on.
    #[must_use]
    pub fn greeted() -> Self {
        Self::Greeted { named: None, since: Instant::now() }
    }

    /// Nobody is logged in any more, by REIN or USER. Where nobody was, the time to log in goes on.
    pub fn log_out(&mut self, without_login: Duration) {
        let since = match self {
            Self::Greeted { since, .. } => *since,
            Self::LoggedIn(_) => {
                let now = Instant::now();
                now.checked_sub(without_login).unwrap_or(now)
            }
        };
        *self = Self::Greeted { named: None, since };
    }

    /// Whoever is logged in.
    #[must_use]
    pub fn account(&self) -> Option<&Arc<Account>> {
        match self {
            Self::Greeted { .. } => None,
            Self::LoggedIn(member) => Some(&member.account),
        }
    }

    /// The name of whoever is logged in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.account().map(|account| &*account.name)
    }
}
