//! Passive mode: a port of the range is opened for one client's next data connection, and for nobody else's.
//!
//! A port may wait for several clients at once if their addresses differ: whoever of their sessions accepts a
//! connection hands it to the session it belongs to. So ten ports serve any number of clients, ten transfers to each.
//! A stranger is closed and the wait goes on (RFC 2577 section 3; VU#2558).

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::proxy::{Proxies, Standing};
use crate::observe::events::{self, SessionId};
use crate::settings::{Cidrs, PortRange};

/// Connections that may wait on one port to be accepted; strangers are among them.
const BACKLOG: u32 = 128;

/// Who may make a data connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Anybody (`permit_foreign_addresses`).
    pub anybody: bool,
    /// Peers that carry other people's connections (`trusted_peers`).
    pub trusted: Cidrs,
}

/// All ports of the range, and who waits on which.
pub struct PassivePorts {
    range: PortRange,
    admission: Admission,
    proxies: Proxies,
    open: Mutex<HashMap<SocketAddr, OpenPort>>,
    last_ticket: AtomicU64,
    /// Connections of proxies that have yet to say for whom they speak, which is a matter of seconds.
    unnamed: TaskTracker,
}

/// One port that listens.
struct OpenPort {
    listener: Arc<TcpListener>,
    /// By the client's address.
    waiting: HashMap<IpAddr, Waiter>,
}

/// A session that waits for its data connection.
struct Waiter {
    ticket: u64,
    hand_over: oneshot::Sender<TcpStream>,
}

/// A wait of one session for its data connection. Dropping it gives the port back.
pub struct Passive {
    since: Instant,
    /// A command has asked for it; if it is still here, that one was refused.
    pub(super) was_asked_for: bool,
    handed: oneshot::Receiver<TcpStream>,
    /// Declared, and so dropped, before the claim: then the last one to go closes the port while the table of ports is
    /// locked, and nobody finds it neither in the table nor free.
    listener: Arc<TcpListener>,
    claim: Claim,
}

/// The place of a session among those that wait on a port, given up when dropped.
struct Claim {
    ports: Arc<PassivePorts>,
    session: SessionId,
    local: SocketAddr,
    client: IpAddr,
    ticket: u64,
}

/// Where a connection was accepted, and by whom.
struct Door {
    session: SessionId,
    local: SocketAddr,
    client: IpAddr,
    /// Not held: the port is closed when nobody waits on it any more, whoever has yet to say who he is.
    listener: Weak<TcpListener>,
}

/// Why there is no port to wait on (425).
#[derive(Debug)]
pub enum NoPort {
    /// Every port of the range is taken.
    RangeUsedUp,
    /// The kernel gives none, whichever of them is asked for: no descriptors, no right, no such address.
    Refused(io::Error),
}

impl PassivePorts {
    /// The range, and who may connect to it.
    #[must_use]
    pub fn new(range: PortRange, admission: Admission, proxies: Proxies) -> Arc<Self> {
        Arc::new(Self {
            range,
            admission,
            proxies,
            open: Mutex::default(),
            last_ticket: AtomicU64::new(0),
            unnamed: TaskTracker::new(),
        })
    }

    /// The ones of `before`, if these are no different. Else two tables of ports stand side by side until the sessions of the
    /// first are gone; where they overlap, each passes over what the other has open.
    #[must_use]
    pub fn after(self: Arc<Self>, before: &Arc<Self>) -> Arc<Self> {
        let is_same =
            self.range == before.range && self.admission == before.admission && self.proxies == before.proxies;
        if is_same { Arc::clone(before) } else { self }
    }

    /// Opens a port, chosen at random, on the control connection's local address for a client.
    ///
    /// # Errors
    /// [`NoPort`]: nothing outside the range is ever tried.
    pub fn listen(self: &Arc<Self>, session: SessionId, local: SocketAddr, client: IpAddr) -> Result<Passive, NoPort> {
        let mut open = self.lock();
        let count = self.range.len() as u64;
        let start = random() % count;
        for step in 0..count {
            let offset = (start + step) % count;
            let Some(port) = u16::try_from(offset).ok().and_then(|offset| self.range.first().checked_add(offset))
            else {
                continue;
            };
            let mut local = local;
            local.set_port(port);
            match self.wait_on(&mut open, session, local, client) {
                Ok(Some(passive)) => return Ok(passive),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(NoPort::Refused(error)),
            }
        }
        Err(NoPort::RangeUsedUp)
    }

    /// How many ports there are.
    #[must_use]
    pub fn ports(&self) -> usize {
        self.range.len()
    }

    /// How many ports are open now.
    #[must_use]
    pub fn open_ports(&self) -> usize {
        self.lock().len()
    }

