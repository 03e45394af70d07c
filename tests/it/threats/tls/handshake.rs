//! Handshakes that are none, that stop half-way, or that speak an older TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::authority::Authority;
use crate::binary::Setup;
use crate::harness::set;
use crate::tls_side::{Side, VERSIONS, server, write};
use crate::wire::{Client, stream_from, until_end, wait_until};

/// T30: a data connection that makes no handshake is 522, or 425 when its time is over; the next one works. F53 of
/// the faults: and nothing is left of it.
#[test]
fn a_bad_data_handshake_costs_one_transfer() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (cert, key) = write(folder.path(), &authority.issue(&["localhost"]));
    let setup = Setup::new().variable("FTP_TLS", "required").variable("FTP_DATA_CONNECT_TIMEOUT", "1");
    let running = setup.variable("FTP_TLS_CERT", &cert).variable("FTP_TLS_KEY", &key).start();
    let side = Side::new(&authority, VERSIONS[1]);
    let mut client = Client::connect(running.address);
    client.expect("220");
    client.ask("AUTH TLS", "234");
    let mut client = client.over_another(|stream| side.over(stream));
    client.sign_in("bob");
    client.ask("PBSZ 0", "200");
    client.ask("PROT P", "200");
    let hello = hello_of(&side);
    side.retrieve(&mut client, "LIST");
    let before = running.descriptors_at_rest();

    let mut silent = client.open();
    client.ask("LIST", "150");
    client.expect("425");
    assert!(!matches!(silent.read(&mut [0; 1]), Ok(1..)));
    for turn in 0..200 {
        let mut data = client.open();
        client.ask(if turn % 2 == 0 { "LIST" } else { "STOR f" }, "150");
        match turn % 4 {
            0 => data.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap(),
            1 => data.write_all(&hello[..hello.len() / 2]).unwrap(),
            2 => {
                data.write_all(&hello).unwrap();
                data.read_exact(&mut [0; 5]).unwrap();
            }
            _ => socket2::SockRef::from(&data).set_linger(Some(Duration::ZERO)).unwrap(),
        }
        drop(data);
        client.expect("522");
    }
    assert!(!running.folder().join("home/bob/f").exists());
    side.retrieve(&mut client, "LIST");
    wait_until("the descriptors are given back", || running.descriptors() <= before);
}

/// T31: those who begin a handshake and stop cost the others nothing, and are gone when their time is over.
#[test]
fn unfinished_handshakes_hold_nobody_up() {
    let authority = Authority::new();
    let server = server(&authority, |settings| {
        set(settings, "max_per_ip", "100");
        set(settings, "login_timeout", "2s");
    });
    let side = Side::new(&authority, VERSIONS[1]);
    let hello = hello_of(&side);
    let mut flood = Vec::new();
    for turn in 0..300 {
        let mut stream = stream_from("127.0.0.2".parse().unwrap(), server.address).unwrap();
        stream.write_all(b"AUTH TLS\r\n").unwrap();
        // Past its share of the server an address is turned away, and what it says then is reset.
        let _ = stream.write_all(&hello[..if turn % 2 == 0 { 0 } else { hello.len() - 1 }]);
        flood.push(stream);
    }
    let mut client = side.login(&server, "bob");
    side.retrieve(&mut client, "LIST");
    for mut stream in flood {
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

/// T33: TLS 1.0 and 1.1 are refused with the alert that says so.
#[test]
fn old_versions_are_refused() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    for minor in [0, 1, 2] {
        let mut stream = after_auth(server.address);
        stream.write_all(&old_hello(minor)).unwrap();
        let mut alert = [0; 7];
        stream.read_exact(&mut alert).unwrap();
        // An alert record; fatal; protocol_version, or handshake_failure of SSL 3.
        assert_eq!((alert[0], alert[5]), (0x15, 2), "3.{minor}: {alert:?}");
        assert!([70, 40].contains(&alert[6]), "3.{minor}: {alert:?}");
    }
}

/// T33: `tls_min_version = 1.3` refuses 1.2.
#[test]
fn the_oldest_version_can_be_raised() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "tls_min_version", "1.3"));
    let refused = Side::new(&authority, VERSIONS[0]).handshake(after_auth(server.address)).map(drop).unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    Side::new(&authority, VERSIONS[1]).login(&server, "bob").ask("PWD", "257");
}

