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
