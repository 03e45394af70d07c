//! Whose data connection it is: sessions that are resumed, and those that are not.

use std::io::Read;

use crate::authority::Authority;
use crate::harness::set;
use crate::tls_side::{Side, VERSIONS, server, server_with_users};
use crate::wire::Client;

/// T25, F54: where reuse is required, a handshake of its own, or by another session's ticket, is refused with 522; so is a
/// stranger of the same address who has no part in the session.
#[test]
fn a_data_connection_must_resume_its_own_session() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "tls_session_reuse", "require"));
    std::fs::write(server.home("bob").join("f"), "content").unwrap();
    for version in VERSIONS {
        let side = Side::new(&authority, version);
        let mut client = side.login(&server, "bob");
        client.ask("NOOP", "200");
        let other = side.forgetful();
        let mut others_client = other.login(&server, "bob");
        others_client.ask("NOOP", "200");

        for (thief, what) in [(side.forgetful(), "none"), (other.clone(), "another session's")] {
            let stream = client.open();
            client.ask("RETR f", "150");
            let mut received = Vec::new();
            // Of TLS 1.3 the client's part is over before the server has judged it.
            if let Ok((mut data, resumed)) = thief.handshake(stream) {
                assert!(!resumed, "{version:?}: a ticket of {what}");
                assert!(data.read_to_end(&mut received).is_err(), "{version:?}: it ended in order");
            }
            assert_eq!(received, b"", "{version:?}: a ticket of {what}");
            client.expect("522 The data connection must resume");
        }
        let (received, resumed) = side.retrieve(&mut client, "RETR f");
        assert_eq!((received.as_slice(), resumed), (&b"content"[..], true), "{version:?}");
    }
}

/// T25: whoever was refused has been told nothing that he could come back with, neither a ticket nor the name of a
/// session.
#[test]
fn a_refusal_leaves_nothing_to_resume() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "tls_session_reuse", "require"));
    std::fs::write(server.home("bob").join("f"), "content").unwrap();
    for version in VERSIONS {
        let mut client = Side::new(&authority, version).login(&server, "bob");
        for thief in [Side::new(&authority, VERSIONS[0]), Side::new(&authority, VERSIONS[1])] {
            for thief in [thief.without_tickets(), thief] {
                for turn in 0..3 {
                    let stream = client.open();
                    client.ask("RETR f", "150");
                    let mut received = Vec::new();
                    if let Ok((mut data, resumed)) = thief.handshake(stream) {
                        assert!(!resumed, "{version:?}: at turn {turn}");
                        let _ = data.read_to_end(&mut received);
                    }
                    assert_eq!(received, b"", "{version:?}: at turn {turn}");
                    client.expect("522 The data connection must resume");
                }
            }
        }
    }
}

/// T25, F54: where it is preferred, both are let in; where it is off, nothing can be resumed.
#[test]
fn what_is_not_required_is_still_told_apart() {
    let authority = Authority::new();
    for (reuse, can_resume) in [("prefer", true), ("off", false)] {
        let server = server(&authority, |settings| set(settings, "tls_session_reuse", reuse));
        std::fs::write(server.home("bob").join("f"), "content").unwrap();
        for version in VERSIONS {
            let side = Side::new(&authority, version);
            let mut client = side.login(&server, "bob");
            client.ask("NOOP", "200");
            assert_eq!(side.retrieve(&mut client, "RETR f"), (b"content".to_vec(), can_resume), "{reuse} {version:?}");
            let stranger = side.forgetful();
            assert_eq!(stranger.retrieve(&mut client, "RETR f"), (b"content".to_vec(), false), "{reuse} {version:?}");
        }
    }
}

/// T26: a client that uses each ticket once gets enough of them to resume every download.
#[test]
fn tickets_do_not_run_out() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "tls_session_reuse", "require"));
    for version in VERSIONS {
        let side = Side::new(&authority, version);
        let mut client = side.login(&server, "bob");
        client.ask("NOOP", "200");
        for turn in 0..100 {
            let (_, resumed) = side.retrieve(&mut client, "LIST");
            assert!(resumed, "{version:?}: turn {turn}");
        }
    }
}

