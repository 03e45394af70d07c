//! A connection that speaks TLS, or does not yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::{Error, InvalidMessage};
use tokio_rustls::server::TlsStream;

/// A connection, with or without TLS.
pub enum MaybeTls<S> {
    /// Without.
    Plain(S),
    /// With.
    Secured(Box<TlsStream<S>>),
    /// With, and what comes may end without close_notify. It is plain once that is read.
    Lenient(Box<TlsStream<S>>),
    /// Lost in a handshake.
    Lost,
}

impl<S> MaybeTls<S> {
    /// The connection beneath.
    pub fn beneath(&self) -> Option<&S> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Secured(stream) | Self::Lenient(stream) => Some(stream.get_ref().0),
            Self::Lost => None,
        }
    }

    /// Whether it speaks TLS.
    pub fn is_secured(&self) -> bool {
        matches!(self, Self::Secured(_) | Self::Lenient(_))
    }
}

/// Does the same with whichever connection it is.
macro_rules! either {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self.get_mut() {
            MaybeTls::Plain($stream) => $do,
            MaybeTls::Secured($stream) | MaybeTls::Lenient($stream) => $do,
            MaybeTls::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    };
}

fn is_end(read: &Poll<io::Result<()>>) -> bool {
    matches!(read, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof)
}

/// Whether the last record came whole. TLS does not tell of a part of one, so it is given a byte that no record begins with:
/// behind a whole one that is no record, and in the midst of one it says nothing yet, or something else. Then the TLS of
/// the connection is of no use any more.
fn ends_between_records<S>(stream: &mut TlsStream<S>) -> bool {
    let tls = stream.get_mut().1;
    let no_record: &mut &[u8] = &mut &[u8::MAX][..];
    tls.read_tls(no_record).is_ok()
        && matches!(tls.process_new_packets(), Err(Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTls<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Self::Lenient(stream) = this {
            let read = Pin::new(&mut **stream).poll_read(cx, buffer);
            if !is_end(&read) || !ends_between_records(stream) {
                return read;
            }
            // A client that does not say where it ends is told the same way that we have: by the end of the connection.
            if let Self::Lenient(stream) = std::mem::replace(this, Self::Lost) {
                *this = Self::Plain(stream.into_inner().0);
            }
            return Poll::Ready(Ok(()));
        }
        either!(Pin::new(this), stream => Pin::new(stream).poll_read(cx, buffer))
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
