//! Partials: uploads that are not whole yet, each a hidden file beside the name that it is for.
//!
//! The name of a partial follows from the user and the path, so that the user who failed finds it again. Whoever writes to
//! one holds its lock; a second upload to the same name by the same user has a partial of its own, which is nobody's once
//! it fails.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{File, TryLockError};

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, fstat, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::place::{Place, Standing};
use super::seen::{self, Seen};
use super::{FileError, Home};
use crate::path::{RESERVED_PREFIX, VirtualPath};

/// Begins the name of a partial that nobody can go on with.
const NOBODYS: &str = "x-";

/// The hidden file of an upload under way, locked. Dropped unpublished it stays if it has an owner who may go on with it.
/// What is remembered of it changes under its lock only.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) place: Place,
    name: OsString,
    pub(super) file: File,
    /// The file that had the name when this was begun.
    pub(super) was: Option<Seen>,
    /// Whether that is remembered beside it.
    is_remembered: bool,
    stays: bool,
    is_published: bool,
}

/// What a partial may take its name from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over {
    /// Nothing: the name is free.
    Nothing,
    /// Any file.
    Whatever,
    /// This file, unchanged.
    Only(Seen),
}

/// What a user's partial is called in the directory of its file; `None` where none is kept for the user.
pub(super) fn kept_name(home: &Home, path: &VirtualPath) -> Option<OsString> {
    let owner = home.keeper()?;
    let mut sum = Sha256::new();
    sum.update(owner.as_bytes());
    sum.update([0]);
    sum.update(path.as_bytes());
    Some(hidden("", &sum.finalize()[..16]))
}

