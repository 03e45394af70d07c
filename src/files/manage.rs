//! Changing names and attributes. Names are acted on as they are: no link is followed where something is removed or renamed.

use cap_std::fs::{DirBuilder, DirBuilderExt};

use super::jail::Held;
use super::{FileError, Home};
use crate::path::VirtualPath;
use crate::settings::Permission;

impl Home {
    /// Makes a directory.
    ///
    /// # Errors
    /// Needs `m`. See [`FileError`].
    pub fn make_directory(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.ask(Permission::MakeDirectory)?;
        refuse_control_bytes(path)?;
        let mut builder = DirBuilder::new();
        builder.mode(self.modes().directory);
        Ok(self.root().create_dir_with(path.beneath_home(), &builder)?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// Needs `d`. See [`FileError`].
    pub fn remove_directory(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.ask(Permission::Delete)?;
        refuse_root(path)?;
        Ok(self.root().remove_dir(path.beneath_home())?)
    }

    /// Removes a file, a link, or anything else that is no directory.
    ///
    /// # Errors
    /// Needs `d`. See [`FileError`].
    pub fn delete(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.ask(Permission::Delete)?;
        refuse_root(path)?;
        Ok(self.root().remove_file(path.beneath_home())?)
    }

    /// Whether `path` names something that [`Home::rename`] could move: what RNFR asks.
    ///
    /// # Errors
    /// Needs `f`. See [`FileError`].
    pub fn rename_source_exists(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.ask(Permission::Rename)?;
        refuse_root(path)?;
        self.root().symlink_metadata(path.beneath_home())?;
        Ok(())
    }

    /// Renames, as rename(2) does: a file that has the name already is replaced in one step, and an empty directory by a
    /// directory. As in pyftpdlib `f` alone allows that.
    ///
    /// # Errors
    /// Needs `f`. See [`FileError`].
    pub fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FileError> {
        self.ask(Permission::Rename)?;
        refuse_root(from)?;
        refuse_root(to)?;
        refuse_control_bytes(to)?;
        Ok(self.root().rename(from.beneath_home(), self.root(), to.beneath_home())?)
    }

    /// Sets the permission bits of a file or directory; only `0o777` of `mode` count. The home itself keeps its own, lest
    /// its owner be locked out.
    ///
    /// # Errors
    /// Needs `M`. See [`FileError`].
    pub fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FileError> {
        self.ask(Permission::ChangeMode)?;
        refuse_root(path)?;
        Held::open(self.root(), path)?.set_mode(mode & 0o777)
    }

    /// Sets the time of last modification, in seconds since 1970 in UTC.
    ///
    /// # Errors
    /// Needs `T`. See [`FileError`].
    pub fn set_modified(&self, path: &VirtualPath, seconds: i64) -> Result<(), FileError> {
        self.ask(Permission::SetTime)?;
        Held::open(self.root(), path)?.set_modified(seconds)
    }
}

/// For every operation that makes a name. Whoever lists the directory later, in a terminal perhaps, is not to be fooled by
/// it; what has such a name already can be fetched, renamed and removed.
pub(super) fn refuse_control_bytes(path: &VirtualPath) -> Result<(), FileError> {
    let is_fine = path.file_name().is_none_or(|name| !name.iter().any(u8::is_ascii_control));
    if is_fine { Ok(()) } else { Err(FileError::ControlByte) }
}

fn refuse_root(path: &VirtualPath) -> Result<(), FileError> {
    if path.is_root() { Err(FileError::RootItself) } else { Ok(()) }
}
