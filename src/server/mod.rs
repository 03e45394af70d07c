//! Sockets into sessions: the listeners, the command loop, and the end of it all.

mod accept;
mod connection;
mod control;
mod converse;
mod delivering;
mod descriptors;
mod exposure;
mod guard;
mod health;
mod identity;
mod kernel_ports;
mod location;
mod memory;
mod mounts;
mod ownership;
mod panics;
mod prepare;
mod reload;
mod ruling;
mod signals;
mod start;
mod stream;
mod sweeping;
mod watch;
mod wire;
mod work;

pub use converse::converse;
pub use health::check_health;
pub use identity::run_as;
pub use prepare::{Complaints, Prepared, prepare};
pub use reload::Reloader;
pub use signals::{CaughtSignals, survive_long_files};
pub use start::{build_service, fit_out, log_settings, runtime, set_umask, start_screen};
pub use wire::Wire;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::Http;
use crate::observe::events;
use crate::operator::{Desk, Reception, ReloadOrder};
use crate::session::{Service, Stop};
use crate::settings::Settings;
use control::Greeting;
use stream::ControlListener;

/// The service that sessions begin with now, for who may put another there. Sessions that are there have their own.
type Slot = tokio::sync::watch::Sender<Arc<Service>>;
/// The same for who may not.
type InForce = tokio::sync::watch::Receiver<Arc<Service>>;

/// How long sessions whose transfers were stopped may take to say so and leave.
const LEAVING: Duration = Duration::from_secs(5);

/// How long it may take to break off what is told of events.
const BREAKING_OFF: Duration = Duration::from_secs(1);

/// A server that listens and has not accepted anybody yet.
pub struct Server {
    service: Slot,
    listeners: Listeners,
    reloader: Option<Reloader>,
    /// By SIGHUP.
    asked_to_reload: Arc<Notify>,
}

/// Sockets that are bound, before anything else is done: as root, maybe, which is given up next.
pub struct Listeners {
    control: Vec<ControlListener>,
    /// For those who speak TLS from the first byte.
    implicit: Vec<ControlListener>,
    /// For those who look after the server.
    http: Vec<TcpListener>,
    /// The same, on this machine, once it is opened.
    desk: Option<Desk>,
}

impl Listeners {
    /// Binds the addresses of the settings. Within a runtime.
    ///
    /// # Errors
    /// The settings that name the address that could not be bound, the address, and why.
    pub fn bind(settings: &Settings) -> Result<Self, (&'static str, SocketAddr, io::Error)> {
        let control: Vec<_> = settings.ip.iter().map(|address| SocketAddr::new(address, settings.port)).collect();
        let implicit: Vec<_> = settings.tls_listen.iter().collect();
        let http: Vec<_> = settings.http_listen.iter().collect();
        let for_sessions = |listener| ControlListener::new(listener, settings.keepalive.limit());
        Ok(Self {
            control: accept::listen("ip, port", &control, for_sessions)?,
            implicit: accept::listen("tls_listen", &implicit, for_sessions)?,
            http: accept::listen("http_listen", &http, TcpListener::from_std)?,
            desk: None,
        })
    }

    /// Opens what `longshore status` and the like ask at. To be done as whoever the server runs as: they go by that.
    ///
    /// # Errors
    /// A warning, without which the server does as well.
    pub fn open_desk(&mut self) -> Result<(), String> {
        let Some(address) = self.addresses().first().copied() else { return Ok(()) };
        self.desk = Some(Desk::open(address)?);
        Ok(())
    }

    /// Where they listen; with port 0 in the settings this tells which port it became.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.control, ControlListener::local_addr)
    }

    /// The same of those for implicit FTPS.
    #[must_use]
    pub fn implicit_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.implicit, ControlListener::local_addr)
    }

    /// The same of those for HTTP.
    #[must_use]
    pub fn http_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.http, TcpListener::local_addr)
    }
}

fn addresses<L>(listeners: &[L], address: fn(&L) -> io::Result<SocketAddr>) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| address(listener).ok()).collect()
}

impl Server {
    /// A server that has not let anybody in yet.
    #[must_use]
    pub fn new(listeners: Listeners, service: Service) -> Self {
        let service = Slot::new(Arc::new(service));
        Self { service, listeners, reloader: None, asked_to_reload: Arc::default() }
    }

