//! How far a transfer has come, for whoever asks meanwhile: STAT, `longshore status`, the status page.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::Direction;
use crate::path::VirtualPath;

/// Running work as others see it: a transfer, or a sum over a file.
#[derive(Debug)]
pub struct Progress {
    /// The file or directory.
    pub path: VirtualPath,
    /// Which way its bytes go; none where they stay here, as for a sum.
    pub direction: Option<Direction>,
    /// How many bytes there will be on the data connection, where that is known.
    pub size: Option<u64>,
    bytes: AtomicU64,
    started: Instant,
    /// When how many had moved: the last two times that [`mark`](Self::mark) was called.
    marks: Mutex<[(Instant, u64); 2]>,
}

impl Progress {
    /// Nothing has moved yet.
    #[must_use]
    pub fn new(path: VirtualPath, direction: Option<Direction>, size: Option<u64>) -> Self {
        let started = Instant::now();
        Self { path, direction, size, bytes: AtomicU64::new(0), started, marks: Mutex::new([(started, 0); 2]) }
    }

    /// Bytes that have gone over the data connection so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Since the transfer began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Remembers how far it is. To be called every few seconds.
    pub fn mark(&self) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        *marks = [marks[1], (Instant::now(), self.bytes())];
    }

    /// Bytes a second, since the mark before the last one: over the last few seconds, or since it began.
    #[must_use]
    pub fn rate(&self) -> u64 {
        let (since, before) = self.marks.lock().unwrap_or_else(PoisonError::into_inner)[0];
        per_second(self.bytes().saturating_sub(before), since.elapsed())
    }

    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new(VirtualPath::root(), None, None)
    }
}

/// So many bytes in that time are how many a second. What took no time at all is taken for a millisecond.
fn per_second(bytes: u64, took: Duration) -> u64 {
    let millis = took.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_two_marks() {
        let progress = Progress::new(VirtualPath::root(), Some(Direction::Upload), None);
        progress.add(1 << 40);
        assert!(progress.rate() > 1 << 30, "since it began");
        progress.mark();
        assert!(progress.rate() > 1 << 30, "the mark before the last one is the beginning");
        progress.mark();
        assert_eq!((progress.rate(), progress.bytes()), (0, 1 << 40));
    }

    #[test]
    fn no_time_at_all_is_no_reason_to_divide_by_it() {
        assert_eq!(per_second(5, Duration::ZERO), 5000);
        assert_eq!(per_second(6000, Duration::from_secs(3)), 2000);
        assert_eq!(per_second(u64::MAX, Duration::from_millis(1)), u64::MAX);
    }
}
