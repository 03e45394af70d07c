//! A server, and what the kernel says of it and of the processes that it makes for its sessions.

use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::client::Outcome;

/// How long a server may take to listen, and its sessions to be gone.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);

/// Ends with it.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    ticks: f64,
}

/// Of a process, out of `/proc/PID/stat`.
struct Stat {
    parent: i32,
    /// Ticks of its own and of those of its children that it has waited for.
    ticks: u64,
}

impl Running {
    /// Starts it on processor 0, and waits until it listens.
    pub(crate) fn start(program: &mut Command, port: u16) -> Outcome<Self> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", "0"]).arg(program.get_program()).args(program.get_args());
        // Nothing of whoever calls us: one of them is configured by variables.
        pinned.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        for (name, value) in program.get_envs() {
            pinned.env(name, value.unwrap_or_default());
        }
        if let Some(folder) = program.get_current_dir() {
            pinned.current_dir(folder);
        }
        let child = pinned.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let ticks = sysconf(SysconfVar::CLK_TCK)?.ok_or("no clock ticks")?;
        #[expect(clippy::cast_precision_loss, reason = "a hundred, mostly")]
        let mut running =
            Self { child, address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), ticks: ticks as f64 };
        let begun = Instant::now();
        while TcpStream::connect(running.address).is_err() {
            if let Some(status) = running.child.try_wait()? {
                return Err(format!("{:?} ended with {status}", program.get_program()).into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{:?} does not listen", program.get_program()).into());
            }
            thread::park_timeout(PAUSE);
        }
        running.await_end_of_sessions()?;
        Ok(running)
    }

    fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// CPU seconds of all its processes so far.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        let ticks: u64 = self.tree()?.values().map(|stat| stat.ticks).sum();
        #[expect(clippy::cast_precision_loss, reason = "it would take years")]
        Ok(ticks as f64 / self.ticks)
    }

    /// What memory they take that no other process shares, in KiB.
    pub(crate) fn private(&self) -> Outcome<u64> {
        self.tree()?.keys().map(|pid| sum_of(*pid, "smaps_rollup", &["Private_Clean:", "Private_Dirty:"])).sum()
    }

    /// The most that the first of them had resident, in KiB.
    pub(crate) fn most_resident(&self) -> Outcome<u64> {
        sum_of(self.pid(), "status", &["VmHWM:"])
    }

    /// Waits until it takes no CPU, and so until no session is left that does.
    pub(crate) fn await_end_of_sessions(&self) -> Outcome<()> {
        let begun = Instant::now();
        let mut before = (self.tree()?.len(), self.cpu()?);
        let mut since = Instant::now();
        while since.elapsed() < PAUSE * 15 && begun.elapsed() < PATIENCE {
            thread::park_timeout(PAUSE);
            let now = (self.tree()?.len(), self.cpu()?);
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Itself, its children, theirs, and so on.
    fn tree(&self) -> Outcome<BTreeMap<i32, Stat>> {
        let mut others: BTreeMap<i32, Stat> = read_dir("/proc")?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            // Whoever ends meanwhile is with its parent's.
            .filter_map(|pid| Some((pid, stat(pid)?)))
            .collect();
        let mut tree: BTreeMap<i32, Stat> =
            others.remove(&self.pid()).map(|stat| (self.pid(), stat)).into_iter().collect();
        loop {
            let found: Vec<i32> =
                others.iter().filter(|(_, stat)| tree.contains_key(&stat.parent)).map(|(pid, _)| *pid).collect();
            if found.is_empty() {
                return Ok(tree);
            }
            tree.extend(found.into_iter().filter_map(|pid| Some((pid, others.remove(&pid)?))));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let processes: Vec<i32> = self.tree().map(|tree| tree.into_keys().collect()).unwrap_or_default();
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            for pid in &processes {
                // Gone is as well.
                let _ = kill(Pid::from_raw(*pid), signal);
            }
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(2) && matches!(self.child.try_wait(), Ok(None)) {
                thread::park_timeout(PAUSE);
            }
        }
        let _ = self.child.wait();
    }
}

fn stat(pid: i32) -> Option<Stat> {
    let text = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything: state, parent, and so on (proc_pid_stat(5)).
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = [11, 12, 13, 14].into_iter().filter_map(number).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

/// The sum of these lines of a file of `/proc`, in KiB; of a process that is gone none.
fn sum_of(pid: i32, file: &str, names: &[&str]) -> Outcome<u64> {
    let Ok(text) = read_to_string(format!("/proc/{pid}/{file}")) else { return Ok(0) };
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        names.contains(&words.next()?).then(|| words.next())?
    });
    Ok(lines.map(str::parse::<u64>).sum::<Result<u64, _>>()?)
}
