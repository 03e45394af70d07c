//! Looks that wait for nothing: at names and bytes that the kernel has in memory, on a disk of this machine. They are made
//! on the reactor, which saves the way off it and back. Whatever they cannot tell, every error among it, is `None`, and
//! is asked anew off the reactor.
//!
//! The kernel is told not to wait: names are resolved in its memory only and on one mount (`RESOLVE_CACHED`,
//! `RESOLVE_NO_XDEV`), bytes are read from there only (`RWF_NOWAIT`), and a file is not read whose time of the last
//! reading would have to be written. Opening a file that others serve, over NFS or FUSE say, asks them: so homes there
//! are never looked at here. Should a look take long all the same, as where a scanner holds up whoever opens a file,
//! there is none for a while, and meanwhile nobody else begins one. What `RWF_NOWAIT` does not find the kernel begins to
//! read, which takes long only where the queue of the disk is full.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{IoSliceMut, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, CWD, FileType, FsWord, Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags, StatxFlags, fstat, fstatfs,
    fstatvfs, makedev, openat2, statx,
};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::jail::facts_of_stat;
use super::manage::refuse_control_bytes;
use super::place::Place;
use super::retrieval::Retrieval;
use super::upload::PendingUpload;
use super::{Home, Modes, Uploads};
use crate::listing::Facts;
use crate::path::VirtualPath;
use crate::settings::{Permission, Permissions};

/// ext2 to ext4, XFS, Btrfs, F2FS and tmpfs: their names and bytes are this kernel's own.
const LOCAL: [FsWord; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994];
/// What takes longer than this is no look into memory.
const LONG: Duration = Duration::from_millis(50);
/// For how long there are no looks then.
const PAUSE: Duration = Duration::from_secs(10);
/// The kernel writes the time of the last reading once a day; an hour less, as clocks differ.
const READ_TODAY: i64 = 23 * 3600;

/// What is asked of one home at once, if anything; by default nothing.
#[derive(Debug, Default)]
pub(super) struct Nearby {
    /// Whether the file system is one of this machine's, and the kernel knows how not to wait.
    is_near: AtomicBool,
    times: Times,
    /// How many look just now, and since when somebody has, without a break.
    looking: AtomicU32,
    since: AtomicU64,
    /// When looks may begin again.
    pause_ends: AtomicU64,
}

/// When the kernel writes down that a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Times {
    /// Never.
    Never,
    /// When it was changed after it was last read, and once a day.
    Relative,
    /// Always, or nobody knows.
    #[default]
    Always,
}

/// One look, over when dropped.
struct Look<'a> {
    nearby: &'a Nearby,
    begun: u64,
}

impl Nearby {
    /// Finds out about the file system of `root`. Blocks.
    pub(super) fn of(root: &Dir) -> Self {
        let is_local = fstatfs(root).is_ok_and(|found| LOCAL.contains(&found.f_type));
        let probe = openat2(root, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolving());
        let is_known = !matches!(probe, Err(Errno::NOSYS | Errno::INVAL | Errno::PERM));
        let flags = fstatvfs(root).map_or(StatVfsMountFlags::empty(), |found| found.f_flag);
        let times = if flags.intersects(StatVfsMountFlags::NOATIME | StatVfsMountFlags::RDONLY) {
            Times::Never
        } else if flags.contains(StatVfsMountFlags::RELATIME) {
            Times::Relative
        } else {
            Times::Always
        };
        Self { is_near: AtomicBool::new(is_local && is_known), times, ..Self::default() }
    }

    pub(super) fn is_near(&self) -> bool {
        self.is_near.load(Ordering::Relaxed)
    }

    fn look<T>(&self, look: impl FnOnce() -> Option<T>) -> Option<T> {
        let _look = self.begin(now())?;
        look()
    }

