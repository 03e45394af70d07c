//! The ways from the reactor to blocking work.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use rustix::process::nice;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much nicer than all others those are who need all of a processor (`nice(2)`): where another wants it too, they get a
/// tenth of it.
const NICE: i32 = 10;

/// Whose threads do hard work. Nothing else runs there.
static HARD: LazyLock<Option<Runtime>> = LazyLock::new(|| {
    let give_way = || {
        // Whoever cannot works all the same.
        let _ = nice(NICE);
    };
    Builder::new_current_thread().thread_name("hard-work").on_thread_start(give_way).build().ok()
});

/// How many who each keep a processor busy may be at work at once, so that one is left to all others if there is another.
#[must_use]
pub fn hard_workers() -> usize {
    available_parallelism().map_or(1, |all| (all.get() - 1).max(1))
}

/// Does blocking `work` where it delays nobody else. A panic in it goes on in the caller.
///
/// Dropping the future does not stop work that has begun.
pub async fn off_reactor<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    done(spawn_blocking(work)).await
}

/// The same for work that keeps a processor busy for milliseconds: its threads give way to all others, so that whoever
/// has but a word to say need not wait behind it. It is done outside of the runtime, whose sockets it can make none of.
pub async fn hard_work<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match &*HARD {
        Some(hard) => done(hard.spawn_blocking(work)).await,
        // Nobody has seen that it could not be built.
        None => off_reactor(work).await,
    }
}

async fn done<T>(work: JoinHandle<T>) -> T {
    match work.await {
        Ok(done) => done,
        Err(failed) if failed.is_panic() => resume_unwind(failed.into_panic()),
        // Refused, because the runtime is going down; so is whoever waits here.
        Err(_) => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;
    use std::thread;

    /// There is none beyond, `setpriority(2)`.
    const NICEST: i32 = 19;

    #[tokio::test]
    async fn work_is_done_on_another_thread() {
        let here = thread::current().id();
        assert_ne!(off_reactor(move || thread::current().id()).await, here);
        assert_ne!(hard_work(move || thread::current().id()).await, here);
    }

    #[tokio::test]
    #[should_panic(expected = "broken work")]
    async fn a_panic_reaches_the_caller() {
        off_reactor(|| panic!("broken work")).await;
    }

    #[tokio::test]
    async fn hard_work_gives_way() {
        let usual = off_reactor(|| getpriority_process(None).unwrap()).await;
        assert_eq!(hard_work(|| getpriority_process(None).unwrap()).await, (usual + NICE).min(NICEST));
    }
}
