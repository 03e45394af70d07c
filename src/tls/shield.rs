//! The TLS of one session: of its control connection, and of the data connections that belong to it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::{NoServerSessionStorage, ProducesTickets};
use tokio_rustls::rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use tokio_rustls::server::TlsStream;

use super::certificate::Certificate;
use super::newcomer;
use super::stream::MaybeTls;
use super::tickets::{OwnSession, OwnTickets};
use crate::limits::Direction;
use crate::settings::{CloseNotify, SessionReuse, TlsVersion};

/// How long a client that is refused may take to find that out.
const FAREWELL: Duration = Duration::from_secs(2);
/// Tickets for the control connection. Some clients use each once; none is known to keep more.
const CONTROL_TICKETS: usize = 4;
/// More of them, for clients that use each once, while they read what is sent to them anyway.
const DOWNLOAD_TICKETS: usize = 1;
/// None for an uploading client, who does not read: closing a connection with unread bytes in it is a reset, which
/// may take the last bytes of the upload with it.
const UPLOAD_TICKETS: usize = 0;

/// What the handshakes of one session have in common: the certificate they began with, and the tickets that tie the
/// data connections to the control connection.
#[derive(Debug)]
pub struct Shield {
    config: Arc<ServerConfig>,
    /// What the session is resumed by; none where it cannot be.
    resumption: Option<(Arc<OwnTickets>, Arc<OwnSession>)>,
    rules: Rules,
}

/// What the settings say of each session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) reuse: SessionReuse,
    /// Whether TLS must say where an upload ends.
    pub(super) close_notify: CloseNotify,
    /// How long a handshake may take.
    pub(super) handshake: Duration,
}

/// A control connection that speaks TLS, as its session sees it.
#[derive(Debug, Clone)]
pub struct Secured {
    shield: Arc<Shield>,
    /// The client's own certificate, which `tls_client_ca` has vouched for.
    client: Option<Client>,
    /// TLS version and cipher suite, for the log.
    pub parameters: String,
    /// TLS version, as `tls_min_version` has it.
    pub version: TlsVersion,
}

#[derive(Debug, Clone)]
struct Client {
    der: CertificateDer<'static>,
    names: Vec<String>,
}

/// A handshake that failed: why, and on what.
pub type Failed<S> = (io::Error, Option<S>);

/// Why a data connection is not protected.
#[derive(Debug)]
pub enum Exposed {
    /// The handshake failed.
    Handshake(io::Error),
    /// It was one of its own, and `tls_session_reuse` is `require`.
    NotResumed,
    /// The client showed another certificate, or none, than on the control connection.
    OtherCertificate,
}

impl Shield {
    pub(super) fn new(config: Arc<ServerConfig>, keys: &Arc<dyn ProducesTickets>, rules: Rules) -> Self {
        let resumption = match rules.reuse {
            SessionReuse::Off => None,
            SessionReuse::Prefer | SessionReuse::Require => {
                OwnTickets::new(keys).map(|tickets| (Arc::new(tickets), Arc::default()))
            }
        };
        Self { config, resumption, rules }
    }

    /// Makes the handshake of the control connection.
    ///
    /// # Errors
    /// What went wrong with it, or [`io::ErrorKind::TimedOut`]; and the connection, to be closed, if it is still there.
    pub async fn secure_control<S>(self: &Arc<Self>, stream: S) -> Result<(TlsStream<S>, Secured), Failed<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = handshake(self.config(CONTROL_TICKETS), stream, self.rules.handshake).await?;
        let tls = stream.get_ref().1;
        let client = certificate_of(tls).map(|der| Client { der: der.clone(), names: Certificate::names_in(der) });
        let secured = Secured { shield: Arc::clone(self), client, parameters: parameters(tls), version: version(tls) };
        Ok((stream, secured))
    }

    /// What one handshake goes by.
    fn config(&self, tickets: usize) -> ServerConfig {
        let mut config = ServerConfig::clone(&self.config);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if let Some((own, session)) = &self.resumption {
            config.send_tls13_tickets = tickets;
            config.ticketer = own.clone();
            config.session_storage = session.clone();
        }
        config
    }
}

