//! What is there: change directory, the facts of one file, listings, free space.

use nix::sys::statvfs::fstatvfs;

use super::jail::facts_of;
use super::{DirectoryStream, FileError, Home, partial};
use crate::listing::{Facts, Kind};
use crate::path::VirtualPath;
use crate::settings::Permission;

impl Home {
    /// Whether `path` is a directory that can be entered.
    ///
    /// # Errors
    /// Needs `e`. See [`FileError`].
    pub fn change_directory(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.ask(Permission::ChangeDirectory)?;
        // The handle of a directory can be had without the right to search it; `.` in it cannot.
        self.root().open_dir(path.beneath_home())?.open_dir(".")?;
        Ok(())
    }

    /// What is known of `path`, links followed.
    ///
    /// # Errors
    /// Needs `l`. See [`FileError`].
    pub fn facts(&self, path: &VirtualPath) -> Result<Facts, FileError> {
        self.ask(Permission::List)?;
        Ok(facts_of(&self.root().metadata(path.beneath_home())?))
    }

    /// The size of the file `path` in bytes, links followed. Where there is no file, and nothing else of that name, it is
    /// how much of this user's interrupted upload to it is kept: clients resume by that number. While a session writes
    /// the upload there is none to tell. No other question about a name is answered from an upload.
    ///
    /// # Errors
    /// Needs `l`. See [`FileError`]; a directory is [`FileError::NotRegular`], as is a device.
    pub fn size(&self, path: &VirtualPath) -> Result<u64, FileError> {
        match self.facts(path) {
            Ok(Facts { kind: Kind::File, size, .. }) => Ok(size),
            Ok(_) => Err(FileError::NotRegular),
            Err(FileError::NotFound) => partial::size_kept(self, path)?.ok_or(FileError::NotFound),
            Err(error) => Err(error),
        }
    }

    /// The entries of the directory `path`, in no order, without `.` and `..`.
    ///
    /// # Errors
    /// Needs `l`. See [`FileError`]; a file is [`FileError::NotADirectory`].
    pub fn list(&self, path: &VirtualPath) -> Result<DirectoryStream, FileError> {
        self.ask(Permission::List)?;
        DirectoryStream::open(self.clone(), path.clone())
    }

    /// Bytes that can still be written on the disk that holds the directory `path`, as far as the quota goes. Needs no
    /// letter.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn free_space(&self, path: &VirtualPath) -> Result<u64, FileError> {
        let disk = fstatvfs(self.root().open_dir(path.beneath_home())?)?;
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        Ok(self.quota_left()?.map_or(free, |left| left.min(free)))
    }
}
