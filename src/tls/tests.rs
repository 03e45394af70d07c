//! The files of the certificate: read and refused.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
        own: Own { directory: folder.join(".longshore-tls"), names: vec!["localhost".to_owned()], owner: None },
    }
}

#[test]
fn without_files_a_pair_is_made_and_its_fingerprint_told() {
    let home = tempfile::tempdir().unwrap();
    let own = Options { pair: None, ..options(home.path()) };
    let tls = Tls::load(&own, None).unwrap();
    let certificate = tls.certificate();
    assert!(certificate.names.contains(&"localhost".to_owned()), "{certificate}");
    assert_eq!(certificate.fingerprint.len(), 95);
    let [warning] = tls.warnings().try_into().unwrap();
    assert!(warning.starts_with("tls_cert: none is set") && warning.contains(&certificate.fingerprint), "{warning}");
    assert_ne!(Tls::load(&own, None).unwrap().certificate(), certificate, "nothing keeps it unasked");

    // It is kept as long as none is set, whatever else changes.
    let other = Options {
        min_version: TlsVersion::Tls13,
        own: Own { names: vec!["other".to_owned()], ..own.own.clone() },
        ..own
    };
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

/// The next start has the same pair, whatever the server is called by then.
#[test]
fn a_pair_that_was_made_is_kept_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let own = Options { pair: None, ..options(&folder.path().join("made/with it")) };
    let first = Tls::load(&own, None).unwrap();
    assert_eq!((first.keep(), first.keep()), (None, None));
    let file = own.own.directory.join("own.der");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(std::fs::metadata(&own.own.directory).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(std::fs::read_dir(&own.own.directory).unwrap().count(), 1);
    let other = Options { own: Own { names: vec!["other".to_owned()], ..own.own.clone() }, ..own.clone() };
    let second = Tls::load(&other, None).unwrap();
    assert_eq!(second.certificate(), first.certificate());
    assert_eq!(second.keep(), None);
    let due_in = second.due_in().unwrap();
    assert!(DAY * 333 < due_in && due_in < DAY * 336, "{due_in:?}");
    let left = first.certificate().left();
    assert!(DAY * 363 < left && left < DAY * 366, "{left:?}");
}

/// What is no file of the server's own, or no pair, is not used, and another one takes its place.
#[test]
fn a_kept_pair_that_is_none_is_replaced_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let own = Options { pair: None, ..options(folder.path()) };
    let file = own.own.directory.join("own.der");
    let made = || Tls::load(&own, None).unwrap();
    assert_eq!(made().keep(), None);
    let good = std::fs::read(&file).unwrap();
    let set_mode = |mode| std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    let spoilt: [&dyn Fn(); 6] = [
        &|| std::fs::write(&file, "").unwrap(),
        &|| std::fs::write(&file, &good[..good.len() / 2]).unwrap(),
        &|| std::fs::write(&file, &good[..good.len() - 1]).unwrap(),
        &|| set_mode(0o640),
        &|| {
            std::fs::rename(&file, folder.path().join("elsewhere")).unwrap();
            std::os::unix::fs::symlink(folder.path().join("elsewhere"), &file).unwrap();
        },
        &|| {
            std::fs::remove_file(&file).unwrap();
            std::fs::create_dir(&file).unwrap();
        },
    ];
    let mut before = Tls::load(&own, None).unwrap().certificate().clone();
    for (turn, spoil) in spoilt.iter().enumerate() {
        spoil();
        let next = made();
        assert_ne!(next.certificate(), &before, "{turn}");
        let told = next.keep().unwrap();
        assert!(told.contains("own.der"), "{told}");
        if turn < 5 {
            before = made().certificate().clone();
            assert_eq!(&before, next.certificate(), "{turn}");
        }
    }
}

/// One that ends within a month is replaced at the next start, and by a server that runs.
#[test]
fn a_kept_pair_that_ends_soon_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let own = Options { pair: None, ..options(folder.path()) };
    let tls = Tls::load(&own, None).unwrap();
    assert_eq!(tls.keep(), None);
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let end = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(jiff::ToSpan::days(29));
    let [month, day] = [end.month(), end.day()].map(i8::unsigned_abs);
    params.not_after = date_time_ymd(i32::from(end.year()), month, day);
    let key = KeyPair::generate().unwrap();
    let ending = params.self_signed(&key).unwrap();
    let bytes = [&ending.der()[..], &key.serialize_der()].concat();
    std::fs::write(own.own.directory.join("own.der"), bytes).unwrap();
    let next = Tls::load(&own, None).unwrap();
    assert!(next.due_in().unwrap() > DAY * 300);
    assert_eq!(next.keep(), None);
    assert_eq!(Tls::load(&own, None).unwrap().certificate(), next.certificate());
}