    /// The same with settings, users and certificates that are read anew.
    #[must_use]
    pub fn reloading(self, reloader: Reloader) -> Self {
        Self { reloader: Some(reloader), ..self }
    }

    /// Serves until SIGTERM or SIGINT, then ends every session; a second signal does not wait for them.
    pub async fn run_until_signalled(self, signals: CaughtSignals) {
        let stop = CancellationToken::new();
        let (seats, asked) = (self.service.borrow().seats.clone(), Arc::clone(&self.asked_to_reload));
        tokio::select! {
            // Ends by itself only with the second signal: the first one cancels `stop`.
            () = signals.watch(&stop, &asked, || seats.taken()) => {}
            () = self.run(stop.clone()) => {}
        }
    }

    /// Serves until `stop` is cancelled, then ends every session with 421: idle ones at once, those with a transfer
    /// when it is done or, with 426 before it, when `shutdown_grace` is over.
    pub async fn run(self, stop: CancellationToken) {
        let Self { service, listeners, reloader, asked_to_reload } = self;
        let sessions = TaskTracker::new();
        let steps = Stop { drain: stop.clone(), halt: CancellationToken::new() };
        let gate = Arc::new(accept::Gate::new(service.subscribe(), sessions.clone(), steps.clone()));
        for (listeners, greeting) in [(listeners.control, Greeting::Banner), (listeners.implicit, Greeting::Tls)] {
            for listener in listeners {
                sessions.spawn(Arc::clone(&gate).accept_all(listener, greeting));
            }
        }
        // It answers to the very end, and ends with this.
        let mut watched = JoinSet::new();
        let board = service.borrow().board.clone();
        watched.spawn(async move { board.keep_noting().await });
        // Orders are carried out one after the other.
        let (orders, ordered) = mpsc::channel(1);
        let reception = Arc::new(Reception::new(service.subscribe(), stop.clone(), orders));
        listeners.desk.into_iter().for_each(|desk| drop(watched.spawn(Arc::clone(&reception).serve(desk))));
        let http = Arc::new(Http::new(service.subscribe(), stop.clone()));
        listeners.http.into_iter().for_each(|listener| drop(watched.spawn(Arc::clone(&http).serve(listener))));
        // As long as sessions have something to tell.
        let (mut delivering, end) = (JoinSet::new(), CancellationToken::new());
        delivering.spawn(delivering::keep_delivering(service.subscribe(), end.clone()));
        tokio::select! {
            () = stop.cancelled() => {}
            () = keep_resolved(service.subscribe()) => {}
            never = keep_fresh(reloader, &service, &asked_to_reload, ordered) => match never {},
            () = events::keep_telling_floods() => {}
            never = sweeping::sweep_hourly(&service) => match never {},
        }
        sessions.close();
        let grace = service.borrow().settings.shutdown_grace.limit().unwrap_or_default();
        if timeout(grace, sessions.wait()).await.is_err() {
            steps.halt.cancel();
            // Whoever waits for a disk that does not answer is left behind.
            let _ = timeout(LEAVING, sessions.wait()).await;
        }
        // What is under way is broken off, and delivered again after the next start.
        end.cancel();
        let _ = timeout(BREAKING_OFF, delivering.join_next()).await;
        events::tell_all_floods();
    }
}

/// Resolves the name that clients are told in PASV, whichever it is at the time. Ends when nobody can change it any more.
async fn keep_resolved(mut in_force: InForce) {
    loop {
        let service = Arc::clone(&in_force.borrow_and_update());
        tokio::select! {
            // Ends at once where there is no name to resolve.
            () = async { service.advertiser.keep_resolved().await; pending().await } => {}
            changed = in_force.changed() => if changed.is_err() { return },
        }
    }
}

/// Has settings, users and certificates read anew, if that is wanted.
async fn keep_fresh(
    reloader: Option<Reloader>,
    slot: &Slot,
    asked: &Notify,
    orders: mpsc::Receiver<ReloadOrder>,
) -> Infallible {
    match reloader {
        Some(reloader) => reloader.keep_fresh(slot, asked, orders).await,
        None => pending().await,
    }
}
