//! A client that stores until the server is gone, and goes on where it was when there is another.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::ops::AddAssign;
use std::sync::atomic::Ordering;

use super::ledger::content;
use super::{Scene, random};
use crate::tls_side::Side;
use crate::wire::{Duplex, PATIENCE, stream_from};

/// Names that all writers store to.
const SHARED: u64 = 8;
/// Uploads to one log before the next is begun.
const LOG: u64 = 30;

/// Uploads of one writer that were acknowledged.
#[derive(Debug, Default)]
pub(super) struct Tally {
    begun: usize,
    pub(super) in_clear: usize,
    pub(super) over_tls: usize,
    /// Of these, those that went on where a killed server had stopped,
    pub(super) resumed: usize,
    /// and those that were added to what was there.
    pub(super) appended: usize,
    bytes: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.begun += other.begun;
        self.in_clear += other.in_clear;
        self.over_tls += other.over_tls;
        self.resumed += other.resumed;
        self.appended += other.appended;
        self.bytes += other.bytes;
    }
}

/// Why a writer stopped.
pub(super) enum Trouble {
    /// The server is gone.
    Gone,
    /// It answered what it never should.
    Answered(String),
    /// It did not answer.
    Silent(std::io::Error),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::Silent(error),
            _ => Self::Gone,
        }
    }
}

type Step<T> = Result<T, Trouble>;

pub(super) struct Writer {
    number: usize,
    /// An upload that broke, to a name that is this writer's own.
    broken: Option<Broken>,
    /// How long the file of its own is that was acknowledged last.
    own: Option<usize>,
    logged: u64,
}

struct Broken {
    name: String,
    version: u64,
    length: usize,
    /// What had the name before: where SIZE tells as much, it may be this that it tells of.
    old: Option<usize>,
}

impl Writer {
    pub(super) fn new(number: usize) -> Self {
        Self { number, broken: None, own: None, logged: 0 }
    }

    /// Stores until the server is gone.
    pub(super) fn store_on(&mut self, scene: &Scene, server: SocketAddr, tally: &mut Tally) -> Trouble {
        let is_secure = self.number % 4 == 3;
        let stored = Session::open(scene, server, &format!("w{}", self.number), is_secure).and_then(|mut session| {
            while !scene.over.load(Ordering::SeqCst) {
                self.store_one(&mut session, tally)?;
            }
            Ok(())
        });
        match stored.err() {
            // The port of a server that was killed is free: whoever connects to it may meet anybody, or himself.
            Some(Trouble::Silent(_)) if scene.over.load(Ordering::SeqCst) => Trouble::Gone,
            trouble => trouble.unwrap_or(Trouble::Gone),
        }
    }

    fn store_one(&mut self, session: &mut Session, tally: &mut Tally) -> Step<()> {
        let random = random();
        if let Some(broken) = self.broken.take() {
            return self.go_on(session, broken, random, tally);
        }
        let (length, own) = (length(random >> 16), self.number);
        match random % 10 {
            0..=3 => session.store(&format!("name-{}", random / 10 % SHARED), length, tally),
            4 | 5 => self.store_own(session, format!("own-{own}"), length, self.own, tally),
            6 => self.store_own(session, format!("new-{own}-{random:x}"), length, None, tally),
            7 | 8 => self.log(session, length, tally),
            _ => session.store_nothing(&format!("empty-{own}"), tally),
        }
    }

    /// To a name that nobody else stores to.
    fn store_own(
        &mut self,
        session: &mut Session,
        name: String,
        length: usize,
        old: Option<usize>,
        tally: &mut Tally,
    ) -> Step<()> {
        let version = session.scene.ledger.begin(&name);
        let all = content(&name, version, length);
        let is_own = name.starts_with("own-");
        self.broken = Some(Broken { name, version, length, old });
        let Some(Broken { name, .. }) = &self.broken else { unreachable!() };
        session.put(name, version, "STOR", &all, tally)?;
        self.broken = None;
        if is_own {
            self.own = Some(all.len());
        }
        Ok(())
    }

    /// As a client resumes: from the size that the server tells, by REST and STOR or by APPE.
    fn go_on(&mut self, session: &mut Session, broken: Broken, random: u64, tally: &mut Tally) -> Step<()> {
        let Broken { name, version, length, old } = broken;
        let all = content(&name, version, length);
        self.broken = Some(Broken { name: name.clone(), ..broken });
        let reply = session.expect(&format!("SIZE {name}"), "")?;
        let there = reply.strip_prefix("213 ").and_then(|size| size.parse::<usize>().ok());
        let Some(there) = there.filter(|there| old != Some(*there)) else {
            // Nothing of it is there.
            self.broken = None;
            return self.store_own(session, name, length, old, tally);
        };
        let Some(rest) = all.get(there..) else {
            return Err(Trouble::Answered(format!("{name}: {reply} of {}", all.len())));
        };
        let verb = if random & 1 == 0 { "STOR" } else { "APPE" };
        if verb == "STOR" {
            session.expect(&format!("REST {there}"), "350")?;
        }
        session.scene.ledger.begin_again(&name, version);
        session.put(&name, version, verb, rest, tally)?;
        tally.resumed += 1;
        self.broken = None;
        if name.starts_with("own-") {
            self.own = Some(all.len());
        }
        Ok(())
    }

