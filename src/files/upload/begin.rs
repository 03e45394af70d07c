//! The data connection stands: the file that the bytes go to is made, cut, or filled with what stays.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom};

use cap_std::fs::OpenOptionsExt;
use rustix::fs::{Mode, OFlags, fstat, ioctl_ficlone, openat};

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
            Plan::Fresh(place, seen) => {
                let mode = seen.map_or(home.modes().file, |seen| seen.mode & 0o777);
                begin_fresh(home, &path, place, mode, seen.map_or(0, |seen| seen.size), Commit::Replace)
            }
            Plan::Unique(place) => {
                let mode = home.modes().file;
                begin_fresh(home, &path, place, mode, 0, Commit::Anew)
            }
            Plan::Resumed(place, offset) => begin_resumed(home, &path, place, offset),
            Plan::Extended(place, seen, offset, placement) => {
                begin_extended(home, &path, place, seen, offset, placement)
            }
        };
        begun.map(|mut upload| {
            upload.when_whole = when_whole;
            upload
        })
    }
}

fn begin_direct(home: Home, path: &VirtualPath, placement: Placement, target: Target) -> Result<Upload, FileError> {
    let (mut file, before) = match target {
        Target::Existing(file) => sized(file)?,
        Target::Reserved(file, reservation) => {
            reservation.keep();
            sized(file)?
        }
        Target::Found | Target::Missing => {
            // Somebody else may have made it meanwhile, or removed it.
            let is_to_be_new = placement != Placement::Append && !home.may_replace();
            let mut options = writing(placement);
            options.create(true).create_new(is_to_be_new).mode(home.modes().file);
            match open_regular(home.root(), path, &mut options) {
                Err(FileError::AlreadyExists) => return Err(FileError::MayNotReplace),
                opened => opened?,
            }
        }
    };
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

fn sized(file: File) -> Result<(File, u64), FileError> {
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn begin_fresh(
    home: Home,
    path: &VirtualPath,
    place: Place,
    mode: u32,
    replaces: u64,
    commit: Commit,
) -> Result<Upload, FileError> {
    let (partial, before) = Partial::begin(&home, place, path, mode)?;
    let mut charge = home.charge(replaces, before);
    charge.shrink(0);
    Ok(Upload::begun(home, path, Way::Swap(partial, commit), Some(0), charge))
}

fn begin_resumed(home: Home, path: &VirtualPath, place: Place, offset: u64) -> Result<Upload, FileError> {
    let replaces = place.look().map_or(0, |found| found.st_size.cast_unsigned());
    let mut partial = Partial::resume(&home, place, path)?;
    let before = partial.file.metadata()?.len();
    if offset > before {
        return Err(FileError::BeyondEnd { offset, size: before });
    }
    let mut charge = home.charge(replaces, before);
    partial.file.set_len(offset)?;
    charge.shrink(offset);
    partial.file.seek(SeekFrom::Start(offset))?;
    Ok(Upload::begun(home, path, Way::Swap(partial, Commit::Replace), Some(offset), charge))
}

/// The first `offset` bytes of a file, to be followed by others.
fn begin_extended(
    home: Home,
    path: &VirtualPath,
    place: Place,
    seen: Seen,
    offset: u64,
    placement: Placement,
) -> Result<Upload, FileError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let old = match openat(&place.directory, &place.name, flags | OFlags::RDONLY, Mode::empty()) {
        Ok(old) => File::from(old),
        // It may be written and not read.
        Err(_) => {
            let Plan::Direct(placement, target) = home.plan_direct(path, placement)? else {
                return Err(FileError::TryAgain);
            };
            return begin_direct(home, path, placement, target);
        }
    };
    if !Seen::of(&fstat(&old)?).is_same(&seen) {
        return Err(FileError::TryAgain);
    }
    // A copy is never kept as what came of an upload: the file is there to be gone on with, and SIZE tells its end.
    let mut partial = Partial::draft(place, seen.mode & 0o777)?;
    let mut charge = home.charge(seen.size, 0);
    let is_shared = ioctl_ficlone(&partial.file, &old).is_ok();
    if !is_shared && offset == seen.size && offset > COPIED_AT_MOST {
        return begin_tail(home, path, &partial.place, seen);
    }
    let filled = fill(&home, &mut partial, &mut charge, &old, offset, is_shared);
    if let Err(error) = filled {
        charge.shrink(0);
        return Err(error);
    }
    Ok(Upload::begun(home, path, Way::Swap(partial, Commit::Unless(seen)), Some(offset), charge))
}

/// The first `offset` bytes of `old` become those of the partial, which stands behind them then.
fn fill(
    home: &Home,
    partial: &mut Partial,
    charge: &mut Charge,
    old: &File,
    offset: u64,
    is_shared: bool,
) -> Result<(), FileError> {
    charge.grow(home.root(), offset)?;
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