    fn begin(&self, now: u64) -> Option<Look<'_>> {
        if !self.is_near() || now < self.pause_ends.load(Ordering::Relaxed) {
            return None;
        }
        let look = Look { nearby: self, begun: now };
        if self.looking.fetch_add(1, Ordering::Relaxed) == 0 {
            self.since.store(now, Ordering::Relaxed);
        } else if now.saturating_sub(self.since.load(Ordering::Relaxed)) > millis(LONG) {
            return None;
        }
        Some(look)
    }

    /// Whether to read a file is to write nothing.
    fn is_read_in_peace(&self, found: &Stat) -> bool {
        match self.times {
            Times::Never => true,
            Times::Always => false,
            Times::Relative => {
                let read = (found.st_atime, found.st_atime_nsec);
                let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(i64::MAX, |now| {
                    i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_sub(READ_TODAY)
                });
                read > (found.st_mtime, found.st_mtime_nsec)
                    && read > (found.st_ctime, found.st_ctime_nsec)
                    && found.st_atime > today
            }
        }
    }

    /// Reads all of `room` from `offset` on.
    fn read(&self, file: &File, room: &mut [u8], offset: u64) -> Option<()> {
        let wanted = room.len();
        match preadv2(file, &mut [IoSliceMut::new(room)], offset, ReadWriteFlags::NOWAIT) {
            Ok(count) if count == wanted => Some(()),
            Err(Errno::OPNOTSUPP) => {
                self.is_near.store(false, Ordering::Relaxed);
                None
            }
            _ => None,
        }
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        let now = now();
        self.nearby.looking.fetch_sub(1, Ordering::Relaxed);
        if now.saturating_sub(self.begun) > millis(LONG) {
            self.nearby.pause_ends.store(now + millis(PAUSE), Ordering::Relaxed);
        }
    }
}

impl Home {
    /// As [`Home::open`], if somebody is in this home already, and it is near.
    #[must_use]
    pub fn open_at_once(path: &Path, permissions: Permissions, modes: Modes, uploads: &Uploads) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
        // Whose home this is, the kernel tells without asking whoever serves it.
        let asked = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let found = statx(&root, "", asked, StatxFlags::INO).ok()?;
        let key = (makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino);
        let ledger = uploads.quotas.ledger_in_use(key).filter(|ledger| ledger.nearby.is_near())?;
        Some(Self::of(Dir::from_std_file(root.into()), permissions, modes, uploads.clone(), ledger))
    }

    /// As [`Home::change_directory`].
    #[must_use]
    pub fn change_directory_at_once(&self, path: &VirtualPath) -> Option<()> {
        self.ask(Permission::ChangeDirectory).ok()?;
        self.ledger().nearby.look(|| {
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let directory = open(self.root(), path.beneath_home(), flags)?;
            open(directory, Path::new("."), flags).map(drop)
        })
    }

    /// As [`Home::facts`], of a file that is there and no link.
    #[must_use]
    pub fn facts_at_once(&self, path: &VirtualPath) -> Option<Facts> {
        self.ask(Permission::List).ok()?;
        self.ledger().nearby.look(|| {
            let found = open(self.root(), path.beneath_home(), OFlags::PATH | OFlags::NOFOLLOW)?;
            fstat(found).ok().filter(is_regular).map(|found| facts_of_stat(&found))
        })
    }

    /// As [`Home::retrieve`], with all that is to be sent if that is less than `most` bytes.
    #[must_use]
    pub fn retrieve_at_once(&self, path: &VirtualPath, offset: u64, most: usize) -> Option<(Retrieval, Vec<u8>)> {
        self.ask(Permission::Retrieve).ok()?;
        let nearby = &self.ledger().nearby;
        nearby.look(|| {
            // To open a FIFO or a device would be heard of at its other end.
            let there = open(self.root(), path.beneath_home(), OFlags::PATH)?;
            fstat(&there).ok().filter(is_regular)?;
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
            let mut file = File::from(open(self.root(), path.beneath_home(), flags)?);
            let found = fstat(&file).ok().filter(is_regular)?;
            let size = found.st_size.cast_unsigned();
            let left = usize::try_from(size.checked_sub(offset)?).ok()?;
            if left >= most {
                if offset > 0 {
                    file.seek(SeekFrom::Start(offset)).ok()?;
                }
                return Some((Retrieval { file, offset, size }, Vec::new()));
            }
            if !nearby.is_read_in_peace(&found) {
                return None;
            }
            let mut bytes = vec![0; left];
            nearby.read(&file, &mut bytes, offset)?;
            Some((Retrieval { file, offset: size, size }, bytes))
        })
    }

    /// As [`Home::store`] with [`Placement::Replace`](super::Placement::Replace), where there is room for a byte more.
    #[must_use]
    pub fn store_at_once(&self, path: &VirtualPath) -> Option<PendingUpload> {
        self.ask(Permission::Store).ok()?;
        refuse_control_bytes(path).ok()?;
        let name = OsStr::from_bytes(path.file_name()?);
        let parent = path.parent();
        if let Some(quota) = self.uploads().quota {
            self.ledger().known().filter(|&used| used < quota)?;
        }
        self.ledger().nearby.look(|| {
            let directory = open(self.root(), parent.beneath_home(), OFlags::PATH | OFlags::DIRECTORY)?;
            fstatvfs(&directory).ok().filter(|disk| disk.f_blocks == 0 || disk.f_bavail > 0)?;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = match openat2(&directory, name, flags, Mode::empty(), resolving()) {
                Ok(there) => Some(fstat(there).ok().filter(is_regular)?),
                Err(Errno::NOENT) => None,
                Err(_) => return None,
            };
            let place = Place::at(Dir::from_std_file(directory.into()), parent.beneath_home(), name);
            self.plan_replacing(path, place, found).ok()
        })
    }
}

