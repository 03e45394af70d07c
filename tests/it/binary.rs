//! The program itself in a folder of its own, with nothing in its environment but what a test puts there.

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wire::{PATIENCE, wait_until};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_longshore");

/// What an operator sets up before starting.
pub(crate) struct Setup {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    program: Vec<String>,
    arguments: Vec<String>,
}

/// A server that has said where it listens. Dropping it kills it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
    child: Child,
    lines: Vec<String>,
    more: Receiver<String>,
    complaints: Option<JoinHandle<String>>,
}

/// What a server that has ended left behind.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Standard output, line by line.
    pub(crate) lines: Vec<String>,
    /// Standard error.
    pub(crate) complaints: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Setup {
    /// bob, whose password is `secret`, at home in `home/bob`, on a free port of loopback.
    pub(crate) fn new() -> Self {
        let setup = Self::empty().file("conf/users.conf", "bob secret elradfmwMT bob\n");
        let home = setup.path("home").display().to_string();
        std::fs::create_dir_all(setup.path("home/bob")).unwrap();
        setup
            .variable("FTP_IP", "127.0.0.1")
            .variable("FTP_PORT", "0")
            .variable("FTP_HOME_ROOT", &home)
            .variable("FTP_AUTH_FAILED_DELAY", "0")
            .variable("FTP_PASSIVE_PORTS", "20000-29999")
    }

    /// Nothing at all.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
            program: vec![PROGRAM.to_owned()],
            arguments: Vec::new(),
        }
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Sets a variable, in place of what it was before.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes all variables away.
    pub(crate) fn without_variables(mut self) -> Self {
        self.environment.clear();
        self
    }

    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Runs these words in place of the program; they run it in turn.
    pub(crate) fn program(mut self, words: &[&str]) -> Self {
        self.program = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        // By a shell, which can set a umask and a limit that the program must not go by.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask 0; ulimit -S -n 256; exec \"$0\" \"$@\""]);
        command.args(&self.program).args(&self.arguments);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, which comes by itself.
    pub(crate) fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// The same with these arguments too.
    pub(crate) fn run_with_arguments(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// The same with this on standard input.
    pub(crate) fn run_with_input(&self, input: &[u8]) -> Output {
        let mut command = self.command();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Starts serving.
    #[track_caller]
    pub(crate) fn start(self) -> Running {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, more) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut errors = child.stderr.take().unwrap();
        let complaints = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let mut running = Running {
            address: nowhere,
            folder: self.folder,
            child,
            lines: Vec::new(),
            more,
            complaints: Some(complaints),
        };
        let line = running.wait_for_line("listening  ");
        let said = line.split("listening ").nth(1).unwrap().trim_matches(|c: char| " \"}".contains(c)).to_owned();
        running.address = said.parse().unwrap_or_else(|why| panic!("{said}: {why}"));
        running
    }
}

impl Running {
    /// The next line of standard output that has this in it; all before it are kept.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, part: &str) -> String {
        loop {
            match self.more.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.lines.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("never: {part}; so far: {:#?}", self.lines),
                Err(RecvTimeoutError::Disconnected) => {
                    let complaints = self.complaints.take().map(|thread| thread.join().unwrap());
                    panic!("it ended before: {part}; it said: {:#?} {complaints:?}", self.lines)
                }
            }
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has open: sockets, files and all else.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// The same, when it has not changed for a while: what is done at start is done, and what was made for somebody who
    /// left is gone.
    pub(crate) fn descriptors_at_rest(&self) -> usize {
        const A_WHILE: Duration = Duration::from_millis(500);
        let (mut count, mut since) = (self.descriptors(), Instant::now());
        wait_until("descriptors at rest", || {
            let now = self.descriptors();
            if now != count {
                (count, since) = (now, Instant::now());
            }
            since.elapsed() > A_WHILE
        });
        count
    }

    /// What the kernel tells of its memory, in KiB: `VmRSS` now, `VmHWM` at most so far.
    pub(crate) fn kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for it to end.
    pub(crate) fn wait(mut self) -> Ended {
        let status = self.child.wait().unwrap();
        let mut lines = std::mem::take(&mut self.lines);
        lines.extend(self.more.iter());
        let complaints = self.complaints.take().unwrap().join().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Ended { status, lines, complaints, folder }
    }

    /// Ends it in order.
    pub(crate) fn end(self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
