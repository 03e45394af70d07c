//! A file on its way from a client.
//!
//! Two steps, since the data connection comes between: [`Home::store`] checks all that can be checked and changes nothing, so
//! that a client who never connects harms no file; [`PendingUpload::begin`] makes a file for the bytes, and they may come.
//! Only [`Upload::commit`] makes a success of it.
//!
//! Where the bytes go, `upload_mode` says: into a [`Partial`] that takes the name in one step when it is whole, so that the
//! name never stands for half a file; or into the file itself. The file itself is written too where nothing can be made
//! beside it: in a directory that may not be written, and behind a link that leads to no file yet.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;

use cap_std::fs::{OpenOptions, OpenOptionsExt};
use nix::unistd::close;
use rustix::fs::{FileType, Gid, Mode, OFlags, Stat, Uid, fchmod, fchown, fstat, ioctl_ficlone, openat};

use super::jail::open_regular;
use super::manage::refuse_control_bytes;
use super::partial::{self, Partial};
use super::place::{Place, Standing};
use super::quota::Charge;
use super::{FileError, Home};
use crate::path::{MAX_COMPONENT, VirtualPath};
use crate::settings::{Permission, UploadMode};

/// How the names begin that STOU makes when the client gives none.
pub const UNIQUE_PREFIX: &[u8] = b"ftpd";
/// Letters and digits behind it: 40 random bits.
const SUFFIX: usize = 8;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Names tried before giving up.
const ATTEMPTS: usize = 64;
/// The longest file that is copied to be appended to, where the disk cannot share its blocks.
const COPIED_AT_MOST: u64 = 64 << 20;
/// With `upload_fsync`, the bytes after which the disk is told to begin, so that the last wait is short.
const SYNC_STEP: u64 = 32 << 20;

/// Where the bytes of an upload go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// They become the file (STOR).
    Replace,
    /// They become the file from this byte on, whose first bytes stay as they are (REST, then STOR): the file ends where
    /// the upload ends.
    At(u64),
    /// They follow what is there (APPE).
    Append,
}

/// An upload that may begin. Dropped before that, it leaves no trace.
#[derive(Debug)]
pub struct PendingUpload {
    home: Home,
    path: VirtualPath,
    plan: Plan,
}

#[derive(Debug)]
enum Plan {
    /// Into the file itself.
    Direct(Placement, Target),
    /// Into a partial, which replaces the file, if there is one.
    Fresh(Place, Option<Seen>),
    /// Into a partial, for a name that nobody may take meanwhile (STOU, and APPE where there is nothing yet).
    Unique(Place),
    /// Into the partial that failed before, from this byte on.
    Resumed(Place, u64),
    /// Into a copy of the first bytes of the file.
    Extended(Place, Seen, u64, Placement),
}

#[derive(Debug)]
enum Target {
    Existing(File),
    Missing,
    /// Made by STOU, which tells the name before the bytes come.
    Reserved(File, Reservation),
}

/// What tells a file from another, and from itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u64),
    mode: u32,
}

/// A file under way.
#[derive(Debug)]
pub struct Upload {
    home: Home,
    path: VirtualPath,
    way: Way,
    /// Where the next byte goes; `None` at the end, wherever that is.
    position: Option<u64>,
    charge: Charge,
    unsynced: u64,
    done: bool,
}

#[derive(Debug)]
enum Way {
    /// The file itself.
    Direct(File),
    /// The file itself, too long to be copied: its old bytes never change, and a failure takes the new ones away.
    Tail(File, u64),
    /// A hidden file that is to replace what was seen of this one.
    Swap(Partial, Commit),
}

