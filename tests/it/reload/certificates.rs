//! TLS that changes: certificates (F23), and whether it is spoken.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio_rustls::rustls::version::TLS13;

use super::{RELOADED, gets_in, hang_up, hang_up_in_vain, put};
use crate::authority::{Authority, Pair};
use crate::binary::{Running, Setup};
use crate::process::identity::{become_somebody, setup as setup_for_somebody};
use crate::tls_side::Side;
use crate::wire::Client;

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

fn with_pair(setup: Setup, pair: &Pair) -> Setup {
    setup
        .file("conf/settings.toml", "# Nothing yet.\n")
        .file("cert.pem", &pair.cert_pem)
        .file("key.pem", &pair.key_pem)
        .variable("FTP_TLS", "allowed")
        .variable("FTP_TLS_CERT", "cert.pem")
        .variable("FTP_TLS_KEY", "key.pem")
}

fn put_pair(server: &Running, pair: &Pair) {
    put(server, "cert.pem", &pair.cert_pem);
    put(server, "key.pem", &pair.key_pem);
}

fn after_auth(server: &Running) -> Client {
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("AUTH TLS", "234");
    client
}

/// Whether a client that trusts this side's authority goes through with the handshake of a new session.
fn believes(side: &Side, server: &Running) -> bool {
    side.handshake(after_auth(server).stream().try_clone().unwrap()).is_ok()
}

fn log_in(side: &Side, server: &Running) -> Client {
    let mut client = after_auth(server).over_another(|stream| side.over(stream));
    client.sign_in("bob");
    client.ask("PBSZ 0", "200");
    client.ask("PROT P", "200");
    client
}

fn dated(first: i32, last: i32) -> Pair {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(first, 1, 1), date_time_ymd(last, 1, 1));
    let key = KeyPair::generate().unwrap();
    Pair { cert_pem: params.self_signed(&key).unwrap().pem(), key_pem: key.serialize_pem() }
}

#[test]
fn a_new_pair_is_for_new_sessions() {
    let authorities = [Authority::new(), Authority::new(), Authority::new()];
    let [first, second, third] = authorities.each_ref().map(|authority| Side::new(authority, &TLS13));
    let mut server = with_pair(Setup::new(), &authorities[0].issue(&NAMES)).start();
    let mut old = log_in(&first, &server);
    first.store(&mut old, "file", b"content");

    // With a signal, together with a setting; and without one.
    put(&server, "conf/settings.toml", "welcome_msg = \"New\"\n");
    put_pair(&server, &authorities[1].issue(&NAMES));
    hang_up(&mut server);
    server.wait_for_line("certificate read anew");
    assert!(believes(&second, &server) && !believes(&first, &server));
    Client::connect(server.address).expect("220 New");
    put_pair(&server, &authorities[2].issue(&NAMES));
    server.wait_for_line("certificate read anew");
    assert!(believes(&third, &server) && !believes(&second, &server));

    // The session of before has its own, for data connections as well.
    assert_eq!(first.retrieve(&mut old, "RETR file").0, b"content");
    server.end();
}

/// F23: the pair in force stays, and nothing else is taken either.
#[test]
fn a_bad_pair_changes_nothing() {
    let authority = Authority::new();
    let side = Side::new(&authority, &TLS13);
    let pair = authority.issue(&NAMES);
    let mut server = with_pair(Setup::new(), &pair).start();
    put(&server, "conf/users.conf", "bob secret elradfmwMT bob\nalice x elr alice\n");
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let same = |text: &str| text.to_owned();
    let other = authority.issue(&NAMES);
    for (cert_pem, key_pem, complaint) in [
        (half(&pair.cert_pem), same(&pair.key_pem), "FTP_TLS_CERT: "),
        (String::new(), same(&pair.key_pem), "FTP_TLS_CERT: "),
        (same("no PEM"), same(&pair.key_pem), "FTP_TLS_CERT: "),
        (same(&pair.cert_pem), half(&pair.key_pem), "FTP_TLS_KEY: "),
        (same(&pair.cert_pem), same(&other.key_pem), "FTP_TLS_KEY: "),
        (same(&pair.cert_pem), same(&pair.cert_pem), "FTP_TLS_KEY: "),
        (dated(2000, 2001).cert_pem, same(""), "FTP_TLS_KEY: "),
    ] {
        put_pair(&server, &Pair { cert_pem, key_pem });
        hang_up_in_vain(&mut server, complaint);
        assert!(believes(&side, &server) && !gets_in(server.address, "alice", "x"), "{complaint}");
    }
    for (dates, complaint) in [((2000, 2001), "out of date since"), ((3000, 3001), "not valid before")] {
        put_pair(&server, &dated(dates.0, dates.1));
        hang_up_in_vain(&mut server, complaint);
        assert!(believes(&side, &server) && !gets_in(server.address, "alice", "x"), "{complaint}");
    }
    put_pair(&server, &other);
    hang_up(&mut server);
    assert!(believes(&side, &server) && gets_in(server.address, "alice", "x"));
    let ended = server.end();
    assert!(!ended.lines.iter().any(|line| line.contains("PRIVATE")), "{:#?}", ended.lines);
}