/// T35: with TLS and reuse required, whoever gets to the port first from the same address gets no byte, and adds none.
#[test]
fn a_thief_of_the_same_address_gets_nothing() {
    let authority = Authority::new();
    let server = server(&authority, |settings| {
        set(settings, "tls", "required");
        set(settings, "tls_session_reuse", "require");
    });
    std::fs::write(server.home("bob").join("f"), "content").unwrap();
    let side = Side::new(&authority, VERSIONS[1]);
    let mut client = side.login(&server, "bob");
    client.ask("NOOP", "200");
    for turn in 0..50 {
        let address = client.pasv();
        let mut thief = std::net::TcpStream::connect(address).unwrap();
        let owner = std::net::TcpStream::connect(address);
        let store = turn % 2 == 1;
        client.ask(if store { "STOR g" } else { "RETR f" }, "150");
        if store {
            let _ = std::io::Write::write_all(&mut thief, b"added");
        }
        drop(owner);
        let mut received = Vec::new();
        if let Ok((mut data, _)) = side.forgetful().handshake(thief) {
            let _ = data.read_to_end(&mut received);
        }
        assert_eq!(received, b"");
        client.expect("522");
        let stored = std::fs::read(server.home("bob").join("g")).unwrap_or_default();
        assert_eq!(stored, b"");
    }
}

/// A client certificate stands for the password where users.conf says so, and its data connections must show it too.
#[test]
fn a_certificate_stands_for_the_password() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let users = "bob secret elradfmwMT bob certificate=bob.example\nreader secret elr reader\n\
                 carol secret elr carol certificate=bob.example from=192.0.2.0/24\n";
    let server = server_with_users(&authority, users, |settings| {
        set(settings, "tls_client_ca", &ca.display().to_string());
    });
    std::fs::write(server.home("bob").join("f"), "content").unwrap();
    for version in VERSIONS {
        let side = Side::with_certificate(&authority, version, &authority.client("bob.example"));
        let mut client = side.connect(&server);
        client.ask("USER reader", "331");
        client.ask("USER carol", "331");
        client.ask("USER bob", "232 Login successful.");
        client.ask("TYPE I", "200");
        client.ask("PBSZ 0", "200");
        client.ask("PROT P", "200");
        assert_eq!(side.retrieve(&mut client, "RETR f").0, b"content");
        // Another's data connection, without the certificate.
        let bare = Side::new(&authority, version);
        let stream = client.open();
        client.ask("RETR f", "150");
        if let Ok((mut data, _)) = bare.handshake(stream) {
            assert!(data.read_to_end(&mut Vec::new()).is_err());
        }
        client.expect("522");
        // Without one, or with another name in it, it takes a password.
        bare.login(&server, "bob").ask("PWD", "257");
        let named = Side::with_certificate(&authority, version, &authority.client("eve.example"));
        named.login(&server, "bob").ask("PWD", "257");
        // One that nobody vouches for ends the handshake.
        let forged = Side::with_certificate(&authority, version, &Authority::new().client("bob.example"));
        let mut client = Client::connect(server.address);
        client.expect("220");
        client.ask("AUTH TLS", "234");
        let stream = client.stream().try_clone().unwrap();
        if let Ok((mut data, _)) = forged.handshake(stream) {
            assert!(data.read(&mut [0; 1]).is_err());
        }
    }
}

/// A name that a certificate speaks for takes the place of the one before it, even when it is not let in.
#[test]
fn a_certificate_that_is_of_no_use_leaves_no_name() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let users = "bob secret elradfmwMT bob certificate=bob.example max_cons=1\nreader secret elr reader\n";
    let server = server_with_users(&authority, users, |settings| {
        set(settings, "tls_client_ca", &ca.display().to_string());
    });
    let side = Side::with_certificate(&authority, VERSIONS[1], &authority.client("bob.example"));
    let mut first = side.connect(&server);
    first.ask("USER bob", "232");
    let mut second = side.connect(&server);
    second.ask("USER reader", "331");
    second.ask("USER bob", "530 Too many sessions of this user.");
    second.ask("PASS secret", "503");
    first.ask("REIN", "220");
    second.ask("USER bob", "232");
}
