//! What is asked, what is answered, and where: a line of JSON, and lines of JSON until `done` or `refused`.

use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::path::is_misleading;
use crate::session::{Overview, Seen};

/// The longest question, in bytes.
pub(super) const LONGEST: u64 = 4096;
/// How long a question and its answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long all files may take to be read anew.
pub(super) const RELOAD_PATIENCE: Duration = Duration::from_secs(60);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How the server stands, and all its sessions.
    Status,
    /// The end of the session of this number.
    Kick(u64),
    /// Settings and users read anew.
    Reload,
}

/// A line of what is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// How the server stands.
    Server(Overview),
    /// One session.
    Session(Box<Seen>),
    /// What was done, in words.
    Said(String),
    /// All is done, and nothing comes after this.
    Done,
    /// It was not done, for these reasons, and nothing comes after this.
    Refused(Vec<String>),
}

impl Answer {
    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::Refused(vec![why.into()])
    }

    /// Whether nothing comes after it.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Done | Self::Refused(_))
    }
}

/// The name of the socket of the server that listens here, as people write it.
pub(super) fn name(listening: SocketAddr) -> String {
    format!("@longshore/{listening}")
}

/// The same for the kernel.
pub(super) fn address(listening: SocketAddr) -> io::Result<net::SocketAddr> {
    net::SocketAddr::from_abstract_name(&name(listening)[1..])
}

/// As a line. No text in it ends it, or reaches a terminal as a command: JSON escapes those below the blank only.
pub(super) fn line<T: Serialize>(value: &T) -> io::Result<String> {
    let mut line = String::new();
    for c in serde_json::to_string(value)?.chars() {
        // Outside of texts there is none of these.
        if is_misleading(c) { line += &format!("\\u{:04x}", u32::from(c)) } else { line.push(c) }
    }
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_line_whatever_is_in_it() {
        let said = Answer::Said("a\n\u{1b}[2J\u{7f}\u{9b}é".to_owned());
        let line = line(&said).unwrap();
        assert_eq!(line, "{\"said\":\"a\\n\\u001b[2J\\u007f\\u009bé\"}\n");
        assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), said);
    }

    #[test]
    fn servers_at_different_places_have_different_names() {
        let name = |address: &str| name(address.parse().unwrap());
        assert_eq!(name("127.0.0.1:2121"), "@longshore/127.0.0.1:2121");
        assert_ne!(name("[::]:2121"), name("0.0.0.0:2121"));
    }
}
