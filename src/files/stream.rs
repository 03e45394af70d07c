//! A directory, entry by entry: one `stat` each, and nothing kept, however many there are.

use std::ffi::CStr;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::jail::{facts_of, facts_of_stat};
use super::{FileError, Home};
use crate::listing::{Facts, Kind};
use crate::path::{VirtualPath, is_reserved};

/// The entries of one directory, in the order of the disk, as names and facts.
///
/// A link is told as what it leads to; one that leads nowhere or out of the home is [`Kind::Link`], and nothing of its
/// target is told, not even the length of its name. Uploads under way are not told at all. Entries that vanish meanwhile
/// are left out. After an error there are no more.
#[derive(Debug)]
pub struct DirectoryStream {
    home: Home,
    path: VirtualPath,
    entries: Dir,
    skipped: u64,
}

impl DirectoryStream {
    pub(super) fn open(home: Home, path: VirtualPath) -> Result<Self, FileError> {
        let directory = home.root().open_dir(path.beneath_home())?;
        // Fails without the right to search: each entry would.
        directory.open_dir(".")?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let entries = Dir::new(openat(&directory, ".", flags, Mode::empty())?)?;
        Ok(Self { home, path, entries, skipped: 0 })
    }

    /// How many entries were left out because a line feed or carriage return in their names would forge lines.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn facts(&self, name: &CStr) -> Result<Facts, Errno> {
        let own = facts_of_stat(&statat(self.entries.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?);
        if own.kind != Kind::Link {
            return Ok(own);
        }
        let followed =
            self.path.join(name.to_bytes()).ok().and_then(|path| self.home.root().metadata(path.beneath_home()).ok());
        Ok(followed.map_or(Facts { size: 0, ..own }, |metadata| facts_of(&metadata)))
    }
}

impl Iterator for DirectoryStream {
    type Item = Result<(Vec<u8>, Facts), FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.entries.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error.into())),
            };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." || is_reserved(name) {
                continue;
            }
            if name.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
                self.skipped += 1;
                continue;
            }
            match self.facts(entry.file_name()) {
                Ok(facts) => return Some(Ok((name.to_vec(), facts))),
                Err(Errno::NOENT) => {}
                // One entry that cannot be looked at, a dead mount say, does not hide the others.
                Err(_) => return Some(Ok((name.to_vec(), UNKNOWN))),
            }
        }
    }
}

/// An entry of which the disk tells nothing but its name.
const UNKNOWN: Facts =
    Facts { kind: Kind::Other, size: 0, modified: 0, mode: 0, links: 1, uid: 0, gid: 0, device: 0, inode: 0 };
