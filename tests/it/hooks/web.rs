//! Receivers by HTTP: TLS, redirects, settings that change.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::receiver::{Manner, Receiver};
use super::{SECRET, bob, start, telling_of_uploads, wait_until_pending, wait_until_told};
use crate::authority::Authority;
use crate::binary::Setup;
use crate::http::figures::Figures;
use crate::reload::put;

fn config(authority: &Authority, names: &[&str]) -> ServerConfig {
    let pair = authority.issue(names);
    let chain = vec![CertificateDer::from_pem_slice(pair.cert_pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key_pem.as_bytes()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

#[test]
fn a_receiver_over_tls_is_told_if_its_certificate_is_good() {
    let authority = Authority::new();
    let receiver = Receiver::secure(Manner::Answer(200), config(&authority, &["127.0.0.1"]));
    let (server, http) =
        start(telling_of_uploads(&receiver.url()).file("ca.pem", &authority.pem()).variable("FTP_HOOK_CA", "ca.pem"));
    bob(&server).store("file", b"1");
    let told = receiver.taken(1);
    assert_eq!(told[0].short(), "upload /file");
    assert!(told[0].is_signed(SECRET));
    wait_until_told(http);
}

#[test]
fn a_certificate_of_somebody_else_is_not_believed() {
    let authority = Authority::new();
    for (names, known) in [(&["127.0.0.1"][..], false), (&["other.example.org"], true)] {
        let receiver = Receiver::secure(Manner::Answer(200), config(&authority, names));
        let setup = telling_of_uploads(&receiver.url());
        let (mut server, http) =
            start(if known { setup.file("ca.pem", &authority.pem()).variable("FTP_HOOK_CA", "ca.pem") } else { setup });
        bob(&server).store("file", b"1");
        let line = server.wait_for_line("receiver of events failed");
        assert!(line.contains("TLS: invalid peer certificate"), "{line}");
        assert!(receiver.told().is_empty());
        wait_until_pending(http, 1);
    }
}

#[test]
fn a_name_is_looked_up() {
    let receiver = Receiver::start(Manner::Answer(200));
    let url = format!("http://localhost:{}/", receiver.address.port());
    // The key may be in a file.
    let setup = telling_of_uploads(&url).file("key", &format!("{SECRET}\n"));
    let (server, _) = start(setup.variable("FTP_HOOK_SECRET", "").variable("FTP_HOOK_SECRET_FILE", "key"));
    bob(&server).store("file", b"1");
    let told = receiver.taken(1);
    assert!(told[0].is_signed(SECRET), "{:?}", told[0].headers);
    assert_eq!(told[0].headers["host"], format!("localhost:{}", receiver.address.port()));
}

#[test]
fn a_redirect_is_no_success_and_leads_nowhere() {
    let other = Receiver::start(Manner::Answer(200));
    let receiver = Receiver::start(Manner::AnswerWith(302, format!("Location: {}", other.url())));
    let (mut server, _) = start(telling_of_uploads(&receiver.url()));
    bob(&server).store("file", b"1");
    let line = server.wait_for_line("receiver of events failed");
    assert!(line.contains("it answered 302") && line.contains("on_upload"), "{line}");
    // What is in the path or behind it may be a secret.
    assert!(line.contains(&format!("http://{}", receiver.address)) && !line.contains("to=me"), "{line}");
    receiver.become_one_that(Manner::Answer(200));
    receiver.taken(1);
    assert!(other.told().is_empty());
}

#[test]
fn without_a_key_nothing_is_signed_and_that_is_warned_of() {
    let receiver = Receiver::start(Manner::Answer(200));
    let (server, _) = start(telling_of_uploads(&receiver.url()).variable("FTP_HOOK_SECRET", ""));
    bob(&server).store("file", b"1");
    assert!(!receiver.taken(1)[0].headers.contains_key("x-longshore-signature"));
    assert!(server.end().lines.iter().any(|line| line.contains("without a signature")));
}

#[test]
fn what_waits_goes_where_a_reload_says() {
    let (old, new) = (Receiver::start(Manner::Hang), Receiver::start(Manner::Answer(200)));
    let settings = |url: &str| format!("on_upload = \"{url}\"\nhook_spool = \"spool\"\nhook_secret = \"first\"\n");
    let setup = Setup::new().file("conf/settings.toml", &settings(&old.url()));
    let (mut server, http) = start(setup);
    let mut client = bob(&server);
    client.store("file", b"1");
    old.wait_until("it is told", |told| told.len() == 1);
    put(&server, "conf/settings.toml", settings(&new.url()).replace("first", "second"));
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_line("read anew");
    let told = new.taken(1);
    assert!(told[0].short() == "upload /file" && told[0].is_signed("second"), "{told:#?}");
    // A session that was there goes by what it began with, and by the receiver of now.
    client.store("file", b"2");
    new.taken(2);
    wait_until_told(http);
    // Nobody any more: what those sessions still tell is dropped, and told so.
    put(&server, "conf/settings.toml", "# nobody\n");
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_line("read anew");
    client.store("file", b"3");
    server.wait_for_line("events dropped, nobody is to be told of them");
    wait_until_told(http);
    assert_eq!(Figures::of(http).get("longshore_events_dropped_total"), 1.0);
    bob(&server).store("file", b"4");
    assert_eq!(new.told().len(), 2);
}

/// A receiver that comes with a reload: the spool is opened then.
#[test]
fn a_reload_may_begin_it() {
    let receiver = Receiver::start(Manner::Answer(200));
    let setup = Setup::new().file("conf/settings.toml", "hook_spool = \"spool\"\n");
    let (mut server, _) = start(setup);
    assert!(!server.folder().join("spool").exists());
    put(&server, "conf/settings.toml", format!("hook_spool = \"spool\"\non_login = \"{}\"\n", receiver.url()));
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_line("read anew");
    bob(&server).ask("NOOP", "200");
    assert_eq!(receiver.taken(1)[0].text("event"), "login");
}

#[test]
fn a_password_in_an_address_is_refused_and_not_shown() {
    for url in ["http://bob:hunter2@127.0.0.1/", "gopher://bob:hunter2@127.0.0.1:x/"] {
        let output = Setup::new().variable("FTP_ON_DELETE", url).arguments(&["check"]).run();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("FTP_ON_DELETE: found an address with a name or a password"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
