//! Passive mode: a port of the range is opened for one client's next data connection, and for nobody else's.
//!
//! A port may wait for several clients at once if their addresses differ: whoever of their sessions accepts a
//! connection hands it to the session it belongs to. So ten ports serve any number of clients, ten transfers to each.
//! A stranger is closed and the wait goes on (RFC 2577 section 3; VU#2558).
//!
//! A client that appears as one of `trusted_peers` shares no port, because a connection from there may be for any session.
//! Where such clients use up the range, a port that no transfer has asked for goes to the next one who needs it, once its
//! client has had the time to connect: a connection that comes later cannot be told from the next client's. Should one come
//! all the same, it is at least never taken for an empty upload of the next client.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use super::proxy::{Proxies, Standing};
use crate::observe::events::{self, SessionId};
use crate::settings::{Cidrs, PortRange};
use crate::turns::Group;

/// Connections that may wait on one port to be accepted; strangers are among them.
const BACKLOG: u32 = 128;

/// How long a client that was told a port is left alone, to connect to it: a few times what that takes. For as long waits
/// one who finds no port, unless the range is used up by transfers.
const TO_CONNECT: Duration = Duration::from_secs(1);
/// How often one who finds no port looks whether a wait has lasted long enough.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a connection for the wait before may still come to a port that was taken from it.
const TOO_LATE: Duration = Duration::from_secs(60);

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
    open: Mutex<Open>,
    /// A wait is over: those who found no port look again.
    freed: Notify,
    /// How many of them there are.
    seeking: AtomicUsize,
    last_ticket: AtomicU64,
    /// Connections of proxies that have yet to say for whom they speak, which is a matter of seconds.
    unnamed: TaskTracker,
}

/// The ports that listen.
#[derive(Default)]
struct Open {
    ports: HashMap<SocketAddr, OpenPort>,
    /// Ports that were taken from a wait, and until when its client may still come.
    taken: HashMap<SocketAddr, Instant>,
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
    /// Whose share of the ports it is.
    group: Group,
    since: Instant,
    /// A transfer waits for the connection: PASV or EPSV alone does not hold a port that another client needs.
    has_transfer: bool,
}

/// A wait of one session for its data connection. Dropping it gives the port back.
pub struct Passive {
    since: Instant,
    /// A command has asked for it; if it is still here, that one was refused.
    pub(super) was_asked_for: bool,
    /// The port was taken from another wait, whose client may come as well.
    pub(super) is_contested: bool,
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
            freed: Notify::new(),
            seeking: AtomicUsize::new(0),
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

