//! What a control connection is spoken over.

use std::future::{Future, pending};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

/// A stream of bytes that can tell of a reset without being read.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    /// Waits until the connection is reset. May be dropped while it waits: nothing is lost.
    fn reset(&self) -> impl Future<Output = ()> + Send {
        pending()
    }
}

/// Has no resets.
impl Wire for DuplexStream {}
