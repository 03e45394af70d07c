//! A file as it was when it was looked at.

use rustix::fs::Stat;

/// What tells a file from another, and from itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    device: u64,
    inode: u64,
    pub(super) size: u64,
    modified: (i64, u64),
    pub(super) mode: u32,
}

impl Seen {
    pub(super) fn of(found: &Stat) -> Self {
        Self {
            device: found.st_dev,
            inode: found.st_ino,
            size: found.st_size.cast_unsigned(),
            modified: (found.st_mtime, found.st_mtime_nsec),
            mode: found.st_mode,
        }
    }

    /// Whether it is the same file with the same content.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Self { mode: 0, ..*self } == Self { mode: 0, ..*other }
    }
}
