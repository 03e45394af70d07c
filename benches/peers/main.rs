//! This server beside its peers, in one run on one machine: `cargo bench --bench peers`.
//!
//! It takes root, for a control group and a network, `ip` of iproute2, and a user of the machine who is called `bench` and
//! has that password, whom some servers log in: `useradd --create-home bench && echo bench:bench | chpasswd`. Debian's
//! packages of the servers exclude each other; unpacked side by side (`apt-get download vsftpd && dpkg -x vsftpd_*.deb
//! /opt/peers/vsftpd`, and so on) they do not, and want the libraries that `dpkg -I` names. vsftpd gets an
//! `/etc/pam.d/vsftpd` if there is none, which stays.
//!
//! All of it has a network of its own, without the host's firewall: one that tracks connections, as Docker's does, costs each
//! of them something, and its table is full within a minute.
//!
//! Each server has processor 0 to itself, and the load processor 1. For every scenario the rounds go from server to
//! server, so that what else the machine does meets all of them; the median of the rounds counts. Rates depend on the
//! machine and on the load's own speed; the CPU seconds that a server takes for the same work hold on a noisy machine too.
//!
//! | flag, behind `--` | what it does |
//! | --- | --- |
//! | `--rounds N` | so many rounds; 3 unless told |
//! | `--servers a,b` | these only |
//! | `--scenarios x,y` | these only |
//! | `--peers FOLDER` | where those are looked for that their packages did not install; `/opt/peers` unless told |
//! | `--growth` | instead, this server alone with more and more sessions, and larger and larger directories, without a rate and with one |
//!
//! | file | what it holds |
//! | --- | --- |
//! | `load` | what the clients do |
//! | `servers` | how each server is started, with the same users and files |
//! | `process` | what the kernel says of a server and all of its processes |

#[path = "../client/mod.rs"]
mod client;
#[path = "../descriptors/mod.rs"]
mod descriptors;
mod load;
mod process;
mod servers;

use std::collections::BTreeMap;
use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::time::Instant;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use client::Outcome;
use load::{Figures, SCENARIOS, Scenario};
use process::Running;
use servers::{Ground, LONGSHORE, PEERS, Server};

/// Open files: two for each of a thousand sessions, and some.
const DESCRIPTORS: u64 = 4096;
/// What share of a processor other machines of the same host may take while something is measured. If it is more, it is
/// measured once more,
const STOLEN: f64 = 0.05;
/// but no more often than this in one run.
const SPARE: usize = 40;

/// What was asked for.
struct Asked {
    rounds: usize,
    servers: Option<String>,
    scenarios: Option<String>,
    peers: PathBuf,
    growth: bool,
}

impl Asked {
    fn read(mut words: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut asked = Self { rounds: 3, servers: None, scenarios: None, peers: "/opt/peers".into(), growth: false };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word}: a value is missing"));
            match word.as_str() {
                "--rounds" => asked.rounds = value()?.parse()?,
                "--servers" => asked.servers = Some(value()?),
                "--scenarios" => asked.scenarios = Some(value()?),
                "--peers" => asked.peers = value()?.into(),
                "--growth" => asked.growth = true,
                // What cargo says to every bench.
                "--bench" => {}
                _ => return Err(format!("{word}: there is no such flag").into()),
            }
        }
        if asked.rounds == 0 {
            return Err("--rounds: at least one".into());
        }
        Ok(asked)
    }
}

fn main() -> Outcome<()> {
    let asked = Asked::read(std::env::args().skip(1))?;
    let mut own = CpuSet::new();
    own.set(1)?;
    sched_setaffinity(Pid::from_raw(0), &own)?;
    descriptors::raise_limit(DESCRIPTORS)?;
    process::leave_the_network()?;
    let ground = Ground::new(asked.peers.clone())?;
    if asked.growth { growth(&ground, asked.rounds) } else { compare(&ground, &asked) }
}

fn is_wanted(list: Option<&str>, name: &str) -> bool {
    list.is_none_or(|list| list.split(',').any(|wanted| wanted == name))
}

