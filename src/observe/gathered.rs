//! Lines on their way to a log: gathered in memory, and written by a thread of its own, all that have come at once. So a
//! busy server neither wakes a thread nor calls the kernel for each line.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long the first of the lines that are written together may wait for others.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes that may wait: a log that stands still does not take all memory.
const ROOM: usize = 16 << 20;
/// Room, in bytes, that is kept from one time to the next.
const KEPT_ROOM: usize = 16 << 10;
/// How long the end of the log waits for the lines that are still to be written.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where lines are written to: each call of `write` gives one or more whole ones. It never waits. Clones give to the
/// same log.
#[derive(Debug, Clone)]
pub(super) struct Gathered(Arc<Shared>);

/// Has what is still waiting written, at most a second, when dropped. Lines that come later are lost.
#[derive(Debug)]
pub(super) struct WriterGuard(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    lost: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// The thread waits for a line, and has to be woken for it.
    is_asleep: bool,
    /// No more lines will come.
    is_over: bool,
    /// All of them are written.
    is_done: bool,
}

/// Begins a thread that writes to `to`.
pub(super) fn gathered(to: impl Write + Send + 'static) -> (Gathered, WriterGuard) {
    let shared = Arc::new(Shared::default());
    let its_own = Arc::clone(&shared);
    if thread::Builder::new().name("log".to_owned()).spawn(move || its_own.write_all_to(to)).is_err() {
        // Without a thread there is no log; its lines are counted as lost.
        let mut waiting = shared.lock();
        (waiting.is_over, waiting.is_done) = (true, true);
    }
    (Gathered(Arc::clone(&shared)), WriterGuard(shared))
}

impl Gathered {
    /// Lines that were lost so far.
    pub(super) fn lost_lines(&self) -> usize {
        self.0.lost.load(Ordering::Relaxed)
    }
}

impl Write for Gathered {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock();
        if waiting.is_over || waiting.lines.len() + lines.len() > ROOM {
            self.0.lose(lines);
            return Ok(lines.len());
        }
        waiting.lines.extend_from_slice(lines);
        let is_to_be_woken = std::mem::take(&mut waiting.is_asleep);
        drop(waiting);
        if is_to_be_woken {
            self.0.changed.notify_all();
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Gathered {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.is_over = true;
        self.0.changed.notify_all();
        let patience = self.0.changed.wait_timeout_while(waiting, FAREWELL, |waiting| !waiting.is_done);
        drop(patience);
    }
}

impl Shared {
    fn write_all_to(&self, mut to: impl Write) {
        let mut taken = Vec::new();
        while self.take(&mut taken) {
            let written = write_lines(&mut to, &taken);
            self.lose(&taken[written..]);
            // What cannot be flushed now is tried again with the next lines.
            let _ = to.flush();
            taken.clear();
            taken.shrink_to(KEPT_ROOM);
        }
        self.lock().is_done = true;
        self.changed.notify_all();
    }

    /// Waits for lines, and for those that follow closely; `false` once all are written and no more will come.
    fn take(&self, taken: &mut Vec<u8>) -> bool {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() {
            if waiting.is_over {
                return false;
            }
            waiting.is_asleep = true;
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let gather = self.changed.wait_timeout_while(waiting, GATHER, |waiting| !waiting.is_over);
        let (mut waiting, _) = gather.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.lines, taken);
        true
    }

    fn lose(&self, lines: &[u8]) {
        let is_cut = lines.last().is_some_and(|&last| last != b'\n');
        let count = lines.iter().filter(|&&byte| byte == b'\n').count() + usize::from(is_cut);
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// A panic while it was held left nothing half done.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes as much as can be written, and tells how many bytes that was.
fn write_lines(to: &mut impl Write, lines: &[u8]) -> usize {
    let mut written = 0;
    while written < lines.len() {
        match to.write(&lines[written..]) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

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
        let (mut log, guard) = gathered(Slow(told, let_go));
        log.write_all(b"one\n").unwrap();
        assert_eq!(writes.recv().unwrap(), b"one\n");
        for line in ["two\n", "three\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        go_on.send(()).unwrap();
        assert_eq!(writes.recv().unwrap(), b"two\nthree\n");
        go_on.send(()).unwrap();
        drop(guard);
        assert_eq!(log.lost_lines(), 0);
    }

    #[test]
    fn the_last_lines_are_written_and_later_ones_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (mut log, guard) = gathered(file.reopen().unwrap());
        log.write_all(b"last\n").unwrap();
        drop(guard);
        assert_eq!(std::fs::read(file.path()).unwrap(), b"last\n");
        log.write_all(b"late\n").unwrap();
        assert_eq!(log.lost_lines(), 1);
    }

    #[test]
    fn a_log_that_stands_still_takes_so_much_memory_and_no_more() {
        let ((told, writes), (go_on, let_go)) = (mpsc::channel(), mpsc::channel());
        let (mut log, guard) = gathered(Slow(told, let_go));
        log.write_all(b"first\n").unwrap();
        writes.recv().unwrap();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        for _ in 0..ROOM / line.len() + 3 {
            log.write_all(&line).unwrap();
        }
        assert_eq!(log.lost_lines(), 3);
        assert!(log.0.lock().lines.len() <= ROOM);
        drop(go_on);
        drop(guard);
    }
}
