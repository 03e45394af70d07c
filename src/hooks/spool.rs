//! Where events wait, on disk, until their receivers have them.
//!
//! A directory of segments, `events-N.jsonl`, to each of which lines are added at its end: the line is the event as it is
//! sent, and its number is N and how many lines are before it. `events-N.done` beside it has a line, of the same length
//! each, for each event that is over: how many lines are before it in the segment. A segment all of whose events are over
//! is removed, and so the events that wait, and those between them, are what takes room.
//!
//! A crash may leave the last line torn; nobody was told that it is there. Nothing is added to a segment that was there when
//! the spool was opened.

mod files;

use std::collections::{BTreeMap, HashMap};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use self::files::{done_path, read_done, segment_path, segments_in};
use super::event::{Event, Kind};
use super::losses::Losses;
use super::order::Touch;
use crate::limits::{AddressKey, one_address};
use crate::observe::events::hooks;

/// A segment is a sixteenth of the spool, within these bounds, in bytes: room is given back by the segment.
const SEGMENT: std::ops::RangeInclusive<u64> = 4096..=4 << 20;
/// A client may have this many times what is free then: alone three quarters of the spool, and a newcomer always some.
const SHARE: u64 = 3;
/// Bytes of a line that says that an event is over.
const DONE: u64 = 9;

/// The spool of one server, which no other can open meanwhile.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    within: Mutex<Within>,
    /// Told of each event that is added.
    pub(super) added: Notify,
    _lock: File,
}

#[derive(Debug)]
struct Within {
    segments: BTreeMap<u64, Segment>,
    /// The last segment, to which events are added.
    last: Option<Last>,
    /// The number of the next event.
    next: u64,
    /// Bytes of all segments, with what will be said of their ends.
    bytes: u64,
    pending: BTreeMap<u64, Entry>,
    /// Bytes of the pending events of each client.
    owed: HashMap<Owner, u64>,
    losses: Losses,
}

#[derive(Debug)]
struct Segment {
    bytes: u64,
    /// Events that are not over.
    left: usize,
}

#[derive(Debug)]
struct Last {
    first: u64,
    file: Arc<File>,
    /// Bytes of whole lines.
    end: u64,
    /// Whether its name is on the disk itself.
    named: bool,
}

/// Whose event it is: an address, and the user, as many may come from one.
type Owner = (AddressKey, String);

/// An event that is not over.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) touches: Arc<[Touch]>,
    owner: Owner,
    segment: u64,
    offset: u64,
    length: u32,
}

/// What the settings say of adding an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes that may be there in all.
    pub(super) bytes: Option<u64>,
    /// Whether an event is on the disk itself before anybody is told of it.
    pub(super) fsync: bool,
}

