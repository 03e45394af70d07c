//! What is in a folder, told by what no client can set back: a change of any kind shows.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(super) type Snapshot = BTreeMap<PathBuf, Entry>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) is_file: bool,
    /// Of a link.
    pub(super) target: Option<PathBuf>,
    mode: u32,
    size: u64,
    inode: u64,
    /// When it was written, and when it was changed in any way.
    times: [i64; 4],
}

/// All that is in `root`, and itself as the empty path. What cannot be read is made readable on the way.
pub(super) fn snapshot(root: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    visit(root, Path::new(""), &mut found);
    found
}

fn visit(root: &Path, path: &Path, found: &mut Snapshot) {
    let whole = root.join(path);
    let metadata = fs::symlink_metadata(&whole).expect("nobody else works here");
    let target = metadata.is_symlink().then(|| fs::read_link(&whole).expect("a link"));
    let (is_file, is_directory, mode) = (metadata.is_file(), metadata.is_dir(), metadata.mode());
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    let size = if is_directory { 0 } else { metadata.size() };
    found.insert(path.to_owned(), Entry { is_file, target, mode, size, inode: metadata.ino(), times });
    let wanted = if is_directory { 0o700 } else { 0o400 };
    if (is_file || is_directory) && mode & wanted != wanted {
        fs::set_permissions(&whole, Permissions::from_mode(mode | wanted)).expect("our own");
    }
    if is_directory {
        for entry in fs::read_dir(&whole).expect("a folder that can be read") {
            visit(root, &path.join(entry.expect("an entry").file_name()), found);
        }
    }
}
