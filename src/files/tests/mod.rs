//! Homes on a real disk, with something outside that must stay as it is.

mod at_once;
mod confinement;
mod denied;
mod digests;
mod links;
mod listings;
mod management;
mod meanwhile;
mod names;
mod partials;
mod permissions;
mod quotas;
mod races;
mod replacing;
mod special;
mod transfers;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{FileError, Home, Modes, PendingUpload, Placement, Uploads};
use crate::path::VirtualPath;
use crate::settings::{Permissions, UploadMode};

const MODES: Modes = Modes { file: 0o666, directory: 0o777 };
const CANARY: &[u8] = b"canary";

/// A home beside a directory `outside`, which holds a canary and a directory with another.
struct Ground {
    below: TempDir,
    home: Home,
}

impl Ground {
    fn new() -> Self {
        Self::with("elradfmwMT")
    }

    fn with(letters: &str) -> Self {
        let below = tempfile::tempdir().unwrap();
        fs::create_dir_all(below.path().join("outside/directory")).unwrap();
        fs::create_dir(below.path().join("home")).unwrap();
        fs::write(below.path().join("outside/canary"), CANARY).unwrap();
        fs::write(below.path().join("outside/directory/canary"), CANARY).unwrap();
        let home = Home::open(&below.path().join("home"), letters.parse().unwrap(), MODES, Uploads::default()).unwrap();
        Self { below, home }
    }

    /// The same home with other ways for uploads.
    fn with_uploads(&self, uploads: Uploads) -> Home {
        Home::open(&self.at(""), Permissions::ALL, MODES, uploads).unwrap()
    }

    /// The same home with uploads that write to the files themselves.
    fn direct(&self) -> Home {
        self.with_uploads(Uploads { mode: UploadMode::Direct, ..Uploads::default() })
    }

    /// The same with these letters.
    fn direct_with(&self, letters: &str) -> Home {
        let uploads = Uploads { mode: UploadMode::Direct, ..Uploads::default() };
        Home::open(&self.at(""), letters.parse().unwrap(), MODES, uploads).unwrap()
    }

    /// The same home as a user has it for whom broken uploads are kept.
    fn kept_for(&self, user: &str) -> Home {
        self.with_uploads(Uploads { keeper: Some(user.to_owned()), ..Uploads::default() })
    }

    /// What there is in the directory of the home itself, hidden or not.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The same home as its user sees it with these letters.
    fn seen_with(&self, permissions: Permissions) -> Home {
        Home::open(&self.below.path().join("home"), permissions, MODES, Uploads::default()).unwrap()
    }

    /// Where a name in the home is on this machine.
    fn at(&self, name: &str) -> PathBuf {
        self.below.path().join("home").join(name)
    }

    fn outside(&self) -> PathBuf {
        self.below.path().join("outside")
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.at(name), content).unwrap();
    }

    fn directory(&self, name: &str) {
        fs::create_dir_all(self.at(name)).unwrap();
    }

    fn link(&self, name: &str, target: impl AsRef<Path>) {
        std::os::unix::fs::symlink(target, self.at(name)).unwrap();
    }

    fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap()
    }

    fn upload(&self, name: &str, placement: Placement, content: &[u8]) -> Result<u64, FileError> {
        finish(self.home.store(&path(name), placement)?, content)
    }

    /// Everything there is to see of what must not change.
    fn outside_as_it_is(&self) -> BTreeMap<PathBuf, (u32, i64, Vec<u8>)> {
        let mut seen = BTreeMap::new();
        let mut left = vec![self.outside()];
        while let Some(path) = left.pop() {
            let metadata = fs::metadata(&path).unwrap();
            let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            if metadata.is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            let changed = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
            seen.insert(path, (metadata.mode(), changed, content));
        }
        seen
    }
}

fn path(name: impl AsRef<[u8]>) -> VirtualPath {
    VirtualPath::root().join(name.as_ref()).unwrap()
}

fn finish(pending: PendingUpload, content: &[u8]) -> Result<u64, FileError> {
    let mut upload = pending.begin()?;
    upload.write(content)?;
    upload.commit()
}

fn fetch(home: &Home, path: &VirtualPath, offset: u64) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    home.retrieve(path, offset)?.file.read_to_end(&mut content)?;
    Ok(content)
}

fn listed(home: &Home, path: &VirtualPath) -> Result<Vec<Vec<u8>>, FileError> {
    let mut names = home.list(path)?.map(|entry| Ok(entry?.name)).collect::<Result<Vec<_>, FileError>>()?;
    names.sort();
    Ok(names)
}

/// Every operation that names one file, with what it calls itself.
type Operation = (&'static str, fn(&Home, &VirtualPath) -> Result<(), FileError>);

const READING: [Operation; 6] = [
    ("change_directory", |home, path| home.change_directory(path)),
    ("facts", |home, path| home.facts(path).map(drop)),
    ("list", |home, path| home.list(path).map(drop)),
    ("retrieve", |home, path| home.retrieve(path, 0).map(drop)),
    ("digest", |home, path| home.summing(path, super::Algorithm::Crc32, 0, None).map(drop)),
    ("free_space", |home, path| home.free_space(path).map(drop)),
];

const CHANGING: [Operation; 11] = [
    ("store", |home, path| finish(home.store(path, Placement::Replace)?, b"planted").map(drop)),
    ("restart", |home, path| finish(home.store(path, Placement::At(1))?, b"planted").map(drop)),
    ("append", |home, path| finish(home.store(path, Placement::Append)?, b"planted").map(drop)),
    ("store_unique", |home, path| finish(home.store_unique(path)?, b"planted").map(drop)),
    ("set_mode", |home, path| home.set_mode(path, 0o600)),
    ("set_modified", |home, path| home.set_modified(path, 1).map(drop)),
    ("make_directory", |home, path| home.make_directory(path)),
    ("rename", |home, path| home.rename(path, &VirtualPath::root().join(b"taken").unwrap())),
    ("rename_onto", |home, path| home.rename(&VirtualPath::root().join(b"source").unwrap(), path)),
    ("delete", |home, path| home.delete(path)),
    ("remove_directory", |home, path| home.remove_directory(path)),
];

/// The result of work that must not wait for anybody.
fn promptly<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(Duration::from_secs(20)).expect("the work waits, or failed")
}
