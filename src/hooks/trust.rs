//! Whom `https://` receivers must be known to.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use webpki_roots::TLS_SERVER_ROOTS;

/// The authorities that are believed.
#[derive(Debug, Clone)]
pub struct Trust {
    authorities: Arc<RootCertStore>,
    pub(super) config: Arc<ClientConfig>,
}

impl Trust {
    /// Those of this PEM file, or those that browsers believe: they are in the program, for a container may have no file of
    /// them.
    ///
    /// # Errors
    /// A sentence that names the setting, the file, and what is wrong with it.
    pub fn load(file: Option<&Path>) -> Result<Self, String> {
        let mut authorities = RootCertStore::empty();
        match file {
            None => authorities.extend(TLS_SERVER_ROOTS.iter().cloned()),
            Some(file) => {
                let wrong = |why: &dyn std::fmt::Display| format!("hook_ca: {}: {why}", file.display());
                let text = std::fs::read(file).map_err(|error| wrong(&error))?;
                for certificate in CertificateDer::pem_slice_iter(&text) {
                    let certificate = certificate.map_err(|error| wrong(&error))?;
                    authorities.add(certificate).map_err(|error| wrong(&error))?;
                }
                if authorities.is_empty() {
                    return Err(wrong(&"no certificate is in it, expected PEM"));
                }
            }
        }
        let authorities = Arc::new(authorities);
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("hook_ca: {error}"))?
            .with_root_certificates(Arc::clone(&authorities))
            .with_no_client_auth();
        Ok(Self { authorities, config: Arc::new(config) })
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.authorities.roots == other.authorities.roots
    }
}
