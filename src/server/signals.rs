//! SIGTERM and SIGINT end the server in order; a second one ends it at once. SIGHUP has it read its settings anew.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook_tokio::Signals;
use tokio::sync::Notify;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::observe::events;

/// Lets a write beyond the limit of file sizes (RLIMIT_FSIZE) fail like any other, instead of ending the process by SIGXFSZ.
///
/// # Errors
/// The handler could not be installed.
pub fn survive_long_files() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// SIGTERM, SIGINT and SIGHUP, kept from the moment this is made.
pub struct CaughtSignals(Signals);

impl CaughtSignals {
    /// From here on none ends the process by itself. To be made before anybody is told that the server is there: the
    /// first to hear it may be the one who ends it.
    ///
    /// # Errors
    /// The handlers could not be installed.
    pub fn catch() -> io::Result<Self> {
        Ok(Self(Signals::new([SIGTERM, SIGINT, SIGHUP])?))
    }

    /// Waits for the signals. `stop` is cancelled at the first that ends the server; returns at the second. Any number of
    /// SIGHUPs while one is being obeyed leaves one to be obeyed next.
    pub(super) async fn watch(mut self, stop: &CancellationToken, reload: &Notify, sessions: impl Fn() -> u32) {
        while let Some(signal) = self.0.next().await {
            match signal {
                SIGHUP => reload.notify_one(),
                _ if stop.is_cancelled() => return,
                _ => {
                    events::stopping(signal_hook::low_level::signal_name(signal).unwrap_or("signal"), sessions());
                    stop.cancel();
                }
            }
        }
    }
}