/// On what condition a partial takes its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    /// Whatever file has it by then: the last one wins, whole.
    Replace,
    /// Nothing has it.
    Anew,
    /// It is still what was copied: somebody else's bytes would be lost.
    Unless(Seen),
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
        let plan = match self.uploads().mode {
            UploadMode::Atomic => self.plan(path, placement)?,
            UploadMode::Direct => self.plan_direct(path, placement)?,
        };
        Ok(PendingUpload { home: self.clone(), path: path.clone(), plan })
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
        if let Some(left) = partial::kept(self, &place, path)? {
            let size = left.st_size.cast_unsigned();
            return match placement {
                Placement::At(offset) if offset > size => Err(FileError::BeyondEnd { offset, size }),
                Placement::At(offset) => Ok(Plan::Resumed(place, offset)),
                _ => Ok(Plan::Resumed(place, size)),
            };
        }
        match (seen, placement) {
            (Some(seen), Placement::At(offset)) if offset > seen.size => {
                Err(FileError::BeyondEnd { offset, size: seen.size })
            }
            (Some(seen), Placement::At(offset)) => Ok(Plan::Extended(place, seen, offset, placement)),
            (Some(seen), _) => Ok(Plan::Extended(place, seen, seen.size, placement)),
            (None, Placement::At(_)) => Err(FileError::NotFound),
            // Whoever makes the file meanwhile would lose what is in it.
            (None, _) => Ok(Plan::Unique(place)),
        }
    }

    fn plan_direct(&self, path: &VirtualPath, placement: Placement) -> Result<Plan, FileError> {
        let target = match (open_regular(self.root(), path, &mut writing(placement)), placement) {
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
                return Ok(PendingUpload { home: self.clone(), path, plan });
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
                let reservation = Reservation { home: self.clone(), path: path.clone(), kept: false };
                Ok(Some(Plan::Direct(placement, Target::Reserved(file, reservation))))
            }
            Err(FileError::AlreadyExists) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl PendingUpload {
    /// The file that will be written.
    #[must_use]
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// Makes or cuts the file that the bytes go to: the data connection stands.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn begin(self) -> Result<Upload, FileError> {
        let Self { home, path, plan } = self;
        match plan {
            Plan::Direct(placement, target) => begin_direct(home, &path, placement, target),
            Plan::Fresh(place, seen) => {
                let mode = seen.map_or(home.modes().file, |seen| seen.mode & 0o777);
                begin_fresh(home, &path, place, mode, seen.map_or(0, |seen| seen.size), Commit::Replace)
            }
            Plan::Unique(place) => {
                let mode = home.modes().file;
                begin_fresh(home, &path, place, mode, 0, Commit::Anew)
            }
            Plan::Resumed(place, offset) => begin_resumed(home, &path, place, offset),
            Plan::Extended(place, seen, offset, placement) => {
                begin_extended(home, &path, place, seen, offset, placement)
            }
        }
    }
}

fn begin_direct(home: Home, path: &VirtualPath, placement: Placement, target: Target) -> Result<Upload, FileError> {
    let mut file = match target {
        Target::Existing(file) => file,
        Target::Reserved(file, reservation) => {
            reservation.keep();
            file
        }
        Target::Missing => {
            // Somebody else may have made it meanwhile.
            let is_to_be_new = placement != Placement::Append && !home.may_replace();
            let mut options = writing(placement);
            options.create(true).create_new(is_to_be_new).mode(home.modes().file);
            match open_regular(home.root(), path, &mut options) {
                Err(FileError::AlreadyExists) => return Err(FileError::MayNotReplace),
                opened => opened?.0,
            }
        }
    };
    let before = file.metadata()?.len();
    let mut charge = home.charge(0, before);
    let position = match placement {
        Placement::Replace => {
            file.set_len(0)?;
            charge.shrink(0);
            Some(0)
        }
        Placement::At(offset) => {
            // What followed is to be replaced. Left there, it would be the end of whatever a broken upload leaves,
            // and a client that resumes at the size of the file would keep it.
            file.set_len(offset)?;
            charge.shrink(offset);
            Some(file.seek(SeekFrom::Start(offset))?)
        }
        Placement::Append => None,
    };
    Ok(Upload { path: path.clone(), home, way: Way::Direct(file), position, charge, unsynced: 0, done: false })
}

fn begin_fresh(
    home: Home,
    path: &VirtualPath,
    place: Place,
    mode: u32,
    replaces: u64,
    commit: Commit,
) -> Result<Upload, FileError> {
    let (partial, before) = Partial::begin(&home, place, path, mode)?;
    let mut charge = home.charge(replaces, before);
    charge.shrink(0);
    Ok(Upload {
        path: path.clone(),
        home,
        way: Way::Swap(partial, commit),
        position: Some(0),
        charge,
        unsynced: 0,
        done: false,
    })
}

