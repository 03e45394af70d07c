//! A file on its way from a client.
//!
//! Two steps, since the data connection comes between: [`Home::store`] checks all that can be checked and changes nothing, so
//! that a client who never connects harms no file; [`PendingUpload::begin`] creates or cuts the file, and the bytes may come.
//! Only [`Upload::commit`] makes a success of it. An upload that is dropped leaves what has come so far, for a later
//! resume.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use cap_std::fs::{OpenOptions, OpenOptionsExt};
use nix::unistd::{AccessFlags, close, faccessat};

use super::jail::open_regular;
use super::manage::refuse_control_bytes;
use super::{FileError, Home};
use crate::path::{MAX_COMPONENT, VirtualPath};
use crate::settings::Permission;

/// How the names begin that STOU makes when the client gives none.
pub const UNIQUE_PREFIX: &[u8] = b"ftpd";
/// Letters and digits behind it: 40 random bits.
const SUFFIX: usize = 8;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Names tried before giving up.
const ATTEMPTS: usize = 64;

/// Where the bytes of an upload go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// They become the file (STOR).
    Replace,
    /// They become the file from this byte on, whose first bytes stay as they are (REST, then STOR): the file ends where
    /// the upload ends.
    At(u64),
    /// They follow whatever is there at the time of each write (APPE).
    Append,
}

/// An upload that may begin. Dropped before that, it leaves no trace.
#[derive(Debug)]
pub struct PendingUpload {
    home: Home,
    path: VirtualPath,
    placement: Placement,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Existing(File),
    Missing,
    /// Made by STOU, which tells the name before the bytes come.
    Reserved(File, Reservation),
}

/// A file under way.
#[derive(Debug)]
pub struct Upload {
    file: File,
    /// Where the next byte goes; `None` at the end, wherever that is.
    position: Option<u64>,
}

impl Home {
    /// Prepares an upload to `path`. A link inside the home is followed.
    ///
    /// # Errors
    /// Needs `w` to replace, `a` to append, and both to restart in the middle: `a` alone lets nobody change bytes that are
    /// there. See [`FileError`]. The start of a restart must exist; at the very end is allowed.
    pub fn store(&self, path: &VirtualPath, placement: Placement) -> Result<PendingUpload, FileError> {
        let placement = if placement == Placement::At(0) { Placement::Replace } else { placement };
        if placement != Placement::Append {
            self.ask(Permission::Store)?;
        }
        if placement != Placement::Replace {
            self.ask(Permission::Append)?;
        }
        refuse_control_bytes(path)?;
        let target = match (open_regular(self.root(), path, &mut writing(placement)), placement) {
            (Ok((_, size)), Placement::At(offset)) if offset > size => {
                return Err(FileError::BeyondEnd { offset, size });
            }
            (Ok(_), Placement::Replace | Placement::At(_)) if !self.may_replace() => {
                return Err(FileError::MayNotReplace);
            }
            (Ok((file, _)), _) => Target::Existing(file),
            (Err(FileError::NotFound), Placement::Replace | Placement::Append) => {
                self.expect_room_in(&path.parent())?;
                Target::Missing
            }
            (Err(error), _) => return Err(error),
        };
        Ok(PendingUpload { home: self.clone(), path: path.clone(), placement, target })
    }

