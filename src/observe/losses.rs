//! Lines of a log that did not get there: no disk, no reader, or too many at once. The service goes on without them;
//! they are counted, and told where a log still works.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::events;
use super::gathered::{Gathered, WriterGuard, gathered};

/// The line that tells of losses may be lost itself, and shall not be told for that alone without end.
const BETWEEN_TELLINGS: Duration = Duration::from_secs(60);

/// What one log has lost.
#[derive(Debug)]
pub(super) struct Losses {
    log: String,
    writer: Gathered,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    lines: usize,
    at: Option<Instant>,
}

/// A thread that writes to `to`, what it has lost, and what ends it. `log` is what the log is called.
pub(super) fn counted(log: String, to: impl Write + Send + 'static) -> (Gathered, Losses, WriterGuard) {
    let (writer, guard) = gathered(to);
    let losses = Losses { log, writer: writer.clone(), told: Mutex::default() };
    (writer, losses, guard)
}

impl Losses {
    /// Lines, from the start.
    pub(super) fn lines(&self) -> usize {
        self.writer.lost_lines()
    }

    /// Logs how many more there are than when this was last told, at most once a minute.
    pub(super) fn tell(&self) {
        if let Some(more) = self.untold(Instant::now()) {
            events::log_lines_lost(&self.log, more);
        }
    }

    fn untold(&self, now: Instant) -> Option<usize> {
        let lines = self.lines();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_early = told.at.is_some_and(|at| now < at + BETWEEN_TELLINGS);
        if is_early || lines == told.lines {
            return None;
        }
        let more = lines - told.lines;
        *told = Told { lines, at: Some(now) };
        Some(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F25: a full disk.
    #[test]
    fn what_cannot_be_written_is_counted_and_told_once_a_minute() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (mut writer, losses, guard) = counted("log".to_owned(), full);
        for line in ["one\n", "two\n", "three\n"] {
            writer.write_all(line.as_bytes()).unwrap();
        }
        drop(guard);
        assert_eq!(losses.lines(), 3);
        let now = Instant::now();
        assert_eq!(losses.untold(now), Some(3));
        assert_eq!(losses.untold(now + BETWEEN_TELLINGS), None);
        writer.write_all(b"after the end\n").unwrap();
        assert_eq!(losses.untold(now + BETWEEN_TELLINGS / 2), None);
        assert_eq!(losses.untold(now + BETWEEN_TELLINGS), Some(1));
    }

    /// F25: whoever writes does not wait for a log that stands still, and what there is no room for is counted.
    #[test]
    fn a_log_that_stands_still_holds_nobody_up() {
        const LINES: usize = 600_000;
        let (reader, stuck) = std::io::pipe().unwrap();
        let (mut writer, losses, guard) = counted("log".to_owned(), stuck);
        for _ in 0..LINES {
            writer.write_all(b"a line that is as long as lines of a log are\n").unwrap();
        }
        assert!(losses.lines() > 0);
        drop((reader, guard));
    }
}
