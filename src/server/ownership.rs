//! Homes that the process may not use, told at the start with the command that mends it. Nothing that exists is ever
//! given another owner or mode: the files are somebody's.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, getegid, geteuid};

use super::mounts::Mounts;
use crate::users::Roster;

/// What the process cannot do at a place; the worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    /// Nobody's rights are missing: the file system is mounted read-only.
    ReadOnlyMount,
    /// Uploads are refused.
    Write,
    /// A home that is missing cannot be made.
    Make,
    /// Not even looking is possible.
    Read,
}

/// A line for each place where users may do by their letters what the file system does not let this process do.
#[must_use]
pub(super) fn unusable_homes(roster: &Roster, create_homes: bool) -> Vec<String> {
    let mut places: BTreeMap<&Path, Lack> = BTreeMap::new();
    for account in roster.accounts() {
        let (place, lack) = examine(&account.home, account.permissions.has_write(), create_homes);
        if let Some(lack) = lack {
            places.entry(place).and_modify(|worst| *worst = lack.max(*worst)).or_insert(lack);
        }
    }
    // The command for a place goes through everything below it, so one line will do.
    let mends = |outer: &Path, lack: Lack, inner: &Path| {
        lack != Lack::ReadOnlyMount && outer != inner && inner.starts_with(outer) && !is_own(outer)
    };
    let outermost = places.iter().filter(|(place, lack)| {
        **lack == Lack::ReadOnlyMount || !places.iter().any(|(outer, worse)| mends(outer, *worse, place))
    });
    outermost.map(|(place, lack)| complaint(place, *lack)).collect()
}

/// The home or, where it is out of reach, the place that is to blame; and what cannot be done there.
fn examine(home: &Path, writes: bool, create_homes: bool) -> (&Path, Option<Lack>) {
    let mut place = home;
    loop {
        match fs::metadata(place) {
            Ok(_) if place == home => {
                let reads = may(place, AccessFlags::R_OK | AccessFlags::X_OK).is_ok();
                return (
                    place,
                    if reads { lack_of_writing(place, Lack::Write).filter(|_| writes) } else { Some(Lack::Read) },
                );
            }
            // Something above it that is there, and in which it would be made at the log-in.
            Ok(_) => {
                let enters = may(place, AccessFlags::X_OK).is_ok();
                let lack = if enters { lack_of_writing(place, Lack::Make) } else { Some(Lack::Read) };
                return (place, lack.filter(|lack| create_homes || *lack == Lack::Read));
            }
            Err(_) => match place.parent() {
                Some(parent) => place = parent,
                None => return (place, None),
            },
        }
    }
}

fn lack_of_writing(place: &Path, otherwise: Lack) -> Option<Lack> {
    match may(place, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => None,
        Err(Errno::EROFS) => Some(Lack::ReadOnlyMount),
        Err(_) => Some(otherwise),
    }
}

fn may(place: &Path, access: AccessFlags) -> nix::Result<()> {
    faccessat(AT_FDCWD, place, access, AtFlags::AT_EACCESS)
}

fn complaint(place: &Path, lack: Lack) -> String {
    let (uid, gid) = (geteuid(), getegid());
    let found = fs::metadata(place);
    let belongs = found.as_ref().map_or_else(ToString::to_string, |found| {
        format!("belongs to {}:{} with mode {:03o}", found.uid(), found.gid(), found.mode() & 0o7777)
    });
    let consequence = match lack {
        Lack::ReadOnlyMount => "it is mounted read-only, so uploads are refused",
        Lack::Write => "it cannot be written, so it is served read-only",
        Lack::Make => "it cannot be written, so the homes that are missing in it cannot be made, and log-ins fail",
        Lack::Read => "it cannot be read, so log-ins fail",
    };
    let shown = place.display();
    let mut line = format!("{shown} {belongs}, and this process is {uid}:{gid}: {consequence}");
    if lack != Lack::ReadOnlyMount {
        let outside = outside(&Mounts::of_this_process(), place).unwrap_or_else(|| place.to_owned());
        // An owner's own directory lacks a mode, not an owner.
        let command = if is_own(place) { "chmod u+rwx".to_owned() } else { format!("chown -R {uid}:{gid}") };
        line = format!("{line}; to mend it: {command} {}", quoted(&outside));
    }
    line
}

fn is_own(place: &Path) -> bool {
    fs::metadata(place).is_ok_and(|found| found.uid() == geteuid().as_raw())
}

/// As a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    if path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-@%+=:,".contains(c)) {
        return path.into_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

/// Where a directory that is mounted into a container lies outside, where commands are to be had: the kernel tells what
/// of its file system is mounted. Without a container a path is the path. A volume that is a file system of its own has no
/// path outside that could be known.
fn outside(mounts: &Mounts, place: &Path) -> Option<PathBuf> {
    mounts.is_root_layered().then(|| mounts.origin(place))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINER: &[u8] = b"\
100 90 0:50 / / ro,relatime master:1 - overlay overlay rw,lowerdir=/a
101 100 8:1 /var/lib/docker/volumes/homes/_data /srv/ftp rw,relatime - ext4 /dev/sda1 rw
102 100 8:1 /home/ann/my\\040files /srv/ftp/ann rw,relatime - ext4 /dev/sda1 rw
103 100 8:16 / /mnt rw,relatime - ext4 /dev/sdb rw
104 100 8:1 /old /twice rw,relatime - ext4 /dev/sda1 rw
105 104 8:1 /new /twice rw,relatime - ext4 /dev/sda1 rw
";

    #[test]
    fn a_mounted_directory_is_told_as_it_is_called_outside() {
        for (place, want) in [
            ("/srv/ftp", Some("/var/lib/docker/volumes/homes/_data")),
            ("/srv/ftp/bob", Some("/var/lib/docker/volumes/homes/_data/bob")),
            ("/srv/ftp/ann", Some("/home/ann/my files")),
            ("/twice", Some("/new")),
            ("/srv/ftpd", None),
            ("/mnt/x", None),
            ("/tmp", None),
        ] {
            assert_eq!(outside(&Mounts::parse(CONTAINER), Path::new(place)).as_deref(), want.map(Path::new), "{place}");
        }
        // Outside of a container, a part of a file system that is mounted somewhere is found under that name.
        let host = b"20 1 8:1 /@root / rw - btrfs /dev/sda rw\n21 20 8:1 /@srv /srv rw shared:2 - btrfs /dev/sda rw\n";
        assert_eq!(outside(&Mounts::parse(host), Path::new("/srv")), None);
    }

    #[test]
    fn a_path_is_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted(Path::new("/srv/ftp/a-b_c.d")), "/srv/ftp/a-b_c.d");
        assert_eq!(quoted(Path::new("/srv/my files")), "'/srv/my files'");
        assert_eq!(quoted(Path::new("/srv/bob's")), r"'/srv/bob'\''s'");
    }
}
