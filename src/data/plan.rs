//! What PASV or PORT arranged: where the next data connection will come from. Taken by the transfer that uses it.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

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

    /// Waits for the client, or connects to it.
    ///
    /// # Errors
    /// What the kernel says of the connection; [`io::ErrorKind::NotConnected`] where nothing was arranged.
    pub(super) async fn open(self) -> io::Result<TcpStream> {
        match self {
            Self::None => Err(io::ErrorKind::NotConnected.into()),
            Self::Passive(passive) => passive.accept().await,
            Self::Active { to, from } => active::connect(from, to).await,
        }
    }
}
