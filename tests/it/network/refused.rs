//! A command that is refused before its 150 leaves the data connection that was arranged to the next one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use tokio_rustls::rustls::version;

use crate::authority::Authority;
use crate::harness::{TestServer, set};
use crate::tls_side::{Side, server_with_users};
use crate::wire::{Client, all_of};

/// What each of these commands is answered is a refusal, before any 150. `reader` may only look.
const REFUSALS: &[(&str, &[&str], &str)] = &[
    ("bob", &["RETR missing"], "550"),
    ("bob", &["RETR folder"], "550"),
    ("bob", &["RETR"], "501"),
    ("bob", &["RETR /../../etc/passwd"], "550"),
    ("bob", &["REST 100", "RETR file"], "554"),
    ("bob", &["TYPE A", "REST 0", "REST 5"], "501"),
    ("bob", &["STOR missing/file"], "550"),
    ("bob", &["STOR folder"], "550"),
    ("bob", &["STOR ."], "550"),
    ("bob", &["STOR .longshore-x"], "553"),
    ("bob", &["STOR"], "501"),
    ("bob", &["REST 100", "STOR file"], "554"),
    ("bob", &["APPE folder"], "550"),
    ("bob", &["REST 5", "APPE file"], "450"),
    ("bob", &["REST 5", "STOU"], "450"),
    ("bob", &["STOU missing/file"], "550"),
    ("bob", &["LIST missing"], "550"),
    ("bob", &["NLST missing"], "550"),
    ("bob", &["MLSD missing"], "550"),
    ("bob", &["MLSD file"], "501"),
    ("reader", &["STOR file"], "550"),
    ("reader", &["STOU"], "550"),
    ("writer", &["RETR file"], "550"),
    ("bob", &["NONSENSE", "RETR missing"], "550"),
];

const USERS: &str = "\
bob secret elradfmwMT bob
reader secret elr bob
writer secret elw bob
";

/// How a data connection comes about.
#[derive(Debug, Clone, Copy)]
enum Way {
    Pasv,
    Epsv,
    Port,
    Eprt,
}

/// Where it is once it was arranged.
enum Arranged {
    At(SocketAddr),
    Open(TcpStream),
    Listening(TcpListener),
}

impl Way {
    fn arrange(self, client: &mut Client, is_early: bool) -> Arranged {
        let address = match self {
            Self::Pasv => client.pasv(),
            Self::Epsv => client.epsv(),
            Self::Port | Self::Eprt => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                if matches!(self, Self::Eprt) {
                    client.announce(&listener);
                } else {
                    client.ask(&format!("PORT 127,0,0,1,{},{}", port / 256, port % 256), "200");
                }
                return Arranged::Listening(listener);
            }
        };
        if is_early { Arranged::Open(client.data(address)) } else { Arranged::At(address) }
    }
}

impl Arranged {
    fn stream(self, client: &mut Client) -> TcpStream {
        match self {
            Self::At(address) => client.data(address),
            Self::Open(stream) => stream,
            Self::Listening(listener) => listener.accept().unwrap().0,
        }
    }
}

/// Each refusal, over each way, with and without a client that has connected before it.
fn try_all(server: &TestServer, side: Option<&Side>) {
    let home = server.home("bob");
    std::fs::create_dir(home.join("folder")).unwrap();
    std::fs::write(home.join("file"), "0123456789").unwrap();
    for &(user, commands, code) in REFUSALS {
        let mut client = match side {
            Some(side) => side.login(server, user),
            None => Client::login(server.address, user),
        };
        for way in [Way::Pasv, Way::Epsv, Way::Port, Way::Eprt] {
            for is_early in [false, true] {
                let case =
                    format!("{user} {commands:?} {way:?}, connected before: {is_early}, TLS: {}", side.is_some());
                let arranged = way.arrange(&mut client, is_early);
                for _ in 0..2 {
                    let replies: Vec<String> = commands.iter().map(|command| client.say(command)).collect();
                    assert!(replies.last().unwrap().starts_with(code), "{case}: {replies:?}");
                }
                client.ask("TYPE I", "200");
                let listing = client.say("NLST");
                assert!(listing.starts_with("150"), "{case}: {listing}");
                let mut stream = arranged.stream(&mut client);
                let names = match side {
                    Some(side) => {
                        let (mut data, _) = side.handshake(stream).unwrap();
                        let mut received = Vec::new();
                        data.read_to_end(&mut received).unwrap();
                        received
                    }
                    None => all_of(&mut stream),
                };
                assert!(String::from_utf8(names).unwrap().contains("file\r\n"), "{case}");
                client.expect("226");
                // It is used up.
                client.ask("NLST", "425");
            }
        }
    }
}

#[test]
fn a_refused_command_leaves_the_data_connection_to_the_next_one() {
    try_all(&TestServer::start_with_users(USERS, |_| {}), None);
}

#[test]
fn a_refused_command_leaves_the_data_connection_to_the_next_one_with_tls() {
    let authority = Authority::new();
    let server = server_with_users(&authority, USERS, |settings| set(settings, "tls_session_reuse", "off"));
    try_all(&server, Some(&Side::new(&authority, &version::TLS13)));
}

/// The bytes that a client sent before the refusal are those of the file that it asks for next, and all of them.
#[test]
fn an_upload_goes_over_the_connection_of_a_refused_one() {
    let server = TestServer::start_with_users(USERS, |_| {});
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("STOR missing/file", "550");
    data.write_all(b"content").unwrap();
    drop(data);
    client.ask("STOR file", "150");
    client.expect("226");
    assert_eq!(std::fs::read(server.home("bob").join("file")).unwrap(), b"content");
}

/// PROT P is asked for, and may still come.
#[test]
fn a_data_connection_that_must_be_protected_waits_for_prot() {
    let authority = Authority::new();
    let server = server_with_users(&authority, USERS, |settings| {
        set(settings, "tls", "required");
        set(settings, "tls_session_reuse", "off");
    });
    std::fs::write(server.home("bob").join("file"), "content").unwrap();
    let side = Side::new(&authority, &version::TLS13);
    let mut client = side.connect(&server);
    client.sign_in("bob");
    let stream = client.open();
    client.ask("RETR file", "521");
    client.ask("PBSZ 0", "200");
    client.ask("PROT P", "200");
    client.ask("RETR file", "150");
    let (mut data, _) = side.handshake(stream).unwrap();
    let mut received = Vec::new();
    data.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"content");
    client.expect("226");
}
