//! F17: killed at random moments and started again at once, over and over, while sixteen clients store. After each kill
//! every name holds one content, whole, and none that is older than a 226 that a client has read; what is left over is
//! listed nowhere, can be gone on with, and is swept in the end.
//!
//! `LONGSHORE_KILLS=1000` makes it a thousand kills; `--nocapture` shows the counts.

mod ledger;
mod writer;

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::AT_FDCWD;
use nix::sys::signal::Signal;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use tokio_rustls::rustls::version::TLS13;

use self::ledger::Ledger;
use self::writer::{Tally, Trouble, Writer};
use crate::authority::Authority;
use crate::binary::{PROGRAM, Running, Setup};
use crate::tls_side::{self, Side};
use crate::wire::{Client, PATIENCE, all_of, wait_until};

const WRITERS: usize = 16;
/// Kills where the environment does not say.
const KILLS: usize = 25;
/// Steps of all clients together, at most, between two kills.
const STEPS: u64 = 400;
const OLD: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// What the writers and whoever kills know of each other.
struct Scene {
    ledger: Ledger,
    /// The server is being killed: nobody begins anything.
    over: AtomicBool,
    side: Side,
}

/// What was done in all.
#[derive(Debug, Default)]
struct Counts {
    kills: usize,
    names_checked: usize,
    partials_seen: usize,
    partials_swept: usize,
    slowest_start: Duration,
    starts: Duration,
}

#[test]
fn no_kill_loses_or_mixes_what_was_stored() {
    let kills = kills_wanted();
    let (homes, pair, authority) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Authority::new());
    let pair = tls_side::write(pair.path(), &authority.issue(&["localhost"]));
    let home = homes.path().join("shared");
    std::fs::create_dir(&home).unwrap();
    let scene = Scene { ledger: Ledger::default(), over: AtomicBool::new(false), side: Side::new(&authority, &TLS13) };
    let mut counts = Counts::default();
    let tally = std::thread::scope(|scope| {
        let (report, reports) = channel();
        let lives: Vec<Sender<SocketAddr>> = (0..WRITERS)
            .map(|number| {
                let ((tell, told), report, scene) = (channel(), report.clone(), &scene);
                scope.spawn(move || write_for_life(number, scene, &told, &report));
                tell
            })
            .collect();
        let mut server = start(homes.path(), &pair, &mut counts);
        let mut tally = Tally::default();
        for _ in 0..kills {
            scene.over.store(false, Ordering::SeqCst);
            lives.iter().for_each(|life| life.send(server.address).unwrap());
            await_a_moment(&scene.ledger);
            scene.over.store(true, Ordering::SeqCst);
            server.signal(Signal::SIGKILL);
            server.wait();
            counts.kills += 1;
            server = start(homes.path(), &pair, &mut counts);
            for _ in 0..WRITERS {
                tally += reports.recv_timeout(PATIENCE * 3).expect("a writer hangs").unwrap();
            }
            counts.names_checked += scene.ledger.check(&home);
            counts.partials_seen = counts.partials_seen.max(partials(&home).count());
            nothing_hidden_is_listed(server.address);
        }
        tally
    });
    counts.partials_swept = sweep(&home, || start(homes.path(), &pair, &mut Counts::default()));
    println!("{counts:?}\n{tally:?}\nmean start: {:?}", counts.starts / u32::try_from(kills + 1).unwrap());
    assert!(tally.in_clear > 0 && tally.over_tls > 0, "{tally:?}");
    assert!(tally.resumed > 0 && tally.appended > 0, "{tally:?}");
}