/// One that has come to its end in the meantime is no reason to refuse all else.
#[test]
fn a_certificate_out_of_date_that_is_in_force_stays() {
    let mut server = with_pair(Setup::new(), &dated(2000, 2001)).start();
    put(&server, "conf/users.conf", "alice x elr alice\n");
    hang_up(&mut server);
    assert!(gets_in(server.address, "alice", "x"));
    server.end();
}

#[test]
fn tls_is_switched_on_and_off_for_new_sessions() {
    let authority = Authority::new();
    let side = Side::new(&authority, &TLS13);
    let setup = with_pair(Setup::new(), &authority.issue(&NAMES)).variable("FTP_TLS", "");
    let without = setup.variable("FTP_TLS_CERT", "").variable("FTP_TLS_KEY", "");
    let mut server = without.start();
    let mut plain = Client::login(server.address, "bob");
    plain.ask("AUTH TLS", "5");
    put(&server, "conf/settings.toml", "tls = \"required\"\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n");
    hang_up(&mut server);
    let mut secure = log_in(&side, &server);
    let mut clear = Client::connect(server.address);
    clear.expect("220");
    clear.ask("USER bob", "530 Use AUTH TLS first");
    // Who was let in without goes on without.
    plain.store("file", b"content");
    put(&server, "conf/settings.toml", "tls = \"off\"\n");
    hang_up(&mut server);
    assert_eq!(side.retrieve(&mut secure, "RETR file").0, b"content");
    let mut plain = Client::login(server.address, "bob");
    plain.ask("AUTH TLS", "5");
    server.end();
}

/// A client that was told to believe its fingerprint need not be told again before a restart.
#[test]
fn a_pair_that_was_made_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let spool = place.path().join("spool").display().to_string();
    let setup = Setup::new().variable("FTP_HOOK_SPOOL", &spool);
    let mut server = setup.file("conf/settings.toml", "tls = \"allowed\"\n").start();
    put(
        &server,
        "conf/settings.toml",
        "tls = \"required\"\ntls_min_version = \"1.3\"\nmasquerade_address = \"192.0.2.1\"\n",
    );
    hang_up(&mut server);
    hang_up(&mut server);
    let ended = server.end();
    let count = |part: &str| ended.lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!((count(RELOADED), count("one was made that no client can verify")), (2, 1), "{:#?}", ended.lines);
    assert_eq!(count("certificate read anew"), 0);
}

/// A key that was read as root cannot be read anew by whom root became.
#[test]
fn what_only_root_may_read_is_kept_as_it_is() {
    let authority = Authority::new();
    let side = Side::new(&authority, &TLS13);
    let setup = become_somebody(with_pair(setup_for_somebody(), &authority.issue(&NAMES)));
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&setup.path("key.pem"), 0o600);
    let mut server = setup.start();
    put(&server, "conf/users.conf", "alice x elr alice\n");
    hang_up_in_vain(&mut server, "FTP_TLS_KEY: ");
    assert!(believes(&side, &server) && gets_in(server.address, "bob", "secret"));
    mode(&server.folder().join("key.pem"), 0o644);
    hang_up(&mut server);
    assert!(believes(&side, &server) && !gets_in(server.address, "bob", "secret"));
    server.end();
}

/// Nor after one, with the server's user and its directory the same.
#[test]
fn a_pair_that_was_made_outlives_the_server() {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let spool = place.path().join("spool").display().to_string();
    let fingerprint = |run_as: &str| {
        let setup = Setup::new().variable("FTP_HOOK_SPOOL", &spool).variable("FTP_RUN_AS", run_as);
        let mut server = setup.variable("FTP_TLS", "allowed").start();
        let line = server.wait_for_line("one was made that no client can verify");
        server.end();
        line.split("fingerprint is ").nth(1).unwrap()[..95].to_owned()
    };
    let first = fingerprint("1000:1000");
    assert_eq!(fingerprint("1000:1000"), first);
    let kept = place.path().join(".longshore-tls/own.der");
    let found = std::fs::metadata(&kept).unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid()), (0o600, 1000));
    // It is not taken from a user that the server is not.
    let other = fingerprint("2000:2000");
    assert_ne!(other, first);
    // Where it cannot be kept, there is one for this run, and a line that says so.
    let setup = Setup::new().variable("FTP_HOOK_SPOOL", "/proc/none/spool");
    let mut server = setup.variable("FTP_TLS", "allowed").start();
    server.wait_for_line("cannot be kept in /proc/none/.longshore-tls/own.der");
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("AUTH TLS", "234");
    server.end();
}