    /// Waits on this very port, unless somebody with the same claim does.
    fn wait_on(
        self: &Arc<Self>,
        open: &mut HashMap<SocketAddr, OpenPort>,
        session: SessionId,
        local: SocketAddr,
        client: IpAddr,
    ) -> io::Result<Option<Passive>> {
        let port = match open.get_mut(&local) {
            Some(port) if self.admission.may_share() && !port.waiting.contains_key(&client) => port,
            Some(_) => return Ok(None),
            None => {
                let listener = Arc::new(bind(local)?);
                open.entry(local).or_insert(OpenPort { listener, waiting: HashMap::new() })
            }
        };
        let (hand_over, handed) = oneshot::channel();
        let ticket = self.last_ticket.fetch_add(1, Ordering::Relaxed);
        port.waiting.insert(client, Waiter { ticket, hand_over });
        let listener = Arc::clone(&port.listener);
        let claim = Claim { ports: Arc::clone(self), session, local, client, ticket };
        Ok(Some(Passive { since: Instant::now(), was_asked_for: false, handed, listener, claim }))
    }

    /// Gives a connection, which `by` accepted, to the session that waits for it; a stranger's is closed.
    fn deliver(&self, by: &Door, stream: TcpStream, peer: SocketAddr) {
        let peer_ip = peer.ip().to_canonical();
        let mut open = self.lock();
        // The port may have been closed, and opened anew for others, while a proxy was asked for whom it speaks.
        let is_same = |port: &&mut OpenPort| std::ptr::eq(Arc::as_ptr(&port.listener), by.listener.as_ptr());
        let Some(port) = open.get_mut(&by.local).filter(is_same) else { return };
        let owner = if port.waiting.contains_key(&peer_ip) {
            Some(peer_ip)
        } else if self.admission.admits(peer_ip) {
            // Such ports are not shared, so whoever waits is the only one.
            port.waiting.keys().next().copied()
        } else {
            events::passive_stranger(by.session, peer_ip, by.client);
            None
        };
        if let Some(waiter) = owner.and_then(|owner| port.waiting.remove(&owner)) {
            // A session that has just gone away drops the connection, which closes it.
            let _ = waiter.hand_over.send(stream);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, OpenPort>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    /// A port is shared by its clients' addresses, which is sure only where each must come from its own.
    fn may_share(&self) -> bool {
        !self.anybody && self.trusted.is_empty()
    }

    fn admits(&self, stranger: IpAddr) -> bool {
        self.anybody || self.trusted.contains(stranger)
    }
}

impl Passive {
    /// The port to tell the client.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.claim.local.port()
    }

    /// When it began to wait.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Waits for the client. Meanwhile connections of others who wait on the same port are handed on, and strangers
    /// are closed. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// What the kernel says of the listener.
    pub(super) async fn accept(&mut self) -> io::Result<TcpStream> {
        loop {
            tokio::select! {
                biased;
                handed = &mut self.handed => {
                    return handed.map_err(|_| io::ErrorKind::ConnectionAborted.into());
                }
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.receive(stream, peer),
                    // The peer was gone before we came to it: the wait is for another.
                    Err(error) if is_peers_fault(&error) => {}
                    Err(error) => return Err(error),
                },
            }
        }
    }

    fn receive(&self, mut stream: TcpStream, peer: SocketAddr) {
        let Claim { ports, session, local, client, .. } = &self.claim;
        let by = Door { session: *session, local: *local, client: *client, listener: Arc::downgrade(&self.listener) };
        match ports.proxies.standing(peer) {
            Standing::Direct => ports.deliver(&by, stream, peer),
            Standing::Refused => events::passive_stranger(by.session, peer.ip(), by.client),
            Standing::Proxy => {
                // Not ours to drop: it may turn out to be for another session, whatever becomes of this one meanwhile.
                let ports = Arc::clone(ports);
                let unnamed = ports.unnamed.clone();
                unnamed.spawn(async move {
                    match ports.proxies.client_of(&mut stream, peer).await {
                        Ok(Some(client)) => ports.deliver(&by, stream, client),
                        Ok(None) => events::probe(peer),
                        Err(why) => events::proxy_refused(peer, &why),
                    }
                });
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut open = self.ports.lock();
        let Some(port) = open.get_mut(&self.local) else { return };
        if port.waiting.get(&self.client).is_some_and(|waiter| waiter.ticket == self.ticket) {
            port.waiting.remove(&self.client);
        }
        // Not before all are gone: a session that was handed its connection waits no more, but may still hold the
        // listener, and nobody could open the port anew. The last one to go finds the table's own hold only. Another
        // listener may have taken the place of ours, and is held by those who wait there.
        if Arc::strong_count(&port.listener) == 1 {
            open.remove(&self.local);
        }
    }
}

impl fmt::Display for NoPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RangeUsedUp => f.write_str("every port of passive_ports is in use"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

fn bind(local: SocketAddr) -> io::Result<TcpListener> {
    let socket = if local.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port is used again at once, while earlier transfers on it are still in TIME-WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(local)?;
    socket.listen(BACKLOG)
}

fn is_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// From the kernel: a port that can be guessed can be stolen. Without randomness the first port will do.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

#[cfg(test)]
mod tests;
