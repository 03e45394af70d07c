//! What the clients do: a thread for each session, sockets that block, and every reply waited for.

use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, recv};

use crate::client::{Client, Outcome};
use crate::process::Running;
use crate::servers::{BIG, Ground, MANY, MID, SMALL, fill};

/// How long small operations go on at most, however slow a server is. Its CPU is told for as many as were planned.
const LONG_ENOUGH: Duration = Duration::from_secs(5);
/// Sessions from one address: below every server's limit.
const A_SESSIONS_ADDRESS: usize = 40;

/// What is done, by how many at once, and how often by each.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    deed: Deed,
    sessions: usize,
    repeat: usize,
    pub(crate) tls: bool,
    pub(crate) upload_mode: &'static str,
    pub(crate) max_download: &'static str,
    /// Only servers that can put a new file in the place of an old one once it is whole take part, and are told to. This one
    /// does so unless told otherwise.
    pub(crate) all_swap: bool,
}

#[derive(Clone)]
enum Deed {
    /// A file is retrieved, of so many bytes.
    Retrieve(&'static str, usize),
    /// Files of so many bytes are stored over each other, four names a session.
    Store(usize),
    LogIn,
    /// So many at once.
    Noop(usize),
    /// By this command, of a directory of so many names.
    List(&'static str, String, usize),
    /// By curl, for whose TLS no server was made: the file is retrieved, or stored.
    Curl(bool),
    /// Sessions that say nothing.
    Idle,
}

const PLAIN: Scenario = Scenario {
    name: "",
    deed: Deed::LogIn,
    sessions: 1,
    repeat: 1,
    tls: false,
    upload_mode: "atomic",
    max_download: "0",
    all_swap: false,
};

pub(crate) const SCENARIOS: [Scenario; 15] = [
    Scenario { name: "retr_big", deed: Deed::Retrieve("big", BIG), sessions: 4, repeat: 2, ..PLAIN },
    Scenario { name: "stor_big", deed: Deed::Store(512 << 20), sessions: 2, repeat: 2, ..PLAIN },
    Scenario { name: "retr_small", deed: Deed::Retrieve("small", SMALL), sessions: 8, repeat: 1500, ..PLAIN },
    Scenario { name: "stor_small", deed: Deed::Store(SMALL), sessions: 8, repeat: 1000, ..PLAIN },
    Scenario {
        name: "stor_small_direct",
        deed: Deed::Store(SMALL),
        sessions: 8,
        repeat: 1000,
        upload_mode: "direct",
        ..PLAIN
    },
    Scenario {
        name: "stor_small_swapped",
        deed: Deed::Store(SMALL),
        sessions: 8,
        repeat: 1000,
        all_swap: true,
        ..PLAIN
    },
    Scenario { name: "login", deed: Deed::LogIn, sessions: 8, repeat: 500, ..PLAIN },
    Scenario { name: "noop", deed: Deed::Noop(1), sessions: 4, repeat: 20_000, ..PLAIN },
    Scenario { name: "noop_pipelined", deed: Deed::Noop(50), sessions: 4, repeat: 1_000, ..PLAIN },
    Scenario { name: "list_100k", deed: Deed::List("LIST", String::new(), MANY), sessions: 1, repeat: 2, ..PLAIN },
    Scenario { name: "mlsd_100k", deed: Deed::List("MLSD", String::new(), MANY), sessions: 1, repeat: 2, ..PLAIN },
    Scenario { name: "retr_200_sessions", deed: Deed::Retrieve("mid", MID), sessions: 200, repeat: 3, ..PLAIN },
    Scenario { name: "tls_retr", deed: Deed::Curl(true), tls: true, ..PLAIN },
    Scenario { name: "tls_stor", deed: Deed::Curl(false), tls: true, ..PLAIN },
    Scenario { name: "idle", deed: Deed::Idle, sessions: 1000, ..PLAIN },
];

/// Of a scenario, once.
#[derive(Clone, Default)]
pub(crate) struct Figures {
    /// Bytes, operations or sessions per second; of idle sessions, sessions per KiB.
    pub(crate) rate: f64,
    unit: &'static str,
    /// Seconds of CPU that the server took.
    pub(crate) cpu: f64,
    /// Microseconds that one operation took: half of them took less, and 99 of 100.
    median: f64,
    late: f64,
    /// KiB that the server has to itself before anybody comes, where only waiting is measured.
    base: f64,
    /// KiB that the server's first process had resident at most.
    pub(crate) most_resident: u64,
    pub(crate) errors: usize,
    pub(crate) error: String,
}

impl Figures {
    /// Each figure's own median.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(figure).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        Self {
            rate: middle(|round| round.rate),
            cpu: middle(|round| round.cpu),
            median: middle(|round| round.median),
            late: middle(|round| round.late),
            base: middle(|round| round.base),
            most_resident: rounds.iter().map(|round| round.most_resident).max().unwrap_or_default(),
            errors: rounds.iter().map(|round| round.errors).sum(),
            error: rounds.iter().map(|round| round.error.clone()).find(|error| !error.is_empty()).unwrap_or_default(),
            unit: rounds.first().map_or("", |round| round.unit),
        }
    }

