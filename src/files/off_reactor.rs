//! The one way from the reactor to blocking work.

use std::future::pending;
use std::panic::resume_unwind;

/// Does blocking `work` where it delays nobody else. A panic in it goes on in the caller.
///
/// Dropping the future does not stop work that has begun.
pub async fn off_reactor<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) if failed.is_panic() => resume_unwind(failed.into_panic()),
        // Refused, because the runtime is going down; so is whoever waits here.
        Err(_) => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[tokio::test]
    async fn work_is_done_on_another_thread() {
        let here = thread::current().id();
        assert_ne!(off_reactor(move || thread::current().id()).await, here);
    }

    #[tokio::test]
    #[should_panic(expected = "broken work")]
    async fn a_panic_reaches_the_caller() {
        off_reactor(|| panic!("broken work")).await;
    }
}