impl Spool {
    /// Opens the directory, which is made if it is missing, and finds what has not been delivered yet.
    ///
    /// # Errors
    /// It cannot be written or read, or another server has it.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another server uses it")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut within = Within {
            segments: BTreeMap::new(),
            last: None,
            next: 1,
            bytes: 0,
            pending: BTreeMap::new(),
            owed: HashMap::new(),
            losses: Losses::default(),
        };
        let mut damaged = 0;
        for first in segments_in(directory)? {
            damaged += within.take_up(directory, first)?;
        }
        if damaged > 0 {
            hooks::damaged(directory, damaged);
        }
        if !within.pending.is_empty() {
            hooks::found(directory, within.pending.len());
        }
        hooks::pending(within.pending.len(), 0);
        let spool =
            Self { directory: directory.to_owned(), within: Mutex::new(within), added: Notify::new(), _lock: lock };
        // To find out now whether anything can be written there.
        spool.within().begin_segment(&spool.directory)?;
        Ok(spool)
    }

    /// Adds an event. Where there is no room, or the disk has a fault, it is lost, which is counted and logged: nobody
    /// waits, and nothing fails, for an event. Blocks for as long as a short write takes.
    pub(super) fn add(&self, event: &Event, limits: Limits) {
        let added = event.line().map_err(io::Error::from).and_then(|line| self.add_line(event, &line, limits));
        // One of which it is not known whether the disk has it is delivered all the same.
        self.added.notify_one();
        match added {
            Ok(()) => hooks::added(event.event.name()),
            Err(error) => self.within().losses.lost(&error),
        }
    }

    fn add_line(&self, event: &Event, line: &[u8], limits: Limits) -> io::Result<()> {
        let touches = event.touches().into();
        let (segment, file, named) = {
            let mut within = self.within();
            let owner = owner(event);
            let number = within.write(&self.directory, line, limits.bytes, &owner)?;
            let Some(last) = &mut within.last else { return Err(io::ErrorKind::NotFound.into()) };
            let entry = Entry {
                kind: event.event,
                touches,
                owner,
                segment: last.first,
                offset: last.end - line.len() as u64,
                length: u32::try_from(line.len()).map_err(io::Error::other)?,
            };
            let synced = limits.fsync.then(|| Arc::clone(&last.file));
            let (named, segment) = (last.named, last.first);
            within.insert(number, entry);
            hooks::pending(1, 0);
            within.losses.over();
            (segment, synced, named)
        };
        let Some(file) = file else { return Ok(()) };
        // Others may add theirs meanwhile.
        let synced =
            file.sync_data().and_then(|()| if named { Ok(()) } else { File::open(&self.directory)?.sync_all() });
        if let Some(last) = self.within().last.as_mut().filter(|last| last.first == segment) {
            // Whoever comes meanwhile has it synced as well.
            last.named = synced.is_ok();
        }
        synced
    }

    /// Those that are not over and have a higher number, in order.
    pub(super) fn after(&self, number: u64) -> Vec<(u64, Entry)> {
        let within = self.within();
        within.pending.range(number + 1..).map(|(number, entry)| (*number, entry.clone())).collect()
    }

    /// One that is not over, as it was written; `None` if it is not there any more.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn read(&self, number: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(entry) = self.within().pending.get(&number).cloned() else { return Ok(None) };
        let read = || -> io::Result<Vec<u8>> {
            let mut line = vec![0; entry.length as usize - 1];
            File::open(segment_path(&self.directory, entry.segment))?.read_exact_at(&mut line, entry.offset)?;
            Ok(line)
        };
        match read() {
            Ok(line) => Ok(Some(line)),
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::UnexpectedEof].contains(&error.kind()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An event is over; whether it was not before. What cannot be written of that is known until the server ends: after that it is delivered again.
    pub(super) fn over(&self, number: u64) -> bool {
        let mut within = self.within();
        let Some(entry) = within.pending.remove(&number) else { return false };
        within.settle(&entry);
        hooks::pending(0, 1);
        let is_last = within.last.as_ref().is_some_and(|last| last.first == entry.segment);
        let Some(segment) = within.segments.get_mut(&entry.segment) else { return true };
        segment.left -= 1;
        if segment.left > 0 || is_last {
            let line = format!("{:08x}\n", number - entry.segment);
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(done_path(&self.directory, entry.segment));
            let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
        } else {
            within.remove(&self.directory, entry.segment);
            within.losses.over();
        }
        true
    }

    fn within(&self) -> MutexGuard<'_, Within> {
        self.within.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        hooks::pending(0, self.within().pending.len());
    }
}

