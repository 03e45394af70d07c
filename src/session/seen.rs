//! A session as an operator sees it, and as `longshore status --json` and the status page tell it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Service;
use crate::data::Progress;
use crate::limits::Direction;

/// A session at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its number, as in the log.
    pub session: u64,
    /// Who is logged in.
    pub user: Option<String>,
    /// The client.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// When it began, in seconds since 1970.
    pub since: i64,
    /// How long ago that is, in seconds.
    pub seconds: u64,
    /// The version of TLS that the control connection speaks.
    pub tls: Option<String>,
    /// The command under way, or the last one.
    pub verb: Option<String>,
    /// How long it has said nothing and moved nothing, in seconds; none while a command is under way.
    pub idle: Option<u64>,
    /// Bytes from the client, over all data connections so far.
    pub uploaded: u64,
    /// Bytes to the client.
    pub downloaded: u64,
    /// What is under way, be it a transfer or a sum over a file.
    pub transfer: Option<SeenWork>,
}

/// A transfer under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenWork {
    /// The command.
    pub verb: String,
    /// The file or directory; what is not UTF-8 in it is replaced.
    pub path: String,
    /// `upload` or `download`; none for a sum.
    pub direction: Option<String>,
    /// Bytes that have moved.
    pub bytes: u64,
    /// Bytes that will have, where that is known.
    pub size: Option<u64>,
    /// Since it began, in seconds.
    pub seconds: f64,
    /// Bytes a second, over the last few seconds.
    pub rate: u64,
}

impl SeenWork {
    pub(super) fn of(verb: &str, work: &Progress) -> Self {
        Self {
            verb: verb.to_owned(),
            path: String::from_utf8_lossy(work.path.as_bytes()).into_owned(),
            direction: work.direction.map(|direction| direction.to_string()),
            bytes: work.bytes(),
            size: work.size,
            seconds: (work.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            rate: work.rate(),
        }
    }
}

/// How the server stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Of the server, which may be another one than that of who asks.
    pub version: String,
    /// How long it has run, in seconds.
    pub seconds: u64,
    /// Whether it ends.
    pub draining: bool,
    /// Control connections that have a seat.
    pub sessions: u32,
    /// How many there may be (`max_cons`), if there is a limit.
    pub max_sessions: Option<u32>,
    /// Passive ports that are open.
    pub ports_used: usize,
    /// How many there are (`passive_ports`).
    pub ports: usize,
    /// Bytes a second of all uploads under way.
    pub upload_rate: u64,
    /// The same of all downloads.
    pub download_rate: u64,
}

impl Overview {
    /// The service with these sessions.
    #[must_use]
    pub fn of(service: &Service, sessions: &[Seen], draining: bool) -> Self {
        let rate = |direction: Direction| {
            let name = direction.to_string();
            let under_way = sessions.iter().filter_map(|seen| seen.transfer.as_ref());
            under_way.filter(|work| work.direction.as_ref() == Some(&name)).map(|work| work.rate).sum()
        };
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seconds: service.board.opened().elapsed().as_secs(),
            draining,
            sessions: service.seats.taken(),
            max_sessions: service.settings.max_cons.limit(),
            ports_used: service.passive.open_ports(),
            ports: service.passive.ports(),
            upload_rate: rate(Direction::Upload),
            download_rate: rate(Direction::Download),
        }
    }
}
