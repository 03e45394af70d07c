//! What PASV or PORT arranged: where the next data connection will come from. Taken by the transfer that uses it.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::active;
use super::passive::Passive;

/// The arrangement for the next data connection.
#[derive(Default)]
pub enum DataPlan {
    /// None: a transfer is answered 425.
    #[default]
    None,
    /// The client will connect to us.
    Passive(Passive),
    /// The client has connected to us already, and the port is given back.
    Connected(TcpStream),
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

    /// Since when a port has been open to the client, who has not come yet.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Instant> {
        match self {
            Self::Passive(passive) => Some(passive.since()),
            Self::None | Self::Connected(_) | Self::Active { .. } => None,
        }
    }

    /// Lets the client in before it asks for a transfer, as most do. Were the port not looked after until then,
    /// strangers could fill its queue, and the client would wait there for ever. May be dropped while it waits.
    pub async fn welcome(&mut self) {
        if let Self::Passive(passive) = self
            && let Ok(stream) = passive.accept().await
        {
            *self = Self::Connected(stream);
            return;
        }
        // An error of the listener is told when the transfer is asked for.
        std::future::pending::<()>().await;
    }

    /// Waits for the client, or connects to it.
    ///
    /// # Errors
    /// What the kernel says of the connection; [`io::ErrorKind::NotConnected`] where nothing was arranged.
    pub(super) async fn open(self) -> io::Result<TcpStream> {
        match self {
            Self::None => Err(io::ErrorKind::NotConnected.into()),
            Self::Passive(mut passive) => passive.accept().await,
            Self::Connected(stream) => Ok(stream),
            Self::Active { to, from } => active::connect(from, to).await,
        }
    }
}
