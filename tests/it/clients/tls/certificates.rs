//! Client certificates in place of passwords, by curl; and the certificate that the server makes for itself.

use super::super::desk::Ended;
use super::{Ground, put};
use crate::authority::Authority;
use crate::binary::Setup;
use crate::harness::set;

const USERS: &str = "\
bob secret elradfmwMT bob certificate=bob@example.test
reader secret elr reader
";

/// A server that knows bob's certificate; `bob` and others are on the desk.
fn ground(reuse: &str) -> Ground {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    std::fs::write(folder.path().join("clients.pem"), authority.pem()).unwrap();
    let ground = Ground::with(USERS, |settings| {
        set(settings, "tls_session_reuse", reuse);
        settings.tls_client_ca = Some(folder.path().join("clients.pem"));
    });
    put(&ground.desk, "bob", &authority.client("bob@example.test"));
    put(&ground.desk, "somebody", &authority.client("somebody@example.test"));
    // The right name, vouched for by those who vouch for the server, not for clients.
    put(&ground.desk, "forged", &ground.authority.client("bob@example.test"));
    ground
}

fn curl(ground: &Ground, version: &str, user: &str, certificate: &str) -> Ended {
    let url = format!("ftp://{}/", ground.server.address);
    let (cert, key) = (format!("{certificate}.pem"), format!("{certificate}.key"));
    let common = ["-sSv", "--cacert", "ca.pem", "--ssl-reqd", "--tls-max", version, "--user", user];
    ground.desk.run("curl", common.into_iter().chain(["--cert", &cert, "--key", &key, &url]))
}

#[test]
fn a_certificate_stands_for_the_password_of_the_user_who_is_named_in_it() {
    for reuse in ["off", "prefer", "require"] {
        let ground = ground(reuse);
        for version in ["1.2", "1.3"] {
            curl(&ground, version, "bob:", "bob").succeeded().said("< 232 ").did_not_say("> PASS").said("< 226");
            // Whoever has another name in it needs a password, as without one.
            curl(&ground, version, "bob:secret", "somebody").succeeded().said("< 331 ").said("> PASS").said("< 230");
            curl(&ground, version, "bob:wrong", "somebody")
                .failed(67)
                .said("< 331 ")
                .said("< 530 Authentication failed.");
            curl(&ground, version, "reader:secret", "bob").succeeded().said("< 331 ").said("< 230");
        }
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let ground = ground("prefer");
    curl(&ground, "1.2", "bob:secret", "forged").failed(35).said("alert").did_not_say("> USER");
    // In version 1.3 the client is done before the server is.
    curl(&ground, "1.3", "bob:secret", "forged")
        .failed(56)
        .said("alert")
        .did_not_say("< 331")
        .did_not_say("< 230")
        .did_not_say("< 232");
}

#[test]
fn without_a_pair_one_is_made_whose_fingerprint_is_told() {
    let ground = Ground::new("prefer");
    let place = tempfile::tempdir().unwrap();
    let spool = place.path().join("spool").display().to_string();
    let setup = Setup::new().variable("FTP_HOOK_SPOOL", &spool);
    let mut running = setup.variable("FTP_TLS", "allowed").start();
    let line = running.wait_for_line("one was made that no client can verify");
    let connect = running.address.to_string();
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let shown = readme.lines().find(|line| line.starts_with("openssl s_client ")).expect("README.md shows how to");
    let shown = shown.replace("ftp.example.org:2121", &connect);
    let told = ground.desk.run("sh", ["-c", &shown]).succeeded().out;
    let fingerprint = told.trim().split('=').nth(1).unwrap_or_else(|| panic!("{told}"));
    assert_eq!(fingerprint.len(), 95, "{told}");
    assert!(line.contains(fingerprint), "{line} {told}");
    let url = format!("ftp://bob:secret@{connect}/");
    ground.desk.run("curl", ["-sS", "--ssl-reqd", &url]).failed(60).said("self-signed certificate");
    running.end();
}
