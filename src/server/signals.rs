//! SIGTERM and SIGINT end the server in order; a second one ends it at once.

use std::io;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::observe::events;

/// Waits for the signals; `stop` is cancelled at the first. Returns at the second.
///
/// # Errors
/// The handlers could not be installed.
pub(super) async fn watch(stop: &CancellationToken, sessions: impl Fn() -> u32) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    if let Some(signal) = signals.next().await {
        events::stopping(signal_hook::low_level::signal_name(signal).unwrap_or("signal"), sessions());
        stop.cancel();
    }
    signals.next().await;
    Ok(())
}
