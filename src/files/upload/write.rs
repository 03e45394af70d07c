//! The bytes come, or fail to.

use std::io::Write;
use std::os::unix::fs::MetadataExt;

use super::{Upload, Way};
use crate::files::FileError;

/// With `upload_fsync`, the bytes after which the disk is told to begin, so that the last wait is short.
const SYNC_STEP: u64 = 32 << 20;

impl Upload {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// See [`FileError`]; some of the bytes may have been written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        if let Way::Swap(partial, _) = &mut self.way {
            partial.remember();
        }
        self.write_soon_over(bytes)
    }

    /// The same for an upload that is committed at once, or dropped: a crash between leaves what can become a new name
    /// only.
    pub(super) fn write_soon_over(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self.write_on(bytes);
        if let (Err(FileError::NoSpace | FileError::OverQuota | FileError::TooLarge), Way::Swap(partial, _)) =
            (&written, &mut self.way)
        {
            // Nobody could write anything until it is gone.
            partial.abandon();
        }
        written
    }

    fn write_on(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let size = self.position.unwrap_or(self.charge.charged()).saturating_add(bytes.len() as u64);
        self.charge.grow(self.home.root(), size)?;
        let mut file = self.file();
        if let Err(error) = file.write_all(bytes) {
            let there = file.metadata()?.len();
            self.charge.shrink(there);
            return Err(error.into());
        }
        if let Some(position) = &mut self.position {
            *position = size;
        }
        self.unsynced += bytes.len() as u64;
        if self.home.uploads().fsync && self.unsynced >= SYNC_STEP {
            self.unsynced = 0;
            self.sync()?;
        }
        Ok(())
    }

    /// What the disk could not take once it may tell the second time that it has it: so this is asked once.
    pub(super) fn sync(&mut self) -> Result<(), FileError> {
        self.file().sync_data().map_err(|error| {
            if let Way::Swap(partial, _) = &mut self.way {
                partial.abandon();
            }
            error.into()
        })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let is_over = self.home.is_over_quota();
        if let Way::Direct(file) | Way::Tail(file, _) = &self.way
            && file.metadata().is_ok_and(|found| found.nlink() == 0)
        {
            // The session that removed it gave back the bytes that it had then, and more came since.
            self.charge.ledger.forget();
            return;
        }
        match &mut self.way {
            Way::Direct(file) => {
                if let (Some(_), Ok(found)) = (self.position, file.metadata()) {
                    self.charge.shrink(found.len());
                }
            }
            Way::Tail(file, old) => {
                // Nobody is left to be told if it cannot be cut.
                if file.set_len(*old).is_ok() {
                    self.charge.shrink(*old);
                }
            }
            Way::Swap(partial, _) => {
                if is_over {
                    partial.abandon();
                }
                if !partial.stays() {
                    self.charge.shrink(0);
                }
            }
        }
    }
}