    /// Opens a port, chosen at random, on the control connection's local address for a client, which counts as one of
    /// `group`. Where the range is used up by waits that no transfer has asked for, it waits for a second at most: until
    /// one of them is over, or has lasted so long that it is ended for this one, see [`Passive::accept`].
    ///
    /// # Errors
    /// [`NoPort`]: nothing outside the range is ever tried.
    pub async fn listen(
        self: &Arc<Self>,
        session: SessionId,
        local: SocketAddr,
        client: IpAddr,
        group: &Group,
    ) -> Result<Passive, NoPort> {
        if self.seeking.load(Ordering::Relaxed) > 0 {
            // One who asks again and again does not go before those who wait.
            yield_now().await;
        }
        let attempt = || self.listen_now(session, local, client, group);
        if let Some(found) = attempt()? {
            return Ok(found);
        }
        let _seeking = Seeking::begin(&self.seeking);
        let most = sleep(2 * TO_CONNECT);
        tokio::pin!(most);
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(found) = attempt()? {
                return Ok(found);
            }
            tokio::select! {
                () = freed => {}
                () = sleep(LOOK_AGAIN) => {}
                () = &mut most => return Err(NoPort::RangeUsedUp),
            }
        }
    }

    /// The same at once; `None` where one may be had in a moment.
    fn listen_now(
        self: &Arc<Self>,
        session: SessionId,
        local: SocketAddr,
        client: IpAddr,
        group: &Group,
    ) -> Result<Option<Passive>, NoPort> {
        let mut open = self.lock();
        let count = self.range.len() as u64;
        let start = random() % count;
        let nth = |step| {
            let mut local = local;
            local.set_port(self.range.first().checked_add(u16::try_from((start + step) % count).ok()?)?);
            Some(local)
        };
        let locals = (0..count).filter_map(nth);
        // Those of others are shared when no other is left: a port for each is safest.
        for is_open in [false, true] {
            for local in locals.clone() {
                if open.ports.contains_key(&local) != is_open {
                    continue;
                }
                match self.wait_on(&mut open, session, local, client, group) {
                    Ok(Some(passive)) => return Ok(Some(passive)),
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                    Err(error) => return Err(NoPort::Refused(error)),
                }
            }
        }
        let Some((local, since)) = self.what_gives_way(&open.ports, locals, client, group) else {
            return Err(NoPort::RangeUsedUp);
        };
        let now = Instant::now();
        if since + TO_CONNECT > now {
            return Ok(None);
        }
        open.taken.retain(|_, until| *until > now);
        open.taken.insert(local, now + TOO_LATE);
        if let Some(port) = open.ports.get_mut(&local) {
            port.waiting.retain(|address, _| !self.excludes(*address, client));
        }
        self.wait_on(&mut open, session, local, client, group).map_err(NoPort::Refused)
    }

    /// The port whose waits may be ended for this client, and since when the youngest of them has waited. First those for
    /// which no transfer has asked, then those of a group that holds at least two ports more; of these, the longest wait
    /// of the group that holds most.
    fn what_gives_way(
        &self,
        open: &HashMap<SocketAddr, OpenPort>,
        locals: impl Iterator<Item = SocketAddr>,
        client: IpAddr,
        group: &Group,
    ) -> Option<(SocketAddr, Instant)> {
        let mut held: HashMap<&Group, usize> = HashMap::new();
        for waiter in open.values().flat_map(|port| port.waiting.values()) {
            *held.entry(&waiter.group).or_default() += 1;
        }
        let count = |group: &Group| held.get(group).copied().unwrap_or(0);
        let candidates = locals.filter_map(|local| {
            let in_the_way = || {
                let waiting = open.get(&local).into_iter().flat_map(|port| &port.waiting);
                waiting.filter(|(address, _)| self.excludes(**address, client)).map(|(_, waiter)| waiter)
            };
            let is_idle = !in_the_way().any(|waiter| waiter.has_transfer);
            let held = in_the_way().map(|waiter| count(&waiter.group)).min()?;
            let since = in_the_way().map(|waiter| waiter.since).max()?;
            (is_idle || held > count(group) + 1).then_some((is_idle, held, Reverse(since), local))
        });
        let (_, _, Reverse(since), local) =
            candidates.max_by_key(|(is_idle, held, since, _)| (*is_idle, *held, *since))?;
        Some((local, since))
    }

    /// Whether clients at these addresses cannot wait on one port: a connection could be for either.
    fn excludes(&self, one: IpAddr, other: IpAddr) -> bool {
        one == other || self.admission.admits(one) || self.admission.admits(other)
    }

    /// How many ports there are.
    #[must_use]
    pub fn ports(&self) -> usize {
        self.range.len()
    }

    /// How many ports are open now.
    #[must_use]
    pub fn open_ports(&self) -> usize {
        self.lock().ports.len()
    }

    /// Waits on this very port, unless somebody with the same claim does.
    fn wait_on(
        self: &Arc<Self>,
        open: &mut Open,
        session: SessionId,
        local: SocketAddr,
        client: IpAddr,
        group: &Group,
    ) -> io::Result<Option<Passive>> {
        let is_contested = open.taken.get(&local).is_some_and(|until| *until > Instant::now());
        let port = match open.ports.get_mut(&local) {
            Some(port) if port.waiting.keys().any(|address| self.excludes(*address, client)) => return Ok(None),
            Some(port) => port,
            None => {
                let listener = Arc::new(bind(local)?);
                open.ports.entry(local).or_insert(OpenPort { listener, waiting: HashMap::new() })
            }
        };
        let (hand_over, handed) = oneshot::channel();
        let ticket = self.last_ticket.fetch_add(1, Ordering::Relaxed);
        let since = Instant::now();
        port.waiting.insert(client, Waiter { ticket, hand_over, group: group.clone(), since, has_transfer: false });
        let listener = Arc::clone(&port.listener);
        let claim = Claim { ports: Arc::clone(self), session, local, client, ticket };
        Ok(Some(Passive { since, was_asked_for: false, is_contested, handed, listener, claim }))
    }

    /// Gives a connection, which `by` accepted, to the session that waits for it; a stranger's is closed.
    fn deliver(&self, by: &Door, stream: TcpStream, peer: SocketAddr) {
        let peer_ip = peer.ip().to_canonical();
        let mut open = self.lock();
        // The port may have been closed, and opened anew for others, while a proxy was asked for whom it speaks.
        let is_same = |port: &&mut OpenPort| std::ptr::eq(Arc::as_ptr(&port.listener), by.listener.as_ptr());
        let Some(port) = open.ports.get_mut(&by.local).filter(is_same) else { return };
        let owner = if port.waiting.contains_key(&peer_ip) {
            Some(peer_ip)
        } else if self.admission.admits(peer_ip) && port.waiting.len() < 2 {
            port.waiting.keys().next().copied()
        } else {
            // Also a trusted peer's where several wait: it cannot be told for whom it is.
            events::passive_stranger(by.session, peer_ip, by.client);
            None
        };
        if let Some(waiter) = owner.and_then(|owner| port.waiting.remove(&owner)) {
            // A session that has just gone away drops the connection, which closes it.
            let _ = waiter.hand_over.send(stream);
            self.freed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who has found no port yet.
struct Seeking<'a>(&'a AtomicUsize);

impl<'a> Seeking<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Seeking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    /// Whether a connection from this address may be for a session whose client is at another one.
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

    /// A transfer waits for the client from here on.
    pub(super) fn begin_transfer(&self) {
        let Claim { ports, local, client, ticket, .. } = &self.claim;
        let mut open = ports.lock();
        let waiter = open.ports.get_mut(local).and_then(|port| port.waiting.get_mut(client));
        if let Some(waiter) = waiter.filter(|waiter| waiter.ticket == *ticket) {
            waiter.has_transfer = true;
        }
    }

    /// When it began to wait.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Waits for the client. Meanwhile connections of others who wait on the same port are handed on, and strangers
    /// are closed. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// What the kernel says of the listener; [`io::ErrorKind::ConnectionAborted`] once the port serves another client,
    /// which needed it while no transfer had asked for it.
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
        let Some(port) = open.ports.get_mut(&self.local) else { return };
        if port.waiting.get(&self.client).is_some_and(|waiter| waiter.ticket == self.ticket) {
            port.waiting.remove(&self.client);
        }
        // Not before all are gone: a session that was handed its connection waits no more, but may still hold the
        // listener, and nobody could open the port anew. The last one to go finds the table's own hold only. Another
        // listener may have taken the place of ours, and is held by those who wait there.
        if Arc::strong_count(&port.listener) == 1 {
            open.ports.remove(&self.local);
        }
        self.ports.freed.notify_waiters();
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
