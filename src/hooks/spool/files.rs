//! The files of a spool: how they are called, and what says that events are over.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

pub(super) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("events-{first:020}.jsonl"))
}

pub(super) fn done_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("events-{first:020}.done"))
}

/// The segments, in order. What says that events are over whose segment is gone is removed.
pub(super) fn segments_in(directory: &Path) -> io::Result<Vec<u64>> {
    let (mut segments, mut done) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix("events-")) else { continue };
        match name.split_once('.') {
            Some((first, "jsonl")) => segments.extend(first.parse::<u64>()),
            Some((first, "done")) => done.extend(first.parse::<u64>()),
            _ => {}
        }
    }
    segments.sort_unstable();
    for first in done.into_iter().filter(|first| segments.binary_search(first).is_err()) {
        std::fs::remove_file(done_path(directory, first))?;
    }
    Ok(segments)
}

/// How many lines are before each event of a segment that is over. A torn line says nothing.
pub(super) fn read_done(path: &Path) -> io::Result<HashSet<u64>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(error),
    };
    let lines = text.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    Ok(lines.filter_map(|line| u64::from_str_radix(std::str::from_utf8(line).ok()?, 16).ok()).collect())
}
