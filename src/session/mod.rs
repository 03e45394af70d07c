//! The states of one conversation on a control connection.

mod ending;
mod member;
mod outcome;
mod protection;
mod refusal;
mod service;
mod telling;

pub use ending::Ending;
pub use member::{Member, Representation};
pub use outcome::{IfClientLeaves, Outcome, Task};
pub use protection::Protection;
pub use service::Service;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::data::Progress;
use crate::files::{Algorithm, FileError};
use crate::limits::Direction;
use crate::listing::facts::FactSet;
use crate::observe::events::{self, SessionId};
use crate::settings::Encoding;

/// What is true of a conversation from its first byte to its last, whoever is logged in.
pub struct Session {
    /// Counts up from 1; every log line of the session carries it.
    pub id: SessionId,
    /// The client, canonical: a v4-mapped IPv6 address is the IPv4 one.
    pub peer: SocketAddr,
    /// Our end of the control connection, canonical.
    pub local: SocketAddr,
    /// What AUTH, PBSZ and PROT have brought about.
    pub protection: Protection,
    /// Since the connection was accepted.
    pub started: Instant,
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
    /// What went over data connections so far.
    pub moved: Arc<Moved>,
    /// The transfer under way, for STAT.
    pub running: Option<Arc<Progress>>,
}

/// Bytes that went over the data connections of a session.
#[derive(Debug, Default)]
pub struct Moved {
    uploaded: AtomicU64,
    downloaded: AtomicU64,
}

impl Moved {
    /// Counts a transfer that is over.
    pub fn add(&self, direction: Direction, bytes: u64) {
        match direction {
            Direction::Upload => self.uploaded.fetch_add(bytes, Ordering::Relaxed),
            Direction::Download => self.downloaded.fetch_add(bytes, Ordering::Relaxed),
        };
    }

    /// Bytes from the client.
    #[must_use]
    pub fn uploaded(&self) -> u64 {
        self.uploaded.load(Ordering::Relaxed)
    }

    /// Bytes to the client.
    #[must_use]
    pub fn downloaded(&self) -> u64 {
        self.downloaded.load(Ordering::Relaxed)
    }
}

/// Who the client is.
pub enum Phase {
    /// Nobody yet.
    Greeted {
        /// The name to log in with, as bytes: what USER said.
        named: Option<Vec<u8>>,
        /// Since when `login_timeout` counts: the greeting, or the last log-out. Nothing else that is said extends it.
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
    /// A session that has just begun.
    #[must_use]
    pub fn new(id: SessionId, peer: SocketAddr, local: SocketAddr, service: Arc<Service>) -> Self {
        let encoding = service.settings.encoding;
        Self {
            id,
            peer,
            local,
            protection: Protection::default(),
            started: Instant::now(),
            service,
            facts: FactSet::default(),
            algorithm: Algorithm::Sha256,
            encoding,
            failed_logins: 0,
            moved: Arc::default(),
            running: None,
        }
    }
}

impl Session {
    /// Logs what went wrong with a file if it is more than a client's mistake.
    pub fn note_trouble(&self, why: &FileError) {
        if matches!(why, FileError::OverQuota) {
            events::met_limit("quota");
        }
        if why.is_trouble() {
            events::failed(self.id, "working on files", why);
        }
    }
}

impl Phase {
    /// Nobody, from now on.
    #[must_use]
    pub fn greeted() -> Self {
        Self::Greeted { named: None, since: Instant::now() }
    }

    /// The name of whoever is logged in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Greeted { .. } => None,
            Self::LoggedIn(member) => Some(&member.account.name),
        }
    }
}
