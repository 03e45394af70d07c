//! Where a path leads, name by name, and every directory in which somebody could make it lead elsewhere.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::mounts::Mounts;

/// As many links as the kernel follows.
const MAX_LINKS: u32 = 40;

/// A directory or file, whatever path leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// What is at this path, behind links.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self { device: found.dev(), inode: found.ino() })
    }
}

/// What the kernel goes through to find a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// The names that decide where it leads, by paths without a link in them: each link, each directory that `..` goes out
    /// of, and last the place itself.
    pub(super) names: Vec<PathBuf>,
    /// The place, or where it is not there, or out of reach, the nearest directory above it.
    pub(super) existing: PathBuf,
    /// The names below that, down to the place.
    pub(super) missing: PathBuf,
}

impl Location {
    /// Follows an absolute path as far as it leads.
    pub(super) fn of(path: &Path) -> Self {
        let mut names = Vec::new();
        let mut at = PathBuf::from("/");
        let mut links = 0;
        let mut to_go = reversed(path);
        while let Some(step) = to_go.pop() {
            match Step::of(&step) {
                Step::Root => at = PathBuf::from("/"),
                Step::Up => {
                    names.push(at.clone());
                    at.pop();
                }
                Step::Down => {
                    let next = at.join(&step);
                    let link = fs::read_link(&next).ok();
                    match link {
                        Some(target) if links < MAX_LINKS => {
                            links += 1;
                            names.push(next);
                            to_go.extend(reversed(&target));
                        }
                        None if fs::symlink_metadata(&next).is_ok() => at = next,
                        _ => {
                            to_go.push(step);
                            break;
                        }
                    }
                }
            }
        }
        let missing: PathBuf = to_go.into_iter().rev().collect();
        names.push(if missing.as_os_str().is_empty() { at.clone() } else { at.join(&missing) });
        Self { names, existing: at, missing }
    }

    /// The place itself.
    pub(super) fn place(&self) -> PathBuf {
        self.existing.join(&self.missing).components().collect()
    }

    /// Every path without links by which one of the names is found, mounts that show the same directory twice included.
    pub(super) fn paths(&self, mounts: &Mounts) -> BTreeSet<PathBuf> {
        let mut to_look_at = self.names.clone();
        let mut known: BTreeSet<PathBuf> = self.names.iter().cloned().collect();
        while let Some(path) = to_look_at.pop() {
            for above in path.ancestors() {
                let Some(identity) = FileId::of(above) else { continue };
                let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
                // Another mount may cover what the kernel's list says is there.
                let others = mounts.other_paths(above).into_iter().filter(|other| FileId::of(other) == Some(identity));
                for other in others.map(|other| other.join(rest).components().collect::<PathBuf>()) {
                    if known.insert(other.clone()) {
                        to_look_at.push(other);
                    }
                }
            }
        }
        known
    }
}

enum Step {
    Root,
    Up,
    Down,
}

impl Step {
    fn of(name: &OsString) -> Self {
        match name.as_encoded_bytes() {
            b"/" => Self::Root,
            b".." => Self::Up,
            _ => Self::Down,
        }
    }
}

/// The steps of a path, the first one last.
fn reversed(path: &Path) -> Vec<OsString> {
    let steps = path.components().filter(|step| *step != Component::CurDir);
    steps.rev().map(|step| step.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_steps_up_are_names_that_decide() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "").unwrap();
        symlink("b/file", root.join("a/link")).unwrap();
        symlink(root.join("a"), root.join("to_a")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("a/none", root.join("dangling")).unwrap();
        for (path, names, existing, missing) in [
            ("a/b/file", &["a/b/file"][..], "a/b/file", ""),
            ("a/./b//file", &["a/b/file"], "a/b/file", ""),
            ("a/b/../b/file", &["a/b", "a/b/file"], "a/b/file", ""),
            ("a/link", &["a/link", "a/b/file"], "a/b/file", ""),
            ("to_a/link", &["to_a", "a/link", "a/b/file"], "a/b/file", ""),
            ("to_a/../a/x/y", &["to_a", "a", "a/x/y"], "a", "x/y"),
            ("dangling", &["dangling", "a/none"], "a", "none"),
            ("a/b/file/x", &["a/b/file/x"], "a/b/file", "x"),
        ] {
            let found = Location::of(&root.join(path));
            let names = names.iter().map(|name| root.join(name)).collect();
            assert_eq!(found, Location { names, existing: root.join(existing), missing: missing.into() }, "{path}");
        }
        let found = Location::of(&root.join("loop"));
        assert_eq!((found.existing, found.missing), (root.clone(), "loop".into()));
        assert_eq!(Location::of(Path::new("/..")).place(), Path::new("/"));
    }
}