/// The partial that its user may go on with, if there is one.
pub(super) fn kept(home: &Home, place: &Place, path: &VirtualPath) -> Result<Option<Stat>, FileError> {
    let Some(name) = kept_name(home, path) else { return Ok(None) };
    match statat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile => Ok(Some(found)),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How many bytes the partial has that its user may go on with, where nothing has the name `path` and nobody writes to the
/// partial.
pub(super) fn size_kept(home: &Home, path: &VirtualPath) -> Result<Option<u64>, FileError> {
    let Some(name) = kept_name(home, path) else { return Ok(None) };
    let (place, standing) = Place::find(home, path)?;
    if !matches!(standing, Standing::Nothing) {
        return Ok(None);
    }
    match open_idle(&place.directory, &name) {
        Ok(idle) => Ok(idle.map(|file| file.metadata()).transpose()?.map(|found| found.len())),
        Err(FileError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The partial that its user may go on with, and the file that had the name when it was begun.
///
/// # Errors
/// [`FileError::TryAgain`] while an upload writes to it.
pub(super) fn kept_idle(
    home: &Home,
    place: &Place,
    path: &VirtualPath,
) -> Result<Option<(Seen, Option<Seen>)>, FileError> {
    let Some(name) = kept_name(home, path).filter(|_| matches!(kept(home, place, path), Ok(Some(_)))) else {
        return Ok(None);
    };
    let file = open_idle(&place.directory, &name)?.ok_or(FileError::TryAgain)?;
    Ok(Some((Seen::of(&fstat(&file)?), Seen::recall(&place.directory, &name))))
}

/// Removes the partial of a name that is removed or renamed itself, and tells how long it was. One that is being written
/// stays.
pub(super) fn forget(home: &Home, path: &VirtualPath) -> Result<Option<u64>, FileError> {
    let Some(name) = kept_name(home, path) else { return Ok(None) };
    match Place::find(home, path) {
        Ok((place, _)) => remove_idle(&place.directory, &name),
        Err(FileError::IsADirectory | FileError::NotRegular) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a partial that nobody writes to, and tells how long it was.
pub(super) fn remove_idle(directory: &Dir, name: &OsStr) -> Result<Option<u64>, FileError> {
    match open_idle(directory, name) {
        Ok(Some(file)) => {
            seen::forget(directory, name)?;
            unlinkat(directory, name, AtFlags::empty())?;
            Ok(Some(file.metadata()?.len()))
        }
        Ok(None) | Err(FileError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a name is that of a partial which only its writer had.
pub(super) fn is_nobodys(name: &[u8]) -> bool {
    name.get(RESERVED_PREFIX.len()..).is_some_and(|rest| rest.starts_with(NOBODYS.as_bytes()))
}

impl Partial {
    /// An empty one with these permission bits, for a name that stands for the file `was`. One that was left by an earlier
    /// upload is begun anew; tells how long it was.
    pub(super) fn begin(
        home: &Home,
        place: Place,
        path: &VirtualPath,
        mode: u32,
        was: Option<Seen>,
    ) -> Result<(Self, u64), FileError> {
        if let Some(name) = kept_name(home, path) {
            let made = make(&place.directory, &name, mode)?;
            if let Some(file) = made {
                return Ok((Self::new(place, name, file, was, true), 0));
            }
            // Whatever else has the name, and whosever it is, it is left alone.
            if let Ok(Some(file)) = open_idle(&place.directory, &name) {
                let before = file.metadata()?.len();
                seen::forget(&place.directory, &name)?;
                file.set_len(0)?;
                return Ok((Self::new(place, name, file, was, true), before));
            }
        }
        Ok((Self::draft(place, mode)?, 0))
    }

    fn new(place: Place, name: OsString, file: File, was: Option<Seen>, stays: bool) -> Self {
        Self { place, name, file, was, is_remembered: false, stays, is_published: false }
    }

    /// An empty one that is nobody's: what is not ready to be gone on with.
    pub(super) fn draft(place: Place, mode: u32) -> Result<Self, FileError> {
        let name = hidden(NOBODYS, &random()?);
        let file = make(&place.directory, &name, mode)?.ok_or(FileError::TryAgain)?;
        Ok(Self::new(place, name, file, None, false))
    }

    /// The one that its user goes on with.
    ///
    /// # Errors
    /// [`FileError::TryAgain`] while another upload writes to it.
    pub(super) fn resume(home: &Home, place: Place, path: &VirtualPath) -> Result<Self, FileError> {
        let name = kept_name(home, path).ok_or(FileError::NotFound)?;
        let file = open_idle(&place.directory, &name)?.ok_or(FileError::TryAgain)?;
        let was = Seen::recall(&place.directory, &name);
        let mut partial = Self::new(place, name, file, was, true);
        partial.is_remembered = was.is_some();
        Ok(partial)
    }

    /// Has it outlive a crash as what it is: nothing that was in the file before it may be lost to it. Costs nothing
    /// where nothing had the name.
    pub(super) fn remember(&mut self) {
        if let Some(was) = self.was.filter(|_| self.stays && !self.is_remembered && !self.is_published) {
            // Without it the partial may only become a new name.
            let _ = was.remember(&self.place.directory, &self.name);
            self.is_remembered = true;
        }
    }

    fn forget(&mut self) -> Result<(), FileError> {
        if self.is_remembered {
            seen::forget(&self.place.directory, &self.name)?;
            self.is_remembered = false;
        }
        Ok(())
    }

    /// It will not stay, whoever it belongs to.
    pub(super) fn abandon(&mut self) {
        self.stays = false;
    }

    /// Whether it outlives a failure.
    pub(super) fn stays(&self) -> bool {
        self.stays
    }

    /// Gives it the name of its place, in one step.
    ///
    /// # Errors
    /// [`FileError::AlreadyExists`] and [`FileError::TryAgain`] where the name stands for something else than `over` says:
    /// that stays, and so does the partial. See [`FileError`] for all others.
    pub(super) fn publish(&mut self, over: Over) -> Result<(), FileError> {
        // A memory without its partial would be taken for that of the next one.
        self.forget()?;
        match over {
            Over::Nothing => rename_anew(&self.place.directory, &self.name, &self.place.name)?,
            Over::Whatever => self.replace()?,
            Over::Only(seen) => self.exchange(&seen)?,
        }
        self.is_published = true;
        Ok(())
    }

    fn replace(&self) -> Result<(), FileError> {
        let Place { directory, name, .. } = &self.place;
        match renameat(directory, &self.name, directory, name) {
            // A file that is a mount of its own, as containers make them of single files, cannot be swapped.
            Err(Errno::BUSY | Errno::XDEV) => self.copy_over(None),
            renamed => Ok(renamed?),
        }
    }

    /// Takes the name from the file `seen` only. The kernel cannot compare and rename in one step, but it can have two names
    /// change places: what comes back is looked at, and given its name again if another process was faster.
    fn exchange(&mut self, seen: &Seen) -> Result<(), FileError> {
        let kept = self.name.clone();
        if self.stays {
            // Killed between the next two steps, the server must not leave the old file as an interrupted upload.
            let name = hidden(NOBODYS, &random()?);
            renameat(&self.place.directory, &self.name, &self.place.directory, &name)?;
            self.name = name;
        }
        let exchanged = self.exchange_if_same(seen);
        if exchanged.is_err() && kept != self.name {
            match rename_anew(&self.place.directory, &self.name, &kept) {
                Ok(()) => self.name = kept,
                Err(_) => self.stays = false,
            }
        }
        exchanged
    }

    fn exchange_if_same(&self, seen: &Seen) -> Result<(), FileError> {
        let Place { directory, name, .. } = &self.place;
        let swap = || renameat_with(directory, &self.name, directory, name, RenameFlags::EXCHANGE);
        let returned = || statat(directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        match swap() {
            // Not every file system knows the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => return self.replace(),
            Err(Errno::BUSY | Errno::XDEV) => return self.copy_over(Some(seen)),
            Err(Errno::NOENT) => return Err(FileError::TryAgain),
            swapped => swapped?,
        }
        let old = returned()?;
        if FileType::from_raw_mode(old.st_mode) == FileType::RegularFile && Seen::of(&old).is_same_but_moved(seen) {
            // If it cannot be removed the sweep will.
            let _ = unlinkat(directory, &self.name, AtFlags::empty());
            return Ok(());
        }
        swap()?;
        if returned()?.st_ino != fstat(&self.file)?.st_ino {
            // Somebody has replaced the new file already: theirs is the newest.
            swap()?;
        }
        Err(FileError::TryAgain)
    }

    /// Writes to the file in place, or to this one only.
    fn copy_over(&self, only: Option<&Seen>) -> Result<(), FileError> {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = &self.place.directory;
        let mut from = File::from(openat(directory, &self.name, flags | OFlags::RDONLY, Mode::empty())?);
        let mut to = File::from(openat(directory, &self.place.name, flags | OFlags::WRONLY, Mode::empty())?);
        let found = Seen::of(&fstat(&to)?);
        if only.is_some_and(|only| !only.is_same(&found)) {
            return Err(FileError::TryAgain);
        }
        to.set_len(0)?;
        std::io::copy(&mut from, &mut to)?;
        // If it cannot be removed the sweep will.
        let _ = unlinkat(directory, &self.name, AtFlags::empty());
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.is_published {
            return;
        }
        if self.stays {
            self.remember();
        } else {
            // If it cannot be removed the sweep will.
            let _ = self.forget();
            let _ = unlinkat(&self.place.directory, &self.name, AtFlags::empty());
        }
    }
}

fn random() -> Result<[u8; 16], FileError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    Ok(random)
}

fn hidden(kind: &str, bytes: &[u8]) -> OsString {
    let mut name = String::from_utf8_lossy(RESERVED_PREFIX).into_owned() + kind;
    for byte in bytes {
        let _ = write!(name, "{byte:02x}");
    }
    name.into()
}

/// Renames a file to what nothing is called.
fn rename_anew(directory: &Dir, old: &OsStr, new: &OsStr) -> Result<(), Errno> {
    match renameat_with(directory, old, directory, new, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag.
        Err(Errno::INVAL) => match statat(directory, new, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => renameat(directory, old, directory, new),
            found => Err(found.err().unwrap_or(Errno::EXIST)),
        },
        renamed => renamed,
    }
}

/// Makes a file and locks it; `None` if somebody has the name or was faster with the lock.
fn make(directory: &Dir, name: &OsStr, mode: u32) -> Result<Option<File>, FileError> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
    match openat(directory, name, flags, Mode::from_raw_mode(mode)) {
        Ok(file) => locked(directory, name, file.into()),
        Err(Errno::EXIST) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens and locks a partial that is there; `None` while somebody else has the lock.
fn open_idle(directory: &Dir, name: &OsStr) -> Result<Option<File>, FileError> {
    // What else has the name is not opened, which a FIFO or a device would hear of.
    let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::WRONLY | OFlags::CLOEXEC;
    locked(directory, name, openat(directory, name, flags, Mode::empty())?.into())
}

fn locked(directory: &Dir, name: &OsStr, file: File) -> Result<Option<File>, FileError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        // Not every file system has locks. Uploads that meet there write to one partial, as they would to one file.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    // Between opening and locking it may have been published or removed: then it is nobody's partial any more.
    let held = fstat(&file)?;
    let is_there = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino),
        Err(Errno::NOENT) => false,
        Err(error) => return Err(error.into()),
    };
    Ok((is_there && FileType::from_raw_mode(held.st_mode) == FileType::RegularFile).then_some(file))
}
