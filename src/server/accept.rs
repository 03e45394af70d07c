//! Connections into sessions: the listeners, and the gate that a connection passes before it becomes a session.

use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::InForce;
use super::connection::Connection;
use super::control::{Control, Greeting};
use super::panics::{Panicked, caught};
use super::stream::{ControlListener, ControlStream};
use crate::data::{Proxies, Standing, keep_alive};
use crate::limits::{Refusal, Seat};
use crate::observe::events::{self, SessionId};
use crate::protocol::{Reply, replies};
use crate::session::{NewsItem, Service, Session, Stop, Tried};

/// Connections that may wait to be accepted: a burst of clients after a restart is not turned away.
const BACKLOG: i32 = 4096;
/// A pause before the next attempt, when descriptors or memory have run out say, lest the loop spins.
const PAUSE: Duration = Duration::from_millis(100);
/// Refused connections that are given time to read their 421. Beyond that it is lost on those who talk first.
pub(super) const LINGERING: usize = 64;
/// Connections that wait for a session that leaves to close its socket. Beyond that they are refused.
pub(super) const SUCCEEDING: usize = 64;

/// What the accept loops of all listeners share.
pub(super) struct Gate {
    in_force: InForce,
    sessions: TaskTracker,
    stop: Stop,
    /// What the listeners were made with, and so their connections.
    keepalive: Option<Duration>,
    last_id: AtomicU64,
    lingering: Arc<Semaphore>,
    succeeding: Arc<Semaphore>,
    /// A descriptor that is given up when there is no other, for as long as it takes to tell somebody so.
    reserve: Mutex<Option<File>>,
}

/// Opens a listener for each address, which these `settings` gave, and has the runtime, through `register`, tell of its
/// connections.
///
/// # Errors
/// The settings, the address that could not be bound, and why.
pub(super) fn listen<L>(
    settings: &'static str,
    sockets: &[SocketAddr],
    register: impl Fn(TcpListener) -> io::Result<L>,
) -> Result<Vec<L>, (&'static str, SocketAddr, io::Error)> {
    // `::` takes IPv4 in as well, unless IPv4 has a listener of its own.
    let v6_only = sockets.iter().any(SocketAddr::is_ipv4);
    let open = |address| bind(address, v6_only).and_then(&register).map_err(|error| (settings, address, error));
    sockets.iter().copied().map(open).collect()
}