/// Whoever appends after it appends to the whole file, not to the half of it that was copied.
#[test]
fn a_kill_in_the_midst_of_a_copy_loses_nothing() {
    let homes = tempfile::tempdir().unwrap();
    let setup = || Setup::new().variable("FTP_HOME_ROOT", &homes.path().display().to_string());
    let kill = ["-e", "trace=copy_file_range", "-e", "inject=copy_file_range:signal=KILL"];
    let words = [&["/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null"][..], &kill, &[PROGRAM]].concat();
    let server = setup().program(&words).start();
    let mut bob = Client::login(server.address, "bob");
    bob.store("log", b"one ");
    let mut data = bob.open();
    bob.ask("APPE log", "150");
    data.write_all(b"two ").unwrap();
    // The copy is made when all that follows it has come.
    drop(data);
    assert_eq!(server.wait().status.signal(), Some(Signal::SIGKILL as i32));

    let server = setup().start();
    let mut bob = Client::login(server.address, "bob");
    bob.append("log", b"two ");
    assert_eq!(bob.retrieve("log"), b"one two ");
}

#[expect(clippy::disallowed_methods, reason = "a choice of the developer's, not a setting")]
fn kills_wanted() -> usize {
    std::env::var("LONGSHORE_KILLS").map_or(KILLS, |count| count.parse().expect("LONGSHORE_KILLS is no number"))
}

fn write_for_life(number: usize, scene: &Scene, lives: &Receiver<SocketAddr>, report: &Sender<Result<Tally, String>>) {
    let mut writer = Writer::new(number);
    for server in lives {
        let mut tally = Tally::default();
        let trouble = writer.store_on(scene, server, &mut tally);
        let lived = match trouble {
            Trouble::Gone => Ok(tally),
            Trouble::Answered(what) => Err(format!("writer {number}: {what}")),
            Trouble::Silent(why) => Err(format!("writer {number}: no answer: {why}")),
        };
        if report.send(lived).is_err() {
            return;
        }
    }
}

/// Some steps on, and a little more, which is within any of them.
fn await_a_moment(ledger: &Ledger) {
    let random = random();
    ledger.await_steps(random % STEPS);
    std::thread::park_timeout(Duration::from_micros(random >> 32 & 0x3ff));
}

fn start(homes: &Path, (cert, key): &(String, String), counts: &mut Counts) -> Running {
    let users: String = (0..WRITERS).map(|number| format!("w{number} secret elradfmwMT shared\n")).collect();
    let begun = Instant::now();
    let server = Setup::new()
        .file("conf/users.conf", &users)
        .variable("FTP_HOME_ROOT", &homes.display().to_string())
        .variable("FTP_TLS", "allowed")
        .variable("FTP_TLS_CERT", cert)
        .variable("FTP_TLS_KEY", key)
        .start();
    Client::connect(server.address).expect("220");
    let took = begun.elapsed();
    counts.slowest_start = counts.slowest_start.max(took);
    counts.starts += took;
    server
}

fn partials(home: &Path) -> impl Iterator<Item = std::fs::DirEntry> {
    let entries = std::fs::read_dir(home).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b".longshore-"))
}

fn nothing_hidden_is_listed(server: SocketAddr) {
    let mut client = Client::login(server, "w0");
    for command in ["NLST", "LIST -a", "MLSD"] {
        let mut data = client.open();
        client.ask(command, "150");
        let listing = String::from_utf8(all_of(&mut data)).unwrap();
        client.expect("226");
        assert!(!listing.contains(".longshore-"), "{command}: {listing}");
    }
}

/// The partials that nobody went on with, when they have become old: how many the next start sweeps, which is all.
fn sweep(home: &Path, start: impl FnOnce() -> Running) -> usize {
    let old = SystemTime::now() - OLD;
    // Of a link, which tells what a partial was begun for, the time is its own.
    let time = TimeSpec::from_duration(old.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    let aged = partials(home).map(|partial| {
        utimensat(AT_FDCWD, &partial.path(), &time, &time, UtimensatFlags::NoFollowSymlink).unwrap();
    });
    let count = aged.count();
    let server = start();
    wait_until("all is swept", || partials(home).next().is_none());
    assert!(server.end().status.success());
    count
}

/// Another number each time.
fn random() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(0_u8)
}
