//! All of it has come: the name stands for it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use cap_std::fs::MetadataExt as _;
use nix::unistd::close;
use rustix::fs::{FileType, Gid, Mode, Stat, Uid, fchmod, fchown};

use super::begin::behind;
use super::{Commit, Seen, Upload, Way};
use crate::files::names::alone;
use crate::files::partial::{Over, Partial};
use crate::files::place::Place;
use crate::files::quota::Charge;
use crate::files::{FileError, Home};
use crate::path::VirtualPath;

impl Upload {
    /// Writes the last bytes and makes all of them the file's, as [`Upload::commit`] does.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn commit_with(mut self, last: &[u8]) -> Result<u64, FileError> {
        self.write_soon_over(last)?;
        self.commit()
    }

    /// Makes the bytes the file's, all of them at once. Tells its size in bytes.
    ///
    /// # Errors
    /// See [`FileError`]: a disk may find out as late as here that it has no room. [`FileError::Superseded`] and
    /// [`FileError::TryAgain`] where that would take bytes away that others brought meanwhile; [`FileError::Displaced`]
    /// where a file that was written in place has lost its name.
    pub fn commit(mut self) -> Result<u64, FileError> {
        let size = match (&self.way, self.position) {
            // Nobody else writes to it.
            (Way::Swap(..), Some(position)) => position,
            (_, position) => {
                let there = self.file().metadata()?.len();
                let size = position.unwrap_or(there);
                if size < there {
                    self.file().set_len(size)?;
                }
                size
            }
        };
        if self.home.uploads().fsync {
            self.sync()?;
        }
        expect_kept(self.file())?;
        let Self { home, path, way, charge, .. } = &mut self;
        let size = match way {
            Way::Swap(partial, commit) => {
                let key = partial.place.key_if_unmoved(home)?;
                alone([key], || swap(home, partial, *commit, charge))?.unwrap_or(size)
            }
            Way::Direct(file) | Way::Tail(file, _) => {
                if home.uploads().fsync {
                    let directory = Place::open(home, path.parent().beneath_home(), ".".as_ref())?;
                    rustix::fs::fsync(directory.open_to_sync()?)?;
                }
                expect_named(home, path, file)?;
                size
            }
        };
        self.done = true;
        if let Some(then) = self.when_whole.0.take() {
            then(size);
        }
        Ok(size)
    }
}

/// Whether the name still stands for the file that was written in place: the bytes of one that was replaced or removed
/// are nowhere.
fn expect_named(home: &Home, path: &VirtualPath, file: &File) -> Result<(), FileError> {
    let written = file.metadata()?;
    match home.root().metadata(path.beneath_home()) {
        Ok(named) if (named.dev(), named.ino()) == (written.dev(), written.ino()) => Ok(()),
        _ => Err(FileError::Displaced),
    }
}

/// What a file server has to say of the last bytes it says at the close. Another descriptor keeps the lock.
fn expect_kept(file: &File) -> Result<(), FileError> {
    Ok(close(file.try_clone()?)?)
}

/// The moment at which the name stands for the new file. Tells its size, where that is another than that of the partial.
/// No other session changes the name meanwhile.
fn swap(home: &Home, partial: &mut Partial, commit: Commit, charge: &mut Charge) -> Result<Option<u64>, FileError> {
    let fsync = home.uploads().fsync;
    let directory = fsync.then(|| partial.place.open_to_sync()).transpose()?;
    let old = match partial.place.look() {
        Ok(old) => match FileType::from_raw_mode(old.st_mode) {
            FileType::RegularFile => Some(old),
            FileType::Directory => return Err(FileError::IsADirectory),
            _ => return Err(FileError::NotRegular),
        },
        Err(FileError::NotFound) => None,
        Err(error) => return Err(error),
    };
    let mut whole = None;
    let over = match (commit, &old) {
        (Commit::Append { .. }, Some(old)) => {
            let (longer, seen) = behind(home, partial, charge)?;
            if !seen.is_same(&Seen::of(old)) {
                return Err(FileError::TryAgain);
            }
            if fsync {
                longer.file.sync_data()?;
            }
            expect_kept(&longer.file)?;
            whole = Some(charge.charged());
            *partial = longer;
            Over::Only(seen)
        }
        (commit, old) => over(home, commit, partial.was, old.as_ref())?,
    };
    if let Some(old) = &old {
        dress(&partial.file, old)?;
    }
    let ledger = Arc::clone(&charge.ledger);
    let _swapping = ledger.swapping();
    let freed = old.filter(|old| old.st_nlink == 1).map_or(0, |old| old.st_size.cast_unsigned());
    charge.fits(home.root(), home.uploads().quota, freed)?;
    partial.publish(over)?;
    ledger.give_back(freed);
    if let Some(directory) = directory {
        rustix::fs::fsync(directory)?;
    }
    Ok(whole)
}

/// What the partial may replace, now that the name stands for `old`.
fn over(home: &Home, commit: Commit, was: Option<Seen>, old: Option<&Stat>) -> Result<Over, FileError> {
    let is_still = |seen: &Seen| old.is_some_and(|old| Seen::of(old).is_same(seen));
    match (commit, old) {
        (Commit::Copied(seen), _) => {
            return if is_still(&seen) { Ok(Over::Only(seen)) } else { Err(FileError::TryAgain) };
        }
        (Commit::Anew, Some(_)) => return Err(FileError::AlreadyExists),
        (Commit::Anew | Commit::Resumed | Commit::Append { was_there: false }, None) => return Ok(Over::Nothing),
        (Commit::Append { .. }, _) => return Err(FileError::TryAgain),
        (Commit::Replace, None) => return Ok(Over::Whatever),
        (Commit::Replace | Commit::Resumed, Some(_)) => {}
    }
    if !home.may_replace() {
        return Err(FileError::MayNotReplace);
    }
    match (commit, was) {
        (Commit::Replace, _) => Ok(Over::Whatever),
        (_, Some(was)) if is_still(&was) => Ok(Over::Only(was)),
        _ => Err(FileError::Superseded),
    }
}

/// Gives the new file the owner and the mode of the old one, as far as this process may.
fn dress(file: &File, old: &Stat) -> Result<(), FileError> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.st_uid, old.st_gid) {
        let group = Some(Gid::from_raw(old.st_gid));
        if fchown(file, Some(Uid::from_raw(old.st_uid)), group).is_err() {
            // Only root gives files away; to share one with a group of one's own is everybody's right.
            let _ = fchown(file, None, group);
        }
    }
    // As when a file is written to, what it may do in its owner's name is over.
    let mode = old.st_mode & 0o777;
    if new.mode() & 0o7777 != mode { Ok(fchmod(file, Mode::from_raw_mode(mode))?) } else { Ok(()) }
}
