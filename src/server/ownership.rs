//! Homes that the process may not write, told at the start with the command that mends it. Nothing that exists is
//! ever given another owner or mode: the files are somebody's.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, getegid, geteuid};

use crate::users::Roster;

/// A line for each place where a user may upload by the letters and not by the file system.
#[must_use]
pub(super) fn unwritable_homes(roster: &Roster) -> Vec<String> {
    let homes = roster.accounts().filter(|account| account.permissions.has_write()).map(|account| &account.home);
    let places: BTreeSet<&Path> = homes.map(|home| existing(home)).filter(|place| !is_writable(place)).collect();
    let outermost =
        places.iter().filter(|place| !places.iter().any(|other| *other != **place && place.starts_with(other)));
    outermost.map(|place| complaint(place)).collect()
}

/// The directory itself, or the nearest above it that is there and in which it would be made.
fn existing(home: &Path) -> &Path {
    home.ancestors().find(|place| place.exists()).unwrap_or(home)
}

fn is_writable(place: &Path) -> bool {
    // Also false where the file system is mounted read-only.
    faccessat(AT_FDCWD, place, AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS).is_ok()
}

fn complaint(place: &Path) -> String {
    let (uid, gid) = (geteuid(), getegid());
    let found = fs::metadata(place).map_or_else(
        |error| error.to_string(),
        |found| format!("belongs to {}:{} with mode {:03o}", found.uid(), found.gid(), found.mode() & 0o7777),
    );
    let outside = mounted_from(place).unwrap_or_else(|| place.to_owned());
    format!(
        "{} {found}, and this process is {uid}:{gid}: it cannot be written, so it is served read-only; \
         to mend it: chown -R {uid}:{gid} {}",
        place.display(),
        outside.display()
    )
}

/// Where a mounted directory lies outside of the container, as the kernel tells it (proc(5), mountinfo).
fn mounted_from(place: &Path) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let place = place.to_str()?;
    mounts.lines().rev().find_map(|mount| {
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        (point == place && root != "/").then(|| PathBuf::from(root))
    })
}
