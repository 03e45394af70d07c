//! Where a name really stands: the directory that holds it, open, and the name in there. What is found once stays found,
//! however often the directories above are renamed or turned into links meanwhile.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, Stat, accessat, fstat, openat, statat};
use rustix::io::Errno;

use super::names::Key;
use super::{FileError, Home};
use crate::path::VirtualPath;

/// A name in an open directory; the name itself is no link, unless one is put there later.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: Dir,
    /// The directory as it is called from the home.
    within: PathBuf,
    pub(super) name: OsString,
}

/// What has the name.
pub(super) enum Standing {
    /// Nothing.
    Nothing,
    /// A regular file.
    File(Stat),
    /// A link that leads to nothing yet, or to something whose name cannot be told.
    Elsewhere,
}

impl Place {
    /// Finds the place of `path`, and what is there. A link inside the home is followed.
    pub(super) fn find(home: &Home, path: &VirtualPath) -> Result<(Self, Standing), FileError> {
        let name = path.file_name().ok_or(FileError::IsADirectory)?;
        let place = Self::open(home, path.parent().beneath_home(), OsStr::from_bytes(name))?;
        let found = match place.look() {
            Err(FileError::NotFound) => return Ok((place, Standing::Nothing)),
            found => found?,
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok((place, Standing::File(found))),
            FileType::Directory => Err(FileError::IsADirectory),
            FileType::Symlink => place.behind_link(home, path),
            _ => Err(FileError::NotRegular),
        }
    }

    /// The name `name` in `directory`, which the home calls `within`.
    pub(super) fn at(directory: Dir, within: &Path, name: &OsStr) -> Self {
        Self { directory, within: within.to_owned(), name: name.to_owned() }
    }

    /// The name `name` in the directory that the home calls `within`.
    pub(super) fn open(home: &Home, within: &Path, name: &OsStr) -> Result<Self, FileError> {
        let directory = home.root().open_dir(within)?;
        Ok(Self::at(directory, within, name))
    }

    /// What the name is now; a link is told as a link.
    pub(super) fn look(&self) -> Result<Stat, FileError> {
        Ok(statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Whether files may be made, replaced and removed here.
    pub(super) fn expect_room(&self) -> Result<(), FileError> {
        Ok(accessat(&self.directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty())?)
    }

    /// Whether the file itself may be written.
    pub(super) fn expect_writable(&self) -> Result<(), FileError> {
        Ok(accessat(&self.directory, &self.name, Access::WRITE_OK, AtFlags::empty())?)
    }

    /// The directory, so that the disk can be told to keep its names.
    pub(super) fn open_to_sync(&self) -> Result<OwnedFd, FileError> {
        Ok(openat(&self.directory, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Which name this is, whichever path led here.
    pub(super) fn key(&self) -> Result<Key, FileError> {
        let held = fstat(&self.directory)?;
        Ok(Key::new(held.st_dev, held.st_ino, &self.name))
    }

    /// The same, if the directory is still what the home calls by its name. One that was moved or removed meanwhile is none
    /// where a client's file should turn up.
    pub(super) fn key_if_unmoved(&self, home: &Home) -> Result<Key, FileError> {
        let held = fstat(&self.directory)?;
        if self.within != Path::new(".") {
            let named = fstat(home.root().open_dir(&self.within)?)?;
            if (held.st_dev, held.st_ino) != (named.st_dev, named.st_ino) {
                return Err(FileError::NotFound);
            }
        }
        Ok(Key::new(held.st_dev, held.st_ino, &self.name))
    }

    /// The same place, for another file that is to have its name.
    pub(super) fn another(&self) -> Result<Self, FileError> {
        Ok(Self { directory: self.directory.try_clone()?, within: self.within.clone(), name: self.name.clone() })
    }

    /// The place of what a link leads to. The kernel follows it, inside the home only, and tells the name of what it
    /// found; that name is looked up once more, so that it cannot lie.
    fn behind_link(self, home: &Home, path: &VirtualPath) -> Result<(Self, Standing), FileError> {
        let flags = OFlags::PATH.bits().cast_signed();
        let target = match home.root().open_with(path.beneath_home(), OpenOptions::new().read(true).custom_flags(flags))
        {
            Ok(target) => target,
            Err(error) => match error.into() {
                FileError::NotFound => return Ok((self, Standing::Elsewhere)),
                error => return Err(error),
            },
        };
        let meant = fstat(&target)?;
        match FileType::from_raw_mode(meant.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(FileError::IsADirectory),
            _ => return Err(FileError::NotRegular),
        }
        let (Ok(real), Ok(root)) = (own_name(target.as_raw_fd()), own_name(home.root().as_raw_fd())) else {
            return Ok((self, Standing::Elsewhere));
        };
        let Some((within, name)) = real.strip_prefix(&root).ok().and_then(|real| real.parent().zip(real.file_name()))
        else {
            return Ok((self, Standing::Elsewhere));
        };
        let within = if within.as_os_str().is_empty() { Path::new(".") } else { within };
        let Ok(place) = Self::open(home, within, name) else { return Ok((self, Standing::Elsewhere)) };
        match place.look() {
            Ok(found) if (found.st_dev, found.st_ino) == (meant.st_dev, meant.st_ino) => {
                Ok((place, Standing::File(found)))
            }
            _ => Ok((self, Standing::Elsewhere)),
        }
    }
}

/// The name that the kernel knows a descriptor by.
fn own_name(descriptor: i32) -> std::io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{descriptor}"))
}

impl From<Errno> for FileError {
    fn from(number: Errno) -> Self {
        std::io::Error::from(number).into()
    }
}
