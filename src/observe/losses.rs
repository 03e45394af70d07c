//! Lines of a log that did not get there: no disk, no reader, or too many at once. The service goes on without them;
//! they are counted, and told where a log still works.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::events;

/// The line that tells of losses may be lost itself, and shall not be told for that alone without end.
const BETWEEN_TELLINGS: Duration = Duration::from_secs(60);
/// How many lines may wait to be written: what a busy server tells in some seconds. Places for all of them are made at start,
/// of 32 bytes each.
const WAITING: usize = 64 << 10;
/// How long lines are left to gather after some were written: a busy server neither wakes the thread that writes nor calls
/// the kernel for each line.
const GATHER: Duration = Duration::from_millis(5);
/// So many bytes, or a line more, are written at once.
const BLOCK: usize = 64 << 10;

/// What one log has lost.
#[derive(Debug)]
pub(super) struct Losses {
    log: String,
    dropped: ErrorCounter,
    failed: Arc<AtomicUsize>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    lines: usize,
    at: Option<Instant>,
}

/// A thread that writes to `to`, what it has lost, and what ends it. `log` is what the log is called.
pub(super) fn counted(log: String, to: impl Write + Send + 'static) -> (NonBlocking, Losses, WorkerGuard) {
    let failed = Arc::new(AtomicUsize::new(0));
    let counted = Counted { to, gathered: Vec::new(), failed: Arc::clone(&failed) };
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(WAITING).finish(counted);
    let losses = Losses { log, dropped: writer.error_counter(), failed, told: Mutex::default() };
    (writer, losses, guard)
}

impl Losses {
    /// Lines, from the start.
    pub(super) fn lines(&self) -> usize {
        self.dropped.dropped_lines() + self.failed.load(Ordering::Relaxed)
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

/// Gathers lines, and counts those that cannot be written. The thread that writes comes with a line at a time, has them
/// flushed when there are no more, and forgets the error.
struct Counted<W> {
    to: W,
    gathered: Vec<u8>,
    failed: Arc<AtomicUsize>,
}

impl<W: Write> Counted<W> {
    fn write_out(&mut self) {
        let mut rest = self.gathered.as_slice();
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(count) if count > 0 => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    let lines = rest.split_inclusive(|&byte| byte == b'\n').count();
                    self.failed.fetch_add(lines, Ordering::Relaxed);
                    break;
                }
            }
        }
        self.gathered.clear();
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(line);
        if self.gathered.len() >= BLOCK {
            self.write_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out();
        self.gathered.shrink_to(BLOCK);
        let flushed = self.to.flush();
        // Whoever logs a line meanwhile has nobody to wake.
        thread::park_timeout(GATHER);
        flushed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

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
        losses.failed.fetch_add(1, Ordering::Relaxed);
        assert_eq!(losses.untold(now + BETWEEN_TELLINGS / 2), None);
        assert_eq!(losses.untold(now + BETWEEN_TELLINGS), Some(1));
    }

    /// Tells what is written at once, and waits to be let go on.
    struct Slow(mpsc::Sender<Vec<u8>>, mpsc::Receiver<()>);

    impl Write for Slow {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.0.send(lines.to_vec()).map_err(io::Error::other)?;
            self.1.recv().map_err(io::Error::other)?;
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_come_while_others_are_written_are_written_together() {
        let ((told, writes), (go_on, let_go)) = (mpsc::channel(), mpsc::channel());
        let (mut writer, losses, guard) = counted("log".to_owned(), Slow(told, let_go));
        writer.write_all(b"one\n").unwrap();
        assert_eq!(writes.recv().unwrap(), b"one\n");
        for line in ["two\n", "three\n"] {
            writer.write_all(line.as_bytes()).unwrap();
        }
        go_on.send(()).unwrap();
        assert_eq!(writes.recv().unwrap(), b"two\nthree\n");
        go_on.send(()).unwrap();
        drop(guard);
        assert_eq!(losses.lines(), 0);
    }

    /// F25: whoever writes does not wait for a log that stands still, and what there is no room for is counted.
    #[test]
    fn a_log_that_stands_still_holds_nobody_up() {
        const LINES: usize = 200_000;
        let (reader, stuck) = io::pipe().unwrap();
        let (mut writer, losses, guard) = counted("log".to_owned(), stuck);
        for _ in 0..LINES {
            writer.write_all(b"a line that is as long as lines of a log are\n").unwrap();
        }
        assert!(losses.lines() > 0);
        drop((reader, guard));
    }
}
