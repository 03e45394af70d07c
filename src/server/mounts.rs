//! What is mounted where, as the kernel tells it (proc(5), mountinfo).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The mounts that this process sees, in the order they were made.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<Mount>);

/// A line of mountinfo.
#[derive(Debug)]
struct Mount {
    /// The file system, as `major:minor`.
    device: Vec<u8>,
    /// The directory, or file, of the file system that is mounted.
    root: PathBuf,
    point: PathBuf,
    is_read_only: bool,
    is_layered: bool,
}

impl Mounts {
    /// Those of this process; none where the kernel does not tell.
    pub(super) fn of_this_process() -> Self {
        fs::read("/proc/self/mountinfo").map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Those of the kernel's text.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(text.split(|&byte| byte == b'\n').filter_map(Mount::parse).collect())
    }

    /// Whether the root is layers, as a container's is.
    pub(super) fn is_root_layered(&self) -> bool {
        self.0.iter().rfind(|mount| mount.point == Path::new("/")).is_some_and(|root| root.is_layered)
    }

    /// Whether `place`, a path without links, is on a mount that nothing can be written to.
    pub(super) fn is_read_only(&self, place: &Path) -> bool {
        self.of(place).is_some_and(|mount| mount.is_read_only)
    }

    /// Where a place that is mounted from elsewhere lies there; a file system's own root lies nowhere else.
    pub(super) fn origin(&self, place: &Path) -> Option<PathBuf> {
        let mount = self.of(place)?;
        (mount.root != Path::new("/")).then(|| mount.within(place))?
    }

    /// The other paths that may lead to `place`, a path without links, because a part of its file system is mounted twice.
    /// What is mounted over one of them is not known here.
    pub(super) fn other_paths(&self, place: &Path) -> Vec<PathBuf> {
        let Some((mount, inside)) = self.of(place).and_then(|mount| Some((mount, mount.within(place)?))) else {
            return Vec::new();
        };
        let same = self.0.iter().filter(|other| other.device == mount.device);
        let paths = same.filter_map(|other| Some(joined(&other.point, inside.strip_prefix(&other.root).ok()?)));
        paths.filter(|path| path != place).collect()
    }

    /// The innermost; of two on the same directory the last, which covers the other.
    fn of(&self, place: &Path) -> Option<&Mount> {
        let around = self.0.iter().filter(|mount| place.starts_with(&mount.point));
        around.max_by_key(|mount| mount.point.components().count())
    }
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b' ').skip(2);
        let device = fields.next()?.to_owned();
        let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let is_read_only = fields.next()?.split(|&byte| byte == b',').any(|option| option == b"ro");
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        let is_layered = kind.windows(7).any(|part| part == b"overlay");
        Some(Self { device, root, point, is_read_only, is_layered })
    }

    /// The path inside the file system of a place below the mount.
    fn within(&self, place: &Path) -> Option<PathBuf> {
        Some(joined(&self.root, place.strip_prefix(&self.point).ok()?))
    }
}

/// Without the slash at the end that an empty rest would add, which means a directory.
fn joined(path: &Path, rest: &Path) -> PathBuf {
    path.join(rest).components().collect()
}

/// Blanks and their like are written `\040`.
pub(super) fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.get(..3).filter(|_| byte == b'\\');
        let octal = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[u8] = b"\
20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
21 20 8:1 /etc/conf /srv/bob/conf rw - ext4 /dev/sda1 rw
22 20 8:2 / /mnt rw - ext4 /dev/sdb rw
23 20 8:2 /keys /etc/keys ro,nosuid - ext4 /dev/sdb rw
24 20 8:1 /etc/users.conf /run/users.conf rw - ext4 /dev/sda1 rw
";

    #[test]
    fn a_place_has_a_path_for_each_mount_that_shows_it() {
        let mounts = Mounts::parse(HOST);
        for (place, want) in [
            ("/etc/conf", &["/srv/bob/conf"][..]),
            ("/etc/conf/users.conf", &["/srv/bob/conf/users.conf"]),
            ("/srv/bob/conf/a/b", &["/etc/conf/a/b"]),
            ("/etc/keys/key.pem", &["/mnt/keys/key.pem"]),
            ("/mnt/keys/key.pem", &["/etc/keys/key.pem"]),
            ("/run/users.conf", &["/etc/users.conf"]),
            ("/etc", &[]),
            ("/srv/bob", &[]),
        ] {
            let want: Vec<PathBuf> = want.iter().map(PathBuf::from).collect();
            assert_eq!(mounts.other_paths(Path::new(place)), want, "{place}");
        }
        assert_eq!(Mounts::default().other_paths(Path::new("/etc")), Vec::<PathBuf>::new());
    }

    #[test]
    fn read_only_is_the_mount_not_the_file_system() {
        let mounts = Mounts::parse(HOST);
        assert!(mounts.is_read_only(Path::new("/etc/keys/key.pem")));
        assert!(!mounts.is_read_only(Path::new("/mnt/keys/key.pem")));
    }
}
