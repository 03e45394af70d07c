//! TLS: whom clients see, and how a session's data connections are tied to its control connection (RFC 4217).

mod certificate;
mod newcomer;
mod own;
mod pair;
mod shield;
mod stream;
mod tickets;

pub use certificate::Certificate;
pub use own::Own;
use shield::Rules;
pub use shield::{Exposed, Failed, Secured, Shield};
pub use stream::MaybeTls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::server::{ProducesTickets, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, version};

use crate::settings::{CloseNotify, SessionReuse, TlsVersion};
use own::Made;
use pair::Pair;

/// A certificate that ends sooner than this is warned about.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How long a handshake may take at most.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The name of FTP in ALPN. A client that offers others only means another server, or is made to (ALPACA).
const ALPN: &[u8] = b"ftp";

/// What the settings say of TLS.
#[derive(Debug, Clone)]
pub struct Options {
    /// PEM files of the certificate chain and its key; without them a pair is made.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// PEM file of those who may vouch for clients.
    pub client_ca: Option<PathBuf>,
    /// Nothing older is spoken.
    pub min_version: TlsVersion,
    /// Whether data connections must resume the session of their control connection.
    pub session_reuse: SessionReuse,
    /// Whether TLS must say where an upload ends.
    pub close_notify: CloseNotify,
    /// How long a handshake may take; at most 10 seconds in any case.
    pub handshake_limit: Option<Duration>,
    /// What becomes of a pair that is made.
    pub own: Own,
}

/// TLS as it is in force, for every session that begins meanwhile.
#[derive(Debug)]
pub struct Tls {
    rules: Rules,
    tickets: Arc<dyn ProducesTickets>,
    config: Arc<ServerConfig>,
    certificate: Certificate,
    /// The pair that was made, where none is set.
    made: Option<Arc<Made>>,
}

impl Tls {
    /// Reads the files, or makes a pair. Where there was TLS `before`, its tickets are good still, and the pair that was
    /// made for it, if one was, is kept.
    ///
    /// # Errors
    /// A sentence that names the setting, the file, and what is wrong with it.
    pub fn load(options: &Options, before: Option<&Self>) -> Result<Self, String> {
        let (pair, made) = match (&options.pair, before.and_then(|before| before.made.as_ref())) {
            (Some((cert, key)), _) => (Pair::read(cert, key)?, None),
            (None, Some(made)) if !made.is_due() => (made.pair.copy(), Some(Arc::clone(made))),
            (None, _) => {
                let made = Made::load(&options.own)?;
                (made.pair.copy(), Some(Arc::new(made)))
            }
        };
        let certificate = Certificate::read(&pair.chain[0])?;
        let tickets = match before {
            Some(before) => Arc::clone(&before.tickets),
            None => Ticketer::new().map_err(|error| format!("tls: no tickets can be made: {error}"))?,
        };
        let config = Arc::new(config(options, pair)?);
        let rules = Rules {
            reuse: options.session_reuse,
            close_notify: options.close_notify,
            handshake: options.handshake_limit.map_or(HANDSHAKE, |limit| limit.min(HANDSHAKE)),
        };
        Ok(Self { rules, tickets, config, certificate, made })
    }

    /// The TLS of one session that begins now.
    #[must_use]
    pub fn shield(&self) -> Arc<Shield> {
        Arc::new(Shield::new(Arc::clone(&self.config), &self.tickets, self.rules))
    }

    /// Keeps the pair that was made, if one was, for the next start. Blocks. Tells what an operator should know of that.
    #[must_use]
    pub fn keep(&self) -> Option<String> {
        self.made.as_ref()?.keep()
    }

    /// When another pair is to be made; never where one is set.
    #[must_use]
    pub fn due_in(&self) -> Option<Duration> {
        Some(self.made.as_ref()?.due_in())
    }

    /// The certificate that clients see.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What an operator should know of the certificate.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let certificate = &self.certificate;
        let mut warnings = Vec::new();
        if self.made.is_some() {
            warnings.push(format!(
                "tls_cert: none is set, so one was made that no client can verify; its SHA-256 fingerprint is {}",
                certificate.fingerprint
            ));
        }
        if let Some(warning) = certificate.warning(SOON) {
            warnings.push(format!("tls_cert: {warning}"));
        }
        warnings
    }
}

impl Options {
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.pair.iter().flat_map(|(cert, key)| [cert, key]).chain(&self.client_ca).map(PathBuf::as_path)
    }
}

fn config(options: &Options, pair: Pair) -> Result<ServerConfig, String> {
    let versions = match options.min_version {
        TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12][..],
        TlsVersion::Tls13 => &[&version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .map_err(|error| format!("tls_min_version: {error}"))?;
    let builder = match &options.client_ca {
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::new(client_roots(path)?),
                Arc::new(default_provider()),
            );
            // Whoever has no certificate logs in with a password.
            let verifier = verifier.allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(|error| wrong("tls_client_ca", path, &error))?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(pair.chain, pair.key).map_err(|error| pair::mismatch(options, &error))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn client_roots(path: &Path) -> Result<RootCertStore, String> {
    let text = std::fs::read(path).map_err(|error| wrong("tls_client_ca", path, &error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| wrong("tls_client_ca", path, &error))?;
        roots.add(certificate).map_err(|error| wrong("tls_client_ca", path, &error))?;
    }
    if roots.is_empty() {
        return Err(wrong("tls_client_ca", path, &"no certificate is in it"));
    }
    Ok(roots)
}

/// What is wrong with the file of a setting.
fn wrong(setting: &str, path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("{setting}: {}: {why}", path.display())
}

#[cfg(test)]
mod tests;
