//! Whether there is room for a byte more: said before the data connection is opened, not after.

use nix::sys::statvfs::fstatvfs;

use super::{PendingUpload, Placement, Plan, Target};
use crate::files::{FileError, Home, partial};
use crate::path::VirtualPath;
use crate::settings::UploadMode;

/// The bytes that an upload gives back: to the quota at its end, and to the disk before its first byte.
#[derive(Default)]
struct Freed {
    quota: u64,
    disk: u64,
}

impl PendingUpload {
    /// The same upload, if there is room for a byte of it.
    ///
    /// # Errors
    /// [`FileError::OverQuota`] or [`FileError::NoSpace`] where quota or disk are used up to the last byte.
    pub(super) fn if_room(self) -> Result<Self, FileError> {
        let is_full = self.home.quota_left()? == Some(0);
        // Where the disk does not tell, writing will.
        let is_disk_full = is_disk_full(&self.home, &self.path).unwrap_or(false);
        if is_full || is_disk_full {
            let freed = self.freed()?;
            if is_full && freed.quota == 0 {
                return Err(FileError::OverQuota);
            }
            if is_disk_full && freed.disk == 0 {
                return Err(FileError::NoSpace);
            }
        }
        Ok(self)
    }

    fn freed(&self) -> Result<Freed, FileError> {
        let cut = |file: u64, offset: u64| file.saturating_sub(offset);
        Ok(match &self.plan {
            Plan::Direct(placement, Target::Existing(file)) => {
                let size = file.metadata()?.len();
                let freed = match placement {
                    Placement::Replace => size,
                    Placement::At(offset) => cut(size, *offset),
                    Placement::Append => 0,
                };
                Freed { quota: freed, disk: freed }
            }
            Plan::Fresh(place, seen) => {
                let left = partial::kept(&self.home, place, &self.path)?.map_or(0, |left| left.st_size.cast_unsigned());
                Freed { quota: seen.map_or(0, |seen| seen.size).saturating_add(left), disk: left }
            }
            Plan::Resumed(place, left, offset) => {
                let (replaces, left) =
                    (place.look().map_or(0, |found| found.st_size.cast_unsigned()), cut(left.size, *offset));
                Freed { quota: replaces.saturating_add(left), disk: left }
            }
            Plan::Rewritten(_, seen, offset) => Freed { quota: cut(seen.size, *offset), disk: 0 },
            Plan::Direct(..) | Plan::Unique(_) | Plan::Appended(..) => Freed::default(),
        })
    }
}

impl Home {
    /// The largest file that an upload could bring, in bytes, whatever file it replaces: no name is known yet.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn largest_upload(&self) -> Result<u64, FileError> {
        let disk = fstatvfs(self.root().open_dir(".")?)?;
        let blocks = match self.uploads().mode {
            // The old file stays until the new one is whole.
            UploadMode::Atomic => disk.blocks_available(),
            UploadMode::Direct => disk.blocks(),
        };
        let most = blocks.saturating_mul(disk.fragment_size());
        Ok(self.uploads().quota.map_or(most, |quota| quota.min(most)))
    }
}

fn is_disk_full(home: &Home, path: &VirtualPath) -> Result<bool, FileError> {
    let disk = fstatvfs(home.root().open_dir(path.parent().beneath_home())?)?;
    // Some file systems have no limit, and tell of no blocks at all.
    Ok(disk.blocks() > 0 && disk.blocks_available() == 0)
}
