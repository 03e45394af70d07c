//! The data connection stands: the file that the bytes go to is made, cut, or filled with what stays.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom};

use cap_std::fs::OpenOptionsExt;
use rustix::fs::{Mode, OFlags, fstat, ioctl_ficlone, openat};
use rustix::io::Errno;

use super::plan::writing;
use super::{Commit, PendingUpload, Placement, Plan, Seen, Target, Upload, Way};
use crate::files::jail::open_regular;
use crate::files::partial::Partial;
use crate::files::place::Place;
use crate::files::quota::Charge;
use crate::files::{FileError, Home};
use crate::path::VirtualPath;

/// The longest file that is copied to be appended to, where the disk cannot share its blocks.
const COPIED_AT_MOST: u64 = 64 << 20;

impl PendingUpload {
    /// Makes or cuts the file that the bytes go to: the data connection stands.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn begin(self) -> Result<Upload, FileError> {
        let Self { home, path, plan, when_whole } = self;
        let begun = match plan {
            Plan::Direct(placement, target) => begin_direct(home, &path, placement, target),
            Plan::Fresh(place, seen) => begin_fresh(home, &path, place, seen, Commit::Replace),
            Plan::Unique(place) => begin_fresh(home, &path, place, None, Commit::Anew),
            Plan::Resumed(place, left, offset) => begin_resumed(home, &path, place, left, offset),
            Plan::Rewritten(place, seen, offset) => begin_rewritten(home, &path, place, seen, offset),
            Plan::Appended(place, seen) => begin_appended(home, &path, place, seen),
        };
        begun.map(|mut upload| {
            upload.when_whole = when_whole;
            upload
        })
    }
}

fn begin_direct(home: Home, path: &VirtualPath, placement: Placement, target: Target) -> Result<Upload, FileError> {
    let mut file = match target {
        Target::Existing(file) => file,
        Target::Reserved(file, reservation) => {
            reservation.keep();
            file
        }
        Target::Found | Target::Missing => {
            // Somebody else may have made it meanwhile, or removed it.
            let is_to_be_new = placement != Placement::Append && !home.may_replace();
            let mut options = writing(placement);
            options.create(true).create_new(is_to_be_new).mode(home.modes().file);
            match open_regular(home.root(), path, &mut options) {
                Err(FileError::AlreadyExists) => return Err(FileError::MayNotReplace),
                opened => opened?.0,
            }
        }
    };
    let before = claim(&file, placement)?;
    let mut charge = home.charge(0, before);
    let position = match placement {
        Placement::Replace => {
            // A new file stays as it was made: whatever was cut, ext4 writes to the disk before the close is over.
            if before > 0 {
                file.set_len(0)?;
            }
            charge.shrink(0);
            Some(0)
        }
        Placement::At(offset) => {
            // It may have become shorter since it was looked at, and zeros are bytes that nobody sent.
            if offset > before {
                return Err(FileError::BeyondEnd { offset, size: before });
            }
            // What followed is to be replaced. Left there, it would be the end of whatever a broken upload leaves,
            // and a client that resumes at the size of the file would keep it.
            file.set_len(offset)?;
            charge.shrink(offset);
            Some(file.seek(SeekFrom::Start(offset))?)
        }
        Placement::Append => None,
    };
    Ok(Upload::begun(home, path, Way::Direct(file), position, charge))
}

/// Keeps others from cutting the file or writing over the same bytes until the end; those that append may meet. Tells its
/// length in bytes.
fn claim(file: &File, placement: Placement) -> Result<u64, FileError> {
    let claimed = if placement == Placement::Append { file.try_lock_shared() } else { file.try_lock() };
    match claimed {
        Err(TryLockError::WouldBlock) => Err(FileError::TryAgain),
        // Not every file system has locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file.metadata()?.len()),
    }
}

fn begin_fresh(
    home: Home,
    path: &VirtualPath,
    place: Place,
    seen: Option<Seen>,
    commit: Commit,
) -> Result<Upload, FileError> {
    let mode = seen.map_or(home.modes().file, |seen| seen.mode & 0o777);
    let (partial, before) = Partial::begin(&home, place, path, mode, seen)?;
    let mut charge = home.charge(seen.map_or(0, |seen| seen.size), before);
    charge.shrink(0);
    Ok(Upload::begun(home, path, Way::Swap(partial.into(), commit), Some(0), charge))
}

fn begin_resumed(home: Home, path: &VirtualPath, place: Place, left: Seen, offset: u64) -> Result<Upload, FileError> {
    let replaces = place.look().map_or(0, |found| found.st_size.cast_unsigned());
    let mut partial = Partial::resume(&home, place, path)?;
    if !Seen::of(&fstat(&partial.file)?).is_same(&left) {
        // Another session of the user began again meanwhile: these are not the bytes that the client goes on with.
        return Err(FileError::TryAgain);
    }
    let mut charge = home.charge(replaces, left.size);
    partial.file.set_len(offset)?;
    charge.shrink(offset);
    partial.file.seek(SeekFrom::Start(offset))?;
    Ok(Upload::begun(home, path, Way::Swap(partial.into(), Commit::Resumed), Some(offset), charge))
}

