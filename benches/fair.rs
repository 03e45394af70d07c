//! How long others wait while some have much to do: `cargo bench --bench fair`.
//!
//! The program itself on loopback. Fifty sessions fetch a file of 64 MiB again and again, one lists a directory of 100,000
//! entries, and two log in with a password that is hashed by Argon2, while one says NOOP every 2 ms for 5 s. Printed is
//! how long its replies took: before, under each load, and under all. The clients run in this process, on the same
//! processors. So that what is measured is the server, the kernel runs the one who measures before all others, which takes
//! root, and those who fetch, list and log in only where nobody else wants to. Fails if one in a hundred takes longer than 5
//! ms under all, on a machine that does nothing else. `cargo bench --bench fair -- path` measures another program.

mod client;
mod program;

use std::fs::{File, create_dir_all, write};
use std::io::{Read, Write, stdout};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use client::{Client, Outcome};
use program::Program;

const FETCHING: usize = 50;
const HASHING: usize = 2;
const FLOODING: usize = 50;
/// Commands that somebody sends without waiting for a reply.
const FLOOD: usize = 500;
const FILE: u64 = 64 << 20;
const ENTRIES: usize = 100_000;
const EVERY: Duration = Duration::from_millis(2);
const LASTS: Duration = Duration::from_secs(5);
/// What one in a hundred may take, in milliseconds.
const PROMISED: f64 = 5.0;

/// What somebody does again and again.
type Deed = fn(&mut Client, SocketAddr) -> Outcome<()>;

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let server = start(folder.path())?;
    schedule("--fifo", "1")?;
    let mut under_all = 0.0;
    let (fetch, list, hash): (Load, Load, Load) = ((FETCHING, fetch), (1, list), (HASHING, hash));
    for (what, loads) in [
        ("nothing else", &[][..]),
        ("50 fetch", &[fetch]),
        ("1 lists 100,000", &[list]),
        ("2 log in, hashed", &[hash]),
        ("50 flood", &[(FLOODING, flood)]),
        ("all of these", &[fetch, list, hash]),
    ] {
        under_all = noops_under(server.address, what, loads)?;
    }
    if under_all > PROMISED { Err(format!("one in a hundred took {under_all:.2} ms").into()) } else { Ok(()) }
}

/// So many do this.
type Load = (usize, Deed);

/// The 99th percentile, in milliseconds.
fn noops_under(server: SocketAddr, what: &str, loads: &[Load]) -> Outcome<f64> {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut others = Vec::new();
    for &(count, deed) in loads {
        for _ in 0..count {
            let mut client = Client::login(here(), server, None)?;
            let is_over = Arc::clone(&is_over);
            others.push(thread::spawn(move || -> Outcome<u64> {
                schedule("--idle", "0")?;
                let mut deeds = 0;
                while !is_over.load(Ordering::Relaxed) {
                    deed(&mut client, server)?;
                    deeds += 1;
                }
                Ok(deeds)
            }));
        }
    }
    let mut client = Client::login(here(), server, None)?;
    let mut took = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < LASTS {
        thread::park_timeout(EVERY);
        let asked = Instant::now();
        client.ask("NOOP", "200")?;
        took.push(asked.elapsed().as_secs_f64() * 1000.0);
    }
    is_over.store(true, Ordering::Relaxed);
    let mut deeds = 0;
    for other in others {
        deeds += other.join().map_err(|_| "a client panicked")??;
    }
    took.sort_by(f64::total_cmp);
    let at = |part: usize| took.get(took.len() * part / 100).or(took.last()).copied().unwrap_or_default();
    let (p50, p99, max) = (at(50), at(99), at(100));
    writeln!(stdout(), "{what:<18} NOOP p50 {p50:6.2}  p99 {p99:6.2}  max {max:6.2} ms; {deeds} deeds of others")?;
    Ok(p99)
}

/// Has the kernel run this thread before all others, or only where nobody else wants to (chrt of util-linux).
fn schedule(policy: &str, priority: &str) -> Outcome<()> {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    let done = Command::new("chrt").args([policy, "--pid", priority, &thread]).status()?;
    if done.success() { Ok(()) } else { Err(format!("chrt {policy}: this takes root").into()) }
}

fn fetch(client: &mut Client, _: SocketAddr) -> Outcome<()> {
    drain(client, "RETR file")
}

fn list(client: &mut Client, _: SocketAddr) -> Outcome<()> {
    drain(client, "LIST many")
}

fn hash(_: &mut Client, server: SocketAddr) -> Outcome<()> {
    Client::login_as("hashed", here(), server, None).map(drop)
}

fn flood(client: &mut Client, _: SocketAddr) -> Outcome<()> {
    client.say(&["NOOP"; FLOOD].join("\r\n"))?;
    (0..FLOOD).try_for_each(|_| client.expect("200").map(drop))
}

fn drain(client: &mut Client, line: &str) -> Outcome<()> {
    let mut data = client.open(line)?;
    let mut room = vec![0; 256 << 10];
    while data.read(&mut room)? > 0 {}
    client.expect("226").map(drop)
}

fn here() -> IpAddr {
    Ipv4Addr::LOCALHOST.into()
}

/// The program, in a folder of its own.
fn start(folder: &Path) -> Outcome<Program> {
    let path = |name: &str| folder.join(name);
    create_dir_all(path("bench/many"))?;
    (0..ENTRIES).try_for_each(|n| File::create(path(&format!("bench/many/file-{n:06}.dat"))).map(drop))?;
    File::create(path("bench/file"))?.set_len(FILE)?;
    let (hash, home) = (longshore::users::hash_password(b"bench")?, path("bench"));
    let home = home.display();
    let users = path("users.conf");
    write(&users, format!("bench bench elr {home}\nhashed {hash} elr {home}\n"))?;
    let program = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_longshore").to_owned());
    Program::start(program, folder, [("FTP_USERS_FILE", users.as_os_str()), ("FTP_MAX_PER_IP", "0".as_ref())])
}
