//! A file on its way from a client.
//!
//! Two steps, since the data connection comes between: [`Home::store`] checks all that can be checked and changes nothing, so
//! that a client who never connects harms no file; [`PendingUpload::begin`] makes a file for the bytes, and they may come.
//! Only [`Upload::commit`] makes a success of it.
//!
//! Where the bytes go, `upload_mode` says: into a [`Partial`] that takes the name in one step when it is whole, so that the
//! name never stands for half a file; or into the file itself. The file itself is written too where nothing can be made
//! beside it: in a directory that may not be written, and behind a link that leads to no file yet.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `plan` | where the bytes will go, and what may be gone on with |
//! | `room` | whether there is room for a byte more |
//! | `unique` | names that STOU makes |
//! | `begin` | the file for the bytes is made, cut, or filled with what stays |
//! | `write` | the bytes come, or fail to |
//! | `publish` | the name stands for them |

mod begin;
mod plan;
mod publish;
mod room;
mod unique;
mod write;

use std::fmt;
use std::fs::File;

use self::unique::Reservation;
pub use self::unique::UNIQUE_PREFIX;
use super::Home;
use super::partial::Partial;
use super::place::Place;
use super::quota::Charge;
use super::seen::Seen;
use crate::path::VirtualPath;

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
    when_whole: WhenWhole,
}

/// What is done, with its size in bytes, once a file has its name and before anybody is told.
#[derive(Default)]
pub(super) struct WhenWhole(Option<Box<dyn FnOnce(u64) + Send>>);

#[derive(Debug)]
enum Plan {
    /// Into the file itself.
    Direct(Placement, Target),
    /// Into a partial, which replaces the file, if there is one.
    Fresh(Place, Option<Seen>),
    /// Into a partial, for a name that nobody may take meanwhile (STOU, and STOR of those who may replace nothing).
    Unique(Place),
    /// Into the partial that failed before, from this byte on.
    Resumed(Place, Seen, u64),
    /// Into a copy of the first bytes of the file.
    Rewritten(Place, Seen, u64),
    /// Into a partial, to be put behind what is there, if anything, when it is whole.
    Appended(Place, Option<Seen>),
}

#[derive(Debug)]
enum Target {
    Existing(File),
    /// There, and not open yet.
    Found,
    Missing,
    /// Made by STOU, which tells the name before the bytes come.
    Reserved(File, Reservation),
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
    when_whole: WhenWhole,
}

#[derive(Debug)]
enum Way {
    /// The file itself.
    Direct(File),
    /// The file itself, too long to be copied: its old bytes never change, and a failure takes the new ones away.
    Tail(File, u64),
    /// A hidden file that is to replace what was seen of this one.
    Swap(Box<Partial>, Commit),
}

/// On what condition a partial takes its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    /// Whatever file has it by then: the last one wins, whole.
    Replace,
    /// Nothing has it.
    Anew,
    /// Nothing has it, or the file that had it when the partial was begun, unchanged.
    Resumed,
    /// It is still the file that was copied, unchanged: somebody else's bytes would be lost.
    Copied(Seen),
    /// Behind the file that has it by then. One that was there at the beginning must not have gone: removed bytes do not
    /// come back, and those that come do not stand for them.
    Append {
        /// Whether there was one.
        was_there: bool,
    },
}

impl PendingUpload {
    /// The file that will be written.
    #[must_use]
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// The same with something to be done, off the reactor, once the file has its name; it is told its size in bytes.
    #[must_use]
    pub fn when_whole(self, then: impl FnOnce(u64) + Send + 'static) -> Self {
        Self { when_whole: WhenWhole(Some(Box::new(then))), ..self }
    }
}

impl fmt::Debug for WhenWhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "something" } else { "nothing" })
    }
}

impl Upload {
    fn begun(home: Home, path: &VirtualPath, way: Way, position: Option<u64>, charge: Charge) -> Self {
        Self {
            home,
            path: path.clone(),
            way,
            position,
            charge,
            unsynced: 0,
            done: false,
            when_whole: WhenWhole::default(),
        }
    }

    fn file(&self) -> &File {
        match &self.way {
            Way::Direct(file) | Way::Tail(file, _) => file,
            Way::Swap(partial, _) => &partial.file,
        }
    }
}
