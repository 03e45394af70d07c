//! Data connections under TLS: their ends, and the state they must not change.

use std::io::{Read, Write};

use crate::authority::Authority;
use crate::harness::set;
use crate::tls_side::{Secure, Side, VERSIONS, server};
use crate::wire::Client;

/// T27: uploads arrive whole from clients that read nothing of what the server sends on the data connection.
#[test]
fn uploads_arrive_whole_from_clients_that_never_read() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    let bytes: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
    for version in VERSIONS {
        let side = Side::new(&authority, version);
        let mut client = side.login(&server, "bob");
        for turn in 0..20 {
            side.store(&mut client, "f", &bytes);
            assert!(std::fs::read(server.home("bob").join("f")).unwrap() == bytes, "{version:?}: turn {turn}");
        }
    }
}

/// T28: an end without close_notify may be anybody's, so the upload is not whole; neither is one that is reset.
#[test]
fn an_upload_without_close_notify_has_failed() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    for version in VERSIONS {
        let side = Side::new(&authority, version);
        let mut client = side.login(&server, "bob");
        let stream = client.open();
        client.ask("STOR f", "150");
        let (mut data, _) = side.handshake(stream).unwrap();
        data.write_all(&[b'x'; 100_000]).unwrap();
        data.flush().unwrap();
        data.sock.shutdown(std::net::Shutdown::Write).unwrap();
        client.expect("426");
        client.ask("NOOP", "200");
        side.store(&mut client, "f", b"whole");
    }
}

/// F45: close_notify alone is an empty file, in place of another too; nothing at all is none.
#[test]
fn an_empty_upload_needs_its_end_to_be_a_file() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    let file = server.home("bob").join("f");
    for version in VERSIONS {
        let side = Side::new(&authority, version);
        let mut client = side.login(&server, "bob");
        side.store(&mut client, "f", b"old");
        let stream = client.open();
        client.ask("STOR f", "150");
        let (data, _) = side.handshake(stream).unwrap();
        data.sock.shutdown(std::net::Shutdown::Write).unwrap();
        client.expect("426");
        assert_eq!(std::fs::read(&file).unwrap(), b"old");
        side.store(&mut client, "f", b"");
        assert_eq!(std::fs::read(&file).unwrap(), b"");
    }
}

/// T29: both sides of every data connection end with the server's close_notify, also where the client waits for it.
#[test]
fn the_server_always_says_close_notify() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    std::fs::write(server.home("bob").join("f"), "content").unwrap();
    for version in VERSIONS {
        let side = Side::new(&authority, version);
        let mut client = side.login(&server, "bob");
        assert_eq!(side.retrieve(&mut client, "RETR f").0, b"content");
        let stream = client.open();
        client.ask("STOR g", "150");
        let (mut data, _) = side.handshake(stream).unwrap();
        data.write_all(b"content").unwrap();
        data.conn.send_close_notify();
        data.flush().unwrap();
        // The end in order, or this is an error; and no reply is looked for before it has come.
        assert_eq!(data.read_to_end(&mut Vec::new()).unwrap(), 0);
        client.expect("226");
        // The control connection's end.
        client.ask("QUIT", "221");
        client.expect_end();
    }
}

/// T32: PROT and PBSZ are changed by nothing but themselves.
#[test]
fn protection_is_changed_by_its_own_commands_only() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "tls", "required"));
    let side = Side::new(&authority, VERSIONS[1]);
    let mut client = side.connect(&server);
    client.sign_in("bob");
    client.ask("PROT P", "503 PBSZ");
    client.ask("PBSZ 0", "200 PBSZ=0");
    client.ask("PBSZ 16384", "200 PBSZ=0");
    client.ask("PROT C", "534");
    client.ask("PROT E", "536");
    client.ask("PROT X", "501");
    // In clear nothing is sent, whatever was arranged, and the port waits for what is protected.
    let address = client.pasv();
    client.ask("LIST", "521");
    client.ask("PROT P", "200");
    let stream = client.data(address);
    client.ask("LIST", "150");
    let (mut data, _) = side.handshake(stream).unwrap();
    data.read_to_end(&mut Vec::new()).unwrap();
    client.expect("226");
    client.ask("EPSV ALL", "200");
    let failing = client.epsv();
    let stream = std::net::TcpStream::connect(failing).unwrap();
    client.ask("LIST", "150");
    drop(stream);
    client.expect("522");
    client.ask("PASV", "501");
    // A failed transfer has changed nothing.
    let stream = std::net::TcpStream::connect(client.epsv()).unwrap();
    client.ask("LIST", "150");
    let (mut data, _) = side.handshake(stream).unwrap();
    data.read_to_end(&mut Vec::new()).unwrap();
    client.expect("226");
    // Another user of the same session is as protected.
    client.sign_in("reader");
    client.ask("PROT C", "534");
}

/// `tls_data_required` may be given up for clients that cannot, and does not bind where TLS is only allowed.
#[test]
fn data_may_go_in_clear_where_it_is_allowed() {
    let authority = Authority::new();
    for (tls, data_required) in [("required", "off"), ("allowed", "on")] {
        let server = server(&authority, |settings| {
            set(settings, "tls", tls);
            set(settings, "tls_data_required", data_required);
        });
        std::fs::write(server.home("bob").join("f"), "content").unwrap();
        let side = Side::new(&authority, VERSIONS[1]);
        let mut client = side.connect(&server);
        client.sign_in("bob");
        assert_eq!(client.retrieve("f"), b"content", "{tls}");
        client.ask("PBSZ 0", "200");
        client.ask("PROT P", "200");
        assert_eq!(side.retrieve(&mut client, "RETR f").0, b"content", "{tls}");
        client.ask("PROT C", "200");
        assert_eq!(client.retrieve("f"), b"content", "{tls}");
    }
}

