//! The files that something was read from, each as it was just before: whether a later look finds them changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What was read, in one run. A file that changes while it is read is found changed by the next look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looks {
    /// `None` is a file that is not there, or out of reach, or none that lasts, such as a pipe.
    files: BTreeMap<PathBuf, Option<Look>>,
    /// Those that had something in them besides blanks.
    full: BTreeSet<PathBuf>,
}

/// What tells one content of a file from another. Behind a link it is of the file that the link leads to, so that a
/// volume of Kubernetes, which swaps a link to a folder, is seen to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Looks {
    /// Reads a file.
    ///
    /// # Errors
    /// What the system says of it; it is looked at all the same.
    pub fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.look_at(path);
        let bytes = std::fs::read(path)?;
        if !bytes.trim_ascii().is_empty() {
            self.full.insert(path.to_owned());
        }
        Ok(bytes)
    }

    /// Whether a file is there, be it out of reach. A link that leads nowhere is none.
    #[must_use]
    pub fn is_there(path: &Path) -> bool {
        !std::fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Looks at a file that somebody else reads next.
    pub fn look_at(&mut self, path: &Path) {
        self.files.insert(path.to_owned(), look(path));
    }

    /// The same files as they are now. Equal, if none has changed.
    #[must_use]
    pub fn again(&self) -> Self {
        let files = self.files.keys().map(|path| (path.clone(), look(path))).collect();
        Self { files, full: self.full.clone() }
    }

    /// The first file that had something in it here and was empty, or gone, when all were read `later`.
    #[must_use]
    pub fn emptied(&self, later: &Self) -> Option<&Path> {
        let emptied = |path: &&PathBuf| later.files.contains_key(*path) && !later.full.contains(*path);
        self.full.iter().find(emptied).map(PathBuf::as_path)
    }
}

fn look(path: &Path) -> Option<Look> {
    let found = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let modified = (found.mtime(), found.mtime_nsec());
    Some(Look { device: found.dev(), inode: found.ino(), size: found.size(), modified })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_by_its_content_its_name_and_the_links_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("one")).unwrap();
        std::fs::create_dir(path("two")).unwrap();
        for name in ["one/users", "two/users"] {
            std::fs::write(path(name), "same").unwrap();
        }
        std::os::unix::fs::symlink("one", path("data")).unwrap();
        let mut looks = Looks::default();
        assert_eq!(looks.read(&path("data/users")).unwrap(), b"same");
        assert_eq!(looks, looks.again());
        let changes: [&dyn Fn(); 4] = [
            &|| {
                std::os::unix::fs::symlink("two", path("new")).unwrap();
                std::fs::rename(path("new"), path("data")).unwrap();
            },
            &|| std::fs::write(path("two/users"), "longer").unwrap(),
            &|| std::fs::remove_file(path("two/users")).unwrap(),
            &|| std::fs::write(path("two/users"), "again").unwrap(),
        ];
        for change in changes {
            change();
            assert_ne!(looks, looks.again());
            looks = looks.again();
            assert_eq!(looks, looks.again());
        }
    }

    #[test]
    fn what_is_empty_or_gone_had_something_in_it_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.conf");
        let read = |text: Option<&str>| {
            let mut looks = Looks::default();
            let _ = text.map_or_else(|| std::fs::remove_file(&path), |text| std::fs::write(&path, text));
            let _ = looks.read(&path);
            looks
        };
        let full = read(Some("bob"));
        for text in [Some(""), Some(" \n"), None] {
            assert_eq!(full.emptied(&read(text)), Some(path.as_path()), "{text:?}");
        }
        for (before, later) in [(&full, &read(Some("#"))), (&read(Some("")), &full), (&full, &Looks::default())] {
            assert_eq!(before.emptied(later), None);
        }
    }
}
