//! Directory entries as text: what LIST, NLST, MLSD and MLST say about a file.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`argument`] | the path in what follows LIST, behind the options that clients add |
//! | [`pattern`] | `*.txt`: bounded patterns on one name |
//! | [`unix`] | LIST and STAT: the lines of `ls -l` |
//! | [`names`] | NLST: bare names |
//! | [`facts`] | MLSD and MLST: facts that a program can read |

pub mod argument;
mod columns;
pub mod facts;
pub mod names;
pub mod pattern;
pub mod unix;

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, as it is on the disk.
    pub name: Vec<u8>,
    /// What is known of it, links inside the home followed.
    pub facts: Facts,
    /// That it is a link, and what LIST shows of it.
    pub link: Option<Link>,
}

/// A symbolic link, as itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What is known of the link; its size is the length of `target`.
    pub facts: Facts,
    /// Where it leads: its own text if that stays inside the home, else [`HIDDEN_TARGET`]. Holds no control bytes.
    pub target: Vec<u8>,
}

/// What stands for the target of a link that leads out of the home, or may: it tells nothing, and is a target to every
/// parser of `name -> target`.
pub const HIDDEN_TARGET: &[u8] = b"?";

/// What is known about one file: the part of `stat` that a listing can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it is, links inside the home followed.
    pub kind: Kind,
    /// Length in bytes.
    pub size: u64,
    /// Last modification, seconds since 1970 in UTC.
    pub modified: i64,
    /// `st_mode`: type and permission bits.
    pub mode: u32,
    /// Number of hard links.
    pub links: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The device that holds it; with `inode`, its identity.
    pub device: u64,
    /// Its number on that device.
    pub inode: u64,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link that leads nowhere, or out of the home.
    Link,
    /// A FIFO, socket or device: listed, never opened.
    Other,
}

#[cfg(test)]
impl Facts {
    /// A plain file of `size` bytes, for tests that change what matters to them.
    pub(crate) fn sample(kind: Kind) -> Self {
        let mode = match kind {
            Kind::File => 0o100_644,
            Kind::Directory => 0o040_755,
            Kind::Link => 0o120_777,
            Kind::Other => 0o010_644,
        };
        Self {
            kind,
            size: 4096,
            modified: 1_762_082_520,
            mode,
            links: 2,
            uid: 1000,
            gid: 1001,
            device: 0x801,
            inode: 0xBEEF,
        }
    }
}
