//! Sockets into sessions: the listeners, the command loop, and the end of it all.

mod accept;
mod connection;
mod control;
mod converse;
mod health;
mod identity;
mod ownership;
mod panics;
mod prepare;
mod signals;
mod start;
mod stream;
mod sweeping;
mod work;

pub use converse::converse;
pub use health::check_health;
pub use identity::run_as;
pub use prepare::{Complaints, Prepared, prepare};
pub use signals::{StopSignals, survive_long_files};
pub use start::{build_service, fit_out, log_settings, runtime, set_umask, start_screen};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::observe::events;
use crate::session::Service;
use crate::settings::Settings;
use control::Greeting;

/// The end of the server, in two steps.
#[derive(Debug, Clone, Default)]
struct Stop {
    /// Nobody is let in any more, and whoever is idle is told to go.
    drain: CancellationToken,
    /// Transfers that still run are stopped.
    halt: CancellationToken,
}

/// A server that listens and has not accepted anybody yet.
pub struct Server {
    service: Arc<Service>,
    listeners: Listeners,
}

/// Sockets that are bound, before anything else is done: as root, maybe, which is given up next.
pub struct Listeners {
    control: Vec<TcpListener>,
    /// For those who speak TLS from the first byte.
    implicit: Vec<TcpListener>,
}

impl Listeners {
    /// Binds the addresses of the settings. Within a runtime.
    ///
    /// # Errors
    /// The address that could not be bound, and why.
    pub fn bind(settings: &Settings) -> Result<Self, (SocketAddr, io::Error)> {
        let control: Vec<_> = settings.ip.iter().map(|address| SocketAddr::new(address, settings.port)).collect();
        let implicit: Vec<_> = settings.tls_listen.iter().collect();
        Ok(Self { control: accept::listen(&control)?, implicit: accept::listen(&implicit)? })
    }

    /// Where they listen; with port 0 in the settings this tells which port it became.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.control)
    }

    /// The same of those for implicit FTPS.
    #[must_use]
    pub fn implicit_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.implicit)
    }
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

impl Server {
    /// A server that has not let anybody in yet.
    #[must_use]
    pub fn new(listeners: Listeners, service: Service) -> Self {
        Self { service: Arc::new(service), listeners }
    }

    /// Serves until SIGTERM or SIGINT, then ends every session; a second signal does not wait for them.
    pub async fn run_until_signalled(self, signals: StopSignals) {
        let stop = CancellationToken::new();
        let seats = self.service.seats.clone();
        tokio::select! {
            // Ends by itself only with the second signal: the first one cancels `stop`.
            () = signals.watch(&stop, || seats.taken()) => {}
            () = self.run(stop.clone()) => {}
        }
    }

    /// Serves until `stop` is cancelled, then ends every session with 421: idle ones at once, those with a transfer
    /// when it is done or, with 426 before it, when `shutdown_grace` is over.
    pub async fn run(self, stop: CancellationToken) {
        let Self { service, listeners } = self;
        let sessions = TaskTracker::new();
        let steps = Stop { drain: stop.clone(), halt: CancellationToken::new() };
        let gate = Arc::new(accept::Gate::new(Arc::clone(&service), sessions.clone(), steps.clone()));
        for (listeners, greeting) in [(listeners.control, Greeting::Banner), (listeners.implicit, Greeting::Tls)] {
            for listener in listeners {
                sessions.spawn(Arc::clone(&gate).accept_all(listener, greeting));
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            // Ends at once where there is no name to resolve, so the wait goes on for the stop alone.
            () = async { service.advertiser.keep_resolved().await; std::future::pending().await } => {}
            () = async { if let Some(tls) = &service.tls { tls.keep_fresh().await } else { std::future::pending().await } } => {}
            () = events::keep_telling_floods() => {}
            never = sweeping::sweep_hourly(&service) => match never {},
        }
        sessions.close();
        let grace = service.settings.shutdown_grace.limit().unwrap_or_default();
        if timeout(grace, sessions.wait()).await.is_err() {
            steps.halt.cancel();
            sessions.wait().await;
        }
        events::tell_all_floods();
    }
}
