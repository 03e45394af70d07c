//! The identity of a file at the time of a look, and how it is kept beside an interrupted upload.
//!
//! A partial remembers which file its name stood for when it was begun, so that it never replaces another one. The memory
//! is a symbolic link beside the partial whose target is the identity as text: the kernel makes it with its content in one
//! step, so a crash leaves all of it or none, and no command of a client takes its name. Where a partial has no such link
//! (nothing stood there, the file system has no symbolic links, an older version made it) it may only become a new name.

use std::ffi::{OsStr, OsString};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Stat, readlinkat, statat, symlinkat, unlinkat};
use rustix::io::Errno;

use super::FileError;

/// Ends the name of the link that belongs to the partial with the same beginning.
const MEMORY: &str = "-of";

/// What tells a file from another, and from itself after a change. The device is not part of it: some file systems have
/// another number for it after each mount, and both files are in one directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    inode: u64,
    /// In bytes.
    pub(super) size: u64,
    modified: (i64, u64),
    changed: (i64, u64),
    pub(super) mode: u32,
}

impl Seen {
    pub(super) fn of(found: &Stat) -> Self {
        Self {
            inode: found.st_ino,
            size: found.st_size.cast_unsigned(),
            modified: (found.st_mtime, found.st_mtime_nsec),
            changed: (found.st_ctime, found.st_ctime_nsec),
            mode: found.st_mode,
        }
    }

    /// Whether it is the same file, and nothing was done to it.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.changed == other.changed && self.is_same_but_moved(other)
    }

    /// The same for a file that was given another name, which counts as a change of its inode.
    pub(super) fn is_same_but_moved(&self, other: &Self) -> bool {
        (self.inode, self.size, self.modified) == (other.inode, other.size, other.modified)
    }

    /// Remembers it for the partial `name`.
    ///
    /// # Errors
    /// See [`FileError`]. The partial may then only become a new name.
    pub(super) fn remember(&self, directory: &Dir, name: &OsStr) -> Result<(), FileError> {
        let link = memory_of(name);
        match symlinkat(self.to_text(), directory, &link) {
            Err(Errno::EXIST) => {
                unlinkat(directory, &link, AtFlags::empty())?;
                Ok(symlinkat(self.to_text(), directory, &link)?)
            }
            made => Ok(made?),
        }
    }

    /// What is remembered for the partial `name`.
    pub(super) fn recall(directory: &Dir, name: &OsStr) -> Option<Self> {
        let text = readlinkat(directory, memory_of(name), Vec::new()).ok()?;
        Self::from_text(text.to_str().ok()?)
    }

    fn to_text(self) -> String {
        let Self { inode, size, modified, changed, .. } = self;
        format!("{inode} {size} {} {} {} {}", modified.0, modified.1, changed.0, changed.1)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let seen = Self {
            inode: words.next()?.parse().ok()?,
            size: words.next()?.parse().ok()?,
            modified: (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            changed: (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            mode: 0,
        };
        words.next().is_none().then_some(seen)
    }
}

/// Removes what is remembered for the partial `name`, before the partial goes or becomes a file: a memory without its
/// partial would be taken for that of the next one.
pub(super) fn forget(directory: &Dir, name: &OsStr) -> Result<(), FileError> {
    match unlinkat(directory, memory_of(name), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes `name` if it is a memory whose partial is gone, and tells whether it is a memory at all.
pub(super) fn remove_stray(directory: &Dir, name: &OsStr) -> Result<bool, FileError> {
    let Some(partial) = name.to_str().and_then(|name| name.strip_suffix(MEMORY)) else { return Ok(false) };
    if matches!(statat(directory, partial, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT)) {
        forget(directory, OsStr::new(partial))?;
    }
    Ok(true)
}

fn memory_of(partial: &OsStr) -> OsString {
    let mut name = partial.to_owned();
    name.push(MEMORY);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_the_same_once_read_back() {
        let seen =
            Seen { inode: u64::MAX, size: 1 << 40, modified: (-5, 999_999_999), changed: (i64::MAX, 0), mode: 0 };
        assert_eq!(Seen::from_text(&seen.to_text()), Some(seen));
        let text = seen.to_text();
        for bad in
            ["", "1", "1 2 3 4 5", "1 2 3 4 5 6 7", "1 2 3 4 5 x", &text.replace(' ', "  "), &text[1..text.len() - 1]]
        {
            assert_ne!(Seen::from_text(bad), Some(seen), "{bad}");
        }
    }
}