fn bind(address: SocketAddr, v6_only: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(v6_only || address.ip() != IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED))?;
    }
    // A restart must not wait for the old sessions' TIME-WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Gate {
    pub(super) fn new(in_force: InForce, sessions: TaskTracker, stop: Stop) -> Self {
        let lingering = Arc::new(Semaphore::new(LINGERING));
        let succeeding = Arc::new(Semaphore::new(SUCCEEDING));
        let reserve = Mutex::new(File::open("/dev/null").ok());
        let keepalive = in_force.borrow().settings.keepalive.limit();
        Self { in_force, sessions, stop, keepalive, last_id: AtomicU64::new(0), lingering, succeeding, reserve }
    }

    /// Accepts until told to stop. A panic costs the connection that it happened with.
    pub(super) async fn accept_all(self: Arc<Self>, listener: ControlListener, greeting: Greeting) {
        while caught(self.accept_each(&listener, greeting)).await == Err(Panicked) {}
    }

    async fn accept_each(self: &Arc<Self>, listener: &ControlListener, greeting: Greeting) {
        loop {
            tokio::select! {
                biased;
                () = self.stop.drain.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.receive(stream, peer, greeting),
                    // The peer went away between its connect and our accept.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        events::accept_failed(&error);
                        self.turn_one_away(listener).await;
                        sleep(PAUSE).await;
                    }
                },
            }
        }
    }

    fn receive(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, greeting: Greeting) {
        let service = self.service();
        match service.proxies.standing(peer) {
            Standing::Direct => self.welcome(stream, peer, greeting),
            Standing::Refused => {
                events::not_a_proxy(peer);
                service.board.tell(refused(peer, &"not one of proxy_from"));
            }
            Standing::Proxy => {
                let gate = Arc::clone(self);
                self.sessions.spawn(async move {
                    tokio::select! {
                        () = gate.stop.drain.cancelled() => {}
                        named = named_by(&service.proxies, stream, peer) => match named {
                            Ok(Some((stream, client))) => gate.welcome(stream, client, greeting),
                            Ok(None) => events::probe(peer),
                            Err(why) => events::proxy_refused(peer, &why),
                        },
                    }
                });
            }
        }
    }

    fn welcome(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, greeting: Greeting) {
        let peer = canonical(peer);
        let service = self.service();
        let why = match admit(&service, peer.ip()) {
            Ok(seat) => return self.begin(service, stream, peer, seat, greeting),
            Err(why) => why,
        };
        if why != Refusal::Banned
            && let Ok(permit) = Arc::clone(&self.succeeding).try_acquire_owned()
            && let Some(soon) = service.seats.succeed(peer.ip())
        {
            let gate = Arc::clone(self);
            self.sessions.spawn(async move {
                let seat = soon.seat().await;
                drop(permit);
                gate.begin(service, stream, peer, seat, greeting);
            });
            return;
        }
        events::refused(peer, why);
        service.board.tell(refused(peer, &why));
        self.turn_away(stream, why);
    }

    fn service(&self) -> Arc<Service> {
        Arc::clone(&self.in_force.borrow())
    }

    fn begin(&self, service: Arc<Service>, stream: TcpStream, peer: SocketAddr, seat: Seat, greeting: Greeting) {
        let Ok((stream, local)) = self.prepare(stream, service.settings.keepalive.limit()) else { return };
        let id = SessionId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let stop = self.stop.of_one();
        let session = Session::new(id, peer, canonical(local), service, &stop.drain);
        let control = Control::new(stream, session, seat, stop).greeted_by(greeting);
        self.sessions.spawn(control.converse());
    }

    /// Sets up a control connection; gives our end of it.
    fn prepare(&self, stream: TcpStream, keepalive: Option<Duration>) -> io::Result<(ControlStream, SocketAddr)> {
        if keepalive != self.keepalive {
            keep_alive(&SockRef::from(&stream), keepalive)?;
        }
        let local = stream.local_addr()?;
        Ok((ControlStream::new(stream)?, local))
    }

    /// Without a descriptor nobody can be let in, and who waits would not know why. With the one in reserve, one is told.
    async fn turn_one_away(&self, listener: &ControlListener) {
        let reserve = || self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        if reserve().take().is_some()
            && let Ok(Ok((stream, _))) = timeout(Duration::ZERO, listener.accept()).await
        {
            tell_at_once(&stream, &replies::server_full());
        }
        *reserve() = File::open("/dev/null").ok();
    }

    /// Says why, and lets the client read it.
    fn turn_away(&self, stream: TcpStream, why: Refusal) {
        let reply = match why {
            Refusal::ServerFull => replies::server_full(),
            Refusal::AddressFull => replies::address_full(),
            Refusal::Banned => replies::banned(),
        };
        let Ok(permit) = Arc::clone(&self.lingering).try_acquire_owned() else {
            tell_at_once(&stream, &reply);
            return;
        };
        let Ok(stream) = ControlStream::new(stream) else { return };
        self.sessions.spawn(async move {
            let mut connection = Connection::new(stream);
            if connection.say(&reply).await.is_ok() {
                connection.close().await;
            }
            drop(permit);
        });
    }
}

/// The client that a proxy speaks for, and the connection from the end of its header on.
async fn named_by(
    proxies: &Proxies,
    stream: TcpStream,
    proxy: SocketAddr,
) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    let mut stream = tokio::net::TcpStream::from_std(stream)?;
    let client = proxies.client_of(&mut stream, proxy).await?;
    let stream = stream.into_std()?;
    Ok(client.map(|client| (stream, client)))
}

fn refused(peer: SocketAddr, why: &dyn ToString) -> NewsItem {
    NewsItem { what: Tried::Refused, user: None, peer: peer.ip(), why: Some(why.to_string()) }
}

fn admit(service: &Service, ip: IpAddr) -> Result<Seat, Refusal> {
    if service.tries.is_banned(ip) {
        return Err(Refusal::Banned);
    }
    service.seats.admit(ip)
}

/// Says this and no more.
fn tell_at_once(mut stream: &TcpStream, reply: &Reply) {
    let mut bytes = Vec::new();
    reply.encode(&mut bytes);
    // There is room in a buffer that was never used, and no time for what might go wrong.
    let _ = stream.write(&bytes);
}

/// A v4-mapped IPv6 address is the IPv4 address it stands for.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, address.port())),
        IpAddr::V6(_) => address,
    }
}
