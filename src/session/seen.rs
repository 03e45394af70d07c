//! A session as an operator sees it, and as `longshore status --json` and the status page tell it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::data::Progress;

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
