//! A small FTP client on raw sockets, whose every step can be seen and left out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// No answer takes this long; whoever waits for more than it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One control connection, in clear or not.
pub(crate) struct Client {
    lines: BufReader<Box<dyn Duplex>>,
    socket: TcpStream,
}

/// What a control connection is spoken over.
pub(crate) trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

impl Client {
    /// Connects; the greeting is still to be read.
    pub(crate) fn connect(server: SocketAddr) -> Self {
        Self::over(TcpStream::connect(server).unwrap())
    }

    /// The same from this address of ours.
    pub(crate) fn connect_from(source: &str, server: SocketAddr) -> Self {
        Self::over(stream_from(source.parse().unwrap(), server).unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let socket = stream.try_clone().unwrap();
        Self { lines: BufReader::new(Box::new(stream)), socket }
    }

    /// Connects, logs in with the password `secret`, and says TYPE I.
    pub(crate) fn login(server: SocketAddr, user: &str) -> Self {
        Self::connect(server).enter(user)
    }

    /// The same from this address of ours.
    pub(crate) fn login_from(source: &str, server: SocketAddr, user: &str) -> Self {
        Self::connect_from(source, server).enter(user)
    }

    fn enter(mut self, user: &str) -> Self {
        self.expect("220");
        self.sign_in(user);
        self
    }

    /// Speaks on over another connection, made of this one's socket.
    pub(crate) fn over_another<D: Duplex + 'static>(self, make: impl FnOnce(TcpStream) -> D) -> Self {
        assert!(self.lines.buffer().is_empty(), "more came than was asked for");
        let socket = self.socket.try_clone().unwrap();
        Self { lines: BufReader::new(Box::new(make(self.socket))), socket }
    }

    /// Logs in with the password `secret`, and says TYPE I.
    #[track_caller]
    pub(crate) fn sign_in(&mut self, user: &str) {
        self.ask(&format!("USER {user}"), "331");
        self.ask("PASS secret", "230");
        self.ask("TYPE I", "200");
    }

