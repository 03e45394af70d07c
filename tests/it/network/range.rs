//! The range of passive ports: never outside it, all of it, shared, and given back at once.

use std::collections::HashSet;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use crate::harness::{TestServer, set};
use crate::wire::{Client, all_of, free_port, is_refused, wait_until};

/// A server whose range is this one port.
fn server_with_one_port() -> (TestServer, u16) {
    let port = free_port();
    let server = TestServer::start(|settings| set(settings, "passive_ports", &port.to_string()));
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    (server, port)
}

/// The ports on which somebody listens, of these.
fn listening(among: &[u16]) -> HashSet<u16> {
    const LISTENING: &str = "0A";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let listener = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = words.get(1)?.split_once(':')?.1;
        (words.get(3) == Some(&LISTENING)).then(|| u16::from_str_radix(port, 16).unwrap())
    };
    table.lines().skip(1).filter_map(listener).filter(|port| among.contains(port)).collect()
}

const USED_UP: &str = "425 All passive ports are in use. Try again later.";

#[test]
fn all_ports_of_the_range_are_used_and_no_other() {
    let first = free_port();
    let range: Vec<u16> = (first..first + 8).collect();
    let server = TestServer::start(|settings| set(settings, "passive_ports", &format!("{first}-{}", first + 7)));
    let mut client = Client::login(server.address, "bob");
    let mut told = Vec::new();
    for _ in 0..100 {
        told.push(client.pasv().port());
        told.push(client.epsv().port());
    }
    assert!(told.iter().all(|port| range.contains(port)), "{told:?}");
    // One in 10^11 runs leaves one out by chance.
    assert_eq!(told.iter().collect::<HashSet<_>>().len(), 8, "{told:?}");
    // Not one after the other, from which the next could be guessed.
    let next_in_turn = told.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
    assert!(next_in_turn < 100, "{told:?}");
}

/// T38: however much PASV is said.
#[test]
fn a_session_has_one_listener_however_often_it_asks() {
    let first = free_port();
    let range: Vec<u16> = (first..first + 50).collect();
    let server = TestServer::start(|settings| set(settings, "passive_ports", &format!("{first}-{}", first + 49)));
    let mut client = Client::login(server.address, "bob");
    for _ in 0..1000 {
        client.pasv();
    }
    let last = client.pasv().port();
    assert_eq!(listening(&range), HashSet::from([last]));
    client.ask("QUIT", "221");
    assert_eq!(listening(&range), HashSet::new());
}

#[test]
fn one_port_serves_clients_of_different_addresses_at_once() {
    let (server, port) = server_with_one_port();
    std::fs::write(server.home("reader").join("file"), "for the reader").unwrap();
    for is_crossed in [false, true] {
        let mut bob = Client::login_from("127.0.0.2", server.address, "bob");
        let mut reader = Client::login_from("127.0.0.3", server.address, "reader");
        let (to_bob, to_reader) = (bob.pasv(), reader.pasv());
        assert_eq!((to_bob.port(), to_reader.port()), (port, port));
        if is_crossed {
            // Whoever asks first accepts what the other has connected.
            let mut for_reader = reader.data(to_reader);
            bob.ask("RETR file", "150");
            reader.ask("RETR file", "150");
            assert_eq!(all_of(&mut for_reader), b"for the reader");
            assert_eq!(all_of(&mut bob.data(to_bob)), b"content");
        } else {
            bob.ask("RETR file", "150");
            reader.ask("RETR file", "150");
            assert_eq!(all_of(&mut reader.data(to_reader)), b"for the reader");
            assert_eq!(all_of(&mut bob.data(to_bob)), b"content");
        }
        bob.expect("226");
        reader.expect("226");
    }
}

#[test]
fn many_clients_share_one_port_all_at_once() {
    let (server, _) = server_with_one_port();
    std::thread::scope(|scope| {
        for number in 2..10 {
            let server = &server;
            scope.spawn(move || {
                let mut client = Client::login_from(&format!("127.0.0.{number}"), server.address, "bob");
                let name = format!("new{number}");
                for turn in 0..20 {
                    let content = vec![number; 1000 * turn];
                    client.store(&name, &content);
                    assert_eq!(client.retrieve(&name), content);
                }
            });
        }
    });
}

#[test]
fn one_client_alone_never_finds_its_own_port_taken() {
    let (server, _) = server_with_one_port();
    let mut client = Client::login(server.address, "bob");
    for _ in 0..200 {
        assert_eq!(client.retrieve("file"), b"content");
    }
}

