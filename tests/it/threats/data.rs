//! Data connections: T34 to T45.
//!
//! T34 is shown by `network/strangers.rs`, T36 by `network/active.rs` and the dialogues of PORT and EPRT, T37, T43 and
//! T44 by dialogues, T38 and T39 by `network/range.rs`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use crate::binary::Setup;
use crate::harness::{TestServer, set};
use crate::namespaces::{Host, program};
use crate::wire::{Client, is_refused, stream_from, wait_until};

fn server(change: &[(&str, &str)]) -> TestServer {
    let server = TestServer::start(|settings| change.iter().for_each(|(name, value)| set(settings, name, value)));
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    server
}

/// T35: of all who come from the client's own address one is taken, before the transfer or during it, and the port is
/// closed behind it.
#[test]
fn one_connection_is_taken_and_no_other() {
    let server = server(&[]);
    let mut client = Client::login(server.address, "bob");
    for is_early in [true, false].repeat(20) {
        let address = client.pasv();
        if !is_early {
            client.ask("RETR file", "150");
        }
        // Those who come too late are not let in at all.
        let rivals = std::thread::scope(|scope| {
            let racing: Vec<_> = (0..5).map(|_| scope.spawn(|| stream_from(address.ip(), address).ok())).collect();
            racing.into_iter().filter_map(|rival| rival.join().unwrap()).collect::<Vec<TcpStream>>()
        });
        if is_early {
            client.ask("RETR file", "150");
        }
        client.expect("226");
        // Not until the end of each: one whose handshake the closing of the port came between may never be told of it.
        let mut received = vec![Vec::new(); rivals.len()];
        wait_until("one of them has all", || {
            for (rival, received) in rivals.iter().zip(&mut received) {
                rival.set_nonblocking(true).unwrap();
                let _ = { rival }.read_to_end(received);
            }
            received.concat().len() >= b"content".len()
        });
        assert!(received.iter().filter(|received| !received.is_empty()).eq([b"content"]), "{received:?}");
        wait_until("the port is closed", || is_refused("127.0.0.1", address));
    }
}