fn begin_resumed(home: Home, path: &VirtualPath, place: Place, offset: u64) -> Result<Upload, FileError> {
    let replaces = place.look().map_or(0, |found| found.st_size.cast_unsigned());
    let mut partial = Partial::resume(&home, place, path)?;
    let before = partial.file.metadata()?.len();
    if offset > before {
        return Err(FileError::BeyondEnd { offset, size: before });
    }
    let mut charge = home.charge(replaces, before);
    partial.file.set_len(offset)?;
    charge.shrink(offset);
    partial.file.seek(SeekFrom::Start(offset))?;
    let way = Way::Swap(partial, Commit::Replace);
    Ok(Upload { path: path.clone(), home, way, position: Some(offset), charge, unsynced: 0, done: false })
}

/// The first `offset` bytes of a file, to be followed by others.
fn begin_extended(
    home: Home,
    path: &VirtualPath,
    place: Place,
    seen: Seen,
    offset: u64,
    placement: Placement,
) -> Result<Upload, FileError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let old = match openat(&place.directory, &place.name, flags | OFlags::RDONLY, Mode::empty()) {
        Ok(old) => File::from(old),
        // It may be written and not read.
        Err(_) => {
            let Plan::Direct(placement, target) = home.plan_direct(path, placement)? else {
                return Err(FileError::TryAgain);
            };
            return begin_direct(home, path, placement, target);
        }
    };
    if !Seen::of(&fstat(&old)?).is_same(&seen) {
        return Err(FileError::TryAgain);
    }
    let (mut partial, before) = Partial::begin(&home, place, path, seen.mode & 0o777)?;
    let mut charge = home.charge(seen.size, before);
    charge.shrink(0);
    let is_shared = ioctl_ficlone(&partial.file, &old).is_ok();
    if !is_shared && offset == seen.size && offset > COPIED_AT_MOST {
        partial.abandon();
        return begin_tail(home, path, &partial.place, seen);
    }
    if let Err(error) = fill(&home, &mut partial, &mut charge, &old, offset, is_shared) {
        // Half a copy is nothing that anybody could go on with.
        partial.abandon();
        charge.shrink(0);
        return Err(error);
    }
    let way = Way::Swap(partial, Commit::Unless(seen));
    Ok(Upload { path: path.clone(), home, way, position: Some(offset), charge, unsynced: 0, done: false })
}

/// The first `offset` bytes of `old` become those of the partial, which stands behind them then.
fn fill(
    home: &Home,
    partial: &mut Partial,
    charge: &mut Charge,
    old: &File,
    offset: u64,
    is_shared: bool,
) -> Result<(), FileError> {
    charge.grow(home.root(), offset)?;
    if is_shared {
        partial.file.set_len(offset)?;
        partial.file.seek(SeekFrom::Start(offset))?;
    } else if std::io::copy(&mut old.take(offset), &mut partial.file)? < offset {
        return Err(FileError::TryAgain);
    }
    Ok(())
}

/// Behind the end of a file that is too long to be copied. One at a time.
fn begin_tail(home: Home, path: &VirtualPath, place: &Place, seen: Seen) -> Result<Upload, FileError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::WRONLY;
    let mut file = File::from(openat(&place.directory, &place.name, flags, Mode::empty())?);
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) || !Seen::of(&fstat(&file)?).is_same(&seen) {
        return Err(FileError::TryAgain);
    }
    let position = Some(file.seek(SeekFrom::Start(seen.size))?);
    let charge = home.charge(0, seen.size);
    Ok(Upload { path: path.clone(), home, way: Way::Tail(file, seen.size), position, charge, unsynced: 0, done: false })
}

impl Upload {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// See [`FileError`]; some of the bytes may have been written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
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

