//! Copying bytes between a data connection and a file or a listing, at a pace, until the end or until told to stop.

mod away;
mod receive;
mod send;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Progress;
use crate::limits::{LAST_LOOK, Pace};
use crate::tls::MaybeTls;

pub(super) use receive::receive;
pub(super) use send::{send, send_at_once};

/// What is read or written at once, in bytes: large enough that the hops between threads do not count.
const BLOCK: usize = 128 * 1024;

/// A file that is this short, in bytes, fits into any buffer: what there is room for at first, and what the kernel takes
/// at once for a new connection.
pub(super) const SHORT: usize = 16 * 1024;

/// What every direction needs.
pub(super) struct Flow<'a> {
    pub(super) pace: Pace,
    pub(super) stall: Option<Duration>,
    pub(super) progress: &'a Arc<Progress>,
    pub(super) stop: &'a CancellationToken,
}

/// A future with a time limit, if there is one; `None` where the time ran out.
pub(super) async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    let Some(limit) = limit else { return Some(future.await) };
    let mut future = pin!(future);
    match timeout(limit, &mut future).await {
        Ok(output) => Some(output),
        Err(_) => timeout(LAST_LOOK, future).await.ok(),
    }
}

/// Whether the peer will see a close as an error, not as the end of the file.
fn reset_on_close(stream: &MaybeTls<TcpStream>, is_wanted: bool) {
    let Some(stream) = stream.beneath() else { return };
    // Where the option cannot be set the 426 or 451 on the control connection still says it.
    let _ = socket2::SockRef::from(stream).set_linger(is_wanted.then_some(Duration::ZERO));
}

#[cfg(test)]
mod tests;
