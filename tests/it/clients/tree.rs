//! A tree of files with the names that break clients and servers, and its comparison by checksum.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Names of files, each of them trouble for somebody.
const NAMES: [&[u8]; 20] = [
    b"plain.txt",
    b"with two  blanks.txt",
    b" leading blank",
    b"trailing blank ",
    b"'single' and \"double\" quotes",
    b"-dash.txt",
    b".hidden",
    "ünï – 文件.bin".as_bytes(),
    b"#hash",
    b"100%41.txt",
    b"semi;type=a",
    b"equals=sign",
    b"back\\slash",
    b"star*mark?[x]{y}",
    b"~tilde",
    b"$HOME `tick` !bang",
    b"a&b|c<d>",
    b"@at:colon",
    &[b'n'; 200],
    b"caf\xe9 in latin-1",
];

/// Names of folders, each with a folder and a file in it.
const FOLDERS: [&str; 4] = ["folder with blanks", "-folder", ".folder", "ö#%41;x=1"];

/// The folder that has nothing in it.
pub(super) const EMPTY_FOLDER: &str = "empty folder";

/// Files by size: nothing, the least, one more than the largest power of two that fits a 16-bit number, and many chunks.
const SIZES: [(&str, usize); 4] = [("none", 0), ("one", 1), ("65537", 65_537), ("large", 5_000_000)];

/// Makes the tree, without the names that a client cannot do.
pub(super) fn plant(folder: &Path, can: impl Fn(&[u8]) -> bool) {
    plant_files(folder, &can);
    for name in FOLDERS.into_iter().filter(|name| can(name.as_bytes())) {
        std::fs::create_dir_all(folder.join(name).join("in it")).unwrap();
        std::fs::write(folder.join(name).join("in it/file"), name).unwrap();
    }
    if can(EMPTY_FOLDER.as_bytes()) {
        std::fs::create_dir(folder.join(EMPTY_FOLDER)).unwrap();
    }
}

/// The files at the root of the tree only.
pub(super) fn plant_files(folder: &Path, can: impl Fn(&[u8]) -> bool) {
    std::fs::create_dir_all(folder).unwrap();
    for name in NAMES.into_iter().filter(|name| can(name)) {
        std::fs::write(folder.join(OsStr::from_bytes(name)), [b"in ", name].concat()).unwrap();
    }
    for (name, size) in SIZES {
        std::fs::write(folder.join(name), bytes(size)).unwrap();
    }
}

/// So many bytes without a pattern, of all values, the same each time.
pub(super) fn bytes(size: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(size);
    bytes
}

/// The files below a folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    survey(folder).into_iter().filter(|(_, what)| what != FOLDER).map(|(path, _)| path).collect()
}

/// Both folders must hold the same, and something.
#[track_caller]
pub(super) fn assert_same(left: &Path, right: &Path) {
    let (ours, theirs) = (survey(left), survey(right));
    let all: std::collections::BTreeSet<&PathBuf> = ours.keys().chain(theirs.keys()).collect();
    let differences: Vec<String> = all
        .into_iter()
        .filter(|path| ours.get(*path) != theirs.get(*path))
        .map(|path| format!("{path:?}: {:?} and {:?}", ours.get(path), theirs.get(path)))
        .collect();
    assert!(differences.is_empty(), "{left:?} and {right:?} differ:\n{}", differences.join("\n"));
    assert!(ours.len() > 20, "only {} entries were compared", ours.len());
}

const FOLDER: &str = "a folder";

/// What is below a folder: size and checksum of each file.
fn survey(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{next:?}: {error}")) {
            let path = entry.unwrap().path();
            let what = if path.is_dir() {
                left.push(path.clone());
                FOLDER.to_owned()
            } else {
                let content = std::fs::read(&path).unwrap();
                let digest: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{} bytes, {digest}", content.len())
            };
            found.insert(path.strip_prefix(folder).unwrap().to_owned(), what);
        }
    }
    found
}

/// A file of which a part has arrived: what a resumed transfer must make of it shows that it was not begun anew.
pub(super) struct Half {
    /// The whole file.
    pub(super) whole: Vec<u8>,
    /// What is there, and in fact not the beginning of the whole.
    pub(super) part: Vec<u8>,
    /// What must come of it.
    pub(super) joined: Vec<u8>,
}

impl Half {
    pub(super) fn new() -> Self {
        let whole = bytes(300_000);
        let part = vec![b'x'; 123_457];
        let joined = [&part, &whole[part.len()..]].concat();
        Self { whole, part, joined }
    }

    /// The content must be that of a resumed transfer.
    #[track_caller]
    pub(super) fn assert_resumed(&self, path: &Path) {
        let content = std::fs::read(path).unwrap();
        assert!(content != self.part, "nothing was added to {path:?}");
        assert!(content != self.whole, "{path:?} was transferred from its beginning");
        assert!(content == self.joined, "{path:?} has other bytes, {} of them", content.len());
    }
}
