//! HAProxy, as an operator would set it up before this server.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use super::{RANGE, SERVER};
use crate::namespaces::{Host, program};
use crate::wire::{PATIENCE, wait_until};

/// A running one. Dropping it ends it.
pub(super) struct HaProxy {
    folder: tempfile::TempDir,
    child: Child,
}

impl HaProxy {
    /// Every port of the server is passed on as it is. `send` is how a client's address is told; `check` how the control
    /// port is asked for its health.
    pub(super) fn start(host: &Host, send: &str, check: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text = format!(
            "global\n    stats socket {}/socket\n\
             defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n",
            folder.path().display()
        );
        for port in RANGE.chain([2121]) {
            let check = if port == 2121 { check } else { "" };
            write!(text, "listen p{port}\n    bind :{port}\n    server ftp {SERVER}:{port} {send} {check}\n").unwrap();
        }
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let start = || {
            let mut haproxy = program("haproxy");
            haproxy.arg("-db").arg("-f").arg(&file).stdin(Stdio::null());
            haproxy.stdout(Stdio::null()).stderr(std::fs::File::create(folder.path().join("stderr")).unwrap());
            haproxy.spawn().expect("haproxy (Debian package haproxy)")
        };
        let child = host.run(start);
        let mut proxy = Self { folder, child };
        // All that it listens on is opened at once.
        wait_until("HAProxy listens", || {
            let ended = proxy.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", std::fs::read_to_string(proxy.folder.path().join("stderr")).unwrap());
            UnixStream::connect(proxy.folder.path().join("socket")).is_ok()
        });
        proxy
    }

    /// Waits until it has found the control port well.
    pub(super) fn wait_until_up(&self) {
        wait_until("HAProxy's check succeeds", || self.control_state().contains(",UP,"));
    }

    /// What it says of the server of the control port.
    fn control_state(&self) -> String {
        let mut socket = UnixStream::connect(self.folder.path().join("socket")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(b"show stat\n").unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        said.lines().find(|line| line.starts_with("p2121,ftp,")).unwrap_or_default().to_owned()
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
