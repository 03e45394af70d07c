//! Active mode: the server connects to the client (PORT, RFC 959; EPRT, RFC 2428).

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

/// Connects to the client. `from` is the control connection's local address, as a client behind a firewall expects no
/// other; its port is 0 for any, or the 20 that RFC 959 names and old firewalls want.
///
/// # Errors
/// What the kernel says: the port cannot be bound, the client refuses or is not reached.
pub(super) async fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if from.port() != 0 {
        // Every client is reached from the one port, so it is bound many times over.
        socket.set_reuseaddr(true)?;
    }
    // With `permit_foreign_addresses` the client may have named the other family.
    if from.is_ipv4() == to.is_ipv4() {
        socket.bind(from)?;
    }
    socket.connect(to).await
}
