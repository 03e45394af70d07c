//! A certificate chain and its key: read from PEM files, or made.

use std::path::Path;

use tokio_rustls::rustls::Error;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::{Options, wrong};

/// A chain, the server's own certificate first, and the key to that.
#[derive(Debug)]
pub(super) struct Pair {
    /// Never empty.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Pair {
    /// Reads both files.
    pub(super) fn read(cert: &Path, key: &Path) -> Result<Self, String> {
        let text = std::fs::read(cert).map_err(|error| wrong("tls_cert", cert, &error))?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong("tls_cert", cert, &error))?;
        if chain.is_empty() {
            return Err(wrong("tls_cert", cert, &"no certificate is in it, expected PEM"));
        }
        let text = std::fs::read(key).map_err(|error| wrong("tls_key", key, &error))?;
        // What was found instead is not told: it may be a part of the key.
        let key = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|_| wrong("tls_key", key, &"no private key is in it, expected PEM without a passphrase"))?;
        Ok(Self { chain, key })
    }

    /// Another one with the same content: keys have no `Clone`, lest they be copied unseen.
    pub(super) fn copy(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }

    /// Whether the key is that of the certificate.
    pub(super) fn is_one(&self) -> bool {
        let key = default_provider().key_provider.load_private_key(self.key.clone_key());
        key.is_ok_and(|key| CertifiedKey::new(self.chain.clone(), key).keys_match().is_ok())
    }
}

/// Why a chain and a key cannot be used together.
pub(super) fn mismatch(options: &Options, error: &Error) -> String {
    let Some((cert, key)) = &options.pair else { return format!("tls: {error}") };
    match error {
        Error::InconsistentKeys(_) => wrong("tls_key", key, &format_args!("not the key of {}", cert.display())),
        Error::InvalidCertificate(_) => wrong("tls_cert", cert, error),
        _ => wrong("tls_key", key, error),
    }
}
