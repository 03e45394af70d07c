//! Many clients at once, and none of them left over. `benches/soak.rs` shows the same with ten thousand.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::binary::Setup;
use crate::namespaces::Host;
use crate::wire::{Client, PATIENCE, wait_until};

/// As many as may come from one address.
const AN_ADDRESS: usize = 50;

/// The address that this client has.
fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(number / AN_ADDRESS + 1).unwrap())
}

/// A connect that is not waited for.
fn knock(number: usize, server: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((address(number), 0)).into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    if let Err(why) = socket.connect(&server.into()) {
        assert_eq!(why.raw_os_error(), Some(Errno::EINPROGRESS as i32), "{why}");
    }
    socket
}

fn is_greeted(socket: Socket) -> bool {
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line == "220 Welcome\r\n"
}

/// Connections that the kernel dropped because nobody took them out of the queue, in the network of this thread.
fn overflows() -> u64 {
    let counters = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
    let mut lines = counters.lines().filter(|line| line.starts_with("TcpExt:")).map(str::split_whitespace);
    let found = lines.next().unwrap().zip(lines.next().unwrap()).find(|(name, _)| *name == "ListenOverflows");
    found.unwrap().1.parse().unwrap()
}

/// F28: a thousand clients connect before any is answered. Each is greeted, and none is lost in the queue.
#[test]
fn a_thousand_at_once_are_all_greeted() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    Host::new().run(|| {
        let server = Setup::new().variable("FTP_MAX_CONS", "0").start();
        let sockets: Vec<Socket> = (0..1000).map(|number| knock(number, server.address)).collect();
        assert_eq!(sockets.into_iter().map(is_greeted).filter(|greeted| *greeted).count(), 1000);
        assert_eq!(overflows(), 0);
    });
}

/// F27: sessions come, hold still, and go in one way or another; what was open for them is closed.
#[test]
fn sessions_that_are_over_leave_nothing_open() {
    let server = Setup::new().start();
    let before = server.descriptors_at_rest();
    for _ in 0..2 {
        let mut sessions: Vec<Client> =
            (0..300).map(|n| Client::login_from(&address(n).to_string(), server.address, "bob")).collect();
        assert!(server.descriptors() >= before + sessions.len());
        for (number, session) in sessions.iter_mut().enumerate() {
            match number % 4 {
                // A port that nobody comes to, an upload that is left in its midst, a farewell; others just go.
                0 => drop(session.pasv()),
                1 => {
                    let _data = session.open();
                    session.send("STOR file");
                }
                2 => drop(session.ask("QUIT", "221")),
                _ => {}
            }
        }
        drop(sessions);
        wait_until("all is closed", || server.descriptors() <= before);
    }
}