    /// By which the best is found. Whoever makes errors is behind all others.
    pub(crate) fn merit(&self) -> f64 {
        if self.errors == 0 { self.rate } else { self.rate - 1e12 }
    }

    pub(crate) fn told(&self) -> String {
        let errors = if self.errors == 0 { String::new() } else { format!(" ({} errors)", self.errors) };
        match self.unit {
            "MB/s" | "/s" if self.rate >= 100.0 => format!("{:.0} {}{errors}", self.rate, self.unit),
            // The fewer the better, and so it is turned round.
            "KiB" => format!("{:.1} KiB, {:.1} MiB without any{errors}", 1.0 / self.rate, self.base / 1024.0),
            unit => format!("{:.2} {unit}{errors}", self.rate),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, median, late, most_resident, error, .. } = self;
        let rate = self.told();
        write!(
            f,
            "{rate:>14}  CPU {cpu:>6.2} s  p50 {median:>8.0} µs  p99 {late:>8.0} µs  {most_resident:>7} KiB {error}"
        )
    }
}

/// What a session has done.
#[derive(Default)]
struct Tally {
    operations: usize,
    bytes: usize,
    took: Vec<Duration>,
}

impl Scenario {
    pub(crate) fn run(&self, server: &Running, ground: &Ground) -> Outcome<Figures> {
        match self.deed {
            Deed::Curl(retrieves) => self.curl(server, ground, retrieves),
            Deed::Idle => self.idle(server),
            _ => self.load(server),
        }
    }