    /// Prepares an upload to a new name beside `model`: its name, a dot, and eight random characters (STOU).
    ///
    /// The name is taken at once, and given back if the upload never begins.
    ///
    /// # Errors
    /// Needs `w`. See [`FileError`].
    pub fn store_unique(&self, model: &VirtualPath) -> Result<PendingUpload, FileError> {
        self.ask(Permission::Store)?;
        refuse_control_bytes(model)?;
        let prefix = shortened(model.file_name().unwrap_or(UNIQUE_PREFIX));
        let placement = Placement::Replace;
        for _ in 0..ATTEMPTS {
            let name = [prefix, b".", &random_suffix()?].concat();
            let path = model.parent().join(&name).map_err(|_| FileError::NameTooLong)?;
            match open_regular(self.root(), &path, writing(placement).create_new(true).mode(self.modes().file)) {
                Ok((file, _)) => {
                    let reservation = Reservation { home: self.clone(), path: path.clone(), kept: false };
                    let target = Target::Reserved(file, reservation);
                    return Ok(PendingUpload { home: self.clone(), path, placement, target });
                }
                Err(FileError::AlreadyExists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(FileError::NoUniqueName)
    }

    /// Whether a file could be made in `directory`, as far as can be told without making one.
    fn expect_room_in(&self, directory: &VirtualPath) -> Result<(), FileError> {
        let directory = self.root().open_dir(directory.beneath_home())?;
        Ok(faccessat(&directory, ".", AccessFlags::W_OK | AccessFlags::X_OK, nix::fcntl::AtFlags::empty())?)
    }
}

impl PendingUpload {
    /// The file that will be written.
    #[must_use]
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// Creates or cuts the file: the data connection stands.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn begin(self) -> Result<Upload, FileError> {
        let mut file = match self.target {
            Target::Existing(file) => file,
            Target::Reserved(file, reservation) => {
                reservation.keep();
                file
            }
            Target::Missing => {
                let mut options = writing(self.placement);
                // Somebody else may have made it meanwhile.
                let is_to_be_new = self.placement != Placement::Append && !self.home.may_replace();
                options.create(true).create_new(is_to_be_new).mode(self.home.modes().file);
                match open_regular(self.home.root(), &self.path, &mut options) {
                    Err(FileError::AlreadyExists) => return Err(FileError::MayNotReplace),
                    opened => opened?.0,
                }
            }
        };
        let position = match self.placement {
            Placement::Replace => {
                file.set_len(0)?;
                Some(0)
            }
            Placement::At(offset) => {
                // What followed is to be replaced. Left there, it would be the end of whatever a broken upload leaves,
                // and a client that resumes at the size of the file would keep it.
                file.set_len(offset)?;
                Some(file.seek(SeekFrom::Start(offset))?)
            }
            Placement::Append => None,
        };
        Ok(Upload { file, position })
    }
}

impl Upload {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// See [`FileError`]; some of the bytes may have been written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write_all(bytes)?;
        if let Some(position) = &mut self.position {
            *position += bytes.len() as u64;
        }
        Ok(())
    }

    /// Ends the file where the upload ended, and closes it. Tells its size in bytes.
    ///
    /// # Errors
    /// See [`FileError`]: a disk may find out as late as here that it has no room.
    pub fn commit(self) -> Result<u64, FileError> {
        let there = self.file.metadata()?.len();
        let size = self.position.unwrap_or(there);
        if size < there {
            self.file.set_len(size)?;
        }
        close(self.file)?;
        Ok(size)
    }
}

fn writing(placement: Placement) -> OpenOptions {
    let mut options = OpenOptions::new();
    match placement {
        Placement::Append => options.append(true),
        Placement::Replace | Placement::At(_) => options.write(true),
    };
    options
}

/// A name that was made for an upload, and goes if the upload does not come.
#[derive(Debug)]
struct Reservation {
    home: Home,
    path: VirtualPath,
    kept: bool,
}

impl Reservation {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            // If it cannot be removed, an empty file stays: nobody is left to be told.
            let _ = self.home.root().remove_file(self.path.beneath_home());
        }
    }
}

/// As much of `prefix` as leaves room for the rest of the name, not cut within a character of UTF-8.
fn shortened(prefix: &[u8]) -> &[u8] {
    let mut end = prefix.len().min(MAX_COMPONENT - 1 - SUFFIX);
    while end > 0 && prefix.get(end).is_some_and(|&next| next & 0b1100_0000 == 0b1000_0000) {
        end -= 1;
    }
    &prefix[..end]
}

fn random_suffix() -> Result<[u8; SUFFIX], FileError> {
    let mut random = [0; SUFFIX];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    Ok(random.map(|byte| ALPHABET[usize::from(byte) % ALPHABET.len()]))
}
