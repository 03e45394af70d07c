//! A finished transfer, as both logs tell it.

use std::net::IpAddr;
use std::time::Duration;

use crate::limits::Direction;
use crate::path::VirtualPath;

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A file. The transfer log tells of these only.
    File,
    /// A directory, as text.
    Listing,
}

/// A transfer that is over, well or not.
#[derive(Debug, Clone, Copy)]
pub struct Transfer<'a> {
    /// The command: `RETR`, `STOR`, `MLSD` and so on.
    pub verb: &'static str,
    /// What was moved.
    pub what: What,
    /// Which way the bytes went.
    pub direction: Direction,
    /// Whose it was.
    pub user: &'a str,
    /// Whether that is the anonymous user.
    pub anonymous: bool,
    /// The client.
    pub peer: IpAddr,
    /// The file or directory, as the client names it.
    pub path: &'a VirtualPath,
    /// Bytes on the data connection.
    pub bytes: u64,
    /// From the first byte to the last.
    pub took: Duration,
    /// Whether lines were converted (TYPE A).
    pub ascii: bool,
    /// Why it failed; `None` if it is complete.
    pub failure: Option<&'a str>,
}