/// Active mode: the server connects, and is the server of TLS all the same (RFC 4217 section 7).
#[test]
fn active_data_connections_are_encrypted_too() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "tls_session_reuse", "require"));
    std::fs::write(server.home("bob").join("f"), "content").unwrap();
    let side = Side::new(&authority, VERSIONS[1]);
    let mut client = side.login(&server, "bob");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    client.announce(&listener);
    client.ask("RETR f", "150");
    let (mut data, resumed) = side.handshake(listener.accept().unwrap().0).unwrap();
    assert!(resumed);
    let mut received = String::new();
    data.read_to_string(&mut received).unwrap();
    assert_eq!(received, "content");
    client.expect("226");
}

/// Implicit FTPS: TLS from the first byte, and PROT P without a word.
#[test]
fn implicit_tls_needs_no_auth() {
    let authority = Authority::new();
    let port = crate::wire::free_port();
    let server = server(&authority, |settings| {
        set(settings, "tls_listen", &format!("127.0.0.1:{port},[::1]:{port}"));
    });
    std::fs::write(server.home("bob").join("f"), "content").unwrap();
    for (version, ip) in VERSIONS.into_iter().zip(["127.0.0.1", "::1"]) {
        let side = Side::new(&authority, version);
        let address = std::net::SocketAddr::new(ip.parse().unwrap(), port);
        let mut client = Client::connect(address).over_another(|stream| side.over(stream));
        client.expect("220");
        client.sign_in("bob");
        client.ask("AUTH TLS", "503");
        client.ask("PROT C", "200");
        // As the connection began, not as an explicit one does.
        client.ask("REIN", "220");
        client.sign_in("bob");
        let stream = std::net::TcpStream::connect(client.epsv()).unwrap();
        client.ask("RETR f", "150");
        let (mut data, _) = side.handshake(stream).unwrap();
        let mut received = String::new();
        data.read_to_string(&mut received).unwrap();
        assert_eq!(received, "content");
        client.expect("226");
    }
}

/// How a client that says no close_notify ends its upload.
fn end_unsaid(side: &Side, client: &mut Client, content: &[u8], end: impl FnOnce(&mut Secure, Vec<u8>)) -> String {
    let stream = client.open();
    client.ask("STOR f", "150");
    let (mut data, _) = side.handshake(stream).unwrap();
    data.conn.writer().write_all(content).unwrap();
    let mut records = Vec::new();
    while data.conn.wants_write() {
        data.conn.write_tls(&mut records).unwrap();
    }
    end(&mut data, records);
    drop(data);
    client.reply()
}

/// `tls_close_notify = accept` is for clients that never say it: the end of the connection, in order and behind a whole
/// record, is the end of the file.
#[test]
fn an_upload_without_close_notify_is_whole_where_that_is_accepted() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "tls_close_notify", "accept"));
    let file = server.home("bob").join("f");
    for version in VERSIONS {
        let side = Side::new(&authority, version);
        let mut client = side.login(&server, "bob");
        for size in [0, 1, 1000, 16 * 1024, 50_000] {
            let content = vec![7; size];
            let reply = end_unsaid(&side, &mut client, &content, |data, records| {
                data.sock.write_all(&records).unwrap();
            });
            assert!(reply.starts_with("226"), "{version:?}, {size}: {reply}");
            assert!(std::fs::read(&file).unwrap() == content, "{version:?}, {size}");
            // A client that closes its side only finds an end in order, and no alert.
            let reply = end_unsaid(&side, &mut client, &content, |data, records| {
                data.sock.write_all(&records).unwrap();
                data.sock.shutdown(std::net::Shutdown::Write).unwrap();
                assert_eq!(data.sock.read_to_end(&mut Vec::new()).unwrap(), 0);
            });
            assert!(reply.starts_with("226"), "{version:?}, {size}: {reply}");
        }
        // Those that say it are served as before.
        side.store(&mut client, "f", b"whole");
        assert_eq!(std::fs::read(&file).unwrap(), b"whole");
    }
}

/// The client, or its connection, broke off in the midst of a record, or was reset: that is no end.
#[test]
fn an_upload_that_breaks_off_is_none_where_its_end_need_not_be_said() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "tls_close_notify", "accept"));
    let file = server.home("bob").join("f");
    for version in VERSIONS {
        let side = Side::new(&authority, version);
        let mut client = side.login(&server, "bob");
        side.store(&mut client, "f", b"old");
        let mut broken = 0;
        // A header alone, parts of it, and all but the last bytes of the record.
        for kept in (1..=6).chain([100]).map(Some).chain([None]) {
            for missing in 1..=6 {
                let reply = end_unsaid(&side, &mut client, &[7; 1000], |data, mut records| {
                    records.truncate(kept.unwrap_or(records.len() - missing));
                    data.sock.write_all(&records).unwrap();
                });
                assert!(reply.starts_with("426"), "{version:?}, {kept:?}, {missing}: {reply}");
                broken += 1;
                if kept.is_some() {
                    break;
                }
            }
        }
        assert_eq!(broken, 13);
        let reply = end_unsaid(&side, &mut client, &[7; 1000], |data, records| {
            data.sock.write_all(&records).unwrap();
            socket2::SockRef::from(&data.sock).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        });
        // The reset may be met in the midst of the handshake.
        assert!(reply.starts_with("426") || reply.starts_with("522"), "{version:?}: {reply}");
        assert_eq!(std::fs::read(&file).unwrap(), b"old");
    }
}
