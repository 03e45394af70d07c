//! The program itself, told where it listens.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, copy, sink};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::client::Outcome;

/// What all benches have in common.
const SETTINGS: [(&str, &str); 5] = [
    ("FTP_IP", "127.0.0.1"),
    ("FTP_PORT", "0"),
    ("FTP_MAX_CONS", "0"),
    ("FTP_PASSIVE_PORTS", "20000-20999"),
    ("FTP_LOG_FORMAT", "text"),
];

/// A server, which ends when this is dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts it in a folder, with these settings and no others, and waits until it listens. What it says after that is
    /// read and thrown away.
    pub(crate) fn start<'a>(
        program: impl AsRef<OsStr>,
        folder: &Path,
        settings: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
    ) -> Outcome<Self> {
        let mut command = Command::new(program);
        command.env_clear().envs(SETTINGS).envs(settings);
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        while !line.contains("listening ") {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                return Err("the server did not start".into());
            }
        }
        thread::spawn(move || copy(&mut output, &mut sink()));
        let address = line.split("listening ").nth(1).unwrap_or_default().trim().parse()?;
        Ok(Self { child, address })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