    /// Makes the bytes the file's, all of them at once. Tells its size in bytes.
    ///
    /// # Errors
    /// See [`FileError`]: a disk may find out as late as here that it has no room.
    pub fn commit(mut self) -> Result<u64, FileError> {
        let size = match (&self.way, self.position) {
            // Nobody else writes to it.
            (Way::Swap(..), Some(position)) => position,
            (_, position) => {
                let there = self.file().metadata()?.len();
                let size = position.unwrap_or(there);
                if size < there {
                    self.file().set_len(size)?;
                }
                size
            }
        };
        if self.home.uploads().fsync {
            self.sync()?;
        }
        // What a file server has to say of the last bytes it says here. Another descriptor keeps the lock.
        close(self.file().try_clone()?)?;
        let Self { home, path, way, charge, .. } = &mut self;
        match way {
            Way::Swap(partial, commit) => swap(home, partial, *commit, charge)?,
            Way::Direct(_) if home.uploads().fsync => {
                let directory = Place::open(home, path.parent().beneath_home(), ".".as_ref())?;
                rustix::fs::fsync(directory.open_to_sync()?)?;
            }
            Way::Direct(_) | Way::Tail(..) => {}
        }
        self.done = true;
        Ok(size)
    }

    fn file(&self) -> &File {
        match &self.way {
            Way::Direct(file) | Way::Tail(file, _) => file,
            Way::Swap(partial, _) => &partial.file,
        }
    }

    /// What the disk could not take once it may tell the second time that it has it: so this is asked once.
    fn sync(&mut self) -> Result<(), FileError> {
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

/// The moment at which the name stands for the new file.
fn swap(home: &Home, partial: &mut Partial, commit: Commit, charge: &Charge) -> Result<(), FileError> {
    let place = &partial.place;
    place.expect_unmoved(home)?;
    let directory = home.uploads().fsync.then(|| place.open_to_sync()).transpose()?;
    let _swapping = charge.ledger.swapping();
    let old = match place.look() {
        Ok(old) => match FileType::from_raw_mode(old.st_mode) {
            FileType::RegularFile => Some(old),
            FileType::Directory => return Err(FileError::IsADirectory),
            _ => return Err(FileError::NotRegular),
        },
        Err(FileError::NotFound) => None,
        Err(error) => return Err(error),
    };
    match (commit, &old) {
        (Commit::Anew, Some(_)) => return Err(FileError::AlreadyExists),
        (Commit::Unless(seen), old) if !old.as_ref().is_some_and(|old| Seen::of(old).is_same(&seen)) => {
            return Err(FileError::TryAgain);
        }
        _ => {}
    }
    if let Some(old) = &old {
        dress(&partial.file, old)?;
    }
    let freed = old.filter(|old| old.st_nlink == 1).map_or(0, |old| old.st_size.cast_unsigned());
    charge.fits(home.root(), home.uploads().quota, freed)?;
    partial.publish(commit == Commit::Anew)?;
    charge.ledger.give_back(freed);
    if let Some(directory) = directory {
        rustix::fs::fsync(directory)?;
    }
    Ok(())
}

/// Gives the new file the owner and the mode of the old one, as far as this process may.
fn dress(file: &File, old: &Stat) -> Result<(), FileError> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.st_uid, old.st_gid) {
        let group = Some(Gid::from_raw(old.st_gid));
        if fchown(file, Some(Uid::from_raw(old.st_uid)), group).is_err() {
            // Only root gives files away; to share one with a group of one's own is everybody's right.
            let _ = fchown(file, None, group);
        }
    }
    // As when a file is written to, what it may do in its owner's name is over.
    let mode = old.st_mode & 0o777;
    if new.mode() & 0o7777 != mode { Ok(fchmod(file, Mode::from_raw_mode(mode))?) } else { Ok(()) }
}

impl Seen {
    fn of(found: &Stat) -> Self {
        Self {
            device: found.st_dev,
            inode: found.st_ino,
            size: found.st_size.cast_unsigned(),
            modified: (found.st_mtime, found.st_mtime_nsec),
            mode: found.st_mode,
        }
    }

    /// Whether it is the same file with the same content.
    fn is_same(&self, other: &Self) -> bool {
        Self { mode: 0, ..*self } == Self { mode: 0, ..*other }
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
