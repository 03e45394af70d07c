//! Quotas: how many bytes all files of a home have together, and who may add to them.
//!
//! A home is counted when its size is first asked for, and its number kept up by all sessions that change something there.
//! It is forgotten with the last of them, so that what others put there is counted the next time. Where no user has a
//! quota nothing is counted.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cap_std::fs::Dir;
use rustix::fs::{FileType, fstat};

use super::FileError;
use super::at_once::Nearby;
use super::walk::Walk;

/// The homes in use. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Quotas(Arc<Mutex<Homes>>);

/// By device and inode: a home has one ledger under whatever name it was opened.
type Homes = HashMap<(u64, u64), Weak<Ledger>>;

/// The bytes of one home.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Whether the home can be looked at without waiting.
    pub(super) nearby: Nearby,
    /// `None` until somebody with a quota asks.
    used: Mutex<Option<u64>>,
    /// Held while a name changes what it stands for, so that each file is given back once.
    swaps: Mutex<()>,
}

impl Quotas {
    /// The ledger of the home with this root, shared by all who are in it.
    pub(super) fn ledger(&self, root: &Dir) -> io::Result<Arc<Ledger>> {
        let found = fstat(root)?;
        let key = (found.st_dev, found.st_ino);
        if let Some(ledger) = self.ledger_in_use(key) {
            return Ok(ledger);
        }
        // A disk is asked that may hang: nobody waits for that.
        let nearby = Nearby::of(root);
        let mut homes = lock(&self.0);
        if let Some(ledger) = homes.get(&key).and_then(Weak::upgrade) {
            return Ok(ledger);
        }
        homes.retain(|_, ledger| ledger.strong_count() > 0);
        let ledger = Arc::new(Ledger { nearby, ..Ledger::default() });
        homes.insert(key, Arc::downgrade(&ledger));
        Ok(ledger)
    }

    /// The ledger of the home with this device and inode, if somebody is in it: it keeps the file system mounted.
    pub(super) fn ledger_in_use(&self, key: (u64, u64)) -> Option<Arc<Ledger>> {
        lock(&self.0).get(&key).and_then(Weak::upgrade)
    }
}

impl Ledger {
    /// Adds `amount`, if the home then has at most `limit` bytes.
    pub(super) fn add(&self, root: &Dir, amount: u64, limit: Option<u64>) -> Result<(), FileError> {
        let mut used = lock(&self.used);
        if used.is_none() && limit.is_some() {
            *used = Some(count(root)?);
        }
        let Some(before) = *used else { return Ok(()) };
        let after = before.checked_add(amount).ok_or(FileError::OverQuota)?;
        if amount > 0 && limit.is_some_and(|limit| after > limit) {
            return Err(FileError::OverQuota);
        }
        *used = Some(after);
        Ok(())
    }

    /// Takes away what was removed. Where that is more than there was, the number was wrong and is forgotten.
    pub(super) fn give_back(&self, amount: u64) {
        let mut used = lock(&self.used);
        *used = used.and_then(|used| used.checked_sub(amount));
    }

    /// The number may be wrong: the home is counted again when it is next asked for.
    pub(super) fn forget(&self) {
        *lock(&self.used) = None;
    }

    /// The bytes of the home: those of all its regular files.
    pub(super) fn used(&self, root: &Dir) -> Result<u64, FileError> {
        let mut used = lock(&self.used);
        match *used {
            Some(used) => Ok(used),
            None => Ok(*used.insert(count(root)?)),
        }
    }

    /// The same, if that is known without waiting.
    pub(super) fn known(&self) -> Option<u64> {
        self.used.try_lock().ok().and_then(|used| *used)
    }

    /// Whether anybody counts here: what is removed has to be looked at before.
    pub(super) fn counts(&self) -> bool {
        lock(&self.used).is_some()
    }

    /// Keeps others from swapping names meanwhile, where it matters.
    pub(super) fn swapping(&self) -> Option<MutexGuard<'_, ()>> {
        self.counts().then(|| lock(&self.swaps))
    }
}

/// The bytes of one file of a home, as its ledger has them.
#[derive(Debug)]
pub(super) struct Charge {
    pub(super) ledger: Arc<Ledger>,
    limit: Option<u64>,
    charged: u64,
}

impl Charge {
    /// For a file that has `charged` bytes. What it will replace may be there besides it until then.
    pub(super) fn new(ledger: Arc<Ledger>, limit: Option<u64>, replaces: u64, charged: u64) -> Self {
        Self { ledger, limit: limit.map(|limit| limit.saturating_add(replaces)), charged }
    }

    /// The bytes that the file has.
    pub(super) fn charged(&self) -> u64 {
        self.charged
    }

    /// Before the file grows to `size`; nothing if it is that long already.
    pub(super) fn grow(&mut self, root: &Dir, size: u64) -> Result<(), FileError> {
        if let Some(more) = size.checked_sub(self.charged).filter(|more| *more > 0) {
            self.ledger.add(root, more, self.limit)?;
            self.charged = size;
        }
        Ok(())
    }

    /// After the file was cut to `size`, or did not grow.
    pub(super) fn shrink(&mut self, size: u64) {
        if let Some(less) = self.charged.checked_sub(size).filter(|less| *less > 0) {
            self.ledger.give_back(less);
            self.charged = size;
        }
    }

    /// Whether the home is within `limit` once `less` bytes are gone.
    pub(super) fn fits(&self, root: &Dir, limit: Option<u64>, less: u64) -> Result<(), FileError> {
        let Some(limit) = limit else { return Ok(()) };
        if self.ledger.used(root)?.saturating_sub(less) > limit && self.charged > less {
            return Err(FileError::OverQuota);
        }
        Ok(())
    }
}

/// A file with several names in the home counts once.
fn count(root: &Dir) -> Result<u64, FileError> {
    let mut sum: u64 = 0;
    let mut seen = HashSet::new();
    for entry in Walk::of(root)? {
        let found = match entry?.look() {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile => found,
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if found.st_nlink == 1 || seen.insert((found.st_dev, found.st_ino)) {
            sum = sum.checked_add(found.st_size.cast_unsigned()).ok_or(FileError::TooLarge)?;
        }
    }
    Ok(sum)
}

/// A panic while it was held left nothing half done: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