/// T39, F26: a range used up is told now, and by each address for itself.
#[test]
fn a_range_that_is_used_up_is_told_at_once_and_to_this_address_only() {
    let (server, _) = server_with_one_port();
    let mut first = Client::login(server.address, "bob");
    let address = first.pasv();
    // A transfer waits for it; without one the port would go to the second.
    first.ask("RETR file", "150");
    let mut second = Client::login(server.address, "bob");
    assert_eq!(second.say("PASV"), USED_UP);
    assert_eq!(second.say("EPSV"), USED_UP);
    let mut other = Client::login_from("127.0.0.2", server.address, "bob");
    other.pasv();
    // The one who has it is not disturbed.
    let mut data = first.data(address);
    assert_eq!(all_of(&mut data), b"content");
}

/// Something that a client does which gives its port back.
type Way = fn(&mut Client, SocketAddr);

/// Each way to give a port back, told by the reply: when it comes the port is free.
fn ways_to_give_back() -> Vec<(&'static str, Way)> {
    vec![
        ("ABOR", |client, _| drop(client.ask("ABOR", "225"))),
        ("QUIT", |client, _| drop(client.ask("QUIT", "221"))),
        ("REIN", |client, _| drop(client.ask("REIN", "220"))),
        ("USER", |client, _| drop(client.ask("USER bob", "331"))),
        ("PORT", |client, _| drop(client.ask("PORT 127,0,0,1,200,200", "200"))),
        ("a refused PORT", |client, _| drop(client.ask("PORT 127,0,0,9,200,200", "504"))),
        ("the end of a transfer", |client, address| {
            let mut data = client.data(address);
            client.ask("RETR file", "150");
            all_of(&mut data);
            client.expect("226");
        }),
        ("the beginning of a transfer", |client, address| {
            client.ask("STOR new", "150");
            let mut data = client.data(address);
            data.write_all(b"content").unwrap();
            drop(data);
            client.expect("226");
        }),
        ("the data connection itself", |client, address| {
            let data = client.data(address);
            wait_until("the server has taken it in", || listening(&[address.port()]).is_empty());
            drop(data);
        }),
    ]
}

#[test]
fn a_port_is_given_back_at_once() {
    for (way, give_back) in ways_to_give_back() {
        let (server, _) = server_with_one_port();
        let mut first = Client::login(server.address, "bob");
        let mut second = Client::login(server.address, "bob");
        let address = first.pasv();
        assert!(!is_refused("127.0.0.9", address), "{way}: it is open");
        give_back(&mut first, address);
        assert!(is_refused("127.0.0.1", address), "{way}");
        // Somebody else may have it, and uses it.
        assert_eq!(second.retrieve("file"), b"content", "{way}");
    }
}

#[test]
fn a_port_is_given_back_when_the_client_vanishes() {
    let (server, _) = server_with_one_port();
    let mut first = Client::login(server.address, "bob");
    let address = first.pasv();
    drop(first);
    wait_until("the port is free", || is_refused("127.0.0.1", address));
}

#[test]
fn no_port_stays_open_when_the_server_ends() {
    let (mut server, _) = server_with_one_port();
    let mut client = Client::login(server.address, "bob");
    let address = client.pasv();
    let (told, stopped) = (server.address, std::thread::spawn(move || server.stop()));
    client.expect("421 Service is shutting down.");
    assert!(is_refused("127.0.0.1", address));
    client.expect_end();
    drop(client);
    stopped.join().unwrap();
    assert!(is_refused("127.0.0.1", told));
}

#[test]
fn a_new_pasv_closes_what_the_old_one_opened() {
    let first = free_port();
    let server = TestServer::start(|settings| set(settings, "passive_ports", &format!("{first}-{}", first + 9)));
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    let old = client.pasv();
    let mut connected = client.data(old);
    let new = client.pasv();
    assert_eq!(crate::wire::until_end(&mut connected), b"");
    assert!(old == new || is_refused("127.0.0.1", old));
    let mut data = client.data(new);
    client.ask("RETR file", "150");
    assert_eq!(all_of(&mut data), b"content");
}

#[test]
fn a_port_that_another_program_has_is_passed_over() {
    let first = free_port();
    let taken = std::net::TcpListener::bind(("127.0.0.1", first)).unwrap();
    let server = TestServer::start(|settings| set(settings, "passive_ports", &format!("{first}-{}", first + 1)));
    let mut client = Client::login(server.address, "bob");
    for _ in 0..20 {
        assert_eq!(client.pasv().port(), first + 1);
    }
    drop(taken);
    assert!(TcpStream::connect(("127.0.0.1", first)).is_err());
}
