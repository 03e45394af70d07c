//! A connection that speaks TLS, or does not yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// A connection, with or without TLS.
pub enum MaybeTls<S> {
    /// Without.
    Plain(S),
    /// With.
    Secured(Box<TlsStream<S>>),
    /// Lost in a handshake.
    Lost,
}

impl<S> MaybeTls<S> {
    /// The connection beneath.
    pub fn beneath(&self) -> Option<&S> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Secured(stream) => Some(stream.get_ref().0),
            Self::Lost => None,
        }
    }

    /// Whether it speaks TLS.
    pub fn is_secured(&self) -> bool {
        matches!(self, Self::Secured(_))
    }
}

/// Does the same with whichever connection it is.
macro_rules! either {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self.get_mut() {
            MaybeTls::Plain($stream) => $do,
            MaybeTls::Secured($stream) => $do,
            MaybeTls::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTls<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTls<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
