//! Uploads of clients whose two connections end in any order: what came to an end in order is kept, and only that.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio_rustls::rustls::version;

use crate::authority::Authority;
use crate::harness::{TestServer, USERS, set};
use crate::tls_side::{Secure, Side, server_with_users};
use crate::wire::{Client, PATIENCE, address_in, until_end, wait_until};

/// What stood under the name.
const OLD: &[u8] = b"old content";
/// What is sent, in more than one block.
const SIZE: usize = 300_000;

fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// The server does not end the connection for half a second.
fn stays_open(data: &mut TcpStream) {
    data.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert_eq!(data.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    data.set_read_timeout(Some(PATIENCE)).unwrap();
}

/// The way a client leaves in the midst of an upload of which all bytes are sent.
type Leaving = fn(Client, TcpStream);

/// Ends that are in order, whatever becomes of the control connection.
const IN_ORDER: &[(&str, Leaving)] = &[
    ("data FIN, control FIN", |control, data| {
        drop(data);
        drop(control);
    }),
    ("data FIN, control reset", |control, data| {
        drop(data);
        reset(control.stream());
        drop(control);
    }),
    ("control FIN, data FIN", |control, data| {
        drop(control);
        drop(data);
    }),
    ("control half closed, data FIN, 226 is read", |mut control, data| {
        control.stream().shutdown(Shutdown::Write).unwrap();
        drop(data);
        control.expect("226");
        control.expect_end();
    }),
    ("data half closed, control FIN", |control, data| {
        data.shutdown(Shutdown::Write).unwrap();
        drop(control);
        until_end(&mut { data });
    }),
    ("QUIT, data FIN, control FIN", |mut control, data| {
        control.send("QUIT");
        drop(data);
        drop(control);
    }),
    ("data FIN, QUIT, control reset", |mut control, data| {
        drop(data);
        control.send("QUIT");
        reset(control.stream());
        drop(control);
    }),
    ("control FIN, data FIN after a while", |control, mut data| {
        drop(control);
        stays_open(&mut data);
        drop(data);
    }),
    ("half a line, control FIN, data FIN", |mut control, data| {
        control.send("NOOP\r\nNO");
        drop(control);
        drop(data);
    }),
];

/// Ends that are none.
const BROKEN: &[(&str, Leaving)] = &[
    ("data reset, control FIN", |control, data| {
        reset(&data);
        drop(data);
        drop(control);
    }),
    ("control FIN, data reset", |control, data| {
        drop(control);
        reset(&data);
        drop(data);
    }),
    ("control reset, and the data goes on", |control, mut data| {
        reset(control.stream());
        drop(control);
        until_end(&mut data);
    }),
    ("control FIN, and the data does not end", |control, mut data| {
        drop(control);
        until_end(&mut data);
    }),
    ("control half closed, and the data does not end: told", |mut control, mut data| {
        control.stream().shutdown(Shutdown::Write).unwrap();
        until_end(&mut data);
        control.expect("426");
        control.expect_end();
    }),
    ("ABOR", |mut control, mut data| {
        control.ask("ABOR", "426");
        control.expect("226");
        until_end(&mut data);
    }),
];

/// How an upload is asked for, and what the file is once all has come.
const VERBS: &[(&[&str], bool)] = &[(&["STOR file"], false), (&["APPE file"], true), (&["REST 11", "STOR file"], true)];

/// A server with a transfer log, and room for one session.
fn server() -> TestServer {
    TestServer::start(|settings| {
        let log = settings.home_root.join("xferlog");
        set(settings, "transfer_log", log.to_str().unwrap());
        set(settings, "max_cons", "1");
    })
}

/// Logs in as soon as there is a seat.
fn next_client(server: &TestServer) -> Client {
    let mut client = None;
    wait_until("the seat is free", || {
        let mut next = Client::connect(server.address);
        let is_let_in = next.reply().starts_with("220");
        client = is_let_in.then_some(next);
        is_let_in
    });
    let mut client = client.unwrap();
    client.sign_in("bob");
    client
}

/// How many transfers the transfer log has, and whether the last one is complete.
fn logged(server: &TestServer) -> (usize, bool) {
    let text = std::fs::read_to_string(server.folder().join("xferlog")).unwrap_or_default();
    (text.lines().count(), text.trim_end().ends_with('c'))
}

#[test]
fn an_upload_is_whole_if_and_only_if_its_data_ended_in_order() {
    let server = server();
    let file = server.home("bob").join("file");
    let new = vec![7; SIZE];
    let mut transfers = 0;
    let all = IN_ORDER.iter().map(|it| (it, true)).chain(BROKEN.iter().map(|it| (it, false)));
    for ((name, leave), is_whole) in all {
        for &(commands, is_appended) in VERBS {
            let case = format!("{name}: {commands:?}");
            let mut client = next_client(&server);
            client.say("DELE file");
            std::fs::write(&file, OLD).unwrap();
            let mut data = client.open();
            let replies: Vec<String> = commands.iter().map(|command| client.say(command)).collect();
            assert!(replies.last().unwrap().starts_with("150"), "{case}: {replies:?}");
            data.write_all(&new).unwrap();
            if !is_whole {
                client.await_moved(SIZE);
            }
            leave(client, data);
            transfers += 1;
            wait_until(&case, || logged(&server).0 == transfers);
            assert_eq!(logged(&server).1, is_whole, "{case}");
            let wanted = match (is_whole, is_appended) {
                (false, _) => OLD.to_vec(),
                (true, false) => new.clone(),
                (true, true) => [OLD, &new].concat(),
            };
            assert!(std::fs::read(&file).unwrap() == wanted, "{case}");
        }
    }
}

/// As ffmpeg does: it closes both connections at once, and reads no reply to the upload.
#[test]
fn files_of_a_client_that_hears_no_reply_are_there() {
    let server = server();
    for number in 0..8 {
        let mut client = next_client(&server);
        let mut data = client.open();
        client.send(&format!("STOR file{number}"));
        data.write_all(&vec![number; SIZE]).unwrap();
        drop(data);
        drop(client);
    }
    wait_until("all are logged", || logged(&server).0 == 8);
    for number in 0..8 {
        assert!(std::fs::read(server.home("bob").join(format!("file{number}"))).unwrap() == vec![number; SIZE]);
    }
}

/// STOU has no name to be told by, so what is there is looked at.
#[test]
fn a_unique_file_is_whole_too() {
    let server = server();
    let mut client = next_client(&server);
    let mut data = client.open();
    client.ask("STOU", "150");
    data.write_all(b"content").unwrap();
    drop(data);
    reset(client.stream());
    drop(client);
    wait_until("it is logged", || logged(&server) == (1, true));
    let mut files = std::fs::read_dir(server.home("bob")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(std::fs::read(files.next().unwrap()).unwrap(), b"content");
    assert!(files.next().is_none());
}

/// For as long as bytes come, an upload goes on without its control connection, and holds its seat.
#[test]
fn an_upload_goes_on_while_its_bytes_come() {
    let server = server();
    let mut client = next_client(&server);
    let mut data = client.open();
    client.ask("STOR file", "150");
    drop(client);
    let begun = Instant::now();
    let mut sent = 0;
    while begun.elapsed() < Duration::from_secs(5) {
        data.write_all(b"1234567890").unwrap();
        sent += 10;
        stays_open(&mut data);
        assert!(Client::connect(server.address).reply().starts_with("421"));
    }
    drop(data);
    wait_until("it is logged", || logged(&server) == (1, true));
    assert_eq!(std::fs::read(server.home("bob").join("file")).unwrap().len(), sent);
}

/// A limit of the server's own is no silence of the client's.
#[test]
fn an_upload_that_the_server_slows_down_goes_on() {
    let server = TestServer::start(|settings| {
        let log = settings.home_root.join("xferlog");
        set(settings, "transfer_log", log.to_str().unwrap());
        set(settings, "max_upload", "20000");
    });
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("STOR file", "150");
    data.write_all(&vec![7; 80_000]).unwrap();
    drop(data);
    reset(client.stream());
    drop(client);
    wait_until("it is logged", || logged(&server) == (1, true));
    assert_eq!(std::fs::read(server.home("bob").join("file")).unwrap().len(), 80_000);
}

/// With TLS an end is what TLS says, and a control connection that ends says nothing about it.
#[test]
fn with_tls_an_upload_is_whole_if_close_notify_came() {
    let authority = Authority::new();
    let server = server_with_users(&authority, USERS, |settings| {
        let log = settings.home_root.join("xferlog");
        set(settings, "transfer_log", log.to_str().unwrap());
    });
    let file = server.home("bob").join("file");
    type Ending = fn(Client, Secure);
    let say_the_end = |data: &mut Secure| {
        data.conn.send_close_notify();
        data.flush().unwrap();
    };
    let endings: [(bool, bool, Ending); 4] = [
        (true, true, |control, data| drop((data, control))),
        (true, true, |control, data| {
            drop(data);
            reset(control.stream());
            drop(control);
        }),
        (true, true, |control, data| {
            drop(control);
            drop(data);
        }),
        (false, false, |control, data| drop((data, control))),
    ];
    let mut transfers = 0;
    for version in [&version::TLS12, &version::TLS13] {
        let side = Side::new(&authority, version);
        for (says_end, is_whole, leave) in endings {
            std::fs::write(&file, OLD).unwrap();
            let mut client = side.login(&server, "bob");
            let stream = client.open();
            client.ask("STOR file", "150");
            let (mut data, _) = side.handshake(stream).unwrap();
            data.write_all(b"new content").unwrap();
            data.flush().unwrap();
            if says_end {
                say_the_end(&mut data);
            }
            leave(client, data);
            transfers += 1;
            wait_until("it is logged", || logged(&server) == (transfers, is_whole));
            assert_eq!(std::fs::read(&file).unwrap(), if is_whole { b"new content" } else { OLD });
        }
    }
}

/// A client that has left for good makes no data connection, and others want its seat.
#[test]
fn a_client_that_left_before_its_data_connection_gives_its_seat_back() {
    let server = server();
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    type Leaving = fn(Client);
    let ways: [(&str, Leaving); 4] = [
        ("closed, and a reply was not read", |mut client| {
            client.send("NOOP");
            drop(client);
        }),
        ("closed", drop),
        ("reset", |client| {
            reset(client.stream());
            drop(client);
        }),
        ("QUIT", |mut client| {
            client.send("QUIT");
            reset(client.stream());
            drop(client);
        }),
    ];
    for (name, leave) in ways {
        for command in ["LIST", "NLST", "MLSD", "RETR file", "STOR file2", "APPE file"] {
            let mut client = next_client(&server);
            client.epsv();
            client.ask(command, "150");
            let left = Instant::now();
            leave(client);
            drop(next_client(&server));
            assert!(left.elapsed() < Duration::from_secs(3), "{command}, {name}: {:?}", left.elapsed());
        }
    }
    assert!(!server.home("bob").join("file2").exists());
    assert_eq!(std::fs::read(server.home("bob").join("file")).unwrap(), b"content");
}

/// Scripts send all their commands, close their side, and connect to the port that they read of.
#[test]
fn a_client_that_closed_its_side_may_still_connect() {
    let server = server();
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let mut client = next_client(&server);
    client.send("PASV\r\nRETR file\r\nQUIT");
    client.stream().shutdown(Shutdown::Write).unwrap();
    let address = address_in(&client.expect("227"));
    client.expect("150");
    let mut received = Vec::new();
    client.data(address).read_to_end(&mut received).unwrap();
    assert_eq!(received, b"content");
    client.expect("226");
    client.expect("221");
}
