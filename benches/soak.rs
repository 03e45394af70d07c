//! What ten thousand idle sessions cost, and whether it is given back: `cargo bench --bench soak`.
//!
//! The program itself on loopback, its clients in this process, fifty to an address. Three times they come, log in and hold
//! still, 200 transfers run meanwhile, and all leave; then the same with fewer over TLS. Printed is what the kernel says
//! of the server at each step. It fails if descriptors stay open, if memory is not given back, or if one of a thousand
//! that connect at once is not greeted. Where the hard limit of open files is below 21,500, some of the sessions log out
//! again before they hold still.

mod client;
mod descriptors;
mod program;

use std::fs::{File, create_dir, read_dir, read_to_string};
use std::io::{BufRead, BufReader, Read, Write, stdout};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rcgen::generate_simple_self_signed;
use socket2::{Domain, Socket, Type};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use client::{Client, Outcome};
use program::Program;

const SESSIONS: usize = 10_000;
/// Over TLS: as many handshakes as do not take minutes.
const SECURE_SESSIONS: usize = 2_000;
const TRANSFERS: usize = 200;
/// Bytes of a transfer.
const FILE: usize = 4 << 20;
const SAMPLES: usize = 500;
const BURST: usize = 1_000;
/// Open files for all that is not an idle session.
const SPARE: u64 = 1_500;
/// What memory may be more by when all are gone than before they came, in KiB: heaps of threads that stay, above all.
const GROWTH: u64 = 12 << 10;
/// How long sessions that were left may take to end, and their memory to be given back.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Outcome<()> {
    // The server has one for each connection, and one for the home of each who is logged in.
    let files = descriptors::raise_limit(2 * SESSIONS as u64 + SPARE)?;
    let homes = SESSIONS.min(usize::try_from(files.saturating_sub(SESSIONS as u64 + SPARE))?);
    let mut failures = Vec::new();
    writeln!(
        stdout(),
        "{:<32} {:>11} {:>9} {:>9} {:>12} {:>7}",
        "",
        "descriptors",
        "RSS KiB",
        "PSS KiB",
        "KiB/session",
        "threads"
    )?;
    for (sessions, is_secure) in [(SESSIONS, false), (SECURE_SESSIONS, true)] {
        failures.extend(soak(&Running::start()?, sessions, homes, is_secure)?);
    }
    failures.extend(burst(Running::start()?.program.address)?);
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ").into()) }
}

/// Three rounds of a server that has served nobody before. What was wrong with it.
fn soak(server: &Running, sessions: usize, homes: usize, is_secure: bool) -> Outcome<Vec<String>> {
    let tls = is_secure.then_some(&server.tls);
    // Whatever is opened once, with the first session, is open then.
    let first = round(server, 1, 1, tls, None, &mut Vec::new())?;
    let mut after = [first; 3];
    for after in &mut after {
        let mut lines = Vec::new();
        *after = round(server, sessions, homes, tls, Some(first.rss + GROWTH), &mut lines)?;
        lines.iter().try_for_each(|line| writeln!(stdout(), "{line}"))?;
    }
    let mut failures = Vec::new();
    if after.iter().any(|after| after.rss > first.rss + GROWTH) {
        let after = after.map(|after| after.rss.to_string()).join(", ");
        failures.push(format!("memory was {} KiB, and after the rounds {after}", first.rss));
    }
    if after.iter().any(|after| after.descriptors != server.descriptors) {
        failures.push(format!("{} descriptors became {}", server.descriptors, after[2].descriptors));
    }
    Ok(failures)
}

/// What the kernel says of the server.
#[derive(Clone, Copy)]
struct Figures {
    descriptors: usize,
    rss: u64,
    pss: u64,
    threads: u64,
}

