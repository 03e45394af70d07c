//! The control connection: what is said before TLS, and that nothing less comes after it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use tokio_rustls::rustls::StreamOwned;

use crate::authority::Authority;
use crate::binary::Setup;
use crate::harness::{TestServer, set};
use crate::tls_side::{Side, VERSIONS, server};
use crate::wire::{Client, PATIENCE};

/// T24: what is added in clear behind AUTH TLS ends the session (CVE-2011-1575), however it was cut into segments.
#[test]
fn commands_in_clear_do_not_follow_into_tls() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "max_per_ip", "0"));
    let side = Side::new(&authority, VERSIONS[1]);
    let sent = b"AUTH TLS\r\nUSER bob\r\nPASS secret\r\n";
    for cut in (11..sent.len()).chain([sent.len(); 10]) {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut greeting = [0; 13];
        stream.read_exact(&mut greeting).unwrap();
        stream.write_all(&sent[..cut]).unwrap();
        // In the first segment with AUTH, or else where the handshake is expected.
        let _ = stream.write_all(&sent[cut..]);
        let mut accepted = [0; 20];
        match stream.read_exact(&mut accepted) {
            Ok(()) => assert_eq!(&accepted, b"234 Begin TLS now.\r\n", "cut at {cut}"),
            Err(why) => assert_eq!(why.kind(), ErrorKind::ConnectionReset, "cut at {cut}"),
        }
        // A client that makes its handshake as if nothing had been added finds nobody there any more.
        assert!(side.handshake(stream).is_err(), "cut at {cut}");
    }
    // Whoever adds nothing is let in.
    side.login(&server, "bob").ask("PWD", "257");
}

/// T22: with `tls = required` no name and no password is taken in clear, in none of both protocols.
#[test]
fn no_name_is_taken_in_clear_where_tls_is_required() {
    for ip in ["127.0.0.1", "::1"] {
        let server = TestServer::start(|settings| {
            set(settings, "ip", ip);
            set(settings, "tls", "required");
        });
        let mut client = Client::connect(server.address);
        client.expect("220");
        client.ask("USER bob", "530 Use AUTH TLS first");
        client.ask("PASS secret", "503");
        client.ask("USER anonymous", "530 Use AUTH TLS first");
        client.ask("CCC", "534");
        client.ask("LIST", "530");
        client.ask("PBSZ 0", "503");
        client.ask("PROT P", "503");
        client.ask("NOOP", "200");
    }
}

/// T22: and inside TLS there is no way back.
#[test]
fn there_is_no_way_back_to_clear_text() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "tls", "required"));
    let side = Side::new(&authority, VERSIONS[1]);
    let mut client = side.login(&server, "bob");
    client.ask("CCC", "534");
    client.ask("AUTH TLS", "503");
    client.ask("REIN", "220");
    client.ask("PROT P", "503");
    client.sign_in("bob");
    client.pasv();
    client.ask("LIST", "521");
    client.ask("PBSZ 0", "200");
    client.ask("PROT P", "200");
    side.retrieve(&mut client, "LIST");
}

/// T22, T23: a password that came in clear is in no log.
#[test]
fn a_password_in_clear_is_refused_and_in_no_log() {
    let setup = Setup::new().variable("FTP_TLS", "required").variable("FTP_LOG_LEVEL", "trace");
    let running = setup.start();
    let mut client = Client::connect(running.address);
    client.expect("220");
    client.ask("USER bob", "530");
    client.ask("PASS hunter2-in-clear", "503");
    client.ask("QUIT", "221");
    let ended = running.end();
    let all = ended.lines.join("\n") + &ended.complaints;
    assert!(all.contains("PASS") && !all.contains("hunter2"), "{all}");
}

/// T10: HTTP is turned away inside TLS as it is outside, and no line after it is answered.
#[test]
fn http_inside_tls_ends_the_session() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    for version in VERSIONS {
        let mut client = Side::new(&authority, version).connect(&server);
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nNOOP");
        client.expect("421");
        client.expect_end();
    }
}

/// T10: a client that means another protocol is told so by TLS (ALPACA).
#[test]
fn another_protocol_in_alpn_is_refused() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    let side = Side::new(&authority, VERSIONS[1]);
    for (protocol, is_fine) in [(&b"ftp"[..], true), (b"http/1.1", false), (b"h2", false)] {
        let mut client = Client::connect(server.address);
        client.expect("220");
        client.ask("AUTH TLS", "234");
        let stream = client.stream().try_clone().unwrap();
        let outcome = side.asking_for(protocol).handshake(stream).map(drop).map_err(|why| why.to_string());
        if is_fine {
            outcome.unwrap();
        } else {
            let why = outcome.unwrap_err();
            assert!(why.contains("NoApplicationProtocol"), "{why}");
        }
    }
}

/// T12: a NAT that reads along finds no 227 to open a port for.
#[test]
fn no_227_can_be_read_on_the_wire() {
    struct Recorder(TcpStream, Arc<Mutex<Vec<u8>>>);
    impl Read for Recorder {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.read(room)?;
            self.1.lock().unwrap().extend_from_slice(&room[..count]);
            Ok(count)
        }
    }
    impl Write for Recorder {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            self.0.flush()
        }
    }
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    let side = Side::new(&authority, VERSIONS[1]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("AUTH TLS", "234");
    let record = Arc::clone(&seen);
    let mut client = client.over_another(|stream| {
        let StreamOwned { conn, sock } = side.over(stream);
        StreamOwned::new(conn, Recorder(sock, record))
    });
    client.sign_in("bob");
    client.ask("PASV", "227");
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 500, "only {} bytes were seen", seen.len());
    assert!(!seen.windows(4).any(|four| four == b"227 "));
}

/// T21, T32: AUTH forgets who was logged in before it, for that was said in clear.
#[test]
fn auth_forgets_what_was_said_in_clear() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    let side = Side::new(&authority, VERSIONS[1]);
    let mut named = Client::connect(server.address);
    named.expect("220");
    named.ask("USER bob", "331");
    named.ask("AUTH TLS", "234");
    let mut named = named.over_another(|stream| side.over(stream));
    named.ask("PASS secret", "503");
    let mut member = Client::login(server.address, "bob");
    member.ask("AUTH TLS", "234");
    let mut member = member.over_another(|stream| side.over(stream));
    member.ask("PWD", "530");
}

/// Mechanisms other than TLS, and TLS where it is off.
#[test]
fn auth_knows_tls_and_its_old_names() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    let side = Side::new(&authority, VERSIONS[1]);
    for mechanism in ["TLS", "tls", "SSL", "TLS-C"] {
        let mut client = Client::connect(server.address);
        client.expect("220");
        client.ask("AUTH GSSAPI", "504");
        client.ask("AUTH", "501");
        let features = client.ask("FEAT", "211-");
        assert!(["AUTH TLS", "PBSZ", "PROT"].iter().all(|line| features.contains(&format!("\r\n {line}\r\n"))));
        client.ask(&format!("AUTH {mechanism}"), "234");
        client.over_another(|stream| side.over(stream)).ask("NOOP", "200");
    }
    let off = TestServer::start(|_| {});
    let mut client = Client::connect(off.address);
    client.expect("220");
    client.ask("AUTH TLS", "502");
    assert!(!client.ask("FEAT", "211-").contains("AUTH"));
}