async fn handshake<S>(config: ServerConfig, stream: S, limit: Duration) -> Result<TlsStream<S>, Failed<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = TlsAcceptor::from(Arc::new(config)).accept(stream).into_fallible();
    match timeout(limit, handshake).await {
        Ok(made) => made.map_err(|(error, stream)| (error, Some(stream))),
        Err(_) => Err((io::ErrorKind::TimedOut.into(), None)),
    }
}

impl Secured {
    /// The names in the client's certificate; none without one.
    #[must_use]
    pub fn client_names(&self) -> &[String] {
        self.client.as_ref().map_or(&[], |client| &client.names)
    }

    /// Makes the handshake of a data connection. The server of FTP is that of TLS, whoever connected (RFC 4217 section 7).
    ///
    /// # Errors
    /// The connection is not to be used.
    pub async fn protect<S>(&self, stream: S, direction: Direction) -> Result<MaybeTls<S>, Exposed>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let tickets = match direction {
            Direction::Upload => UPLOAD_TICKETS,
            Direction::Download => DOWNLOAD_TICKETS,
        };
        let mut config = self.shield.config(tickets);
        if self.shield.rules.reuse == SessionReuse::Require {
            newcomer::sent_off_with_nothing(&mut config);
        }
        let stream = handshake(config, stream, self.shield.rules.handshake)
            .await
            .map_err(|(error, _)| Exposed::Handshake(error))?;
        match self.objection(stream.get_ref().1) {
            None => Ok(match (direction, self.shield.rules.close_notify) {
                (Direction::Upload, CloseNotify::Accept) => MaybeTls::Lenient(Box::new(stream)),
                (Direction::Upload, CloseNotify::Require) | (Direction::Download, _) => {
                    MaybeTls::Secured(Box::new(stream))
                }
            }),
            Some(why) => {
                dismiss(stream, direction).await;
                Err(why)
            }
        }
    }

    /// What is wrong with a data connection whose handshake was made.
    fn objection(&self, tls: &ServerConnection) -> Option<Exposed> {
        if self.shield.rules.reuse == SessionReuse::Require && tls.handshake_kind() != Some(HandshakeKind::Resumed) {
            return Some(Exposed::NotResumed);
        }
        let client = self.client.as_ref()?;
        (certificate_of(tls) != Some(&client.der)).then_some(Exposed::OtherCertificate)
    }
}

/// Ends a connection so that its client finds an end: a reset, which is what comes of bytes that nobody reads, would be
/// all that many a client tells of it, and not the reply that says why. One who waits for a file is not told that the end
/// of it was reached.
async fn dismiss<S: AsyncRead + AsyncWrite + Unpin>(mut stream: TlsStream<S>, direction: Direction) {
    let parting = async {
        match direction {
            Direction::Upload => stream.shutdown().await?,
            Direction::Download => stream.get_mut().0.shutdown().await?,
        }
        let mut unwanted = [0; 1024];
        while stream.get_mut().0.read(&mut unwanted).await? > 0 {}
        io::Result::Ok(())
    };
    // However it ends, it is over.
    let _ = timeout(FAREWELL, parting).await;
}

fn certificate_of(tls: &ServerConnection) -> Option<&CertificateDer<'static>> {
    tls.peer_certificates()?.first()
}

fn version(tls: &ServerConnection) -> TlsVersion {
    let is_newest = tls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    if is_newest { TlsVersion::Tls13 } else { TlsVersion::Tls12 }
}

fn parameters(tls: &ServerConnection) -> String {
    let version = tls.protocol_version().and_then(|version| version.as_str());
    let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    format!("{} {}", version.unwrap_or("TLS"), suite.unwrap_or_default())
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(error) => write!(f, "the TLS handshake failed: {error}"),
            Self::NotResumed => f.write_str("the TLS session of the control connection was not resumed"),
            Self::OtherCertificate => f.write_str("not the client certificate of the control connection"),
        }
    }
}