/// They come, hold still while others are at work, and leave. How the server stands then, with `most` KiB or less if
/// that comes about.
fn round(
    server: &Running,
    sessions: usize,
    homes: usize,
    tls: Option<&Arc<ClientConfig>>,
    most: Option<u64>,
    lines: &mut Vec<String>,
) -> Outcome<Figures> {
    let kind = if tls.is_some() { "over TLS" } else { "in clear" };
    let before = server.figures()?;
    lines.push(before.line("before", None));
    let held = (0..sessions).map(|n| hold(server, n, n < homes, tls)).collect::<Outcome<Vec<_>>>()?;
    let during = server.figures()?;
    let logged_in = sessions.min(homes);
    lines.push(during.line(&format!("{sessions} idle {kind}, {logged_in} in"), Some((before, sessions))));
    if sessions > 1 {
        lines.extend(at_work(server)?);
        lines.push(server.figures()?.line(&format!("after {TRANSFERS} transfers at once"), None));
    }
    drop(held);
    let left = Instant::now();
    let is_quiet = |now: Figures| now.descriptors <= server.descriptors && most.is_none_or(|most| now.rss <= most);
    while !is_quiet(server.figures()?) && left.elapsed() < PATIENCE {
        thread::park_timeout(Duration::from_millis(50));
    }
    let after = server.figures()?;
    lines.push(after.line(&format!("all gone, {:.1} s later", left.elapsed().as_secs_f64()), None));
    Ok(after)
}

/// A session, logged in or no more.
fn hold(server: &Running, number: usize, stays: bool, tls: Option<&Arc<ClientConfig>>) -> Outcome<Client> {
    let mut client = Client::login(address(number), server.program.address, tls)?;
    if !stays {
        client.ask("REIN", "230")?;
    }
    Ok(client)
}

/// Half of the transfers go each way; others say NOOP and log in meanwhile.
fn at_work(server: &Running) -> Outcome<Vec<String>> {
    let server_address = server.program.address;
    let mut noops = Client::login(address(SESSIONS + BURST), server_address, None)?;
    let idle = sample(|_| noops.ask("NOOP", "200").map(drop))?;
    let log_ins = sample(|n| Client::login(address(SESSIONS + BURST + n), server_address, None).map(drop))?;
    let begun = Instant::now();
    let running: Vec<_> = (0..TRANSFERS).map(|n| thread::spawn(move || transfer(server_address, n))).collect();
    let busy = sample(|_| noops.ask("NOOP", "200").map(drop))?;
    for transfer in running {
        transfer.join().map_err(|_| "a transfer panicked")??;
    }
    let rate = (TRANSFERS * FILE) as f64 / begun.elapsed().as_secs_f64() / f64::from(1 << 20);
    Ok(vec![
        format!("  NOOP {idle}; with {TRANSFERS} transfers {busy}; log-in {log_ins}"),
        format!("  {TRANSFERS} transfers of {} MiB: {rate:.0} MiB/s together", FILE >> 20),
    ])
}

fn transfer(server: SocketAddr, number: usize) -> Outcome<()> {
    let mut client = Client::login(address(SESSIONS + number), server, None)?;
    if number.is_multiple_of(2) {
        let mut data = client.open("RETR file")?;
        let mut content = Vec::new();
        let count = data.read_to_end(&mut content)?;
        if count != FILE {
            return Err(format!("{count} bytes came").into());
        }
    } else {
        let mut data = client.open(&format!("STOR {number}"))?;
        data.write_all(&vec![0; FILE])?;
    }
    client.expect("226").map(drop)
}

/// Median, 99th percentile and longest of what it takes, in milliseconds.
fn sample(mut deed: impl FnMut(usize) -> Outcome<()>) -> Outcome<String> {
    let mut took = Vec::new();
    for number in 0..SAMPLES {
        let begun = Instant::now();
        deed(number)?;
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    Ok(format!("p50 {:.2} p99 {:.2} max {:.2} ms", took[SAMPLES / 2], took[SAMPLES * 99 / 100], took[SAMPLES - 1]))
}

/// All connect before any is looked at. What was wrong with it.
fn burst(server: SocketAddr) -> Outcome<Option<String>> {
    let overflows = listen_overflows()?;
    let begun = Instant::now();
    let sockets = (0..BURST).map(|n| connect(address(n), server)).collect::<Outcome<Vec<_>>>()?;
    let connected = begun.elapsed();
    let mut greeted = 0;
    for socket in sockets {
        let stream = TcpStream::from(socket);
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reply = String::new();
        greeted += usize::from(BufReader::new(stream).read_line(&mut reply).is_ok() && reply.starts_with("220"));
    }
    let (took, lost) = (begun.elapsed(), listen_overflows()? - overflows);
    writeln!(
        stdout(),
        "{BURST} connects within {connected:?}: {greeted} greeted within {took:?}, {lost} lost by the queue"
    )?;
    Ok((greeted < BURST || lost > 0).then(|| format!("of {BURST} at once {greeted} were greeted, {lost} were lost")))
}

fn connect(own: IpAddr, server: SocketAddr) -> Outcome<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(own, 0).into())?;
    socket.set_nonblocking(true)?;
    match socket.connect(&server.into()) {
        Err(why) if why.raw_os_error() == Some(nix::libc::EINPROGRESS) => Ok(socket),
        connected => Ok(connected.map(|()| socket)?),
    }
}

