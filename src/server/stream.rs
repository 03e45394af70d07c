//! A control connection's socket: read past TCP's urgent mark, and never asked for what it cannot have.

use std::future::pending;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::SockRef;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use super::wire::Wire;
use crate::data::keep_alive;

/// What control connections come in at.
pub(super) struct ControlListener(AsyncFd<TcpListener>);

/// Reads like tokio's stream, but for one thing: that takes every short read for the end of what has come and waits for
/// news, where the kernel ends one at the urgent mark too, which the Telnet Synch before an ABOR sets, with more behind
/// it. Of the mark epoll tells, to whoever asks.
pub(super) struct ControlStream(AsyncFd<TcpStream>);

/// Has the runtime tell of a socket.
#[expect(deprecated, reason = "its successor asks, unsafely, for a descriptor that stays what it is: std's sockets do")]
fn register<T: AsRawFd>(socket: T, news: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, news)
}

impl ControlListener {
    /// Of a listener that does not block. Within a runtime. All that come in at it have their options from it.
    ///
    /// # Errors
    /// What the kernel says of it.
    pub(super) fn new(listener: TcpListener, keepalive: Option<Duration>) -> io::Result<Self> {
        let socket = SockRef::from(&listener);
        // Without this a reply waits for the acknowledgement of the one before, 40 ms or more.
        socket.set_tcp_nodelay(true)?;
        // The Synch of Telnet comes as urgent data, which the kernel would take out of the line it stands in.
        socket.set_out_of_band_inline(true)?;
        keep_alive(&socket, keepalive)?;
        register(listener, Interest::READABLE).map(Self)
    }

    /// Waits for a connection, which will not block either, and tells whose it is.
    ///
    /// # Errors
    /// What the kernel says of the listener, or of a connection that is gone again.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let accepted = self.0.async_io(Interest::READABLE, |listener| Ok(acceptfrom_with(listener, flags)?));
        let (stream, peer): (OwnedFd, _) = accepted.await?;
        let peer = peer.and_then(|peer| peer.try_into().ok()).ok_or(io::ErrorKind::ConnectionAborted)?;
        Ok((stream.into(), peer))
    }

    /// Where it listens.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

impl ControlStream {
    /// Of a connection that does not block. Within a runtime.
    ///
    /// # Errors
    /// What the kernel says of it.
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        register(stream, Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY).map(Self)
    }

    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            if let Ok(written) = ready.try_io(|stream| write(stream.get_ref())) {
                return Poll::Ready(written);
            }
        }
    }

    fn is_marked(&self, cx: &mut Context<'_>) -> bool {
        pin!(self.0.ready(Interest::PRIORITY)).poll(cx).is_ready()
    }
}

impl AsyncRead for ControlStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let room = buffer.initialize_unfilled();
            match self.0.get_ref().read(room) {
                // An end, or an error, is found as often as it is asked for.
                Ok(count) => {
                    if 0 < count && count < room.len() && !self.is_marked(cx) {
                        ready.clear_ready_matching(Ready::READABLE);
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready_matching(Ready::READABLE | Ready::PRIORITY);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for ControlStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |mut stream| stream.write(bytes))
    }

    /// Of a handshake that failed, TLS says why in the last of the pieces, and there is no second attempt.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |mut stream| stream.write_vectored(pieces))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }
}

impl Wire for ControlStream {
    /// Tells also of a client that has closed all of its side and is sent something: its kernel answers with a reset.
    async fn reset(&self) {
        if self.0.ready(Interest::ERROR).await.is_err() {
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_comes_in_has_the_options_of_the_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = ControlListener::new(listener, Some(Duration::from_secs(80))).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.out_of_band_inline().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(80));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(20));
        keep_alive(&socket, Some(Duration::from_secs(24 * 3600))).unwrap();
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(32_767));
        keep_alive(&socket, None).unwrap();
        assert!(!socket.keepalive().unwrap());
    }
}
