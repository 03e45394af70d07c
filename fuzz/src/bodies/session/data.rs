//! The client's data connections, which are real ones on loopback.

use std::net::Ipv4Addr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::PATIENCE;
use super::client::Client;
use super::script::Manner;

/// How long the server may take to connect to us.
const ACTIVE: Duration = Duration::from_millis(50);

impl Client<'_> {
    /// The server has told a port.
    pub(super) async fn arrange(&mut self, port: u16) {
        self.early = None;
        self.passive = Some(port);
        if self.manner.0 == Manner::Early {
            self.early = self.connect(self.meeting.address, port).await;
        }
    }

    /// The server has said that it opens the data connection.
    pub(super) async fn transfer(&mut self) {
        let (manner, bytes) = std::mem::replace(&mut self.manner, (Manner::Plain, Vec::new()));
        if manner == Manner::Never {
            self.interject(b"ABOR\r\n").await;
            return;
        }
        let port = self.passive.take();
        let stranger = match port {
            Some(port) if manner == Manner::Stranger => self.connect(self.meeting.stranger, port).await,
            _ => None,
        };
        let mut stream = self.early.take();
        if let (None, Some(port)) = (&stream, port) {
            stream = self.connect(self.meeting.address, port).await;
        }
        if let (None, Some(listener)) = (&stream, self.active.take()) {
            let accepted = timeout(ACTIVE, listener.accept()).await;
            stream = accepted.ok().and_then(Result::ok).map(|(stream, _)| stream);
        }
        // Without one the server says so in its own time.
        if let Some(stream) = stream {
            self.exchange(stream, manner, &bytes).await;
        }
        if let Some(mut stranger) = stranger {
            let mut told = Vec::new();
            let _ = timeout(PATIENCE, stranger.read_to_end(&mut told)).await.expect("a stranger is closed");
            assert!(told.is_empty(), "a stranger was told {}", told.escape_ascii());
        }
    }

    async fn exchange(&mut self, mut stream: TcpStream, manner: Manner, bytes: &[u8]) {
        // The server may close whenever it likes: nothing here must succeed, but for its end to come.
        let _ = stream.write_all(bytes).await;
        match manner {
            Manner::Reset => {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return;
            }
            Manner::Abort => self.interject(b"ABOR\r\n").await,
            Manner::Quit => self.interject(b"QUIT\r\n").await,
            Manner::Ask => self.interject(b"NOOP\r\nSTAT\r\n").await,
            Manner::HangUp => self.hang_up().await,
            _ => {}
        }
        // An ABOR behind other lines is not heard before the end of the transfer.
        if manner != Manner::Abort || self.together > 1 {
            let _ = stream.shutdown().await;
        }
        let reading = timeout(PATIENCE, stream.read_to_end(&mut self.output)).await;
        assert!(reading.is_ok(), "the server does not end the data connection");
    }

    async fn connect(&self, from: Ipv4Addr, port: u16) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("any port");
        socket.connect((self.meeting.address, port).into()).await.ok()
    }
}
