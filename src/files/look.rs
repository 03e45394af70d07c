//! What is there: change directory, the facts of one file, listings, free space.

use nix::sys::statvfs::fstatvfs;

use super::jail::{facts_of, facts_of_stat};
use super::place::Place;
use super::{DirectoryStream, FileError, Home, partial};
use crate::listing::Facts;
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

    /// What a client must know to go on with an upload that broke: the partial's facts where this user has one for `path`,
    /// else those of the file. Whoever took the size of an old file for that of its broken replacement would glue the end
    /// of the new one to the beginning of the old.
    ///
    /// # Errors
    /// Needs `l`. See [`FileError`].
    pub fn facts_to_resume(&self, path: &VirtualPath) -> Result<Facts, FileError> {
        self.ask(Permission::List)?;
        if self.keeper().is_some() && !path.is_root() {
            // Where the place cannot be told, nothing could be kept there.
            if let Ok((place, _)) = Place::find(self, path)
                && let Some(left) = partial::kept(self, &place, path)?
            {
                return Ok(Facts { links: 1, ..facts_of_stat(&left) });
            }
        }
        self.facts(path)
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