/// The first `offset` bytes of a file, to be followed by others. The copy is never offered as an interrupted upload: it
/// goes with the session, and after a crash with the sweep.
fn begin_rewritten(home: Home, path: &VirtualPath, place: Place, seen: Seen, offset: u64) -> Result<Upload, FileError> {
    let Some(old) = open_old(&place)? else { return begin_in_place(home, path, Placement::At(offset)) };
    if !Seen::of(&fstat(&old)?).is_same(&seen) {
        return Err(FileError::TryAgain);
    }
    let mut partial = Partial::draft(place, seen.mode & 0o777)?;
    let mut charge = home.charge(seen.size, 0);
    let is_shared = ioctl_ficlone(&partial.file, &old).is_ok();
    if !is_shared && offset == seen.size && offset > COPIED_AT_MOST {
        return begin_tail(home, path, &partial.place, seen);
    }
    charge.grow(home.root(), offset)?;
    if let Err(error) = copy(&old, &mut partial, offset, is_shared) {
        charge.shrink(0);
        return Err(error);
    }
    Ok(Upload::begun(home, path, Way::Swap(partial.into(), Commit::Copied(seen)), Some(offset), charge))
}

/// Bytes that are put behind what is there once they are whole.
fn begin_appended(home: Home, path: &VirtualPath, place: Place, seen: Option<Seen>) -> Result<Upload, FileError> {
    let mode = seen.map_or(home.modes().file, |seen| seen.mode & 0o777);
    if let Some(seen) = seen {
        let Some(old) = open_old(&place)? else { return begin_in_place(home, path, Placement::Append) };
        if seen.size > COPIED_AT_MOST {
            let probe = Partial::draft(place.another()?, mode)?;
            if ioctl_ficlone(&probe.file, &old).is_err() {
                return begin_tail(home, path, &place, seen);
            }
        }
    }
    let charge = home.charge(0, 0);
    let commit = Commit::Append { was_there: seen.is_some() };
    Ok(Upload::begun(home, path, Way::Swap(Partial::draft(place, mode)?.into(), commit), Some(0), charge))
}

/// The file that is to be copied; `None` if it may be written and not read.
fn open_old(place: &Place) -> Result<Option<File>, FileError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::RDONLY;
    match openat(&place.directory, &place.name, flags, Mode::empty()) {
        Ok(old) => Ok(Some(old.into())),
        Err(Errno::ACCESS | Errno::PERM) => Ok(None),
        Err(Errno::NOENT | Errno::LOOP) => Err(FileError::TryAgain),
        Err(error) => Err(error.into()),
    }
}

fn begin_in_place(home: Home, path: &VirtualPath, placement: Placement) -> Result<Upload, FileError> {
    match home.plan_direct(path, placement)? {
        Plan::Direct(placement, target) => begin_direct(home, path, placement, target),
        _ => Err(FileError::TryAgain),
    }
}

/// A partial with the bytes of the file at its place, and behind them those of `tail`, in place of that; tells what was
/// copied. The charge is then that of the whole.
pub(super) fn behind(home: &Home, tail: &Partial, charge: &mut Charge) -> Result<(Partial, Seen), FileError> {
    let old = open_old(&tail.place)?.ok_or(FileError::TryAgain)?;
    let seen = Seen::of(&fstat(&old)?);
    let more = charge.charged();
    let mut partial = Partial::draft(tail.place.another()?, seen.mode & 0o777)?;
    let is_shared = ioctl_ficlone(&partial.file, &old).is_ok();
    if !is_shared && seen.size > COPIED_AT_MOST {
        return Err(FileError::TryAgain);
    }
    // What comes takes the place of what it is made of.
    charge.shrink(0);
    *charge = home.charge(seen.size, 0);
    charge.grow(home.root(), seen.size.saturating_add(more))?;
    copy(&old, &mut partial, seen.size, is_shared)?;
    let mut tail = &tail.file;
    tail.seek(SeekFrom::Start(0))?;
    if std::io::copy(&mut tail.take(more), &mut partial.file)? < more {
        return Err(FileError::TryAgain);
    }
    Ok((partial, seen))
}

/// The first `offset` bytes of `old` become those of the partial, which stands behind them then.
fn copy(old: &File, partial: &mut Partial, offset: u64, is_shared: bool) -> Result<(), FileError> {
    if is_shared {
        partial.file.set_len(offset)?;
        partial.file.seek(SeekFrom::Start(offset))?;
    } else if std::io::copy(&mut old.take(offset), &mut partial.file)? < offset {
        return Err(FileError::TryAgain);
    }
    Ok(())
}

/// Behind the end of a file that is too long to be copied. One at a time.
fn begin_tail(home: Home, path: &VirtualPath, place: &Place, seen: Seen) -> Result<Upload, FileError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::WRONLY;
    let mut file = File::from(openat(&place.directory, &place.name, flags, Mode::empty())?);
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) || !Seen::of(&fstat(&file)?).is_same(&seen) {
        return Err(FileError::TryAgain);
    }
    let position = Some(file.seek(SeekFrom::Start(seen.size))?);
    let charge = home.charge(0, seen.size);
    Ok(Upload::begun(home, path, Way::Tail(file, seen.size), position, charge))
}
