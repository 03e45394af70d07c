//! The files of the certificate: read and refused.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

fn write_pair(folder: &Path, change: impl FnOnce(&mut CertificateParams)) {
    let mut params = CertificateParams::new(vec!["ftp.example.org".to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

fn options(folder: &Path) -> Options {
    Options {
        pair: Some((folder.join("cert.pem"), folder.join("key.pem"))),
        client_ca: None,
        min_version: TlsVersion::Tls12,
        session_reuse: SessionReuse::Prefer,
        close_notify: CloseNotify::Require,
        handshake_limit: None,
        own_names: vec!["localhost".to_owned()],
    }
}

#[test]
fn without_files_a_pair_is_made_and_its_fingerprint_told() {
    let own = Options { pair: None, ..options(Path::new("/")) };
    let tls = Tls::load(&own, None).unwrap();
    let certificate = tls.certificate();
    assert!(certificate.names.contains(&"localhost".to_owned()), "{certificate}");
    assert_eq!(certificate.fingerprint.len(), 95);
    let [warning] = tls.warnings().try_into().unwrap();
    assert!(warning.starts_with("tls_cert: none is set") && warning.contains(&certificate.fingerprint), "{warning}");
    assert_ne!(Tls::load(&own, None).unwrap().certificate(), certificate);

    // It is kept as long as none is set, whatever else changes.
    let other = Options { min_version: TlsVersion::Tls13, own_names: vec!["other".to_owned()], ..own };
    let after = Tls::load(&other, Some(&tls)).unwrap();
    assert_eq!(after.certificate(), certificate);
    assert_eq!(after.warnings(), tls.warnings());
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), |_| {});
    let set = Tls::load(&options(folder.path()), Some(&after)).unwrap();
    assert_ne!(set.certificate(), certificate);
    assert_eq!(set.warnings(), Vec::<String>::new());
}

/// F23: whatever is wrong with the files is told by setting and file.
#[test]
fn a_bad_pair_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    write_pair(folder.path(), |_| {});
    let texts = [&cert, &key].map(|path| std::fs::read(path).unwrap());
    let other_key = KeyPair::generate().unwrap().serialize_pem();
    let half = |text: &[u8]| text[..text.len() / 2].to_vec();
    type Spoil<'a> = Box<dyn Fn() + 'a>;
    let spoilt: [(&str, Spoil<'_>); 8] = [
        ("tls_cert", Box::new(|| std::fs::write(&cert, half(&texts[0])).unwrap())),
        ("tls_cert", Box::new(|| std::fs::write(&cert, b"").unwrap())),
        ("tls_cert", Box::new(|| std::fs::write(&cert, b"\0\xff no PEM").unwrap())),
        ("tls_cert", Box::new(|| std::fs::remove_file(&cert).unwrap())),
        ("tls_key", Box::new(|| std::fs::write(&key, half(&texts[1])).unwrap())),
        ("tls_key", Box::new(|| std::fs::write(&key, &other_key).unwrap())),
        ("tls_key", Box::new(|| std::fs::write(&key, &texts[0]).unwrap())),
        ("tls_key", Box::new(|| std::fs::remove_file(&key).unwrap())),
    ];
    for (setting, spoil) in spoilt {
        spoil();
        let why = Tls::load(&options(folder.path()), None).unwrap_err();
        assert!(why.starts_with(setting), "expected {setting}: {why}");
        assert!(!why.contains("PRIVATE"), "{why}");
        std::fs::write(&cert, &texts[0]).unwrap();
        std::fs::write(&key, &texts[1]).unwrap();
        assert!(Tls::load(&options(folder.path()), None).is_ok());
    }
}

/// F23: but for the dates at start: a restart shall not end what an old certificate still serves.
#[test]
fn a_certificate_out_of_date_is_warned_about_at_start() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), |params| params.not_after = date_time_ymd(2001, 1, 1));
    let warnings = Tls::load(&options(folder.path()), None).unwrap().warnings();
    assert!(warnings[0].contains("out of date since"), "{warnings:?}");
    write_pair(folder.path(), |_| {});
    assert_eq!(Tls::load(&options(folder.path()), None).unwrap().warnings(), Vec::<String>::new());
    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    assert!(Tls::load(&options(folder.path()), None).is_err());
}

#[test]
fn those_who_vouch_for_clients_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), |params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    let with_ca = |name: &str| Options { client_ca: Some(folder.path().join(name)), ..options(folder.path()) };
    assert!(Tls::load(&with_ca("cert.pem"), None).is_ok());
    for name in ["absent.pem", "key.pem"] {
        let why = Tls::load(&with_ca(name), None).unwrap_err();
        assert!(why.starts_with("tls_client_ca: "), "{why}");
    }
}