/// T33: a ClientHello in records of one byte (RUSTSEC-2024-0399) is read or refused, and the server lives on.
#[test]
fn a_hello_in_crumbs_is_harmless() {
    let authority = Authority::new();
    let server = server(&authority, |_| {});
    let side = Side::new(&authority, VERSIONS[1]);
    let hello = hello_of(&side);
    let mut crumbs = Vec::new();
    for byte in &hello[5..] {
        crumbs.extend([hello[0], hello[1], hello[2], 0, 1, *byte]);
    }
    let mut stream = after_auth(server.address);
    stream.write_all(&crumbs).unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    assert!([0x16, 0x15].contains(&first[0]), "neither a ServerHello nor an alert: {first:?}");
    side.login(&server, "bob").ask("PWD", "257");
}

/// A socket on which the server waits for a handshake.
fn after_auth(server: SocketAddr) -> TcpStream {
    let mut client = Client::connect(server);
    client.expect("220");
    client.ask("AUTH TLS", "234");
    client.stream().try_clone().unwrap()
}

/// The first record that a client sends.
fn hello_of(side: &Side) -> Vec<u8> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut secure = side.forgetful().over(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let mut hello = Vec::new();
    secure.conn.write_tls(&mut hello).unwrap();
    hello
}

/// A ClientHello of SSL 3 (0), TLS 1.0 (1) or TLS 1.1 (2), with one cipher suite and no extension.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let length = u8::try_from(body.len()).unwrap();
    [&[0x16, 3, minor, 0, length + 4, 1, 0, 0, length][..], &body].concat()
}

/// No handshake takes longer than there is to log in: on the usual port, on that of implicit FTPS, and on a data connection.
#[test]
fn a_handshake_has_no_longer_than_a_log_in() {
    let authority = Authority::new();
    let server = server(&authority, |settings| {
        set(settings, "login_timeout", "1s");
        set(settings, "tls_listen", "127.0.0.1:0");
    });
    let side = Side::new(&authority, VERSIONS[1]);
    let hello = hello_of(&side);
    for part in [0, 1, hello.len() / 2] {
        let begun = Instant::now();
        let mut explicit = Client::connect(server.address);
        explicit.expect("220");
        explicit.ask("AUTH TLS", "234");
        let mut implicit = stream_from("127.0.0.1".parse().unwrap(), server.implicit.unwrap()).unwrap();
        explicit.stream().write_all(&hello[..part]).unwrap();
        implicit.write_all(&hello[..part]).unwrap();
        until_end(&mut implicit);
        until_end(&mut explicit.stream().try_clone().unwrap());
        let took = begun.elapsed();
        assert!(Duration::from_secs(1) <= took && took < Duration::from_secs(4), "{took:?}");
    }
    let mut client = side.login(&server, "bob");
    let begun = Instant::now();
    let mut data = client.open();
    client.ask("LIST", "150");
    client.expect("522");
    until_end(&mut data);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    side.retrieve(&mut client, "LIST");
}

/// The time to log in does not begin anew with the handshake.
#[test]
fn a_late_handshake_ends_with_the_time_to_log_in() {
    let authority = Authority::new();
    let server = server(&authority, |settings| set(settings, "login_timeout", "3s"));
    let begun = Instant::now();
    let mut client = Client::connect(server.address);
    client.expect("220");
    while begun.elapsed() < Duration::from_secs(2) {
        client.ask("NOOP", "200");
    }
    client.ask("AUTH TLS", "234");
    until_end(&mut client.stream().try_clone().unwrap());
    assert!(begun.elapsed() < Duration::from_millis(4800), "{:?}", begun.elapsed());
}
