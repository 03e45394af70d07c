//! A server, and what the kernel says of it and of the processes that it makes for its sessions.

use std::fs::{create_dir_all, read_to_string, remove_dir};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::client::Outcome;

/// How long a server may take to listen, and its sessions to be gone.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);
/// How long it takes no CPU when its sessions are over.
const REST: Duration = Duration::from_millis(150);
/// How long it may take to end by itself.
const END: Duration = Duration::from_secs(2);

/// Ends with it.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    group: Group,
}

/// A control group, which holds a server's processes, those that it makes for its sessions among them, and tells what they
/// took, those that are gone among them.
struct Group(PathBuf);

impl Group {
    /// By version 2 of the interface where that is all there is (cgroups(7)), or else by version 1.
    fn new() -> Outcome<Self> {
        let top = Path::new("/sys/fs/cgroup");
        let top = if Self::is_v2() { top.to_owned() } else { top.join("cpuacct") };
        let path = top.join(format!("longshore-bench-{}", std::process::id()));
        create_dir_all(&path).map_err(|why| format!("{}: {why}; this takes root", path.display()))?;
        Ok(Self(path))
    }

    fn is_v2() -> bool {
        Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
    }

    /// CPU seconds so far.
    fn cpu(&self) -> Outcome<f64> {
        let (file, unit) = if Self::is_v2() { ("cpu.stat", 1e6) } else { ("cpuacct.usage", 1e9) };
        let text = read_to_string(self.0.join(file))?;
        let usage = text.split_whitespace().find(|word| word.parse::<f64>().is_ok()).ok_or("no usage")?;
        Ok(usage.parse::<f64>()? / unit)
    }

    fn processes(&self) -> Outcome<Vec<i32>> {
        let text = read_to_string(self.0.join("cgroup.procs"))?;
        Ok(text.lines().map(str::parse).collect::<Result<_, _>>()?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that is not empty stays, for whoever looks.
        let _ = remove_dir(&self.0);
    }
}

/// Goes over to a network namespace of one's own, in which there is loopback and nothing else. Before there are threads.
pub(crate) fn leave_the_network() -> Outcome<()> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|why| format!("no network of its own: {why}; this takes root"))?;
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status().map_err(|why| format!("ip: {why}"))?;
    if status.success() { Ok(()) } else { Err("the new network has no loopback".into()) }
}

impl Running {
    /// Starts it on processor 0, and waits until it listens.
    pub(crate) fn start(program: &mut Command, port: u16) -> Outcome<Self> {
        let group = Group::new()?;
        let mut pinned = Command::new("/bin/sh");
        pinned.args(["-c", r#"echo $$ > "$0/cgroup.procs" && exec taskset -c 0 "$@""#]).arg(&group.0);
        pinned.arg(program.get_program()).args(program.get_args());
        // Nothing of whoever calls us: one of them is configured by variables.
        pinned.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        for (name, value) in program.get_envs() {
            pinned.env(name, value.unwrap_or_default());
        }
        if let Some(folder) = program.get_current_dir() {
            pinned.current_dir(folder);
        }
        let child = pinned.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut running = Self { child, address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), group };
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

    /// CPU seconds of all its processes so far.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        self.group.cpu()
    }

    /// What memory they have written to that no other process shares, in KiB: not what can be read from their files again.
    pub(crate) fn private(&self) -> Outcome<u64> {
        self.group.processes()?.into_iter().map(|pid| told_of(pid, "smaps_rollup", "Private_Dirty:")).sum()
    }

    /// The most that the first of them had resident, in KiB.
    pub(crate) fn most_resident(&self) -> Outcome<u64> {
        told_of(self.child.id().cast_signed(), "status", "VmHWM:")
    }

    /// Waits until it takes no CPU, and so until no session is left that does.
    pub(crate) fn await_end_of_sessions(&self) -> Outcome<()> {
        let begun = Instant::now();
        let (mut before, mut since) = (self.cpu()?, Instant::now());
        while since.elapsed() < REST && begun.elapsed() < PATIENCE {
            thread::park_timeout(PAUSE);
            let now = self.cpu()?;
            // A clock that ticks is no work.
            if now > before + 0.000_5 {
                (before, since) = (now, Instant::now());
            }
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            for pid in self.group.processes().unwrap_or_default() {
                // Gone is as well.
                let _ = kill(Pid::from_raw(pid), signal);
            }
            let begun = Instant::now();
            while begun.elapsed() < END && self.group.processes().is_ok_and(|left| !left.is_empty()) {
                // Whoever is not waited for is still there.
                let _ = self.child.try_wait();
                thread::park_timeout(PAUSE);
            }
        }
        let _ = self.child.wait();
    }
}

/// What this line of a file of `/proc` says, in KiB; of a process that is gone none.
fn told_of(pid: i32, file: &str, name: &str) -> Outcome<u64> {
    let Ok(text) = read_to_string(format!("/proc/{pid}/{file}")) else { return Ok(0) };
    let figure = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    Ok(figure.map_or(Ok(0), str::parse)?)
}

/// For how many seconds so far others of the same host had processors that were wanted here: `steal` of proc(5).
pub(crate) fn stolen() -> Outcome<f64> {
    let text = read_to_string("/proc/stat")?;
    let ticks: f64 = text.split_whitespace().nth(8).ok_or("no steal in /proc/stat")?.parse()?;
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    let second = sysconf(SysconfVar::CLK_TCK)?.ok_or("no clock ticks")? as f64;
    Ok(ticks / second)
}
