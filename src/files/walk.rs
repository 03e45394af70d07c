//! All that lies beneath a directory, without following links.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use cap_std::fs::{Dir, DirEntry, OpenOptions, OpenOptionsExt, ReadDir};
use rustix::fs::{OFlags, PROC_SUPER_MAGIC, fstatfs};

use crate::path::is_reserved;

/// The entries of a tree that are no directories, in no order. As many directories are open as the tree is deep.
pub(super) struct Walk {
    /// The directory being read, and those of which it is a part.
    open: Vec<Level>,
}

/// One entry, and the directory that it is in.
pub(super) struct Found {
    pub(super) directory: Arc<Dir>,
    pub(super) entry: DirEntry,
}

struct Level {
    directory: Arc<Dir>,
    entries: ReadDir,
    /// Directories in it, entered once it is read through.
    within: Vec<OsString>,
    read: bool,
    /// In `/proc` nobody stores anything, and it has no end.
    is_of_the_kernel: bool,
}

impl Walk {
    pub(super) fn of(root: &Dir) -> io::Result<Self> {
        Ok(Self { open: vec![Level::new(root.open_dir(".")?)?] })
    }

    fn step(&mut self) -> io::Result<Option<Found>> {
        while let Some(level) = self.open.last_mut() {
            if !level.read {
                match level.entries.next() {
                    Some(entry) => {
                        let entry = entry?;
                        if entry.file_type()?.is_dir() {
                            // A directory of the server's own, as the spool of events is, is nobody's.
                            if is_reserved(entry.file_name().as_bytes()) {
                                continue;
                            }
                            level.within.push(entry.file_name());
                            continue;
                        }
                        return Ok(Some(Found { directory: Arc::clone(&level.directory), entry }));
                    }
                    None => level.read = true,
                }
            }
            match level.within.pop() {
                Some(name) => match enter(&level.directory, &name) {
                    Ok(inner) if inner.is_of_the_kernel => {}
                    Ok(inner) => self.open.push(inner),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                },
                None => drop(self.open.pop()),
            }
        }
        Ok(None)
    }
}

impl Iterator for Walk {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl Level {
    fn new(directory: Dir) -> io::Result<Self> {
        let is_of_the_kernel = fstatfs(&directory)?.f_type == PROC_SUPER_MAGIC;
        let entries = directory.entries()?;
        Ok(Self { directory: Arc::new(directory), entries, within: Vec::new(), read: false, is_of_the_kernel })
    }
}

fn enter(directory: &Dir, name: &OsString) -> io::Result<Level> {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    let inner = directory.open_with(name, OpenOptions::new().read(true).custom_flags(flags))?;
    Level::new(Dir::from_std_file(inner.into_std()))
}