/// T36: neither PORT nor EPRT has the server connect to anybody else, or to a service.
#[test]
fn nobody_but_the_client_is_connected_to() {
    let server = server(&[]);
    let mut client = Client::login(server.address, "bob");
    let elsewhere = TcpListener::bind("127.0.0.2:0").unwrap();
    let SocketAddr::V4(there) = elsewhere.local_addr().unwrap() else { panic!("asked for IPv4") };
    let [high, low] = there.port().to_be_bytes();
    let port = there.port();
    for (command, wanted) in [
        (format!("PORT 127,0,0,2,{high},{low}"), "504"),
        (format!("PORT 0,0,0,0,{high},{low}"), "504"),
        (format!("PORT 255,255,255,255,{high},{low}"), "504"),
        (format!("PORT 224,0,0,1,{high},{low}"), "504"),
        ("PORT 127,0,0,1,0,25".to_owned(), "504"),
        ("PORT 127,0,0,1,3,255".to_owned(), "504"),
        (format!("EPRT |1|127.0.0.2|{port}|"), "504"),
        (format!("EPRT |2|::ffff:127.0.0.2|{port}|"), "504"),
        (format!("EPRT |2|::1|{port}|"), "522"),
        ("EPRT |1|127.0.0.1|25|".to_owned(), "504"),
    ] {
        client.ask(&command, wanted);
        client.ask("RETR file", "425 Use");
    }
    elsewhere.set_nonblocking(true).unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// T40: whoever never comes is told so in time, is heard meanwhile, and no file is touched.
#[test]
fn an_upload_whose_client_never_comes_touches_no_file() {
    let server = server(&[("data_connect_timeout", "400ms")]);
    let file = server.home("bob").join("file");
    let mut client = Client::login(server.address, "bob");
    client.pasv();
    client.ask("STOR file", "150");
    client.ask("NOOP", "200");
    client.expect("425");
    client.pasv();
    client.ask("STOR file", "150");
    client.ask("ABOR", "426");
    client.expect("226");
    assert_eq!(std::fs::read(file).unwrap(), b"content");
}

/// T41: who sends a byte now and then is let go when the time to log in is over, and many of them hold nobody up.
#[test]
fn many_who_send_a_byte_at_a_time_have_the_time_to_log_in_and_no_more() {
    let server = server(&[("login_timeout", "1s"), ("max_cons", "0"), ("max_per_ip", "0")]);
    let mut slow: Vec<Client> =
        (0..200).map(|number| Client::connect_from(&format!("127.0.1.{}", 1 + number % 20), server.address)).collect();
    let mut client = Client::login(server.address, "bob");
    for one in &mut slow {
        one.expect("220");
    }
    let begun = Instant::now();
    while begun.elapsed().as_millis() < 500 {
        for one in &slow {
            // Fails for those who have been let go.
            let _ = one.stream().write_all(b"N");
        }
        client.ask("NOOP", "200");
    }
    assert_eq!(client.retrieve("file"), b"content");
    for mut one in slow {
        one.expect("421 Control connection timed out.");
    }
    client.ask("NOOP", "200");
}

/// The most memory that the program has had, in KiB.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// T42: those who ask for much and read nothing end by themselves, and each costs a block of memory at most.
#[test]
fn a_hundred_who_do_not_read_end_and_take_little_memory() {
    const READERS: u64 = 100;
    let server = Setup::new().variable("FTP_DATA_TIMEOUT", "1s").variable("FTP_MAX_PER_IP", "0").start();
    let home = server.folder().join("home/bob");
    std::fs::File::create(home.join("large")).unwrap().set_len(256 << 20).unwrap();
    let stall = |readers: u64| {
        let mut stalled: Vec<(Client, TcpStream)> = (0..readers)
            .map(|_| {
                let mut client = Client::login(server.address, "bob");
                let data = client.open();
                client.ask("RETR large", "150");
                (client, data)
            })
            .collect();
        for (client, _) in &mut stalled {
            client.expect("426 Data connection timed out;");
        }
    };
    // What the program needs once, for threads and the like.
    stall(10);
    let before = peak_memory(server.pid());
    stall(READERS);
    let each = (peak_memory(server.pid()) - before) / READERS;

    assert!(each <= 256, "{each} KiB each");
    Client::login(server.address, "bob").ask("NOOP", "200");
}

/// T45: the 2^64 addresses of an IPv6 client are one, on the wire too.
#[test]
fn three_hundred_addresses_of_one_network_are_one_client() {
    let host = Host::new();
    let server = host.run(|| {
        // All addresses of the network are this host's own.
        let said =
            program("ip").args(["-6", "route", "add", "local", "2001:db8:1::/48", "dev", "lo"]).status().unwrap();
        assert!(said.success());
        std::fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1").unwrap();
        server(&[("ip", "::"), ("max_per_ip", "5")])
    });
    let port = server.address.port();
    let connect = |source: &str| {
        let mut client = Client::connect_from(source, format!("[2001:db8:1:ffff::1]:{port}").parse().unwrap());
        let reply = client.reply();
        (client, reply)
    };
    host.run(|| {
        let all: Vec<_> = (1..=300).map(|number| connect(&format!("2001:db8:1:2:{number:x}::{number:x}"))).collect();
        assert!(all.iter().take(5).all(|(_, reply)| reply.starts_with("220")));
        assert!(all.iter().skip(5).all(|(_, reply)| reply.starts_with("421 Too many connections from the same IP")));
        assert!(connect("2001:db8:1:3::1").1.starts_with("220"));
        drop(all);
        wait_until("the seats are free", || connect("2001:db8:1:2::7").1.starts_with("220"));
    });
    drop(server);
}

/// T38: however often a port is asked for, and however many commands fail meanwhile, the process holds one socket more
/// than before, and none once the port is given up.
#[test]
fn no_socket_is_left_of_many_that_were_asked_for() {
    let server = Setup::new().start();
    let sockets = || {
        let all = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
        all.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    };
    let mut client = Client::login(server.address, "bob");
    let idle = sockets();
    let mut last: Option<SocketAddr> = None;
    for _ in 0..1000 {
        last = Some(client.pasv());
    }
    assert_eq!(sockets(), idle + 1);
    for _ in 0..100 {
        client.ask("RETR missing", "550");
    }
    assert_eq!(sockets(), idle + 1);
    client.ask("ABOR", "225");
    assert_eq!(sockets(), idle);
    assert!(is_refused("127.0.0.1", last.unwrap()));
    let mut data = client.open();
    client.ask("LIST", "150");
    let mut listing = String::new();
    data.read_to_string(&mut listing).unwrap();
    client.expect("226");
    assert_eq!(sockets(), idle);
}