fn open(root: impl AsFd, path: &Path, flags: OFlags) -> Option<OwnedFd> {
    openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolving()).ok()
}

fn resolving() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV | ResolveFlags::CACHED
}

fn is_regular(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
}

/// In milliseconds.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    millis(START.elapsed())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearby() -> Nearby {
        Nearby { is_near: AtomicBool::new(true), ..Nearby::default() }
    }

    #[test]
    fn while_one_look_lasts_long_nobody_begins_another() {
        let nearby = nearby();
        let long = millis(LONG);
        let stuck = nearby.begin(1000);
        assert!(stuck.is_some());
        assert!(nearby.begin(1000 + long).is_some());
        assert!(nearby.begin(1001 + long).is_none());
        drop(stuck);
        assert_eq!(nearby.looking.load(Ordering::Relaxed), 0, "who was refused does not count");
    }

    #[test]
    fn after_a_long_look_there_is_a_pause() {
        let nearby = nearby();
        drop(Look { nearby: &nearby, begun: now() });
        assert_eq!(nearby.pause_ends.load(Ordering::Relaxed), 0);
        let begun = now();
        while now() <= begun + millis(LONG) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        nearby.looking.store(1, Ordering::Relaxed);
        drop(Look { nearby: &nearby, begun });
        let end = nearby.pause_ends.load(Ordering::Relaxed);
        assert!(end >= begun + millis(PAUSE));
        assert!(nearby.begin(end - 1).is_none());
        assert!(nearby.begin(end).is_some());
    }

    #[test]
    fn a_file_is_read_where_nothing_is_written_for_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut found = fstat(file.as_file()).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
        let mut at = |times, read, modified, changed| {
            (found.st_atime, found.st_mtime, found.st_ctime) = (read, modified, changed);
            (found.st_atime_nsec, found.st_mtime_nsec, found.st_ctime_nsec) = (0, 0, 0);
            Nearby { times, ..nearby() }.is_read_in_peace(&found)
        };
        assert!(at(Times::Never, 0, now, now));
        assert!(!at(Times::Always, now, 0, 0));
        assert!(at(Times::Relative, now, now - 1, now - 1));
        assert!(!at(Times::Relative, now, now, now - 1), "written since");
        assert!(!at(Times::Relative, now, now - 1, now), "changed since");
        assert!(!at(Times::Relative, now - 24 * 3600, 0, 0), "not read today");
    }
}
