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
        for_a_shell(&outside)
    )
}

/// As a word of a shell.
fn for_a_shell(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@".contains(c);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// Where a place lies outside of the container if it is mounted, as the kernel tells it (proc(5), mountinfo).
fn mounted_from(place: &Path) -> Option<PathBuf> {
    outside(place, &fs::read_to_string("/proc/self/mountinfo").ok()?)
}

/// By the innermost mount that the place is in; of two on the same directory, the one that covers the other.
fn outside(place: &Path, mounts: &str) -> Option<PathBuf> {
    let mounts = mounts.lines().filter_map(|mount| {
        let mut fields = mount.split(' ').skip(3);
        Some((unescaped(fields.next()?), unescaped(fields.next()?)))
    });
    let around = mounts.filter(|(_, point)| place.starts_with(point));
    let (root, point) = around.max_by_key(|(_, point)| point.components().count())?;
    // The whole of a file system: nothing tells where else that lies.
    let within = place.strip_prefix(point).ok().filter(|_| root != Path::new("/"))?;
    // Not `join` with nothing, which would put a slash at the end.
    Some(root.components().chain(within.components()).collect())
}

/// Blanks and the like are three octal digits there.
fn unescaped(field: &str) -> PathBuf {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => text.extend([char::from(code).to_string().as_str(), &part[3..]]),
            None => text.extend(["\\", part]),
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_as_it_is_outside() {
        let mounts = "\
100 50 0:40 / / ro,relatime - overlay overlay rw
101 100 254:0 /var/lib/docker/volumes/homes/_data /srv/ftp rw,relatime - ext4 /dev/vda rw
102 100 254:0 /home/a\\040b /srv/ftp/alice rw,relatime - ext4 /dev/vda rw
103 100 254:1 / /srv/ftp/disk rw,relatime - ext4 /dev/vdb rw
104 100 254:0 /old /srv/ftp/twice rw,relatime - ext4 /dev/vda rw
105 104 254:0 /new /srv/ftp/twice rw,relatime - ext4 /dev/vda rw
";
        for (place, wanted) in [
            ("/srv/ftp", Some("/var/lib/docker/volumes/homes/_data")),
            ("/srv/ftp/bob", Some("/var/lib/docker/volumes/homes/_data/bob")),
            ("/srv/ftp/alice", Some("/home/a b")),
            ("/srv/ftp/alice/deep/er", Some("/home/a b/deep/er")),
            ("/srv/ftp/disk/x", None),
            ("/srv/ftp/twice", Some("/new")),
            ("/srv/ftpd", None),
        ] {
            assert_eq!(outside(Path::new(place), mounts).as_deref(), wanted.map(Path::new), "{place}");
        }
    }
}
