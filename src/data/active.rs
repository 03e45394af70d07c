//! Active mode: the server connects to the client (PORT, RFC 959; EPRT, RFC 2428).

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// Our end of an active data connection.
#[derive(Debug, Clone, Copy)]
pub struct ActiveSettings {
    /// The control connection's local address: a client behind a firewall expects no other.
    pub local: IpAddr,
    /// 0 is any; 20 is what RFC 959 names and old firewalls want.
    pub port: u16,
}

impl ActiveSettings {
    /// Connects to the client.
    ///
    /// # Errors
    /// What the kernel says: the port cannot be bound, the client refuses or is not reached.
    pub(super) async fn connect(self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if self.port != 0 {
            // Every client is reached from the one port, so it is bound many times over.
            socket.set_reuseaddr(true)?;
        }
        if self.local.is_ipv4() == to.is_ipv4() {
            socket.bind(SocketAddr::new(self.local, self.port))?;
        }
        socket.connect(to).await
    }
}
