//! HTTP for those who look after the server: probes, Prometheus, and a page. It tells, and changes nothing.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `answer` | which path has which answer |
//! | `crowd` | who is connected, and who leaves when others come |
//! | `figures` | how things stand, and what was counted |
//! | `page` | the status page for people, and what it asks for |
//! | `token` | who may see it |
//! | `readiness` | whether clients may be sent here |
//!
//! A server listens, and has its users, before it answers here. It answers until its last session is over.

mod answer;
mod crowd;
mod figures;
mod page;
mod readiness;
mod token;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::observe::events;
use crate::session::Service;
pub use crowd::MOST;
use crowd::{Crowd, Ticket};
use readiness::Readiness;
use token::Doorkeeper;

/// What a connection may take from its beginning to its end. It has one request, and is no session.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the head of the request may take of it.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// The longest head of a request, in bytes, and the most lines in it.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// A pause before the next attempt, when descriptors have run out say.
const PAUSE: Duration = Duration::from_millis(100);

/// What is told by HTTP, and to how many at once.
pub struct Http {
    in_force: watch::Receiver<Arc<Service>>,
    draining: CancellationToken,
    readiness: Readiness,
    crowd: Crowd,
    doorkeeper: Doorkeeper,
}

impl Http {
    /// Tells of the service in force, and, once `draining` is cancelled, that the server ends.
    #[must_use]
    pub fn new(in_force: watch::Receiver<Arc<Service>>, draining: CancellationToken) -> Self {
        let (readiness, crowd) = (Readiness::default(), Crowd::default());
        Self { in_force, draining, readiness, crowd, doorkeeper: Doorkeeper::new() }
    }

    /// Answers for ever. Its connections end with it.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> Infallible {
        let mut connections = JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let ticket = self.crowd.enter(peer.ip());
                    drop(connections.spawn(Arc::clone(&self).converse(stream, peer.ip(), ticket)));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    events::accept_failed(&error);
                    sleep(PAUSE).await;
                }
            }
            // Those that are over, by a panic maybe, which the log has told of.
            while connections.try_join_next().is_some() {}
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream, peer: IpAddr, ticket: Ticket) {
        let answer = service_fn(|request| {
            let http = Arc::clone(&self);
            ticket.asks();
            async move { Ok::<_, Infallible>(http.answer(&request, peer).await) }
        });
        let mut http1 = http1::Builder::new();
        http1.keep_alive(false).max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
        http1.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
        // Whoever speaks something else, or too slowly, has an error of his own.
        tokio::select! {
            _ = timeout(PATIENCE, http1.serve_connection(TokioIo::new(stream), answer)) => {}
            () = ticket.leave.cancelled() => {}
        }
    }

    fn service(&self) -> Arc<Service> {
        Arc::clone(&self.in_force.borrow())
    }
}
