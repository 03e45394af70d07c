//! HTTP for those who look after the server: probes, Prometheus, and a page. It tells, and changes nothing.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `answer` | which path has which answer |
//! | `figures` | how things stand, and what was counted |
//! | `page` | the status page for people, and what it asks for |
//! | `token` | who may see it |
//! | `readiness` | whether clients may be sent here |
//!
//! A server listens, and has its users, before it answers here. It answers until its last session is over.

mod answer;
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
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::observe::events;
use crate::session::Service;
use readiness::Readiness;
use token::Doorkeeper;

/// The most connections there are at once; others wait for their turn. They are no sessions, and count as none.
const MAX_CONNECTIONS: usize = 64;
/// What a connection may take from its beginning to its end. It has one request.
const PATIENCE: Duration = Duration::from_secs(10);
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
    room: Arc<Semaphore>,
    doorkeeper: Doorkeeper,
}

impl Http {
    /// Tells of the service in force, and, once `draining` is cancelled, that the server ends.
    #[must_use]
    pub fn new(in_force: watch::Receiver<Arc<Service>>, draining: CancellationToken) -> Self {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { in_force, draining, readiness: Readiness::default(), room, doorkeeper: Doorkeeper::new() }
    }

    /// Answers for ever. Its connections end with it.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> Infallible {
        let mut connections = JoinSet::new();
        loop {
            match self.accept(&listener).await {
                Ok((stream, peer, room)) => drop(connections.spawn(Arc::clone(&self).converse(stream, peer, room))),
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

    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        Ok((stream, peer.ip(), room))
    }

    async fn converse(self: Arc<Self>, stream: TcpStream, peer: IpAddr, _room: OwnedSemaphorePermit) {
        let answer = service_fn(|request| {
            let http = Arc::clone(&self);
            async move { Ok::<_, Infallible>(http.answer(&request, peer).await) }
        });
        let mut http1 = http1::Builder::new();
        http1.keep_alive(false).max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
        // Whoever speaks something else, or too slowly, has an error of his own.
        let _ = timeout(PATIENCE, http1.serve_connection(TokioIo::new(stream), answer)).await;
    }

    fn service(&self) -> Arc<Service> {
        Arc::clone(&self.in_force.borrow())
    }
}
