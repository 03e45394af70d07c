//! A directory, entry by entry: one `stat` each, and nothing kept, however many there are.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use super::jail::{facts_of, facts_of_stat};
use super::{FileError, Home};
use crate::listing::{Entry, Facts, HIDDEN_TARGET, Kind, Link};
use crate::path::{VirtualPath, is_reserved};
use crate::settings::Permission;

/// The entries of one directory, in the order of the disk, as names and facts.
///
/// Of a link both are told, the link and what it leads to; the facts of one that leads nowhere or out of the home are its
/// own, of [`Kind::Link`], and nothing of its target is told, not even the length of its name. Uploads under way are not
/// told at all. Entries that vanish meanwhile are left out. After an error there are no more.
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

    fn entry(&self, name: &CStr) -> Result<Entry, Errno> {
        entry_at(&self.home, &self.path, self.entries.fd()?, name)
    }
}

impl Home {
    /// The name `path` as a listing of its directory shows it.
    ///
    /// # Errors
    /// Needs `l`. See [`FileError`].
    pub fn entry(&self, path: &VirtualPath) -> Result<Entry, FileError> {
        self.ask(Permission::List)?;
        let Some(name) = path.file_name() else {
            return Ok(Entry { name: Vec::new(), facts: self.facts(path)?, link: None });
        };
        let parent = path.parent();
        let directory = self.root().open_dir(parent.beneath_home())?;
        let name = CString::new(name).map_err(|_| FileError::InvalidName)?;
        Ok(entry_at(self, &parent, directory.as_fd(), &name)?)
    }
}

/// The name `name` in the open `directory`, which the client calls `path`.
fn entry_at(home: &Home, path: &VirtualPath, directory: impl AsFd, name: &CStr) -> Result<Entry, Errno> {
    let own = facts_of_stat(&statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?);
    let bytes = name.to_bytes().to_vec();
    if own.kind != Kind::Link {
        return Ok(Entry { name: bytes, facts: own, link: None });
    }
    let followed = match path.join(name.to_bytes()) {
        Ok(path) => home.root().metadata(path.beneath_home()).map_err(FileError::from),
        Err(_) => Err(FileError::InvalidName),
    };
    let text = readlinkat(&directory, name, Vec::new())?;
    let target = shown_target(text.to_bytes(), followed.as_ref().err());
    let facts = followed.map_or(Facts { size: 0, ..own }, |metadata| facts_of(&metadata));
    let link = Link { facts: Facts { size: target.len() as u64, ..own }, target };
    Ok(Entry { name: bytes, facts, link: Some(link) })
}

/// What may be shown of the text of a link that could not be followed because of `failure`, or could be.
///
/// A link that the kernel followed never left the home. One whose target is missing did not either as far as the kernel
/// came, which is beyond all `..` at the beginning.
fn shown_target(text: &[u8], failure: Option<&FileError>) -> Vec<u8> {
    let components = || text.split(|&byte| byte == b'/');
    let is_up = |component: &[u8]| component == b"..";
    let is_inside = match failure {
        None => true,
        Some(FileError::NotFound) => {
            !components().skip_while(|component| is_up(component) || matches!(*component, b"" | b".")).any(is_up)
        }
        Some(_) => false,
    };
    if !is_inside || text.starts_with(b"/") || components().any(is_reserved) {
        return HIDDEN_TARGET.to_vec();
    }
    text.iter().map(|&byte| if byte.is_ascii_control() { b'?' } else { byte }).collect()
}

impl Iterator for DirectoryStream {
    type Item = Result<Entry, FileError>;

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
            match self.entry(entry.file_name()) {
                Ok(entry) => return Some(Ok(entry)),
                Err(Errno::NOENT) => {}
                // One entry that cannot be looked at, a dead mount say, does not hide the others.
                Err(_) => return Some(Ok(Entry { name: name.to_vec(), facts: UNKNOWN, link: None })),
            }
        }
    }
}

/// An entry of which the disk tells nothing but its name.
const UNKNOWN: Facts =
    Facts { kind: Kind::Other, size: 0, modified: 0, mode: 0, links: 1, uid: 0, gid: 0, device: 0, inode: 0 };
