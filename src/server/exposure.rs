//! Files that rule the server and homes do not meet: a client who may write where one lies would be the operator, and one
//! who may read where a secret lies would soon be.
//!
//! All is compared by device and inode, with every directory in which a name on the way stands, and those above it. What a
//! client cannot reach, below a name that is the server's own ([`RESERVED_PREFIX`]), does not count.
//!
//! Other names (hard links) of a file are not found: that would take a look at every file of every home.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::location::{FileId, Location};
use super::mounts::Mounts;
use super::ruling::{Harm, RulingFile};
use crate::path::{RESERVED_PREFIX, is_reserved};
use crate::settings::Permissions;

/// A directory that clients see as `/`.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserHome<'a> {
    /// Who is at home there.
    pub(super) user: &'a str,
    /// Absolute; it need not be there yet.
    pub(super) path: &'a Path,
    /// What may be done there.
    pub(super) permissions: Permissions,
}

/// A directory, and by which names below it a file is found.
type Places = BTreeMap<FileId, BTreeSet<(usize, PathBuf)>>;

/// A line for each file that rules the server and that the clients of a home could change, or read if it is a secret.
#[must_use]
pub(super) fn exposed<'a>(files: &[RulingFile], homes: impl IntoIterator<Item = UserHome<'a>>) -> Vec<String> {
    let mounts = Mounts::of_this_process();
    let mut places = Places::new();
    for (index, file) in files.iter().enumerate() {
        for path in Location::of(&file.path).paths(&mounts) {
            add(&mut places, index, &path);
        }
    }
    let mut told = BTreeSet::new();
    let mut lines = Vec::new();
    for home in homes {
        for file in within(&home, &places) {
            let Some(verb) = harm(&files[file], home.permissions) else { continue };
            if told.insert((file, home.path.to_owned())) {
                lines.push(line(&files[file], &home, verb));
            }
        }
    }
    lines
}

/// The directories above a path from which clients get to it.
fn add(places: &mut Places, index: usize, path: &Path) {
    for above in path.ancestors() {
        let Ok(below) = path.strip_prefix(above) else { return };
        if below.iter().next().is_some_and(|name| is_reserved(name.as_bytes())) {
            return;
        }
        if let Some(identity) = FileId::of(above) {
            places.entry(identity).or_default().insert((index, below.to_owned()));
        }
    }
}

/// The files that are in a home, or will be once it has been made.
fn within(home: &UserHome<'_>, places: &Places) -> BTreeSet<usize> {
    let location = Location::of(home.path);
    let Some(found) = FileId::of(&location.existing).and_then(|identity| places.get(&identity)) else {
        return BTreeSet::new();
    };
    found.iter().filter(|(_, below)| leads_through(below, &location.missing)).map(|(index, _)| *index).collect()
}

/// Whether a path begins with these names, as a file system that takes capital letters and small ones for the same has it:
/// neither is there yet, so it cannot be asked.
fn leads_through(below: &Path, names: &Path) -> bool {
    let folded =
        |path: &Path| -> Vec<String> { path.iter().map(|name| name.to_string_lossy().to_lowercase()).collect() };
    folded(below).starts_with(&folded(names))
}

/// What clients with these letters could do to a file that lies in their home.
fn harm(file: &RulingFile, permissions: Permissions) -> Option<&'static str> {
    match file.harm {
        Harm::Any => Some("reach"),
        _ if permissions.has_write() => Some("change"),
        Harm::Read if permissions.has_read() => Some("read"),
        Harm::Read | Harm::Change => None,
    }
}

fn line(file: &RulingFile, home: &UserHome<'_>, verb: &str) -> String {
    let place = Location::of(&file.path).place();
    let itself = if place == file.path { String::new() } else { format!(" (which is {})", place.display()) };
    let but = match file.harm {
        Harm::Any => format!(", or one whose name begins with {}", String::from_utf8_lossy(RESERVED_PREFIX)),
        Harm::Read | Harm::Change => String::new(),
    };
    format!(
        "{}: found {}{itself}, which clients at home in {} (`{}`) can {verb}; expected {} outside of all homes{but}",
        file.setting,
        file.path.display(),
        home.path.display(),
        home.user,
        file.kind,
    )
}
