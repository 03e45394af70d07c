//! The transfer log: a line for each file moved, in the form of wu-ftpd's xferlog, which many tools read.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};

use super::losses::{Losses, counted};
use super::{LogError, Transfer};
use crate::limits::Direction;
use crate::path::is_misleading;

/// A transfer log, written by a thread of its own. Clones write to the same.
#[derive(Debug, Clone)]
pub struct TransferLog {
    path: PathBuf,
    writer: NonBlocking,
    zone: TimeZone,
    losses: Arc<Losses>,
    _guard: Arc<WorkerGuard>,
}

impl TransferLog {
    /// Opens the file to append. Times are of `zone`, as the form has no place to name one.
    ///
    /// # Errors
    /// [`LogError::Unwritable`]: the file cannot be opened or made.
    pub fn open(path: &Path, zone: TimeZone) -> Result<Self, LogError> {
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(|error| LogError::Unwritable {
            setting: "transfer_log",
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let (writer, losses, guard) = counted(path.display().to_string(), file);
        Ok(Self { path: path.to_owned(), writer, zone, losses: Arc::new(losses), _guard: Arc::new(guard) })
    }

    /// The one of `before`, if it is no different.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        if self.path == before.path && self.zone == before.zone { before.clone() } else { self }
    }

    /// Adds a transfer that has ended now. Does not wait for the disk.
    pub fn record(&self, transfer: &Transfer<'_>) {
        let line = line(transfer, &Timestamp::now().to_zoned(self.zone.clone()));
        // This writer drops and counts what it has no room for, and says so in no other way.
        let _: std::io::Result<()> = self.writer.clone().write_all(&line);
        self.losses.tell();
    }

    /// Lines that were lost: they came faster than they could be written, or could not be written.
    #[must_use]
    pub fn lost_lines(&self) -> usize {
        self.losses.lines()
    }
}

/// `current-time transfer-time remote-host file-size filename transfer-type special-action-flag direction access-mode
/// username service-name authentication-method authenticated-user-id completion-status`, see xferlog(5). Whole seconds,
/// at least one, as tools divide by them.
fn line(transfer: &Transfer<'_>, ended: &Zoned) -> Vec<u8> {
    let time = ended.strftime("%a %b %e %H:%M:%S %Y");
    let seconds = transfer.took.as_secs().max(1);
    let mut line = format!("{time} {seconds} {} {} ", transfer.peer.to_canonical(), transfer.bytes).into_bytes();
    line.extend(one_word(transfer.path.as_bytes()));
    let form = if transfer.ascii { 'a' } else { 'b' };
    let direction = match transfer.direction {
        Direction::Upload => 'i',
        Direction::Download => 'o',
    };
    let access = if transfer.anonymous { 'a' } else { 'r' };
    line.extend(format!(" {form} _ {direction} {access} ").bytes());
    line.extend(one_word(transfer.user.as_bytes()));
    line.extend(if transfer.failure.is_none() { b" ftp 0 * c\n" } else { b" ftp 0 * i\n" });
    line
}

/// Words are separated by blanks and have no quotes; wu-ftpd writes `_` for what would break one. So is done with what a
/// terminal would obey, in UTF-8 or as a byte of its own (ISO 6429), or show in another order.
fn one_word(bytes: &[u8]) -> Vec<u8> {
    let mut word = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        word.extend(chunk.valid().replace(|c| c == ' ' || is_misleading(c), "_").bytes());
        word.extend(chunk.invalid().iter().map(|&byte| if matches!(byte, 0x80..=0x9f) { b'_' } else { byte }));
    }
    word
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::observe::What;
    use crate::path::VirtualPath;

    fn transfer(path: &VirtualPath) -> Transfer<'_> {
        Transfer {
            verb: "RETR",
            what: What::File,
            direction: Direction::Download,
            user: "bob",
            anonymous: false,
            peer: "::ffff:192.0.2.1".parse().unwrap(),
            path,
            bytes: 10,
            took: Duration::from_millis(2900),
            ascii: false,
            failure: None,
        }
    }

    fn path(name: &[u8]) -> VirtualPath {
        VirtualPath::root().join(name).unwrap()
    }

    fn ended(time: &str) -> Zoned {
        time.parse::<Timestamp>().unwrap().to_zoned(TimeZone::UTC)
    }

    #[test]
    fn a_line_for_each_kind() {
        let path = path(b"a/b.bin");
        let told = |transfer: Transfer<'_>| String::from_utf8(line(&transfer, &ended("2026-11-21T10:00:00Z"))).unwrap();
        let complete = transfer(&path);
        assert_eq!(told(complete), "Sat Nov 21 10:00:00 2026 2 192.0.2.1 10 /a/b.bin b _ o r bob ftp 0 * c\n");
        let upload = Transfer { direction: Direction::Upload, user: "anonymous", anonymous: true, ..complete };
        assert_eq!(told(upload), "Sat Nov 21 10:00:00 2026 2 192.0.2.1 10 /a/b.bin b _ i a anonymous ftp 0 * c\n");
        let failed = Transfer { ascii: true, failure: Some("reset"), took: Duration::ZERO, ..complete };
        assert_eq!(told(failed), "Sat Nov 21 10:00:00 2026 1 192.0.2.1 10 /a/b.bin a _ o r bob ftp 0 * i\n");
    }

    #[test]
    fn names_break_no_word_and_no_line() {
        let path = path("two blanks\x1b\x7f\ttab\u{9b}\u{202e}\u{e9}".as_bytes());
        let path = VirtualPath::root().join(&[path.as_bytes(), b"\x9b\xff"].concat()).unwrap();
        let line = line(&Transfer { user: "b o\nb", ..transfer(&path) }, &ended("2026-11-01T09:05:00Z"));
        let want =
            b"Sun Nov  1 09:05:00 2026 2 192.0.2.1 10 /two_blanks___tab__\xc3\xa9_\xff b _ o r b_o_b ftp 0 * c\n";
        assert_eq!(line.escape_ascii().to_string(), want.escape_ascii().to_string());
    }

    #[test]
    fn lines_are_appended_in_the_zone_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("xferlog");
        std::fs::write(&file, "before\n").unwrap();
        let path = path(b"x");
        let log = TransferLog::open(&file, TimeZone::get("Asia/Tokyo").unwrap()).unwrap();
        log.record(&transfer(&path));
        assert_eq!(log.lost_lines(), 0);
        let now = Timestamp::now().to_zoned(TimeZone::get("Asia/Tokyo").unwrap());
        drop(log);
        let written = std::fs::read_to_string(&file).unwrap();
        let line = written.strip_prefix("before\n").unwrap();
        assert!(line.ends_with(" 2 192.0.2.1 10 /x b _ o r bob ftp 0 * c\n"), "{line}");
        let time = jiff::civil::DateTime::strptime("%a %b %e %H:%M:%S %Y", &line[..24]).unwrap();
        assert!(now.datetime().duration_since(time).abs().as_secs() < 60, "{line}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = TransferLog::open(directory.path(), TimeZone::UTC).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("transfer_log: {} cannot be written: ", directory.path().display())),
            "{error}"
        );
    }
}
