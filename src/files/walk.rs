//! All that lies beneath a directory, without following links, with few descriptors and little memory whatever its depth
//! and width.
//!
//! Nothing is kept of the entries of a directory but how far it was read. Only the innermost directories are open. One
//! that was closed is opened again from the one below it, by `..`, or by its names from the root; in both cases it must be
//! the same directory as before, by device and inode, so that one that is moved away meanwhile leads nowhere.

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, Dir as Entries, DirEntry, FileType, Mode, OFlags, PROC_SUPER_MAGIC, SeekFrom, Stat, fstat, fstatfs,
    openat, seek, statat,
};
use rustix::io::Errno;

use crate::path::is_reserved;

/// How many directories are open at once, by two descriptors each.
const OPEN: usize = 8;

/// The entries of a tree that are no directories, in no order. What vanishes meanwhile is left out. After an error the
/// rest follows.
pub(super) struct Walk {
    /// The directory being read, and those that it is in, from the root on.
    levels: Vec<Level>,
}

/// One entry, and the directory that it is in.
pub(super) struct Found {
    pub(super) directory: Arc<Dir>,
    pub(super) name: OsString,
}

impl Found {
    /// What the name stands for; a link is itself.
    pub(super) fn look(&self) -> io::Result<Stat> {
        Ok(statat(&*self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// A directory on the way to where the walk is.
struct Level {
    /// Its name in the level before.
    name: CString,
    device: u64,
    inode: u64,
    /// Where reading goes on.
    next: i64,
    open: Option<Open>,
}

struct Open {
    directory: Arc<Dir>,
    entries: Entries,
}

impl Walk {
    pub(super) fn of(root: &Dir) -> io::Result<Self> {
        let root = openat(root, ".", flags(), Mode::empty())?;
        let found = fstat(&root)?;
        Ok(Self { levels: vec![Level::new(CString::default(), &found, Open::new(root, 0)?)] })
    }

    fn step(&mut self) -> io::Result<Option<Found>> {
        while let Some(level) = self.levels.last_mut() {
            let Some(open) = &mut level.open else {
                // It is not there any more, or not where it was.
                self.levels.pop();
                self.reopen(None)?;
                continue;
            };
            let entry = match open.entries.next() {
                Some(entry) => entry?,
                None => {
                    let done = self.levels.pop().and_then(|level| level.open);
                    self.reopen(done)?;
                    continue;
                }
            };
            level.next = entry.offset();
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if !is_directory(&open.directory, &entry)? {
                let name = OsString::from_vec(name.to_bytes().to_vec());
                return Ok(Some(Found { directory: Arc::clone(&open.directory), name }));
            }
            // A directory of the server's own, as the spool of events is, is nobody's.
            if !is_reserved(name.to_bytes())
                && let Some(inner) = enter(&open.directory, name)?
            {
                self.levels.push(inner);
                // The root stays open, for those that were moved.
                if let Some(outer) = self.levels.len().checked_sub(OPEN).filter(|outer| *outer > 0) {
                    self.levels[outer].open = None;
                }
            }
        }
        Ok(None)
    }

    /// Opens the innermost level again, if it was closed, from the one within it that is `done` with.
    fn reopen(&mut self, done: Option<Open>) -> io::Result<()> {
        let Some(level) = self.levels.last().filter(|level| level.open.is_none()) else { return Ok(()) };
        let above = done.and_then(|done| openat(&*done.directory, "..", flags(), Mode::empty()).ok());
        let above = above.filter(|above| level.is(above));
        let Some(again) = above.or_else(|| self.by_names()) else { return Ok(()) };
        if let Some(level) = self.levels.last_mut() {
            level.open = Some(Open::new(again, level.next)?);
        }
        Ok(())
    }

    /// The innermost level by its names from the root.
    fn by_names(&self) -> Option<OwnedFd> {
        let (root, below) = self.levels.split_first()?;
        let mut within: Option<OwnedFd> = None;
        for level in below {
            let next = match &within {
                Some(within) => openat(within, &*level.name, flags(), Mode::empty()),
                None => openat(&*root.open.as_ref()?.directory, &*level.name, flags(), Mode::empty()),
            };
            within = Some(next.ok().filter(|next| level.is(next))?);
        }
        within
    }
}

impl Iterator for Walk {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl Level {
    fn new(name: CString, found: &Stat, open: Open) -> Self {
        Self { name, device: found.st_dev, inode: found.st_ino, next: 0, open: Some(open) }
    }

    /// Whether this is the directory that it was.
    fn is(&self, directory: &OwnedFd) -> bool {
        fstat(directory).is_ok_and(|found| (found.st_dev, found.st_ino) == (self.device, self.inode))
    }
}

impl Open {
    /// To be read from `next` on.
    fn new(directory: OwnedFd, next: i64) -> io::Result<Self> {
        let entries = openat(&directory, ".", flags(), Mode::empty())?;
        if next > 0 {
            seek(&entries, SeekFrom::Start(next.cast_unsigned()))?;
        }
        let directory = Arc::new(Dir::from_std_file(directory.into()));
        Ok(Self { directory, entries: Entries::new(entries)? })
    }
}

/// The directory of this name; `None` if it is not to be walked: it vanished, became something else, or is the kernel's,
/// where nobody stores anything and which has no end.
fn enter(directory: &Dir, name: &CStr) -> io::Result<Option<Level>> {
    let inner = match openat(directory, name, flags(), Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        inner => inner?,
    };
    if fstatfs(&inner)?.f_type == PROC_SUPER_MAGIC {
        return Ok(None);
    }
    let found = fstat(&inner)?;
    Ok(Some(Level::new(name.to_owned(), &found, Open::new(inner, 0)?)))
}

fn is_directory(directory: &Dir, entry: &DirEntry) -> io::Result<bool> {
    let kind = match entry.file_type() {
        // Some file systems do not tell.
        FileType::Unknown => match statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(false),
            found => FileType::from_raw_mode(found?.st_mode),
        },
        kind => kind,
    };
    Ok(kind == FileType::Directory)
}

/// A name of one component that is no link leads nowhere but into the directory that it is in.
fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use rustix::fs::{mkdirat, renameat};
    use std::collections::BTreeSet;
    use std::ffi::OsStr;
    use std::os::fd::AsFd;
    use std::path::Path;
    use std::process::Command;

    fn open(at: impl AsFd, name: &str) -> OwnedFd {
        openat(at, name, flags(), Mode::empty()).unwrap()
    }

    /// Directories `d` in one another, with `before` and `behind` in each.
    fn deep(root: &Path, depth: usize) {
        let mut within: OwnedFd = std::fs::File::open(root).unwrap().into();
        for _ in 0..depth {
            for name in ["d", "behind"] {
                mkdirat(&within, name, Mode::RWXU).unwrap();
            }
            for name in ["before", "behind/file"] {
                openat(&within, name, OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RWXU).unwrap();
            }
            within = open(&within, "d");
        }
    }

    /// All files, each step with few descriptors.
    fn files(root: &Path) -> usize {
        let mut walk = Walk::of(&Dir::open_ambient_dir(root, ambient_authority()).unwrap()).unwrap();
        let mut count = 0;
        while let Some(found) = walk.next() {
            found.unwrap();
            count += 1;
            assert!(walk.levels.iter().filter(|level| level.open.is_some()).count() <= OPEN);
        }
        count
    }

    /// The library cannot remove what is that deep.
    fn remove(root: &Path) {
        assert!(Command::new("rm").arg("-rf").arg(root).status().unwrap().success());
    }

    #[test]
    fn a_tree_of_any_depth_is_walked_whole_with_few_descriptors() {
        for depth in [1, OPEN - 1, OPEN, OPEN + 1, 900, 5000] {
            // In memory where it is much.
            let folder = tempfile::tempdir_in(if depth < 900 { "/tmp" } else { "/dev/shm" }).unwrap();
            deep(folder.path(), depth);
            assert_eq!(files(folder.path()), 2 * depth, "{depth}");
            remove(folder.path());
        }
    }

    #[test]
    fn of_a_wide_directory_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..2000 {
            std::fs::create_dir(folder.path().join(format!("{number}"))).unwrap();
        }
        std::fs::write(folder.path().join("999/file"), "").unwrap();
        std::fs::write(folder.path().join("last"), "").unwrap();
        assert_eq!(files(folder.path()), 2);
    }

    /// A directory that is moved out while the walk is deep in it takes the walk nowhere: `..` is another one then.
    #[test]
    fn a_directory_that_is_moved_away_does_not_lead_out() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        deep(folder.path(), 4 * OPEN);
        std::fs::write(outside.path().join("secret"), "").unwrap();
        let mut walk = Walk::of(&Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap()).unwrap();
        let mut seen = BTreeSet::new();
        let mut is_moved = false;
        while let Some(found) = walk.next() {
            seen.insert(found.unwrap().name);
            if !is_moved && walk.levels.len() > 2 * OPEN {
                is_moved = true;
                renameat(
                    open(rustix::fs::CWD, folder.path().to_str().unwrap()),
                    "d",
                    open(rustix::fs::CWD, outside.path().to_str().unwrap()),
                    "d",
                )
                .unwrap();
            }
        }
        assert!(is_moved);
        assert!(!seen.contains(OsStr::new("secret")), "{seen:?}");
    }

    #[test]
    fn links_are_not_followed() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
        assert_eq!(files(folder.path()), 2);
    }
}
