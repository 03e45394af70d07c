//! The pair that the server makes for itself where none is set: kept, so that its fingerprint stays what clients were told.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use rustix::fs::OFlags;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::parse_x509_certificate;

use super::certificate::Certificate;
use super::pair::Pair;

/// How long a pair that is made is valid, in days.
const VALID_FOR: i64 = 365;
/// A pair that ends sooner than this is replaced.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The file's name in the directory. It holds the certificate and, behind it, the key, both as DER.
const NAME: &str = "own.der";
/// Longer is no pair of ours, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Where the pair is kept, and for whom it is made.
#[derive(Debug, Clone)]
pub struct Own {
    /// The directory, of which nobody else may write the one above it.
    pub directory: PathBuf,
    /// The host names and addresses that the certificate is for.
    pub names: Vec<String>,
    /// Who may own the file besides the user of this process.
    pub owner: Option<u32>,
}

/// A pair of the server's own.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) pair: Pair,
    pub(super) certificate: Certificate,
    file: PathBuf,
    is_kept: AtomicBool,
    /// Why the one that was kept is not used.
    trouble: Option<String>,
}

impl Made {
    /// The one that is kept, or a new one.
    pub(super) fn load(own: &Own) -> Result<Self, String> {
        match Self::read(own) {
            Ok(Some(made)) if !made.is_due() => Ok(made),
            Ok(_) => Self::make(own, None),
            Err(error) => Self::make(own, Some(error.to_string())),
        }
    }

    fn read(own: &Own) -> io::Result<Option<Self>> {
        let file = own.directory.join(NAME);
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&file);
        let opened = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let found = opened.metadata()?;
        let is_ours = [Some(nix::unistd::geteuid().as_raw()), own.owner].contains(&Some(found.uid()));
        if !found.is_file() || !is_ours || found.mode() & 0o077 != 0 {
            return Err(invalid("expected a file of the server's user that nobody else may read or write (mode 600)"));
        }
        let mut der = Vec::new();
        opened.take(LONGEST).read_to_end(&mut der)?;
        let no_pair = || invalid("expected a certificate and its key, as this server writes them");
        let (key, _) = parse_x509_certificate(&der).map_err(|_| no_pair())?;
        let chain = vec![CertificateDer::from(der[..der.len() - key.len()].to_vec())];
        let key = PrivateKeyDer::try_from(key.to_vec()).map_err(|_| no_pair())?;
        let pair = Pair { chain, key };
        if !pair.is_one() {
            return Err(no_pair());
        }
        let certificate = Certificate::read(&pair.chain[0]).map_err(invalid)?;
        Ok(Some(Self { pair, certificate, file, is_kept: AtomicBool::new(true), trouble: None }))
    }

    fn make(own: &Own, trouble: Option<String>) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| {
            format!("tls: no certificate could be made for {}: {error}", own.names.join(", "))
        };
        let mut params = CertificateParams::new(own.names.clone()).map_err(|error| wrong(&error))?;
        params.distinguished_name.push(DnType::CommonName, "longshore");
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        // Clocks differ, and a client's may be behind.
        let at =
            |date: Date| date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs());
        params.not_before = at(today.saturating_sub(1.day()));
        params.not_after = at(today.saturating_add(VALID_FOR.days()));
        let key = KeyPair::generate().map_err(|error| wrong(&error))?;
        let made = params.self_signed(&key).map_err(|error| wrong(&error))?;
        let chain = vec![made.der().clone()];
        let certificate = Certificate::read(&chain[0])?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| wrong(&error))?;
        let (file, is_kept) = (own.directory.join(NAME), AtomicBool::new(false));
        Ok(Self { pair: Pair { chain, key }, certificate, file, is_kept, trouble })
    }

    /// Whether another one is to be made.
    pub(super) fn is_due(&self) -> bool {
        self.certificate.warning(RENEWED_BEFORE).is_some()
    }

    /// How long it is used.
    pub(super) fn due_in(&self) -> Duration {
        self.certificate.left().saturating_sub(RENEWED_BEFORE)
    }

    /// Writes it to its file, if that was not done before. Tells what went wrong.
    pub(super) fn keep(&self) -> Option<String> {
        if self.is_kept.load(Ordering::Relaxed) {
            return None;
        }
        let file = self.file.display();
        let was_bad = self.trouble.as_ref().map(|why| format!("tls_cert: {file} was not used: {why}"));
        match self.write() {
            Ok(()) => {
                self.is_kept.store(true, Ordering::Relaxed);
                was_bad
            }
            Err(error) => Some(format!(
                "tls_cert: the certificate that was made cannot be kept in {file}, so the next start makes another one: \
                 {error}; expected a directory that the server may write (beside hook_spool)"
            )),
        }
    }

    /// What goes into the file.
    fn bytes(&self) -> Vec<u8> {
        [&self.pair.chain[0], self.pair.key.secret_der()].concat()
    }

    /// In one step: a server that is killed leaves the old file or the new one.
    fn write(&self) -> io::Result<()> {
        let directory = self.file.parent().unwrap_or(Path::new("/"));
        if let Some(above) = directory.parent() {
            DirBuilder::new().recursive(true).create(above)?;
        }
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !fs::symlink_metadata(directory)?.is_dir() {
            return Err(invalid("expected a directory of the server's own"));
        }
        let draft = directory.join(format!("{NAME}.{}", std::process::id()));
        let written = write_new(&draft, &self.bytes()).and_then(|()| fs::rename(&draft, &self.file));
        if written.is_err() {
            // What is left of it is of no use.
            let _ = fs::remove_file(&draft);
        }
        written
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // One of a server that was killed here.
    let _ = fs::remove_file(path);
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}
