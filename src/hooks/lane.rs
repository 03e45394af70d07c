//! Which of the events of one receiver goes next, and when.
//!
//! A receiver that is well is told several events at a time, each as soon as it waits for no other. One that failed counts
//! as down: it is tried with one event at a time, each wait twice as long as the one before, until it takes one. Each time
//! it is another event, as far as there are any that were not tried yet: one that a receiver will never take holds up those
//! about its own path, and no others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::order::{Order, Touch};

/// Events that one receiver is told at the same time, at most.
pub const AT_ONCE: usize = 8;
/// The longest wait before a new attempt, unless the first wait is longer.
const LONGEST: Duration = Duration::from_secs(300);

/// The events of one receiver.
#[derive(Debug)]
pub(super) struct Lane {
    retry: Duration,
    order: Order,
    /// Whose turn it is, and who were not tried yet.
    fresh: BTreeSet<u64>,
    /// Whose turn it is again, by how often they were tried.
    again: BTreeSet<(u32, u64)>,
    /// Who wait for a new attempt.
    later: BTreeSet<(Instant, u64)>,
    tries: HashMap<u64, u32>,
    /// What is under way: whether it was begun when the receiver was down.
    running: BTreeMap<u64, bool>,
    down: Option<Down>,
}

#[derive(Debug)]
struct Down {
    since: Instant,
    failures: u32,
    next: Instant,
}

/// What a delivery has told of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// As before.
    None,
    /// It is down now.
    Down,
    /// It is well again, after so long.
    Up(Duration),
}

impl Lane {
    /// One for a receiver that counts as well; `retry` is the first wait.
    pub(super) fn new(retry: Duration) -> Self {
        Self {
            retry,
            order: Order::default(),
            fresh: BTreeSet::new(),
            again: BTreeSet::new(),
            later: BTreeSet::new(),
            tries: HashMap::new(),
            running: BTreeMap::new(),
            down: None,
        }
    }

    /// One more event.
    pub(super) fn add(&mut self, number: u64, touches: &[Touch]) {
        if self.order.add(number, touches) {
            self.fresh.insert(number);
        }
    }

    /// An event that is to be delivered now.
    pub(super) fn next(&mut self, now: Instant) -> Option<u64> {
        while let Some((_, number)) = self.later.first().copied().filter(|(when, _)| *when <= now) {
            self.later.pop_first();
            self.again.insert((self.tries.get(&number).copied().unwrap_or_default(), number));
        }
        let number = match &self.down {
            None if self.running.len() >= AT_ONCE => return None,
            None => match (self.fresh.first().copied(), self.again.first().copied()) {
                (Some(fresh), Some((_, again))) if fresh < again => self.fresh.pop_first()?,
                (_, Some(_)) => self.again.pop_first()?.1,
                _ => self.fresh.pop_first()?,
            },
            Some(down) if !self.running.is_empty() || now < down.next => return None,
            Some(_) => self.fresh.pop_first().or_else(|| self.again.pop_first().map(|(_, number)| number))?,
        };
        self.running.insert(number, self.down.is_some());
        Some(number)
    }

    /// When there may be one, if nothing else happens.
    pub(super) fn wake(&self) -> Option<Instant> {
        if !self.running.is_empty() && (self.down.is_some() || self.running.len() >= AT_ONCE) {
            return None;
        }
        let is_ready = !self.fresh.is_empty() || !self.again.is_empty();
        let soonest = self.later.first().map(|(when, _)| *when);
        match &self.down {
            Some(down) if is_ready => Some(down.next),
            Some(down) => soonest.map(|when| when.max(down.next)),
            None => soonest,
        }
    }

    /// The receiver has it.
    pub(super) fn delivered(&mut self, number: u64, touches: &[Touch], now: Instant) -> News {
        self.over(number, touches);
        self.down.take().map_or(News::None, |down| News::Up(now - down.since))
    }

    /// Nobody has to be told of it any more.
    pub(super) fn over(&mut self, number: u64, touches: &[Touch]) {
        self.running.remove(&number);
        self.tries.remove(&number);
        self.fresh.extend(self.order.over(touches));
    }

