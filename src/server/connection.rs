//! The control connection: lines in, replies out. Only the command loop holds one.

use std::future::{pending, poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::wire::Wire;
use crate::protocol::{Decoded, LineDecoder, Reply};
use crate::tls::{MaybeTls, Secured, Shield};

/// What one read takes at most, in bytes. The room for it is on the stack: an idle session holds no buffer.
const READ_SIZE: usize = 1024;
/// Replies that wait for those of the next lines, to leave with them, are at most as many bytes as this, and one reply.
const GATHERED: usize = 4096;
/// A client that does not read its replies for this long is gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// How long a closed connection is read on, so that what the client still sends does not turn into a reset that
/// takes the last reply with it.
const LINGER: Duration = Duration::from_secs(1);

/// A control connection over any stream, plain or encrypted.
pub(super) struct Connection<S> {
    stream: MaybeTls<S>,
    decoder: LineDecoder,
    /// Bytes of lines to come, which arrived with the last one.
    ahead: Vec<u8>,
    /// Replies that have not left yet.
    replies: Vec<u8>,
}

impl<S: Wire> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream: MaybeTls::Plain(stream),
            decoder: LineDecoder::default(),
            ahead: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// Speaks TLS from here on. The connection is lost if the handshake fails, or is dropped while it is made.
    ///
    /// # Errors
    /// What went wrong. [`io::ErrorKind::InvalidData`]: more than the command that asked for TLS has come in clear, which
    /// somebody on the way may have added, to be taken for the client's own (CVE-2011-1575).
    pub(super) async fn secure(&mut self, shield: &Arc<Shield>) -> io::Result<Secured> {
        if !self.ahead.is_empty() || self.decoder.is_within_line() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "commands in clear came with it"));
        }
        let MaybeTls::Plain(stream) = std::mem::replace(&mut self.stream, MaybeTls::Lost) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match shield.secure_control(stream).await {
            Ok((stream, secured)) => {
                self.stream = MaybeTls::Secured(Box::new(stream));
                self.decoder = LineDecoder::default();
                Ok(secured)
            }
            Err((error, stream)) => {
                // To be closed in order, or the alert that says what was wrong is lost.
                self.stream = stream.map_or(MaybeTls::Lost, MaybeTls::Plain);
                Err(error)
            }
        }
    }

    /// The next line; `None` at the end of the stream. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// What the kernel says of the connection.
    pub(super) async fn next(&mut self) -> io::Result<Option<Decoded>> {
        loop {
            if let Some(decoded) = self.decode_ahead() {
                return Ok(Some(decoded));
            }
            self.flush().await?;
            let Self { stream, ahead, .. } = self;
            // The buffer lives only within a poll, so that waiting costs no memory.
            let read = poll_fn(|cx| {
                let mut room = [0; READ_SIZE];
                let mut buffer = ReadBuf::new(&mut room);
                Pin::new(&mut *stream).poll_read(cx, &mut buffer).map_ok(|()| {
                    ahead.extend_from_slice(buffer.filled());
                    buffer.filled().len()
                })
            });
            match read.await {
                // Not all clients say close_notify, and no command is cut by its lack: what is no whole line is none.
                Ok(0) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the connection is reset, without reading. May be dropped while it waits: nothing is lost.
    pub(super) async fn reset(&self) {
        match self.stream.beneath() {
            Some(stream) => stream.reset().await,
            None => pending().await,
        }
    }

    /// The next line, if it is here already.
    pub(super) fn decode_ahead(&mut self) -> Option<Decoded> {
        let mut input = self.ahead.as_slice();
        let decoded = self.decoder.decode(&mut input);
        let taken = self.ahead.len() - input.len();
        self.ahead.drain(..taken);
        if self.ahead.is_empty() {
            self.ahead = Vec::new();
        }
        decoded
    }

    /// Sends a reply.
    ///
    /// # Errors
    /// What the kernel says of the connection, or [`io::ErrorKind::TimedOut`].
    pub(super) async fn say(&mut self, reply: &Reply) -> io::Result<()> {
        reply.encode(&mut self.replies);
        self.flush().await
    }

    /// Sends a reply, unless the next line is here already: then it leaves with the reply to that one, or when
    /// [`flush`](Self::flush) is called.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub(super) async fn answer(&mut self, reply: &Reply) -> io::Result<()> {
        reply.encode(&mut self.replies);
        if self.ahead.contains(&b'\n') && self.replies.len() < GATHERED { Ok(()) } else { self.flush().await }
    }

    /// Sends what has not left yet. May be dropped while it waits: nothing is lost, and nothing sent twice.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.replies.is_empty() {
            return Ok(());
        }
        let Self { stream, replies, .. } = self;
        let mut sent = pin!(async {
            while !replies.is_empty() {
                match stream.write(replies).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    count => replies.drain(..count),
                };
            }
            *replies = Vec::new();
            stream.flush().await
        });
        tokio::select! {
            biased;
            sent = &mut sent => sent,
            // Nearly all leave at once, before a clock is set.
            () = ready(()) => timeout(WRITE_DEADLINE, sent).await?,
        }
    }

    /// Ends the connection so that the last reply arrives.
    pub(super) async fn close(mut self) {
        if matches!(timeout(LINGER, self.stream.shutdown()).await, Ok(Ok(()))) {
            let drained = async {
                let mut room = [0; 512];
                while matches!(self.stream.read(&mut room).await, Ok(1..)) {}
            };
            // Whoever goes on sending has had time enough to read.
            let _ = timeout(LINGER, drained).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::replies;

    #[tokio::test]
    async fn lines_survive_a_reader_that_gave_up_waiting() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut connection = Connection::new(server);
        client.write_all(b"NO").await.unwrap();
        for _ in 0..3 {
            assert!(was_waiting(&mut connection).await);
        }
        client.write_all(b"OP\r\nQUIT\r\nRE").await.unwrap();
        assert_eq!(connection.next().await.unwrap(), Some(Decoded::Line(b"NOOP".to_vec())));
        assert_eq!(connection.next().await.unwrap(), Some(Decoded::Line(b"QUIT".to_vec())));
        drop(client);
        assert_eq!(connection.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn replies_to_lines_that_came_together_leave_together() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut connection = Connection::new(server);
        client.write_all(b"NOOP\r\nNOOP\r\nNO").await.unwrap();
        connection.next().await.unwrap();
        connection.answer(&replies::nothing_done()).await.unwrap();
        let mut one = [0; 1];
        assert!(now(client.read(&mut one)).await.is_none(), "the second line is here already");
        connection.next().await.unwrap();
        connection.answer(&replies::nothing_done()).await.unwrap();
        let mut both = [0; 1024];
        let count = now(client.read(&mut both)).await.unwrap().unwrap();
        let mut want = Vec::new();
        replies::nothing_done().encode(&mut want);
        assert_eq!(both[..count], want.repeat(2));
    }

    #[tokio::test]
    async fn what_is_not_sent_at_once_is_sent_once() {
        let (mut client, server) = tokio::io::duplex(8);
        let mut connection = Connection::new(server);
        client.write_all(b"a\r\nb\r\n").await.unwrap();
        connection.next().await.unwrap();
        let mut want = Vec::new();
        replies::line_too_long().encode(&mut want);
        connection.answer(&replies::line_too_long()).await.unwrap();
        let mut received = Vec::new();
        while received.len() < want.len() {
            // Dropped while it waits, as for a command that is done meanwhile.
            let _ = now(connection.flush()).await;
            let mut some = [0; 8];
            let count = client.read(&mut some).await.unwrap();
            received.extend_from_slice(&some[..count]);
        }
        assert_eq!(received, want);
        drop(connection);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }

    /// What a future gives at once, if it does.
    async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = future => Some(done),
            () = ready(()) => None,
        }
    }

    /// Polls `next` once and drops it; whether it was still waiting.
    async fn was_waiting(connection: &mut Connection<tokio::io::DuplexStream>) -> bool {
        now(connection.next()).await.is_none()
    }

    /// T07.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_is_gone_after_a_while() {
        let (_client, server) = tokio::io::duplex(16);
        let mut connection = Connection::new(server);
        let reply = replies::line_too_long();
        let error = connection.say(&reply).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
