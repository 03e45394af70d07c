//! Where the bytes go, and what may be gone on with: decided from what is there, before anything changes.

use cap_std::fs::OpenOptions;
use rustix::fs::Stat;

use super::{PendingUpload, Placement, Plan, Seen, Target, WhenWhole};
use crate::files::jail::look_and_open;
use crate::files::manage::refuse_control_bytes;
use crate::files::partial;
use crate::files::place::{Place, Standing};
use crate::files::{FileError, Home};
use crate::path::VirtualPath;
use crate::settings::{Permission, UploadMode};

impl Home {
    /// Prepares an upload to `path`. A link inside the home is followed.
    ///
    /// # Errors
    /// Needs `w` to replace, `a` to append, and both to restart in the middle: `a` alone lets nobody change bytes that are
    /// there. See [`FileError`]. There must be room for a byte. The start of a restart must exist; at the very end is allowed.
    pub fn store(&self, path: &VirtualPath, placement: Placement) -> Result<PendingUpload, FileError> {
        let placement = if placement == Placement::At(0) { Placement::Replace } else { placement };
        if placement != Placement::Append {
            self.ask(Permission::Store)?;
        }
        if placement != Placement::Replace {
            self.ask(Permission::Append)?;
        }
        refuse_control_bytes(path)?;
        let plan = match self.uploads().mode {
            UploadMode::Atomic => self.plan(path, placement)?,
            UploadMode::Direct => self.plan_direct(path, placement)?,
        };
        PendingUpload { home: self.clone(), path: path.clone(), plan, when_whole: WhenWhole::default() }.if_room()
    }

    /// The same to replace `found`, a regular file, or nothing, at `place`.
    pub(in crate::files) fn plan_replacing(
        &self,
        path: &VirtualPath,
        place: Place,
        found: Option<Stat>,
    ) -> Result<PendingUpload, FileError> {
        let seen = found.as_ref().map(Seen::of);
        if seen.is_some() {
            place.expect_writable()?;
        }
        let plan = match self.uploads().mode {
            UploadMode::Direct if seen.is_some() && !self.may_replace() => return Err(FileError::MayNotReplace),
            UploadMode::Direct if seen.is_some() => Plan::Direct(Placement::Replace, Target::Found),
            mode => {
                place.expect_room()?;
                match mode {
                    UploadMode::Direct => Plan::Direct(Placement::Replace, Target::Missing),
                    UploadMode::Atomic if seen.is_some() && !self.may_replace() => {
                        return Err(FileError::MayNotReplace);
                    }
                    UploadMode::Atomic if self.may_replace() => Plan::Fresh(place, seen),
                    UploadMode::Atomic => Plan::Unique(place),
                }
            }
        };
        Ok(PendingUpload { home: self.clone(), path: path.clone(), plan, when_whole: WhenWhole::default() })
    }

    fn plan(&self, path: &VirtualPath, placement: Placement) -> Result<Plan, FileError> {
        let (place, standing) = Place::find(self, path)?;
        let seen = match standing {
            Standing::Elsewhere => return self.plan_direct(path, placement),
            Standing::Nothing => None,
            Standing::File(found) => Some(Seen::of(&found)),
        };
        if seen.is_some() {
            place.expect_writable()?;
        }
        match place.expect_room() {
            Err(_) if seen.is_some() => return self.plan_direct(path, placement),
            room => room?,
        }
        if placement != Placement::Append && seen.is_some() && !self.may_replace() {
            return Err(FileError::MayNotReplace);
        }
        if placement == Placement::Replace {
            return Ok(if self.may_replace() { Plan::Fresh(place, seen) } else { Plan::Unique(place) });
        }
        self.plan_on(place, seen, path, placement)
    }

    /// An interrupted upload of the user is gone on with, unless another file has the name since: then REST and STOR are
    /// refused, and so is APPE wherever there is a file, as its client means the end of that file, or of the other.
    fn plan_on(
        &self,
        place: Place,
        seen: Option<Seen>,
        path: &VirtualPath,
        placement: Placement,
    ) -> Result<Plan, FileError> {
        if let Some((left, was)) = partial::kept_idle(self, &place, path)? {
            let size = left.size;
            return match (placement, seen) {
                (Placement::At(offset), _) if offset > size => Err(FileError::BeyondEnd { offset, size }),
                (Placement::At(_), Some(seen)) if !was.is_some_and(|was| was.is_same(&seen)) => {
                    Err(FileError::Superseded)
                }
                (Placement::At(offset), _) => Ok(Plan::Resumed(place, left, offset)),
                (_, Some(_)) => Err(FileError::Interrupted),
                (_, None) => Ok(Plan::Resumed(place, left, size)),
            };
        }
        match (seen, placement) {
            (Some(seen), Placement::At(offset)) if offset > seen.size => {
                Err(FileError::BeyondEnd { offset, size: seen.size })
            }
            (Some(seen), Placement::At(offset)) => Ok(Plan::Rewritten(place, seen, offset)),
            (None, Placement::At(_)) => Err(FileError::NotFound),
            (seen, _) => Ok(Plan::Appended(place, seen)),
        }
    }

    pub(super) fn plan_direct(&self, path: &VirtualPath, placement: Placement) -> Result<Plan, FileError> {
        let target = match (look_and_open(self.root(), path, &mut writing(placement)), placement) {
            (Ok((_, size)), Placement::At(offset)) if offset > size => {
                return Err(FileError::BeyondEnd { offset, size });
            }
            (Ok(_), Placement::Replace | Placement::At(_)) if !self.may_replace() => {
                return Err(FileError::MayNotReplace);
            }
            (Ok((file, _)), _) => Target::Existing(file),
            (Err(FileError::NotFound), Placement::Replace | Placement::Append) => {
                Place::open(self, path.parent().beneath_home(), ".".as_ref())?.expect_room()?;
                Target::Missing
            }
            (Err(error), _) => return Err(error),
        };
        Ok(Plan::Direct(placement, target))
    }
}

pub(super) fn writing(placement: Placement) -> OpenOptions {
    let mut options = OpenOptions::new();
    match placement {
        Placement::Append => options.append(true),
        Placement::Replace | Placement::At(_) => options.write(true),
    };
    options
}
