//! Why a session ended.

use std::fmt;
use std::io;

use crate::protocol::{Reply, replies};

/// Why a session ended.
#[derive(Debug)]
pub enum Ending {
    /// The client closed the connection.
    Left,
    /// The connection broke.
    Lost(io::Error),
    /// With this reply: QUIT, or too many failed log-ins.
    Closed(Reply),
    /// `login_timeout` or `idle_timeout`.
    TimedOut,
    /// The server ends.
    Shutdown,
    /// An operator ended it.
    Kicked,
    /// The client's address was banned before it logged in.
    Banned,
    /// The client speaks HTTP, TLS or the like.
    NotFtp,
    /// Too many bad commands in a row.
    BadCommands,
    /// The TLS handshake failed.
    Handshake(io::Error),
    /// An error in this program, which must not be anybody else's trouble.
    Panicked,
}

impl Ending {
    /// The last reply, if somebody is there to read it.
    #[must_use]
    pub fn parting(&self) -> Option<Reply> {
        match self {
            Self::Closed(reply) => Some(reply.clone()),
            Self::TimedOut => Some(replies::control_timed_out()),
            Self::Shutdown => Some(replies::shutting_down()),
            Self::Kicked => Some(replies::kicked()),
            Self::Banned => Some(replies::banned()),
            Self::NotFtp => Some(replies::not_ftp()),
            Self::BadCommands => Some(replies::too_many_bad_commands()),
            // In clear, to somebody who expects TLS, a reply is noise.
            Self::Left | Self::Lost(_) | Self::Handshake(_) => None,
            Self::Panicked => Some(replies::server_error()),
        }
    }
}

impl From<io::Error> for Ending {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("the client left"),
            Self::Lost(error) => write!(f, "the connection broke: {error}"),
            Self::Closed(reply) => write!(f, "closed with {}", reply.code().number()),
            Self::TimedOut => f.write_str("timed out"),
            Self::Shutdown => f.write_str("the server ends"),
            Self::Kicked => f.write_str("ended by the operator"),
            Self::Banned => f.write_str("the address is banned (ban_after)"),
            Self::NotFtp => f.write_str("not FTP"),
            Self::Handshake(error) => write!(f, "the TLS handshake failed: {error}"),
            Self::BadCommands => f.write_str("too many bad commands"),
            Self::Panicked => f.write_str("an error in the server"),
        }
    }
}
