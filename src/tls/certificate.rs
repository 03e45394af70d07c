//! What a certificate says: for whom, until when.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::certificate::{Validity, X509Certificate};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

/// What is told of a certificate, ours or a client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The common name, if it has one, and the host names and mail addresses it is for.
    pub names: Vec<String>,
    /// SHA-256 of all of it, as clients show it.
    pub fingerprint: String,
    validity: Validity,
}

impl Certificate {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, certificate) =
            parse_x509_certificate(der).map_err(|error| format!("tls_cert: no certificate: {error}"))?;
        let names = names(&certificate);
        Ok(Self { names, fingerprint: fingerprint(der), validity: certificate.validity().clone() })
    }

    /// The names in a client's certificate, which the handshake has verified; none in what cannot be read.
    #[must_use]
    pub fn names_in(der: &CertificateDer<'_>) -> Vec<String> {
        parse_x509_certificate(der).map_or_else(|_| Vec::new(), |(_, certificate)| names(&certificate))
    }

    /// Why it is not valid now, if it is not.
    #[must_use]
    pub fn invalid_now(&self) -> Option<String> {
        let (now, Validity { not_before, not_after }) = (ASN1Time::now(), &self.validity);
        if now > *not_after {
            Some(format!("the certificate has been out of date since {not_after}"))
        } else if now < *not_before {
            Some(format!("the certificate is not valid before {not_before}"))
        } else {
            None
        }
    }

    /// How long it is valid still; nothing if it is not.
    #[must_use]
    pub fn left(&self) -> Duration {
        let Some(left) = self.validity.time_to_expiration() else { return Duration::ZERO };
        left.unsigned_abs()
    }

    /// What an operator should know of its dates, `soon` being how long is long enough.
    #[must_use]
    pub fn warning(&self, soon: Duration) -> Option<String> {
        self.invalid_now().or_else(|| {
            let left = self.validity.time_to_expiration()?;
            (left.unsigned_abs() < soon).then(|| format!("the certificate ends on {}", self.validity.not_after))
        })
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, fingerprint, validity } = self;
        write!(f, "{}, until {}, SHA-256 {fingerprint}", names.join(" "), validity.not_after)
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let others = alternative.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) => Some(*name),
        _ => None,
    });
    let mut names: Vec<String> = Vec::new();
    for name in common.chain(others) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}
