//! What PASV or PORT arranged: where the next data connection will come from. Taken by the transfer that uses it; a
//! command that is refused before its 150 leaves it to the next one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Waker};

use rustix::net::{RecvFlags, recv};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::active;
use super::passive::Passive;
use crate::limits::Direction;

/// The arrangement for the next data connection.
#[derive(Default)]
pub enum DataPlan {
    /// None: a transfer is answered 425.
    #[default]
    None,
    /// The client will connect to us.
    Passive(Passive),
    /// The client has connected to us already, and the port is given back.
    Connected {
        /// The connection.
        stream: TcpStream,
        /// As with the port that it came to.
        was_asked_for: bool,
        /// As well.
        is_contested: bool,
    },
    /// The port went to another client, before a transfer asked for it.
    Taken,
    /// We shall connect to the client, when the transfer begins and not before.
    Active {
        /// Where the client listens.
        to: SocketAddr,
        /// Our end: the control connection's local address, and the source port or 0.
        from: SocketAddr,
    },
}

impl DataPlan {
    /// Whether nothing was arranged.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Notes that a command asks for it. Tells whether an earlier one did, which was refused then.
    pub fn ask_for(&mut self) -> bool {
        match self {
            Self::Passive(Passive { was_asked_for, .. }) | Self::Connected { was_asked_for, .. } => {
                std::mem::replace(was_asked_for, true)
            }
            Self::None | Self::Taken | Self::Active { .. } => false,
        }
    }

    /// Whether the client has closed the connection without a byte. What a command left over is given up then: it is
    /// not an empty file.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        let Self::Connected { stream, .. } = self else { return false };
        let mut byte = [0; 1];
        matches!(recv(stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT), Ok((_, 0)))
    }

    /// Takes note of what came of a wait since the session last looked: the client has connected, or the port was taken.
    pub fn catch_up(&mut self) {
        // Pending is nothing new. Whoever waits next is woken as before.
        let _ = pin!(self.welcome()).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Whether the port went to another client.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        matches!(self, Self::Taken)
    }

    /// Takes it for a transfer, which waits for the client from here on.
    #[must_use]
    pub fn take(&mut self) -> Self {
        if let Self::Passive(passive) = self {
            passive.begin_transfer();
        }
        std::mem::take(self)
    }

    /// Since when a port has been open to the client, who has not come yet.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Instant> {
        match self {
            Self::Passive(passive) => Some(passive.since()),
            Self::None | Self::Taken | Self::Connected { .. } | Self::Active { .. } => None,
        }
    }

    /// Lets the client in before it asks for a transfer, as most do. Were the port not looked after until then,
    /// strangers could fill its queue, and the client would wait there for ever. May be dropped while it waits.
    pub async fn welcome(&mut self) {
        if let Self::Passive(passive) = self {
            match passive.accept().await {
                Ok(stream) => {
                    let Passive { was_asked_for, is_contested, .. } = *passive;
                    *self = Self::Connected { stream, was_asked_for, is_contested };
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => *self = Self::Taken,
                // An error of the listener is told when the transfer is asked for.
                Err(_) => std::future::pending().await,
            }
            return;
        }
        std::future::pending::<()>().await;
    }

    /// Waits for the client, or connects to it. An upload whose connection may be a client's that the port was taken from
    /// waits for its first byte as well.
    ///
    /// # Errors
    /// What the kernel says of the connection; [`io::ErrorKind::NotConnected`] where nothing was arranged.
    pub(super) async fn open(self, direction: Direction) -> io::Result<TcpStream> {
        let (stream, is_contested) = match self {
            Self::None | Self::Taken => return Err(io::ErrorKind::NotConnected.into()),
            Self::Passive(mut passive) => (passive.accept().await?, passive.is_contested),
            Self::Connected { stream, is_contested, .. } => (stream, is_contested),
            Self::Active { to, from } => return active::connect(from, to).await,
        };
        // One that was late for the wait before hears 425 there, and ends without a byte. That is no empty file.
        if is_contested && direction == Direction::Upload && stream.peek(&mut [0]).await? == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(stream)
    }
}