impl Within {
    /// What is in a segment that was there. Tells how many of its lines are no events.
    fn take_up(&mut self, directory: &Path, first: u64) -> io::Result<usize> {
        let text = std::fs::read(segment_path(directory, first))?;
        let done = read_done(&done_path(directory, first))?;
        let (mut damaged, mut left, mut offset) = (0, 0, 0);
        let mut number = first;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let is_whole = line.ends_with(b"\n");
            match serde_json::from_slice::<Event>(line) {
                _ if done.contains(&(number - first)) || !is_whole => {}
                Ok(event) => {
                    let (kind, touches) = (event.event, event.touches().into());
                    let length = u32::try_from(line.len()).map_err(io::Error::other)?;
                    let entry = Entry { kind, touches, owner: owner(&event), segment: first, offset, length };
                    self.insert(number, entry);
                    left += 1;
                }
                Err(_) => damaged += 1,
            }
            offset += line.len() as u64;
            number += 1;
        }
        self.next = self.next.max(number);
        let bytes = offset + (number - first) * DONE;
        self.bytes += bytes;
        self.segments.insert(first, Segment { bytes, left });
        if left == 0 {
            self.remove(directory, first);
        }
        Ok(damaged)
    }

    fn insert(&mut self, number: u64, entry: Entry) {
        *self.owed.entry(entry.owner.clone()).or_default() += u64::from(entry.length);
        self.pending.insert(number, entry);
    }

    /// It waits no more.
    fn settle(&mut self, entry: &Entry) {
        if let Some(owed) = self.owed.get_mut(&entry.owner) {
            *owed = owed.saturating_sub(u64::from(entry.length));
            if *owed == 0 {
                self.owed.remove(&entry.owner);
            }
        }
    }

    /// Adds a line to the last segment, or to a new one. Tells its number.
    fn write(&mut self, directory: &Path, line: &[u8], most: Option<u64>, owner: &Owner) -> io::Result<u64> {
        let length = line.len() as u64 + DONE;
        let segment = (most.unwrap_or(u64::MAX) / 16).clamp(*SEGMENT.start(), *SEGMENT.end());
        let has_no_room = |bytes: u64| most.is_some_and(|most| bytes + length > most);
        let is_over = |last: &Last| self.segments.get(&last.first).is_some_and(|segment| segment.left == 0);
        let is_full = |last: &Last| last.end + line.len() as u64 > segment || has_no_room(self.bytes) && is_over(last);
        if let Some(last) = self.last.take_if(|last| last.end > 0 && is_full(last))
            && is_over(&last)
        {
            self.remove(directory, last.first);
        }
        if has_no_room(self.bytes) {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the spool is full (hook_spool_size)"));
        }
        let own = self.owed.get(owner).copied().unwrap_or(0);
        if most.is_some_and(|most| own > SHARE.saturating_mul(most.saturating_sub(self.bytes + length))) {
            let why = "this client's share of the spool is used up (hook_spool_size)";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, why));
        }
        if self.last.is_none() {
            self.begin_segment(directory)?;
        }
        let Some(last) = &mut self.last else { return Err(io::ErrorKind::NotFound.into()) };
        if let Err(error) = last.file.write_all_at(line, last.end) {
            // What came of it must not be before the next line.
            if last.file.set_len(last.end).is_err() {
                self.last = None;
                // Nor may a line that is written elsewhere have the number of this one.
                self.next += 1;
            }
            return Err(error);
        }
        last.end += line.len() as u64;
        self.bytes += length;
        if let Some(segment) = self.segments.get_mut(&last.first) {
            segment.bytes += length;
            segment.left += 1;
        }
        let number = self.next;
        self.next += 1;
        Ok(number)
    }

    fn begin_segment(&mut self, directory: &Path) -> io::Result<()> {
        let first = self.next;
        let path = segment_path(directory, first);
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
        self.segments.insert(first, Segment { bytes: 0, left: 0 });
        self.last = Some(Last { first, file: Arc::new(file), end: 0, named: false });
        Ok(())
    }

    /// The segment first: what is over in a segment that is there must stay known.
    fn remove(&mut self, directory: &Path, first: u64) {
        if let Some(segment) = self.segments.remove(&first) {
            self.bytes -= segment.bytes;
        }
        let _ = std::fs::remove_file(segment_path(directory, first))
            .and_then(|()| std::fs::remove_file(done_path(directory, first)));
    }
}

fn owner(event: &Event) -> Owner {
    (one_address(event.peer), event.user.clone())
}

#[cfg(test)]
mod tests;
