//! One rate, kept by governor: exact at any rate, smooth, and first come, first served.
//!
//! governor counts cells at an interval of whole nanoseconds, so a cell of so many bytes is wrong by a rounding that
//! grows with the rate. Here a cell is a tick of time instead, 10 µs at every rate, and bytes become ticks by a
//! division whose remainder is carried to the next request: nothing is lost to rounding.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;

use super::clock::{Moment, TokioClock};

const TICKS_PER_SECOND: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
/// What an idle limiter saves up: 100 ms, too little to be seen as a jump.
const BURST_TICKS: u64 = 10_000;
/// A request is at most 1/20 of a second of the rate. The rest of the burst makes up for late timers: with requests as
/// large as the burst, each late timer is lost for good (measured: 1.2 % at 100 kB/s).
const CHUNKS_PER_SECOND: u64 = 20;
/// The most bytes of a request for a rate that others share: whoever asks for more at once than they do gets more of it.
pub(super) const OF_MANY: u64 = 64 * 1024;
/// The same of a rate that is one transfer's own. With a sixteenth of it a byte at 200 MiB/s costs four times one without a
/// limit.
pub(super) const OF_ONE: u64 = 1024 * 1024;

/// How often anybody has waited, since the process began.
static WAITS: AtomicU64 = AtomicU64::new(0);

/// How often transfers have waited for a rate since the process began, at most once for each chunk and rate.
#[must_use]
pub fn rate_waits() -> u64 {
    WAITS.load(Ordering::Relaxed)
}

#[derive(Debug)]
pub(super) struct Limiter {
    ticks: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Moment>>,
    rate: u128,
    chunk: usize,
    /// governor has no queue: whoever asks for less would overtake for ever. This lock's queue is fair, and what it
    /// guards is the remainder carried on: bytes times ticks per second, less than the rate.
    turn: Mutex<u128>,
}

impl Limiter {
    /// A limiter of `rate` bytes per second, with nothing saved up, which is asked for `most` bytes at once.
    pub(super) fn new(rate: NonZeroU64, most: u64) -> Self {
        let chunk = (rate.get() / CHUNKS_PER_SECOND).clamp(1, most);
        // Below 10 B/s a chunk, one byte, is more than 100 ms.
        let chunk_ticks = (chunk * u64::from(TICKS_PER_SECOND.get())).div_ceil(rate.get());
        let burst = u32::try_from(BURST_TICKS.max(chunk_ticks)).unwrap_or(u32::MAX);
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let ticks = RateLimiter::direct_with_clock(Quota::per_second(TICKS_PER_SECOND).allow_burst(burst), TokioClock);
        // A bucket begins full, which would let twice the rate through in the first second.
        let drained = ticks.check_n(burst);
        debug_assert!(matches!(drained, Ok(Ok(()))), "a new bucket is full");
        Self { ticks, rate: rate.get().into(), chunk: usize::try_from(chunk).unwrap_or(1), turn: Mutex::new(0) }
    }

    /// The most bytes of one request.
    pub(super) fn chunk(&self) -> usize {
        self.chunk
    }

    /// Waits until `bytes`, at most [`chunk`](Self::chunk), may pass. Takes nothing if dropped before.
    pub(super) async fn take(&self, bytes: usize) {
        let mut carried = self.turn.lock().await;
        while let Err(wait) = self.try_take(&mut carried, bytes) {
            WAITS.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes `bytes` now, or says how long to wait before asking again.
    fn try_take(&self, carried: &mut u128, bytes: usize) -> Result<(), Duration> {
        let due = *carried + bytes as u128 * u128::from(TICKS_PER_SECOND.get());
        let ticks = u32::try_from(due / self.rate).unwrap_or(u32::MAX);
        if let Some(ticks) = NonZeroU32::new(ticks) {
            match self.ticks.check_n(ticks) {
                Ok(Ok(())) => {}
                Ok(Err(not_yet)) => return Err(not_yet.wait_time_from(TokioClock.now())),
                // More than a chunk was asked for at once. Better to stall than to be without a limit.
                Err(_insufficient) => return Err(Duration::from_secs(1)),
            }
        }
        *carried = due % self.rate;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::time::{Instant, advance};

    fn limiter(rate: u64) -> Limiter {
        Limiter::new(NonZeroU64::new(rate).unwrap(), OF_ONE)
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_saved_up_at_first() {
        let limiter = limiter(1000);
        assert_eq!(limiter.chunk(), 50);
        let mut carried = 0;
        assert_eq!(limiter.try_take(&mut carried, 50), Err(Duration::from_millis(50)));
        advance(Duration::from_millis(49)).await;
        assert_eq!(limiter.try_take(&mut carried, 50), Err(Duration::from_millis(1)));
        advance(Duration::from_millis(1)).await;
        assert_eq!(limiter.try_take(&mut carried, 50), Ok(()));
        assert_eq!(limiter.try_take(&mut carried, 1), Err(Duration::from_millis(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_limiter_saves_100_ms_and_no_more() {
        let limiter = limiter(1000);
        advance(Duration::from_secs(3600)).await;
        let mut carried = 0;
        assert_eq!(limiter.try_take(&mut carried, 50), Ok(()));
        assert_eq!(limiter.try_take(&mut carried, 50), Ok(()));
        assert_eq!(limiter.try_take(&mut carried, 1), Err(Duration::from_millis(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_timer_is_made_up_for() {
        for rate in [1000, 100_000, 1_048_576, 104_857_600] {
            let limiter = limiter(rate);
            let (mut carried, mut bytes) = (0, 0);
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(10) {
                match limiter.try_take(&mut carried, limiter.chunk()) {
                    Ok(()) => bytes += limiter.chunk(),
                    Err(wait) => advance(wait + Duration::from_millis(20)).await,
                }
            }
            let error = bytes as f64 / (rate as f64 * start.elapsed().as_secs_f64()) - 1.0;
            assert!(error.abs() < 0.01, "{error} at {rate}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_any_size_add_up_exactly() {
        for rate in [1, 7, 999, 1000, 100_003, 1_048_576, 104_857_600, 524_288_001, 1 << 40, u64::MAX] {
            let limiter = limiter(rate);
            let (mut carried, mut bytes) = (0, 0_u128);
            for step in 0..10_000_usize {
                let asked = (step * 7919 % limiter.chunk()) + 1;
                if limiter.try_take(&mut carried, asked).is_ok() {
                    bytes += asked as u128;
                }
                advance(Duration::from_micros(50)).await;
            }
            // Half a second has passed, less the one request that may be waiting.
            let most = u128::from(rate) / 2;
            assert!(bytes <= most + 1, "{bytes} at {rate}");
            if rate < 1 << 30 {
                assert!(bytes + 2 * limiter.chunk() as u128 >= most, "{bytes} of {most} at {rate}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_takes_nothing_and_leaves_his_place() {
        let limiter = limiter(1000);
        let start = Instant::now();
        tokio::select! {
            biased;
            () = limiter.take(50) => panic!("too early"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        limiter.take(50).await;
        assert_eq!(start.elapsed(), Duration::from_millis(50));
    }

    proptest! {
        #[test]
        fn a_whole_chunk_is_never_too_much(rate in prop_oneof![1..100_000_u64, any::<u64>().prop_map(|rate| rate.max(1))]) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let limiter = limiter(rate);
                let mut carried = u128::from(rate) - 1;
                if let Err(wait) = limiter.try_take(&mut carried, limiter.chunk()) {
                    advance(wait).await;
                    assert_eq!(limiter.try_take(&mut carried, limiter.chunk()), Ok(()));
                }
            });
        }
    }
}
