//! STOU: names that nothing has yet.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use cap_std::fs::OpenOptionsExt;
use rustix::fs::{AtFlags, fstat, unlinkat};

use super::plan::writing;
use super::{PendingUpload, Placement, Plan, Target, WhenWhole};
use crate::files::jail::open_regular;
use crate::files::manage::refuse_control_bytes;
use crate::files::names::alone;
use crate::files::place::{Place, Standing};
use crate::files::{FileError, Home};
use crate::path::{MAX_COMPONENT, VirtualPath};
use crate::settings::{Permission, UploadMode};

/// How the names begin that STOU makes when the client gives none.
pub const UNIQUE_PREFIX: &[u8] = b"ftpd";
/// Letters and digits behind it: 40 random bits.
const SUFFIX: usize = 8;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Names tried before giving up.
const ATTEMPTS: usize = 64;

/// A name that was made for an upload, and goes if the upload does not come and nobody else has taken it.
#[derive(Debug)]
pub(super) struct Reservation {
    place: Place,
    made: (u64, u64),
    kept: bool,
}

impl Reservation {
    pub(super) fn keep(mut self) {
        self.kept = true;
    }

    fn remove(&self) -> Result<(), FileError> {
        alone([self.place.key()?], || {
            let found = self.place.look()?;
            if (found.st_dev, found.st_ino) == self.made && found.st_size == 0 {
                unlinkat(&self.place.directory, &self.place.name, AtFlags::empty())?;
            }
            Ok(())
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            // If it cannot be removed, an empty file stays: nobody is left to be told.
            let _ = self.remove();
        }
    }
}

impl Home {
    /// Prepares an upload to a new name beside `model`: its name, a dot, and eight random characters (STOU).
    ///
    /// A name that is taken at once is given back if the upload never begins.
    ///
    /// # Errors
    /// Needs `w`. See [`FileError`].
    pub fn store_unique(&self, model: &VirtualPath) -> Result<PendingUpload, FileError> {
        self.ask(Permission::Store)?;
        refuse_control_bytes(model)?;
        let prefix = shortened(model.file_name().unwrap_or(UNIQUE_PREFIX));
        for _ in 0..ATTEMPTS {
            let name = [prefix, b".", &random_suffix()?].concat();
            let path = model.parent().join(&name).map_err(|_| FileError::NameTooLong)?;
            if let Some(plan) = self.plan_unique(&path)? {
                return PendingUpload { home: self.clone(), path, plan, when_whole: WhenWhole::default() }.if_room();
            }
        }
        Err(FileError::NoUniqueName)
    }

    /// `None` if the name is taken.
    fn plan_unique(&self, path: &VirtualPath) -> Result<Option<Plan>, FileError> {
        if self.uploads().mode == UploadMode::Atomic {
            let (place, standing) = Place::find(self, path)?;
            place.expect_room()?;
            return Ok(matches!(standing, Standing::Nothing).then(|| Plan::Unique(place)));
        }
        let placement = Placement::Replace;
        match open_regular(self.root(), path, writing(placement).create_new(true).mode(self.modes().file)) {
            Ok((file, _)) => {
                let name = OsStr::from_bytes(path.file_name().unwrap_or_default());
                let place = Place::open(self, path.parent().beneath_home(), name)?;
                let made = fstat(&file)?;
                let reservation = Reservation { place, made: (made.st_dev, made.st_ino), kept: false };
                Ok(Some(Plan::Direct(placement, Target::Reserved(file, reservation))))
            }
            Err(FileError::AlreadyExists) => Ok(None),
            Err(error) => Err(error),
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