/// Of this network namespace, since it began.
fn listen_overflows() -> Outcome<u64> {
    let netstat = read_to_string("/proc/net/netstat")?;
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:")).map(str::split_whitespace);
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return Err("no TcpExt".into()) };
    let found = names.zip(values).find(|(name, _)| *name == "ListenOverflows").ok_or("no ListenOverflows")?;
    Ok(found.1.parse()?)
}

/// Fifty clients have one address, which is what `max_per_ip` allows.
fn address(number: usize) -> IpAddr {
    let host = u32::try_from(number / 50 + 2).unwrap_or(u32::MAX);
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host).into()
}

/// The program, in a folder of its own.
struct Running {
    program: Program,
    tls: Arc<ClientConfig>,
    /// Open when nobody is there.
    descriptors: usize,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        create_dir(path("bench"))?;
        File::create(path("bench/file"))?.set_len(FILE as u64)?;
        let pair = generate_simple_self_signed(["localhost".to_owned()])?;
        std::fs::write(path("cert.pem"), pair.cert.pem())?;
        std::fs::write(path("key.pem"), pair.signing_key.serialize_pem())?;
        let mut roots = RootCertStore::empty();
        roots.add(pair.cert.der().clone())?;
        let tls = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());

        let (home, cert, key) = (folder.path().as_os_str(), path("cert.pem"), path("key.pem"));
        let settings = [
            ("FTP_HOME_ROOT", home),
            ("FTP_TLS", "allowed".as_ref()),
            ("FTP_TLS_CERT", cert.as_ref()),
            ("FTP_TLS_KEY", key.as_ref()),
            ("FTP_USER", "bench".as_ref()),
            ("FTP_PASS", "bench".as_ref()),
            ("FTP_USERS_FILE", "".as_ref()),
            ("FTP_IDLE_TIMEOUT", "0".as_ref()),
            ("FTP_LOGIN_TIMEOUT", "0".as_ref()),
        ];
        let program = Program::start(env!("CARGO_BIN_EXE_longshore"), folder.path(), settings)?;
        let mut server = Self { program, tls, descriptors: 0, _folder: folder };
        server.descriptors = server.figures()?.descriptors;
        Ok(server)
    }

    fn figures(&self) -> Outcome<Figures> {
        let proc = format!("/proc/{}", self.program.child.id());
        let (status, memory) =
            (read_to_string(format!("{proc}/status"))?, read_to_string(format!("{proc}/smaps_rollup"))?);
        Ok(Figures {
            descriptors: read_dir(format!("{proc}/fd"))?.count(),
            rss: field(&status, "VmRSS:")?,
            pss: field(&memory, "Pss:")?,
            threads: field(&status, "Threads:")?,
        })
    }
}

fn field(text: &str, name: &str) -> Outcome<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| format!("no {name}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

impl Figures {
    /// What each of the sessions costs stands there if there are any.
    fn line(self, what: &str, since: Option<(Self, usize)>) -> String {
        let each = since.map_or(String::new(), |(before, sessions)| {
            format!("{:.1}", self.rss.saturating_sub(before.rss) as f64 / sessions as f64)
        });
        format!("{what:<32} {:>11} {:>9} {:>9} {each:>12} {:>7}", self.descriptors, self.rss, self.pss, self.threads)
    }
}
