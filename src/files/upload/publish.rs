//! All of it has come: the name stands for it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use nix::unistd::close;
use rustix::fs::{FileType, Gid, Mode, Stat, Uid, fchmod, fchown};

use super::{Commit, Seen, Upload, Way};
use crate::files::partial::Partial;
use crate::files::place::Place;
use crate::files::quota::Charge;
use crate::files::{FileError, Home};

impl Upload {
    /// Makes the bytes the file's, all of them at once. Tells its size in bytes.
    ///
    /// # Errors
    /// See [`FileError`]: a disk may find out as late as here that it has no room.
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
        // What a file server has to say of the last bytes it says here. Another descriptor keeps the lock.
        close(self.file().try_clone()?)?;
        let Self { home, path, way, charge, .. } = &mut self;
        match way {
            Way::Swap(partial, commit) => swap(home, partial, *commit, charge)?,
            Way::Direct(_) if home.uploads().fsync => {
                let directory = Place::open(home, path.parent().beneath_home(), ".".as_ref())?;
                rustix::fs::fsync(directory.open_to_sync()?)?;
            }
            Way::Direct(_) | Way::Tail(..) => {}
        }
        self.done = true;
        if let Some(then) = self.when_whole.0.take() {
            then(size);
        }
        Ok(size)
    }
}

/// The moment at which the name stands for the new file.
fn swap(home: &Home, partial: &mut Partial, commit: Commit, charge: &Charge) -> Result<(), FileError> {
    let place = &partial.place;
    place.expect_unmoved(home)?;
    let directory = home.uploads().fsync.then(|| place.open_to_sync()).transpose()?;
    let _swapping = charge.ledger.swapping();
    let old = match place.look() {
        Ok(old) => match FileType::from_raw_mode(old.st_mode) {
            FileType::RegularFile => Some(old),
            FileType::Directory => return Err(FileError::IsADirectory),
            _ => return Err(FileError::NotRegular),
        },
        Err(FileError::NotFound) => None,
        Err(error) => return Err(error),
    };
    match (commit, &old) {
        (Commit::Anew, Some(_)) => return Err(FileError::AlreadyExists),
        (Commit::Unless(seen), old) if !old.as_ref().is_some_and(|old| Seen::of(old).is_same(&seen)) => {
            return Err(FileError::TryAgain);
        }
        _ => {}
    }
    if let Some(old) = &old {
        dress(&partial.file, old)?;
    }
    let freed = old.filter(|old| old.st_nlink == 1).map_or(0, |old| old.st_size.cast_unsigned());
    charge.fits(home.root(), home.uploads().quota, freed)?;
    partial.publish(commit == Commit::Anew)?;
    charge.ledger.give_back(freed);
    if let Some(directory) = directory {
        rustix::fs::fsync(directory)?;
    }
    Ok(())
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
