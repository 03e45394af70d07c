//! Sockets into sessions: the listeners, the command loop, and the end of it all.

mod accept;
mod connection;
mod control;
mod prepare;
mod signals;
mod start;

pub use prepare::{Complaints, Homes, Prepared, prepare};
pub use start::{build_service, fit_out_process, log_settings, runtime, start_screen};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::session::Service;

/// A server that listens and has not accepted anybody yet.
pub struct Server {
    service: Arc<Service>,
    listeners: Vec<TcpListener>,
}

impl Server {
    /// Binds the addresses of the settings.
    ///
    /// # Errors
    /// The address that could not be bound, and why.
    pub fn bind(service: Service) -> Result<Self, (SocketAddr, io::Error)> {
        let settings = &service.settings;
        let listeners = accept::listen(&settings.ip.iter().collect::<Vec<_>>(), settings.port)?;
        Ok(Self { service: Arc::new(service), listeners })
    }

    /// Where it listens; with port 0 in the settings this tells which port it became.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until SIGTERM or SIGINT, then ends every session; a second signal does not wait for them.
    ///
    /// # Errors
    /// The signal handlers could not be installed.
    pub async fn run_until_signalled(self) -> io::Result<()> {
        let stop = CancellationToken::new();
        let seats = self.service.seats.clone();
        tokio::select! {
            // Ends by itself only with the second signal or an error: the first one cancels `stop`.
            signalled = signals::watch(&stop, || seats.taken()) => signalled,
            () = self.run(stop.clone()) => Ok(()),
        }
    }

    /// Serves until `stop` is cancelled, then ends every session: idle ones with 421, transfers with 426 before it.
    pub async fn run(self, stop: CancellationToken) {
        let Self { service, listeners } = self;
        let sessions = TaskTracker::new();
        let gate = Arc::new(accept::Gate::new(Arc::clone(&service), sessions.clone(), stop.clone()));
        for listener in listeners {
            let gate = Arc::clone(&gate);
            sessions.spawn(async move { gate.accept_all(listener).await });
        }
        tokio::select! {
            () = stop.cancelled() => {}
            // Ends at once where there is no name to resolve, so the wait goes on for the stop alone.
            () = async { service.advertiser.keep_resolved().await; std::future::pending().await } => {}
        }
        sessions.close();
        sessions.wait().await;
    }
}