    /// The receiver does not have it; it will be tried again. `jitter` is from 0 to 1.
    pub(super) fn failed(&mut self, number: u64, now: Instant, jitter: f64) -> News {
        let was_probe = self.running.remove(&number).unwrap_or_default();
        let tries = self.tries.entry(number).or_default();
        *tries = tries.saturating_add(1);
        self.later.insert((now + wait(self.retry, *tries, jitter), number));
        match &mut self.down {
            None => {
                self.down = Some(Down { since: now, failures: 1, next: now + wait(self.retry, 1, jitter) });
                return News::Down;
            }
            // Others were under way when the first one failed: they are no further signs.
            Some(down) if was_probe => {
                down.failures = down.failures.saturating_add(1);
                down.next = now + wait(self.retry, down.failures, jitter);
            }
            Some(_) => {}
        }
        News::None
    }
}

/// Twice as long each time, less a random part, lest all who failed together come again together.
fn wait(first: Duration, failures: u32, jitter: f64) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST.max(first)).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);

    fn lane(count: u64) -> Lane {
        let mut lane = Lane::new(FIRST);
        (1..=count).for_each(|number| lane.add(number, &touches(number)));
        lane
    }

    fn touches(number: u64) -> Box<[Touch]> {
        Touch::of([format!("/{number}")].iter().map(String::as_bytes))
    }

    fn all(lane: &mut Lane, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| lane.next(now)).collect()
    }

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<u64> = (1..=11).map(|failures| wait(FIRST, failures, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(wait(FIRST, u32::MAX, 0.0), LONGEST);
        assert_eq!(wait(FIRST, 2, 1.0), FIRST);
        assert_eq!(wait(LONGEST * 2, 5, 0.0), LONGEST * 2);
    }

    #[test]
    fn a_receiver_that_is_well_is_told_several_at_a_time() {
        let (mut lane, now) = (lane(20), Instant::now());
        assert_eq!(all(&mut lane, now), (1..=8).collect::<Vec<_>>());
        assert_eq!(lane.wake(), None);
        assert_eq!(lane.delivered(3, &touches(3), now), News::None);
        assert_eq!(all(&mut lane, now), [9]);
    }

    #[test]
    fn a_receiver_that_is_down_is_asked_one_thing_at_a_time() {
        let (mut lane, mut now) = (lane(20), Instant::now());
        let begun = now;
        assert_eq!(all(&mut lane, now).len(), AT_ONCE);
        assert_eq!(lane.failed(1, now, 0.0), News::Down);
        (2..=8).for_each(|number| assert_eq!(lane.failed(number, now, 0.0), News::None));
        let mut asked = 0;
        for failures in 1..=5 {
            assert!(all(&mut lane, now).is_empty());
            let next = lane.wake().unwrap();
            assert_eq!(next, now + wait(FIRST, failures, 0.0));
            now = next;
            let probe = all(&mut lane, now);
            assert_eq!(probe, [8 + u64::from(failures)], "each time another one");
            asked += 1;
            assert_eq!(lane.wake(), None);
            assert_eq!(lane.failed(probe[0], now, 0.0), News::None);
        }
        assert_eq!(asked, 5);
        now = lane.wake().unwrap();
        let probe = all(&mut lane, now)[0];
        assert_eq!(lane.delivered(probe, &touches(probe), now), News::Up(now - begun));
        // In the order in which they came, as far as their waits are over.
        assert_eq!(all(&mut lane, now), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn what_is_never_taken_holds_up_nobody_else() {
        let (mut lane, mut now) = (lane(4), Instant::now());
        // 5 is about the same path as 1.
        lane.add(5, &touches(1));
        let mut delivered = Vec::new();
        for _ in 0..12 {
            for number in all(&mut lane, now) {
                if number == 1 {
                    lane.failed(number, now, 0.0);
                } else {
                    lane.delivered(number, &touches(number), now);
                    delivered.push(number);
                }
            }
            now = lane.wake().unwrap();
        }
        assert_eq!(delivered, [2, 3, 4]);
        assert_eq!(all(&mut lane, now), [1]);
        lane.delivered(1, &touches(1), now);
        assert_eq!(all(&mut lane, now), [5]);
    }

    #[test]
    fn one_alone_is_tried_again_and_again() {
        let (mut lane, mut now) = (lane(1), Instant::now());
        for failures in 1..=6 {
            assert_eq!(all(&mut lane, now), [1]);
            lane.failed(1, now, 0.0);
            assert_eq!(lane.wake(), Some(now + wait(FIRST, failures, 0.0)));
            now = lane.wake().unwrap();
        }
    }
}
