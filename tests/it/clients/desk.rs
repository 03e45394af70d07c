//! Where a client program runs: a folder and a home of its own, nothing of the user's configuration, and a bound on
//! its time.

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a client may take; a bound, not a measure.
const PATIENCE: Duration = Duration::from_secs(60);

/// The programs, and the Debian packages that have them.
const PACKAGES: [(&str, &str); 12] = [
    ("curl", "curl"),
    ("env", "coreutils"),
    ("lftp", "lftp"),
    ("ncftpget", "ncftp"),
    ("ncftpls", "ncftp"),
    ("ncftpput", "ncftp"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("rclone", "rclone"),
    ("sh", "dash"),
    ("tnftp", "tnftp"),
    ("wget", "wget"),
];

/// A client's folder; dropping it removes it.
pub(super) struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    /// The folder that programs are run in.
    pub(super) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// A path in that folder.
    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.work().join(name)
    }

    /// Runs a program to its end.
    pub(super) fn run<A: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = A>) -> Ended {
        self.run_fed(program, arguments, "")
    }

    /// Runs a program that reads its commands from standard input.
    pub(super) fn run_fed<A: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Ended {
        let mut command = self.command(program, arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => panic!("{program} is missing: {}", remedy(program)),
            _ => panic!("{program}: {error}"),
        });
        // A program that ends without having read all has said why on standard error.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let out = read_aside(child.stdout.take().unwrap());
        let err = read_aside(child.stderr.take().unwrap());
        let (Ok(out), Ok(err)) = (out.recv_timeout(PATIENCE), err.recv_timeout(PATIENCE)) else {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} did not end within {PATIENCE:?}");
        };
        let status = child.wait().unwrap();
        Ended { command: format!("{command:?}"), status, out: lossy(&out), err: lossy(&err) }
    }

    /// A program as it is run here, to be started.
    pub(super) fn command<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(program);
        // Of the environment nothing is left: no FTP_* setting, no proxy, no wrapper in PATH, no foreign language.
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.folder.path().join("home"))
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.work());
        command
    }
}

/// A program that has ended.
pub(super) struct Ended {
    command: String,
    status: ExitStatus,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ended {
    /// It must have succeeded.
    #[track_caller]
    pub(super) fn succeeded(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// It must have failed, with this exit code.
    #[track_caller]
    pub(super) fn failed(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// It must have said this, wherever.
    #[track_caller]
    pub(super) fn said(self, words: &str) -> Self {
        assert!(self.out.contains(words) || self.err.contains(words), "not said: {words}\n{self}");
        self
    }

    /// It must not have said this anywhere.
    #[track_caller]
    pub(super) fn did_not_say(self, words: &str) -> Self {
        assert!(!self.out.contains(words) && !self.err.contains(words), "said: {words}\n{self}");
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, status, out, err } = self;
        write!(f, "{command}\n{status}\n--- standard output\n{out}\n--- standard error\n{err}")
    }
}

fn read_aside(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let read = from.read_to_end(&mut all);
        // Nobody waits any more when the time was up.
        let _ = read.map(|_| tell.send(all));
    });
    told
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn remedy(program: &str) -> String {
    let package = PACKAGES.iter().find(|(known, _)| *known == program).map_or(program, |(_, package)| package);
    format!("run tests/run, or install Debian's package {package}")
}
