//! How names beneath a home are opened: never outside, never waiting, and what was checked is what is used.

use std::fs::{File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, openat2};

use super::FileError;
use crate::listing::{Facts, Kind};
use crate::path::VirtualPath;

/// Opens a regular file, and tells its size. What is there is looked at first: to open a FIFO wakes who waits at its other
/// end, and to open a device may do anything.
pub(super) fn look_and_open(
    root: &Dir,
    path: &VirtualPath,
    options: &mut OpenOptions,
) -> Result<(File, u64), FileError> {
    expect_regular(&look(root, path)?.1)?;
    open_regular(root, path, options)
}

/// The same of what was looked at before, or is made by this. Should a FIFO or a terminal have got there since, it does not
/// wait for a peer, nor become the controlling one; both are then refused.
pub(super) fn open_regular(
    root: &Dir,
    path: &VirtualPath,
    options: &mut OpenOptions,
) -> Result<(File, u64), FileError> {
    let options = options.custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
    let file = root.open_with(path.beneath_home(), options)?.into_std();
    let metadata = Metadata::from_file(&file)?;
    expect_regular(&metadata)?;
    Ok((file, metadata.len()))
}

/// Looks at what `path` leads to, links followed, and opens nothing.
fn look(root: &Dir, path: &VirtualPath) -> Result<(cap_std::fs::File, Metadata), FileError> {
    let flags = OFlag::O_PATH.bits();
    let there = root.open_with(path.beneath_home(), OpenOptions::new().read(true).custom_flags(flags))?;
    let metadata = there.metadata()?;
    Ok((there, metadata))
}

fn expect_regular(found: &Metadata) -> Result<(), FileError> {
    match kind_of(found) {
        Kind::File => Ok(()),
        Kind::Directory => Err(FileError::IsADirectory),
        Kind::Link | Kind::Other => Err(FileError::NotRegular),
    }
}

/// Why names cannot be opened in one step; `None` if they can. Step by step they lead out of no home either, each step
/// being looked at, but every directory on the way is opened by itself.
#[must_use]
pub fn openat2_denied() -> Option<std::io::Error> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat2(CWD, ".", flags, Mode::empty(), ResolveFlags::BENEATH).err().map(Into::into)
}

/// The steps in which file systems keep times are of so many seconds at most: FAT's.
const COARSEST: u64 = 2;

/// A file or directory held by `O_PATH`, to change what the kernel changes by name only: opening it for real would ask for
/// rights that its owner may just be about to give himself.
pub(super) struct Held(cap_std::fs::File);

impl Held {
    /// Any but the home itself, whatever name leads to it: a link, or another mount of it.
    pub(super) fn open(root: &Dir, path: &VirtualPath) -> Result<Self, FileError> {
        let (file, found) = look(root, path)?;
        let home = root.dir_metadata()?;
        if (found.dev(), found.ino()) == (home.dev(), home.ino()) {
            return Err(FileError::RootItself);
        }
        match kind_of(&found) {
            Kind::File | Kind::Directory => Ok(Self(file)),
            Kind::Link | Kind::Other => Err(FileError::NotRegular),
        }
    }

    pub(super) fn set_mode(&self, mode: u32) -> Result<(), FileError> {
        Ok(std::fs::set_permissions(self.own_name(), Permissions::from_mode(mode))?)
    }

    /// Sets the time of last modification, and tells what the file system made of it: some keep even seconds only. A time
    /// that it cannot keep, which the kernel moves to the nearest that it can, is not set.
    pub(super) fn set_modified(&self, seconds: i64) -> Result<i64, FileError> {
        let before = self.0.metadata()?;
        self.set_time(TimeSpec::new(seconds, 0))?;
        let kept = self.0.metadata()?.mtime();
        if kept.abs_diff(seconds) <= COARSEST {
            return Ok(kept);
        }
        self.set_time(TimeSpec::new(before.mtime(), before.mtime_nsec()))?;
        Err(FileError::TimeNotKept)
    }

    fn set_time(&self, modified: TimeSpec) -> Result<(), FileError> {
        let flags = UtimensatFlags::FollowSymlink;
        Ok(utimensat(AT_FDCWD, &self.own_name(), &TimeSpec::UTIME_OMIT, &modified, flags)?)
    }

    /// The name by which this process reaches what it holds, wherever that was moved since.
    fn own_name(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

pub(super) fn facts_of(metadata: &Metadata) -> Facts {
    Facts {
        kind: kind_of(metadata),
        size: metadata.len(),
        modified: metadata.mtime(),
        mode: metadata.mode(),
        links: metadata.nlink(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

/// The same, as another library tells it.
pub(super) fn facts_of_stat(found: &Stat) -> Facts {
    Facts {
        kind: match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        },
        size: found.st_size.cast_unsigned(),
        modified: found.st_mtime,
        mode: found.st_mode,
        links: found.st_nlink,
        uid: found.st_uid,
        gid: found.st_gid,
        device: found.st_dev,
        inode: found.st_ino,
    }
}

fn kind_of(metadata: &Metadata) -> Kind {
    if metadata.is_file() {
        Kind::File
    } else if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}
