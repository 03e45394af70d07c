//! What the fuzzers keep, played again without one: every file of `fuzz/corpus` and `fuzz/regressions`, by the same code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, helpers too")]
#![allow(clippy::print_stdout, reason = "shown if the test fails")]

#[path = "../../fuzz/src/bodies/mod.rs"]
mod bodies;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The most that the corpora may hold, in files and in bytes: they are read at every test, and kept for ever.
const MOST_FILES: usize = 400;
const MOST_BYTES: usize = 1024 * 1024;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// The files of a folder, which may be missing.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Plays all that is kept for a target.
fn replay(target: &str) {
    let (_, body) = bodies::TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let corpus = files(&folder("corpus").join(target));
    assert!(!corpus.is_empty(), "the corpus of {target} is missing");
    for path in corpus.iter().chain(&files(&folder("regressions").join(target))) {
        println!("{}", path.display());
        body(&fs::read(path).unwrap());
    }
}

macro_rules! replay {
    ($($target:ident),+) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })+

        const REPLAYED: &[&str] = &[$(stringify!($target)),+];
    };
}
replay!(line, arguments, paths, users_conf, settings, proxy, listing, session);

#[test]
fn every_target_is_replayed_and_every_file_belongs_to_one() {
    let targets: BTreeSet<&str> = bodies::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(targets, REPLAYED.iter().copied().collect());
    for kept in ["corpus", "regressions"] {
        for path in files(&folder(kept)) {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(targets.contains(name), "{} belongs to no target", path.display());
        }
    }
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is no binary of fuzz/Cargo.toml");
    }
}

#[test]
fn the_corpora_are_small() {
    let all: Vec<PathBuf> = REPLAYED.iter().flat_map(|target| files(&folder("corpus").join(target))).collect();
    let bytes: usize = all.iter().map(|path| fs::read(path).unwrap().len()).sum();
    assert!(all.len() <= MOST_FILES && bytes <= MOST_BYTES, "{} files of {bytes} bytes", all.len());
}
