//! A log file that is begun anew each hour or day, of which the newest are kept.
//!
//! tracing-appender could delete old files itself, but takes every file whose name begins like the log's for one: the
//! transfer log `longshore.xferlog` beside the log `longshore`, for example. So the deleting is done here.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tracing_appender::rolling::{RollingFileAppender, Rotation};

use super::LogError;
use crate::settings::LogRotation;

/// A log file `name`, or `name.2026-11-21`, or `name.2026-11-21-10`.
#[derive(Debug)]
pub(super) struct Rotated {
    appender: RollingFileAppender,
    directory: PathBuf,
    name: String,
    keep: Option<usize>,
    /// The hour since 1970 when old files were last deleted.
    deleted_in: i64,
}

impl Rotated {
    /// Opens the file to append; `keep` counts files, the one in use included, `None` keeps all.
    pub(super) fn open(path: &Path, rotation: LogRotation, keep: Option<u32>) -> Result<Self, LogError> {
        let unwritable = |reason| LogError::Unwritable { setting: "logging_name", path: path.to_owned(), reason };
        let name = path.file_name().and_then(OsStr::to_str);
        let name = name.ok_or_else(|| unwritable("expected a file name in UTF-8".to_owned()))?.to_owned();
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let rotation = match rotation {
            LogRotation::Never => Rotation::NEVER,
            LogRotation::Hourly => Rotation::HOURLY,
            LogRotation::Daily => Rotation::DAILY,
            LogRotation::Weekly => Rotation::WEEKLY,
        };
        let keep = keep.and_then(|keep| usize::try_from(keep).ok()).filter(|_| rotation != Rotation::NEVER);
        let appender = RollingFileAppender::builder().rotation(rotation).filename_prefix(&name).build(directory);
        let appender = appender.map_err(|error| unwritable(error.to_string()))?;
        Ok(Self { appender, directory: directory.to_owned(), name, keep, deleted_in: 0 })
    }

    /// A new file is begun at the turn of an hour, if at all, and the old ones are looked through then.
    fn delete_old(&mut self, hour: i64) {
        let Some(keep) = self.keep.filter(|_| hour != self.deleted_in) else { return };
        self.deleted_in = hour;
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        let mut files: Vec<_> = entries
            .flatten()
            .filter(|entry| is_dated(&entry.file_name(), &self.name))
            .map(|entry| entry.path())
            .collect();
        files.sort_unstable();
        for old in files.iter().rev().skip(keep) {
            // A log that cannot be deleted is no reason to stop logging, and nothing can be logged from here.
            let _: io::Result<()> = fs::remove_file(old);
        }
    }
}

impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.appender.write(line);
        self.delete_old(Timestamp::now().as_second() / 3600);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.appender.flush()
    }
}

/// Whether a file is `name.` and a date, or a date and an hour.
fn is_dated(file: &OsStr, name: &str) -> bool {
    let date = file.to_str().and_then(|file| file.strip_prefix(name)).and_then(|rest| rest.strip_prefix('.'));
    let shape = date.map(|date| date.replace(|character: char| character.is_ascii_digit(), "0"));
    matches!(shape.as_deref(), Some("0000-00-00" | "0000-00-00-00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_newest_are_kept_and_nothing_else_is_touched() {
        let directory = tempfile::tempdir().unwrap();
        let kept =
            ["log.2026-01-03", "log", "log.xferlog", "log.2026-01-01.gz", "logo.png", "log.txt", "log.2026-01-0x"];
        for name in kept.iter().chain(&["log.2026-01-01", "log.2026-01-02", "log.2026-01-02-23"]) {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let mut file = Rotated::open(&directory.path().join("log"), LogRotation::Daily, Some(2)).unwrap();
        file.write_all(b"line\n").unwrap();
        let left = names(directory.path());
        let in_use = left.iter().find(|name| is_dated(name.as_ref(), "log") && *name != "log.2026-01-03").unwrap();
        assert_eq!(fs::read_to_string(directory.path().join(in_use)).unwrap(), "line\n");
        let mut want: Vec<_> = kept.iter().map(|&name| name.to_owned()).chain([in_use.clone()]).collect();
        want.sort_unstable();
        assert_eq!(left, want);
    }

    #[test]
    fn all_are_kept_without_a_number_and_looked_through_once_an_hour() {
        let directory = tempfile::tempdir().unwrap();
        let old = directory.path().join("log.2026-01-01");
        fs::write(&old, "").unwrap();
        let mut all = Rotated::open(&directory.path().join("log"), LogRotation::Hourly, None).unwrap();
        all.delete_old(1);
        assert!(old.exists());
        let mut one = Rotated::open(&directory.path().join("log"), LogRotation::Hourly, Some(1)).unwrap();
        one.delete_old(1);
        assert!(!old.exists());
        fs::write(&old, "").unwrap();
        one.delete_old(1);
        assert!(old.exists());
        one.delete_old(2);
        assert!(!old.exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        for (path, rotation) in [
            (file.join("log"), LogRotation::Never),
            (file.join("log"), LogRotation::Daily),
            (directory.path().to_owned(), LogRotation::Never),
            (PathBuf::from("/"), LogRotation::Never),
        ] {
            let error = Rotated::open(&path, rotation, None).unwrap_err().to_string();
            let want = format!("logging_name: {} cannot be written: ", path.display());
            assert!(error.starts_with(&want) && error.len() > want.len(), "{error}");
        }
    }
}