    fn load(&self, server: &Running) -> Outcome<Figures> {
        let before = server.cpu()?;
        let start = &Barrier::new(self.sessions + 1);
        let (took, tallies) = thread::scope(|scope| {
            let sessions: Vec<_> = (0..self.sessions)
                .map(|number| scope.spawn(move || self.session(server.address, number, start)))
                .collect();
            start.wait();
            let begun = Instant::now();
            let tallies: Vec<Outcome<Tally>> =
                sessions.into_iter().map(|session| session.join().unwrap_or(Err("a thread panicked".into()))).collect();
            (begun.elapsed(), tallies)
        });
        server.await_end_of_sessions()?;
        let mut figures =
            Figures { cpu: server.cpu()? - before, most_resident: server.most_resident()?, ..Figures::default() };
        let mut all = Tally::default();
        for tally in tallies {
            match tally {
                Ok(tally) => {
                    all.operations += tally.operations;
                    all.bytes += tally.bytes;
                    all.took.extend(tally.took);
                }
                Err(error) => {
                    figures.errors += 1;
                    figures.error = error.to_string().trim().to_owned();
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let planned = (self.sessions * self.repeat) as f64 / all.took.len().max(1) as f64;
        figures.cpu *= planned;
        all.took.sort();
        let at = |share: usize| all.took.get(all.took.len() * share / 100).map_or(0.0, |took| took.as_secs_f64() * 1e6);
        (figures.median, figures.late) = (at(50), at(99));
        #[expect(clippy::cast_precision_loss, reason = "some billions")]
        let per_second = |count: usize| count as f64 / took.as_secs_f64();
        (figures.rate, figures.unit) = match self.deed {
            Deed::Retrieve(_, bytes) | Deed::Store(bytes) if bytes > SMALL => (per_second(all.bytes) / 1e6, "MB/s"),
            _ => (per_second(all.operations), "/s"),
        };
        Ok(figures)
    }

    /// What one client does, when all are logged in.
    fn session(&self, server: SocketAddr, number: usize, start: &Barrier) -> Outcome<Tally> {
        let own = address(number);
        let mut tally = Tally::default();
        if matches!(self.deed, Deed::LogIn) {
            start.wait();
            let began = Instant::now();
            for _ in 0..self.repeat {
                if began.elapsed() > LONG_ENOUGH {
                    break;
                }
                let begun = Instant::now();
                Client::login(own, server, None)?.ask("QUIT", "2")?;
                tally.note(begun, 1, 0);
            }
            return Ok(tally);
        }
        let client = Client::login(own, server, None);
        start.wait();
        let mut client = client?;
        let mut block = vec![0x5a; 256 << 10];
        let began = Instant::now();
        for turn in 0..self.repeat {
            if turn > 0 && began.elapsed() > LONG_ENOUGH {
                break;
            }
            let begun = Instant::now();
            match &self.deed {
                Deed::Retrieve(name, bytes) => {
                    let data = client.open(&format!("RETR {name}"))?;
                    let count = discard(&data)?;
                    drop(data);
                    client.expect("226")?;
                    wanted(count, *bytes)?;
                    tally.note(begun, 1, count);
                }
                Deed::Store(bytes) => {
                    let mut data = client.open(&format!("STOR up/{number}-{}", turn % 4))?;
                    let mut left = *bytes;
                    while left > 0 {
                        let part = left.min(block.len());
                        data.write_all(&block[..part])?;
                        left -= part;
                    }
                    data.shutdown(Shutdown::Write)?;
                    client.expect("226")?;
                    tally.note(begun, 1, *bytes);
                }
                Deed::Noop(many) => {
                    client.say(&vec!["NOOP"; *many].join("\r\n"))?;
                    (0..*many).try_for_each(|_| client.expect("2").map(drop))?;
                    tally.note(begun, *many, 0);
                }
                Deed::List(command, folder, names) => {
                    let folder = if folder.is_empty() { "many" } else { folder };
                    let mut data = client.open(&format!("{command} {folder}"))?;
                    let (mut lines, mut bytes) = (0, 0);
                    loop {
                        let count = data.read(&mut block)?;
                        if count == 0 {
                            break;
                        }
                        bytes += count;
                        lines += block[..count].iter().filter(|byte| **byte == b'\n').count();
                    }
                    client.expect("226")?;
                    // Some list the folder itself and the one above too.
                    if lines < *names {
                        return Err(format!("{lines} lines of {names}").into());
                    }
                    tally.note(begun, 1, bytes);
                }
                Deed::LogIn | Deed::Curl(_) | Deed::Idle => return Err("nothing that a session does".into()),
            }
        }
        client.ask("QUIT", "2")?;
        Ok(tally)
    }

    fn curl(&self, server: &Running, ground: &Ground, retrieves: bool) -> Outcome<Figures> {
        let url = |path: &str| format!("ftp://bench:bench@{}/{path}", server.address);
        let big = ground.home.join("big").display().to_string();
        let what = if retrieves {
            ["-o", "/dev/null", &url("big")].map(str::to_owned)
        } else {
            ["-T", &big, &url("up/tls")].map(str::to_owned)
        };
        let (before, begun) = (server.cpu()?, Instant::now());
        let curl = Command::new("curl").args(["-sS", "-k", "--ssl-reqd"]).args(what).output()?;
        let took = begun.elapsed().as_secs_f64();
        server.await_end_of_sessions()?;
        #[expect(clippy::cast_precision_loss, reason = "a billion")]
        let rate = if curl.status.success() { BIG as f64 / took / 1e6 } else { 0.0 };
        let error = String::from_utf8_lossy(&curl.stderr).trim().to_owned();
        let errors = usize::from(!curl.status.success());
        let cpu = server.cpu()? - before;
        Ok(Figures {
            rate,
            unit: "MB/s",
            cpu,
            errors,
            error,
            most_resident: server.most_resident()?,
            ..Figures::default()
        })
    }

    /// What a session takes that only waits, by the memory that nobody else shares.
    fn idle(&self, server: &Running) -> Outcome<Figures> {
        let (before, cpu) = (server.private()?, server.cpu()?);
        let held = (0..self.sessions)
            .map(|number| Client::login(address(number), server.address, None))
            .collect::<Outcome<Vec<_>>>();
        let during = server.private()?;
        let (errors, error) = match &held {
            Ok(_) => (0, String::new()),
            Err(error) => (1, error.to_string()),
        };
        drop(held);
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let (base, rate) = (before as f64, self.sessions as f64 / during.saturating_sub(before).max(1) as f64);
        let cpu = server.cpu()? - cpu;
        Ok(Figures {
            rate,
            base,
            unit: "KiB",
            cpu,
            errors,
            error,
            most_resident: server.most_resident()?,
            ..Figures::default()
        })
    }
}

impl Tally {
    fn note(&mut self, begun: Instant, operations: usize, bytes: usize) {
        self.took.push(begun.elapsed());
        self.operations += operations;
        self.bytes += bytes;
    }
}

/// More and more sessions, larger and larger directories, and bytes without a rate and with one: what, how many, the work,
/// and the units that it has.
pub(crate) fn growth(ground: &Ground) -> Outcome<Vec<(&'static str, usize, Scenario, usize)>> {
    let mut all = Vec::new();
    for sessions in [1, 10, 100, 1000] {
        let repeat = 10_000 / sessions;
        let deed = Deed::Retrieve("small", SMALL);
        all.push(("RETR of 10 KiB, sessions", sessions, Scenario { deed, sessions, repeat, ..PLAIN }, 10_000));
        let repeat = 100_000 / sessions;
        all.push(("NOOP, sessions", sessions, Scenario { deed: Deed::Noop(1), sessions, repeat, ..PLAIN }, 100_000));
    }
    for names in [1_000, 10_000, 100_000, 1_000_000] {
        let folder = format!("many-{names}");
        fill(&ground.home.join(&folder), names)?;
        for (what, command) in [("LIST, names", "LIST"), ("MLSD, names", "MLSD")] {
            let repeat = 1_000_000 / names;
            let deed = Deed::List(command, folder.clone(), names);
            all.push((what, names, Scenario { deed, repeat, ..PLAIN }, 1_000_000));
        }
    }
    for (limit, max_download) in [(0, "0"), (200, "200MiB")] {
        let deed = Deed::Retrieve("big", BIG);
        let scenario = Scenario { deed, sessions: 4, repeat: 2, max_download, ..PLAIN };
        all.push(("MiB of RETR, limit in MiB/s", limit, scenario, (8 * BIG) >> 20));
    }
    Ok(all)
}

fn address(number: usize) -> IpAddr {
    let host = u32::try_from(number / A_SESSIONS_ADDRESS).unwrap_or(u32::MAX);
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host).into()
}

fn wanted(count: usize, bytes: usize) -> Outcome<()> {
    if count == bytes { Ok(()) } else { Err(format!("{count} bytes came of {bytes}").into()) }
}

/// Reads to the end, without the kernel copying what is read: `MSG_TRUNC`, tcp(7).
fn discard(data: &TcpStream) -> Outcome<usize> {
    let mut room = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match recv(data.as_raw_fd(), &mut room, MsgFlags::MSG_TRUNC)? {
            0 => return Ok(total),
            count => total += count,
        }
    }
}