    /// Adds to a log, as a client does that never asks what is there.
    fn log(&mut self, session: &mut Session, length: usize, tally: &mut Tally) -> Step<()> {
        let name = format!("log-{}-{}", self.number, self.logged / LOG);
        self.logged += 1;
        let version = session.scene.ledger.begin(&name);
        session.put(&name, version, "APPE", &content(&name, version, length), tally)?;
        tally.appended += 1;
        Ok(())
    }
}

/// From nothing to 1 MiB, and small ones more often.
fn length(random: u64) -> usize {
    let most = [0, 1 << 12, 1 << 16, 1 << 20][usize::try_from(random % 4).unwrap()];
    usize::try_from(random >> 8).unwrap() % (most + 1)
}

/// A control connection that may end at any moment.
struct Session<'a> {
    scene: &'a Scene,
    lines: BufReader<Box<dyn Duplex>>,
    server: SocketAddr,
    side: Option<&'a Side>,
}

impl<'a> Session<'a> {
    fn open(scene: &'a Scene, server: SocketAddr, user: &str, is_secure: bool) -> Step<Self> {
        let own = IpAddr::from([127, 0, 0, 1]);
        let stream = stream_from(own, server)?;
        stream.set_nodelay(true)?;
        let mut session = Self { scene, lines: BufReader::new(Box::new(stream.try_clone()?)), server, side: None };
        session.awaited("the greeting", "220")?;
        if is_secure {
            session.expect("AUTH TLS", "234")?;
            session.side = Some(&scene.side);
            session.lines = BufReader::new(Box::new(scene.side.over(stream)));
        }
        for (line, code) in [(format!("USER {user}").as_str(), "331"), ("PASS secret", "230"), ("TYPE I", "200")] {
            session.expect(line, code)?;
        }
        if is_secure {
            session.expect("PBSZ 0", "200")?;
            session.expect("PROT P", "200")?;
        }
        Ok(session)
    }

    /// A whole new content.
    fn store(&mut self, name: &str, length: usize, tally: &mut Tally) -> Step<()> {
        let version = self.scene.ledger.begin(name);
        self.put(name, version, "STOR", &content(name, version, length), tally)
    }

    fn store_nothing(&mut self, name: &str, tally: &mut Tally) -> Step<()> {
        let version = self.scene.ledger.begin(name);
        self.put(name, version, "STOR", &[], tally)
    }

    /// Sends a deed that has begun, and tells the ledger how it ended.
    fn put(&mut self, name: &str, version: u64, verb: &str, bytes: &[u8], tally: &mut Tally) -> Step<()> {
        tally.begun += 1;
        let sent = self.transfer(&format!("{verb} {name}"), bytes);
        self.scene.ledger.end(name, version, sent.is_ok());
        sent?;
        tally.bytes += bytes.len();
        *(if self.side.is_some() { &mut tally.over_tls } else { &mut tally.in_clear }) += 1;
        Ok(())
    }

    fn transfer(&mut self, command: &str, bytes: &[u8]) -> Step<()> {
        let reply = self.expect("EPSV", "229")?;
        let port = reply.split('|').nth(3).and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| Trouble::Answered(reply.clone()))?;
        let data = stream_from(self.server.ip(), SocketAddr::new(self.server.ip(), port))?;
        self.expect(command, "150")?;
        self.pour(data, bytes)?;
        self.scene.ledger.step();
        self.awaited(command, "226")?;
        Ok(())
    }

    fn pour(&self, mut data: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        data.set_write_timeout(Some(PATIENCE))?;
        let Some(side) = self.side else { return data.write_all(bytes) };
        let (mut data, _) = side.handshake(data)?;
        data.write_all(bytes)?;
        data.conn.send_close_notify();
        data.flush()
    }

    fn expect(&mut self, line: &str, code: &str) -> Step<String> {
        self.lines.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.awaited(line, code)
    }

    fn awaited(&mut self, line: &str, code: &str) -> Step<String> {
        self.scene.ledger.step();
        let mut reply = String::new();
        self.lines.read_line(&mut reply)?;
        match reply.trim_end() {
            // Half a line is what is left of one when the server is killed.
            _ if !reply.ends_with('\n') => Err(Trouble::Gone),
            reply if reply.starts_with(code) => Ok(reply.to_owned()),
            reply => Err(Trouble::Answered(format!("{line}: {reply}"))),
        }
    }
}
