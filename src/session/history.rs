//! How many bytes have moved in each tick of the last minutes.

use std::collections::VecDeque;

use super::board::Moved;

/// How many ticks are remembered: ten minutes of them.
const TICKS: usize = 200;

/// The last ticks. A few KiB, however long the server runs.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Moved,
    ticks: VecDeque<Moved>,
}

impl History {
    /// One more tick; `moved` is what has moved from the start on.
    pub(super) fn note(&mut self, moved: Moved) {
        if self.ticks.len() == TICKS {
            self.ticks.pop_front();
        }
        self.ticks.push_back(Moved {
            uploaded: moved.uploaded.saturating_sub(self.last.uploaded),
            downloaded: moved.downloaded.saturating_sub(self.last.downloaded),
        });
        self.last = moved;
    }

    pub(super) fn ticks(&self) -> Vec<Moved> {
        self.ticks.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(uploaded: u64, downloaded: u64) -> Moved {
        Moved { uploaded, downloaded }
    }

    #[test]
    fn each_tick_has_its_own_bytes() {
        let mut history = History::default();
        for (uploaded, downloaded) in [(0, 0), (5, 7), (5, 10)] {
            history.note(moved(uploaded, downloaded));
        }
        assert_eq!(history.ticks(), [moved(0, 0), moved(5, 7), moved(0, 3)]);
    }

    /// T66: no memory without end.
    #[test]
    fn the_oldest_are_forgotten() {
        let mut history = History::default();
        (1..=1000).for_each(|bytes| history.note(moved(bytes * bytes, 0)));
        let ticks = history.ticks();
        assert_eq!((ticks.len(), ticks[0], ticks[199]), (TICKS, moved(2 * 801 - 1, 0), moved(1999, 0)));
    }
}
