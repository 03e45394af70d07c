//! Changing names and attributes. Names are acted on as they are: no link is followed where something is removed or renamed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use rustix::fs::{AtFlags, FileType, RenameFlags, Stat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::jail::Held;
use super::names::alone;
use super::place::Place;
use super::{FileError, Home, partial, seen};
use crate::path::{VirtualPath, has_control, is_reserved};
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

    /// Removes an empty directory, or a link, whatever it leads to: what it leads to stays.
    ///
    /// # Errors
    /// Needs `d`. See [`FileError`].
    pub fn remove_directory(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.ask(Permission::Delete)?;
        refuse_root(path)?;
        match self.root().remove_dir(path.beneath_home()).map_err(FileError::from) {
            // A directory that looks empty is empty: what broke in it is nobody's once the directory goes.
            Err(FileError::NotEmpty) if self.remove_leftovers(path)? => {
                Ok(self.root().remove_dir(path.beneath_home())?)
            }
            Err(FileError::NotADirectory) if self.is_link(path) => Ok(self.root().remove_file(path.beneath_home())?),
            removed => removed,
        }
    }

    fn is_link(&self, path: &VirtualPath) -> bool {
        self.root().symlink_metadata(path.beneath_home()).is_ok_and(|found| found.is_symlink())
    }

    /// Removes the partials in a directory that holds nothing else. Tells whether it is empty now.
    fn remove_leftovers(&self, path: &VirtualPath) -> Result<bool, FileError> {
        let directory = self.root().open_dir(path.beneath_home())?;
        let mut names = Vec::new();
        for entry in directory.entries()? {
            let name = entry?.file_name();
            if !is_reserved(name.as_bytes()) {
                return Ok(false);
            }
            names.push(name);
        }
        // What is remembered of a partial goes with it, and has the later name.
        names.sort();
        for name in names {
            if seen::remove_stray(&directory, &name)? {
                continue;
            }
            let Some(size) = partial::remove_idle(&directory, &name)? else { return Ok(false) };
            self.ledger().give_back(size);
        }
        Ok(true)
    }

    /// Removes a file, a link, or anything else that is no directory. An upload to it that broke goes with it.
    ///
    /// # Errors
    /// Needs `d`. See [`FileError`].
    pub fn delete(&self, path: &VirtualPath) -> Result<(), FileError> {
        self.ask(Permission::Delete)?;
        refuse_root(path)?;
        let place = self.place_of(path)?;
        let removed = alone([place.key()?], || {
            let _swapping = self.ledger().swapping();
            let size = self.size_to_give_back(&place);
            unlinkat(&place.directory, &place.name, AtFlags::empty())?;
            self.ledger().give_back(size);
            Ok(())
        });
        match removed {
            Ok(()) => drop(self.forget(path)),
            Err(FileError::NotFound) if self.forget(path) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The name as it is, no link followed.
    fn place_of(&self, path: &VirtualPath) -> Result<Place, FileError> {
        Place::open(self, path.parent().beneath_home(), OsStr::from_bytes(path.file_name().unwrap_or_default()))
    }

    /// Drops what is kept of a broken upload to `path`; tells whether there was any.
    fn forget(&self, path: &VirtualPath) -> bool {
        // A failure is no reason to refuse what was asked for: the sweep comes later.
        let left = partial::forget(self, path).ok().flatten();
        self.ledger().give_back(left.unwrap_or_default());
        left.is_some()
    }

    /// The bytes that go with a name, where anybody counts them.
    fn size_to_give_back(&self, place: &Place) -> u64 {
        if !self.ledger().counts() {
            return 0;
        }
        let is_counted =
            |found: &Stat| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile && found.st_nlink == 1;
        place.look().ok().filter(is_counted).map_or(0, |found| found.st_size.cast_unsigned())
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
    /// directory. Unlike in pyftpdlib `f` alone does not allow that: what is there would be lost to somebody who may
    /// neither delete nor write it.
    ///
    /// # Errors
    /// Needs `f`, and `d` or `w` if the name is taken. See [`FileError`].
    pub fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FileError> {
        self.ask(Permission::Rename)?;
        refuse_root(from)?;
        refuse_root(to)?;
        refuse_control_bytes(to)?;
        let (source, target) = (self.place_of(from)?, self.place_of(to)?);
        alone([source.key()?, target.key()?], || self.rename_alone(&source, &target))?;
        // What broke on the way to either name was meant for the file that had it before.
        self.forget(from);
        self.forget(to);
        Ok(())
    }

    fn rename_alone(&self, source: &Place, target: &Place) -> Result<(), FileError> {
        if !self.may_replace() {
            return rename_to_free_name(source, target);
        }
        let _swapping = self.ledger().swapping();
        // Renamed to itself, or to another of its own names, a file replaces nothing.
        let same = |place: &Place| place.look().ok().map(|found| (found.st_dev, found.st_ino));
        let replaced =
            if self.ledger().counts() && same(source) != same(target) { self.size_to_give_back(target) } else { 0 };
        renameat(&source.directory, &source.name, &target.directory, &target.name)?;
        self.ledger().give_back(replaced);
        Ok(())
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

    /// Sets the time of last modification, in seconds since 1970 in UTC, and tells the one that the file system kept.
    ///
    /// # Errors
    /// Needs `T`. See [`FileError`].
    pub fn set_modified(&self, path: &VirtualPath, seconds: i64) -> Result<i64, FileError> {
        self.ask(Permission::SetTime)?;
        refuse_root(path)?;
        Held::open(self.root(), path)?.set_modified(seconds)
    }
}

/// Renames, unless the name is taken: the kernel looks and acts at once.
fn rename_to_free_name(source: &Place, target: &Place) -> Result<(), FileError> {
    let (from, to) = (&source.directory, &target.directory);
    match renameat_with(from, &source.name, to, &target.name, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(FileError::MayNotReplace),
        // Some network file systems cannot, and it is also said of a directory that shall be moved into itself.
        Err(Errno::INVAL) => rename_in_two_steps(from, &source.name, to, &target.name),
        Err(error) => Err(error.into()),
    }
}

/// A file gets the new name as a second one, which is never put in place of another, and then loses the old. A directory
/// can have one name only, and never takes that of a file or of a directory that holds something.
pub(super) fn rename_in_two_steps(source: &Dir, old: &OsStr, target: &Dir, new: &OsStr) -> Result<(), FileError> {
    if source.symlink_metadata(old)?.is_dir() {
        // With a slash the kernel takes nothing but a directory.
        let old = [old, OsStr::new("/")].join(OsStr::new(""));
        return renameat(source, &old, target, new).map_err(|error| std::io::Error::from(error).into());
    }
    source.hard_link(old, target, new).map_err(|error| match error.into() {
        FileError::AlreadyExists => FileError::MayNotReplace,
        error => error,
    })?;
    Ok(source.remove_file(old)?)
}

/// For every operation that makes a name. Whoever lists the directory later, in a terminal perhaps, is not to be fooled by
/// it; what has such a name already can be fetched, renamed and removed.
pub(super) fn refuse_control_bytes(path: &VirtualPath) -> Result<(), FileError> {
    let is_fine = path.file_name().is_none_or(|name| !has_control(name));
    if is_fine { Ok(()) } else { Err(FileError::ControlByte) }
}

fn refuse_root(path: &VirtualPath) -> Result<(), FileError> {
    if path.is_root() { Err(FileError::RootItself) } else { Ok(()) }
}