fn compare(ground: &Ground, asked: &Asked) -> Outcome<()> {
    let (mut table, mut spare) = (Vec::new(), SPARE);
    let mut servers: Vec<_> = PEERS.iter().filter(|server| is_wanted(asked.servers.as_deref(), server.name)).collect();
    for scenario in SCENARIOS.iter().filter(|scenario| is_wanted(asked.scenarios.as_deref(), scenario.name)) {
        let mut figures: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
        for _ in 0..asked.rounds {
            for server in &servers {
                let mut measured = measure(server, ground, scenario)?;
                while spare > 0 && measured.as_ref().is_some_and(|(_, stolen)| *stolen > STOLEN) {
                    spare -= 1;
                    measured = measure(server, ground, scenario)?;
                }
                if let Some((measured, _)) = measured {
                    figures.entry(server.name).or_default().push(measured);
                }
            }
            // Nobody always comes first, or behind the same one.
            servers.rotate_left(1);
        }
        let medians: BTreeMap<_, _> =
            figures.into_iter().map(|(name, rounds)| (name, Figures::median(&rounds))).collect();
        for (name, figures) in &medians {
            writeln!(stdout(), "{:<18} {name:<10} {figures}", scenario.name)?;
        }
        table.extend(line(scenario, &medians));
    }
    writeln!(stdout(), "\n| scenario | best peer | its rate | its CPU s | longshore | CPU s | rate | CPU |")?;
    writeln!(stdout(), "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    table.iter().try_for_each(|line| writeln!(stdout(), "{line}"))?;
    Ok(())
}

/// What one server does, and which share of the machine was not ours meanwhile.
fn measure(server: &Server, ground: &Ground, scenario: &Scenario) -> Outcome<Option<(Figures, f64)>> {
    let Some(running) = started(server, ground, scenario)? else { return Ok(None) };
    let (stolen, begun) = (process::stolen()?, Instant::now());
    let figures = scenario.run(&running, ground)?;
    Ok(Some((figures, (process::stolen()? - stolen) / begun.elapsed().as_secs_f64())))
}

/// A server that is installed; a peer that does not start is told of, and left out.
fn started(server: &Server, ground: &Ground, scenario: &Scenario) -> Outcome<Option<Running>> {
    match server.start(ground, scenario) {
        Err(why) if server.name != LONGSHORE => {
            writeln!(stderr(), "{} is left out of {}: {why}", server.name, scenario.name)?;
            Ok(None)
        }
        started => started,
    }
}

/// This server beside the best of those that made no error; of errors beside the best of all.
fn line(scenario: &Scenario, medians: &BTreeMap<&str, Figures>) -> Option<String> {
    let ours = medians.get(LONGSHORE)?;
    let peers = medians.iter().filter(|(name, _)| **name != LONGSHORE);
    let (name, best) = peers.max_by(|(_, one), (_, other)| one.merit().total_cmp(&other.merit()))?;
    Some(format!(
        "| {} | {name} | {} | {:.2} | {} | {:.2} | {:.2} | {:.2} |",
        scenario.name,
        best.told(),
        best.cpu,
        ours.told(),
        ours.cpu,
        ours.rate / best.rate,
        ours.cpu / best.cpu.max(1e-9),
    ))
}

/// The work is the same in every line, or grows as the line says, so the last columns show whether the cost does.
fn growth(ground: &Ground, rounds: usize) -> Outcome<()> {
    let longshore = PEERS.iter().find(|server| server.name == LONGSHORE).ok_or("no server of this project")?;
    writeln!(stdout(), "| what | size | rate | CPU per unit | resident at most |")?;
    writeln!(stdout(), "| --- | ---: | ---: | ---: | ---: |")?;
    for (what, size, scenario, units) in load::growth(ground)? {
        let mut measured = Vec::new();
        for _ in 0..rounds {
            let running = longshore.start(ground, &scenario)?.ok_or("the server is not there")?;
            measured.push(scenario.run(&running, ground)?);
        }
        let figures = Figures::median(&measured);
        if figures.errors > 0 {
            return Err(format!("{what} of {size}: {} errors: {}", figures.errors, figures.error).into());
        }
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        let each = figures.cpu / units as f64 * 1e6;
        writeln!(stdout(), "| {what} | {size} | {} | {each:.2} µs | {} KiB |", figures.told(), figures.most_resident)?;
    }
    Ok(())
}
