//! TLS: whom clients see, and how a session's data connections are tied to its control connection (RFC 4217).

mod certificate;
mod pair;
mod shield;
mod stream;
mod tickets;

pub use certificate::Certificate;
pub use shield::{Exposed, Failed, Secured, Shield};
pub use stream::MaybeTls;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::server::{ProducesTickets, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, version};

use crate::files::off_reactor;
use crate::observe::events;
use crate::settings::{SessionReuse, TlsVersion};
use pair::Pair;

/// How often the files are looked at, to see whether they have changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A certificate that ends sooner than this is warned about.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
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
    /// What a pair that is made is made for.
    pub own_names: Vec<String>,
}

/// TLS as it is in force, for every session that begins to speak it.
#[derive(Debug)]
pub struct Tls {
    options: Options,
    tickets: Arc<dyn ProducesTickets>,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    certificate: Certificate,
    /// As they were before the files were read.
    ages: Ages,
}

/// When the files were changed last; absent ones count as well.
type Ages = Vec<Option<SystemTime>>;

impl Tls {
    /// Reads the files, or makes a pair.
    ///
    /// # Errors
    /// A sentence that names the setting, the file, and what is wrong with it.
    pub fn load(options: Options) -> Result<Self, String> {
        let current = Current::load(&options)?;
        let tickets = Ticketer::new().map_err(|error| format!("tls: no tickets can be made: {error}"))?;
        Ok(Self { options, tickets, current: RwLock::new(current) })
    }

    /// The TLS of one session that begins now.
    #[must_use]
    pub fn shield(&self) -> Arc<Shield> {
        let current = self.current();
        Arc::new(Shield::new(Arc::clone(&current.config), &self.tickets, self.options.session_reuse))
    }

    /// The certificate that clients see now.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        self.current().certificate.clone()
    }

    /// What an operator should know of the certificate.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let certificate = self.certificate();
        let mut warnings = Vec::new();
        if self.options.pair.is_none() {
            warnings.push(format!(
                "tls_cert: none is set, so one was made that no client can verify, and another one at each start; its \
                 SHA-256 fingerprint is {}",
                certificate.fingerprint
            ));
        }
        if let Some(warning) = certificate.warning(SOON) {
            warnings.push(format!("tls_cert: {warning}"));
        }
        warnings
    }

    /// Reads the files anew. What is wrong with them changes nothing.
    ///
    /// # Errors
    /// As [`Tls::load`], and a certificate that is not valid now.
    pub fn reload(&self) -> Result<(), String> {
        if self.options.pair.is_none() && self.options.client_ca.is_none() {
            return Ok(());
        }
        let fresh = Current::load(&self.options)?;
        if let Some(why) = fresh.certificate.invalid_now() {
            return Err(format!("tls_cert: {why}"));
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Follows changes of the files, for ever. A change is taken when two looks in a row see the same, so that files
    /// are not read while they are written.
    pub async fn keep_fresh(&self) {
        let paths = self.options.files();
        if paths.is_empty() {
            return std::future::pending().await;
        }
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut refused) = (None, None);
        loop {
            looks.tick().await;
            let looked_at = paths.clone();
            let ages = Some(off_reactor(move || ages(&looked_at)).await);
            if ages == seen && ages != refused && ages.as_ref() != Some(&self.current().ages) {
                match self.reload() {
                    Ok(()) => events::certificate_reloaded(&self.certificate().to_string()),
                    Err(why) => {
                        events::certificate_kept(&why);
                        refused.clone_from(&ages);
                    }
                }
            }
            seen = ages;
        }
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Options {
    /// The files that are read.
    fn files(&self) -> Vec<PathBuf> {
        self.pair.iter().flat_map(|(cert, key)| [cert, key]).chain(&self.client_ca).cloned().collect()
    }
}

fn ages(paths: &[PathBuf]) -> Ages {
    paths.iter().map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok()).collect()
}

impl Current {
    fn load(options: &Options) -> Result<Self, String> {
        let ages = ages(&options.files());
        let pair = match &options.pair {
            Some((cert, key)) => Pair::read(cert, key)?,
            None => Pair::make(&options.own_names)?,
        };
        let certificate = Certificate::read(&pair.chain[0])?;
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
        let mut config =
            builder.with_single_cert(pair.chain, pair.key).map_err(|error| pair::mismatch(options, &error))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { config: Arc::new(config), certificate, ages })
    }
}

fn client_roots(path: &std::path::Path) -> Result<RootCertStore, String> {
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
fn wrong(setting: &str, path: &std::path::Path, why: &dyn std::fmt::Display) -> String {
    format!("{setting}: {}: {why}", path.display())
}

#[cfg(test)]
mod tests;
