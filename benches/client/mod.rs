//! As much of a client as the benches need.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long a server may keep silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Enough for any reply: there are ten thousand of these.
const LINE: usize = 256;

pub(crate) struct Client {
    control: BufReader<Box<dyn Duplex>>,
    own: IpAddr,
    server: SocketAddr,
}

/// What a control connection is spoken over.
pub(crate) trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

impl Client {
    /// Connects from this address of ours and logs in as `bench`, after AUTH TLS if there is something to speak it with.
    pub(crate) fn login(own: IpAddr, server: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Outcome<Self> {
        Self::login_as("bench", own, server, tls)
    }

    /// The same as somebody else, whose password is `bench` too.
    pub(crate) fn login_as(
        user: &str,
        own: IpAddr,
        server: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Outcome<Self> {
        let stream = connect(own, server)?;
        stream.set_nodelay(true)?;
        let over = |stream: Box<dyn Duplex>| BufReader::with_capacity(LINE, stream);
        let mut client = Self { control: over(Box::new(stream.try_clone()?)), own, server };
        client.expect("220")?;
        client.control = match tls {
            None => over(Box::new(stream)),
            Some(config) => {
                client.ask("AUTH TLS", "234")?;
                let connection = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
                over(Box::new(StreamOwned::new(connection, stream)))
            }
        };
        let name = format!("USER {user}");
        for (line, code) in [(name.as_str(), "331"), ("PASS bench", "230"), ("TYPE I", "200")] {
            client.ask(line, code)?;
        }
        Ok(client)
    }

    /// Begins a transfer.
    pub(crate) fn open(&mut self, line: &str) -> Outcome<TcpStream> {
        let reply = self.ask("EPSV", "229")?;
        let port = reply.split('|').nth(3).ok_or("no port")?.parse()?;
        let data = connect(self.own, SocketAddr::new(self.server.ip(), port))?;
        // 125 where it is open already.
        self.ask(line, "1")?;
        Ok(data)
    }

    pub(crate) fn ask(&mut self, line: &str, code: &str) -> Outcome<String> {
        self.say(line)?;
        self.expect(code)
    }

    /// One line, or several, and what they are answered is for [`expect`](Self::expect).
    pub(crate) fn say(&mut self, lines: &str) -> Outcome<()> {
        Ok(self.control.get_mut().write_all(format!("{lines}\r\n").as_bytes())?)
    }

    /// The last line of a reply, which may have several (RFC 959 section 4.2), if its code begins like that.
    pub(crate) fn expect(&mut self, code: &str) -> Outcome<String> {
        let mut reply = String::new();
        loop {
            reply.clear();
            if self.control.read_line(&mut reply)? == 0 {
                return Err(format!("wanted {code}, but it was closed").into());
            }
            let is_last =
                reply.starts_with(|first: char| first.is_ascii_digit()) && reply.as_bytes().get(3) == Some(&b' ');
            if is_last {
                break;
            }
        }
        if reply.starts_with(code) { Ok(reply) } else { Err(format!("wanted {code}, got {reply}").into()) }
    }
}

fn connect(own: IpAddr, server: SocketAddr) -> Outcome<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    // Where the kernel chooses the address it chooses among more ports: those of connections that are just over, too.
    if own != IpAddr::V4(Ipv4Addr::LOCALHOST) {
        socket.bind(&SocketAddr::new(own, 0).into())?;
    }
    // Some servers forget a session now and then.
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}