    /// The next reply, all of its lines; empty at the end of the connection.
    pub(crate) fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = Vec::new();
            self.lines.read_until(b'\n', &mut line).unwrap_or_else(|why| panic!("no reply: {why}; so far: {reply}"));
            let line = String::from_utf8_lossy(&line);
            reply += &line;
            let is_last = line.len() > 3 && line.as_bytes()[..3].iter().all(u8::is_ascii_digit) && &line[3..4] == " ";
            if is_last || line.is_empty() {
                return reply.trim_end().to_owned();
            }
        }
    }

    pub(crate) fn send(&mut self, line: &str) {
        self.lines.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    /// Sends a line and reads the reply, whatever it is.
    pub(crate) fn say(&mut self, line: &str) -> String {
        self.send(line);
        self.reply()
    }

    /// Sends a line and reads the reply, which begins like this.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str, wanted: &str) -> String {
        let reply = self.say(line);
        assert!(reply.starts_with(wanted), "{line} was answered: {reply}");
        reply
    }

    /// The next reply begins like this.
    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: &str) -> String {
        let reply = self.reply();
        assert!(reply.starts_with(wanted), "instead of {wanted} came: {reply}");
        reply
    }

    /// The server closes the connection, and says nothing before it.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.reply(), "");
    }

    /// Where PASV says to connect to.
    #[track_caller]
    pub(crate) fn pasv(&mut self) -> SocketAddr {
        address_in(&self.ask("PASV", "227"))
    }

    /// The port that EPSV says, at the server's address.
    #[track_caller]
    pub(crate) fn epsv(&mut self) -> SocketAddr {
        let reply = self.ask("EPSV", "229");
        SocketAddr::new(self.server().ip(), reply.split('|').nth(3).unwrap().parse().unwrap())
    }

    /// PASV, and the data connection, from where the control connection comes from.
    #[track_caller]
    pub(crate) fn open(&mut self) -> TcpStream {
        let address = self.pasv();
        self.data(address)
    }

    /// A data connection from where the control connection comes from.
    #[track_caller]
    pub(crate) fn data(&mut self, to: SocketAddr) -> TcpStream {
        let own = self.socket.local_addr().unwrap().ip();
        stream_from(own, to).unwrap_or_else(|why| panic!("data connection to {to}: {why}"))
    }

    /// Announces a listener by PORT or EPRT.
    #[track_caller]
    pub(crate) fn announce(&mut self, listener: &TcpListener) {
        let address = listener.local_addr().unwrap();
        let family = if address.is_ipv4() { 1 } else { 2 };
        self.ask(&format!("EPRT |{family}|{}|{}|", address.ip(), address.port()), "200");
    }

    /// A whole download.
    #[track_caller]
    pub(crate) fn retrieve(&mut self, name: &str) -> Vec<u8> {
        let mut data = self.open();
        self.ask(&format!("RETR {name}"), "150");
        let received = all_of(&mut data);
        self.expect("226");
        received
    }

    /// A whole upload.
    #[track_caller]
    pub(crate) fn store(&mut self, name: &str, bytes: &[u8]) {
        let mut data = self.open();
        self.ask(&format!("STOR {name}"), "150");
        data.write_all(bytes).unwrap();
        drop(data);
        self.expect("226");
    }

    /// Sends all of it, or as much as the server takes; its last reply.
    pub(crate) fn try_to_store(&mut self, name: &str, bytes: &[u8]) -> String {
        let mut data = self.open();
        let reply = self.say(&format!("STOR {name}"));
        if !reply.starts_with("150") {
            return reply;
        }
        // The server may have had enough.
        let _ = data.write_all(bytes);
        drop(data);
        self.reply()
    }

    /// An upload that goes on where an earlier one ended, at `offset`.
    #[track_caller]
    pub(crate) fn resume(&mut self, name: &str, offset: usize, bytes: &[u8]) {
        self.ask(&format!("REST {offset}"), "350");
        self.store(name, bytes);
    }

    /// An upload to the end of what is there.
    #[track_caller]
    pub(crate) fn append(&mut self, name: &str, bytes: &[u8]) {
        let mut data = self.open();
        self.ask(&format!("APPE {name}"), "150");
        data.write_all(bytes).unwrap();
        drop(data);
        self.expect("226");
    }

    /// Asks STAT until it tells that so many bytes of the transfer under way have come.
    #[track_caller]
    pub(crate) fn await_moved(&mut self, bytes: usize) {
        let wanted = format!(" Total bytes transferred: {bytes}\r\n");
        wait_until(&wanted, || self.say("STAT").contains(&wanted));
    }

    /// Our end.
    pub(crate) fn local(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// The server's end.
    pub(crate) fn server(&self) -> SocketAddr {
        self.socket.peer_addr().unwrap()
    }

    /// The connection itself, for what no client should do.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.socket
    }
}

/// The address in a 227.
#[track_caller]
pub(crate) fn address_in(reply: &str) -> SocketAddr {
    let numbers: Vec<u8> =
        reply.split(['(', ')']).nth(1).unwrap().split(',').map(|number| number.parse().unwrap()).collect();
    let [a, b, c, d, high, low] = numbers[..] else { panic!("{reply}") };
    SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
}

/// A connection from this address of ours.
pub(crate) fn stream_from(source: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

/// Everything to the end, which comes in order.
#[track_caller]
pub(crate) fn all_of(data: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    data.read_to_end(&mut received).unwrap_or_else(|why| panic!("after {} bytes: {why}", received.len()));
    received
}

/// What comes before the connection ends, in order or not.
pub(crate) fn until_end(data: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    match data.read_to_end(&mut received) {
        Err(why) if why.kind() != std::io::ErrorKind::ConnectionReset => panic!("the connection does not end: {why}"),
        _ => received,
    }
}

/// Whether nobody listens there, asked from this address of ours.
pub(crate) fn is_refused(source: &str, to: SocketAddr) -> bool {
    match stream_from(source.parse().unwrap(), to) {
        Ok(_) => false,
        Err(why) if why.kind() == std::io::ErrorKind::ConnectionRefused => true,
        // It was closed while this one was in its queue: the next will be refused.
        Err(why) if why.kind() == std::io::ErrorKind::ConnectionReset => false,
        Err(why) => panic!("{to}: {why}"),
    }
}

/// Asks again and again, for what comes about in its own time.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// A port that is free now: below those that the kernel gives out, and below the passive ports of the harness.
pub(crate) fn free_port() -> u16 {
    use std::hash::BuildHasher;
    loop {
        let random = std::hash::RandomState::new().hash_one(0_u8);
        let port = 10_000 + u16::try_from(random % 10_000).unwrap();
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}
