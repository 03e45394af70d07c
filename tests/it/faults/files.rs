//! Disks that forget, disks that cannot be read, and disks that do not answer.

use std::io::{ErrorKind, Read, Write};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::binary::{PROGRAM, Running, Setup};
use crate::uploads::partial_of;
use crate::wire::{Client, wait_until};

/// F18: with `upload_fsync` all that a power cut could take is on the disk before 226 says so: the bytes before they have
/// the name, and the name before the reply.
#[test]
fn the_disk_has_it_before_the_client_is_told() {
    let setup = Setup::new().variable("FTP_UPLOAD_FSYNC", "on");
    let (home, record) = (setup.path("home/bob").canonicalize().unwrap(), setup.path("calls"));
    let calls = "trace=write,fsync,fdatasync,renameat,renameat2,sendto";
    let words = ["/usr/bin/strace", "-D", "-f", "-y", "-q", "-s", "200", "-o", record.to_str().unwrap(), "-e", calls];
    let server = setup.program(&[&words[..], &[PROGRAM]].concat()).start();
    let mut bob = Client::login(server.address, "bob");
    for content in ["new", "in place of what was there"] {
        bob.store("file", content.as_bytes());
    }
    drop(bob);
    let _ended = server.end();
    wait_until("all is written down", || std::fs::read_to_string(&record).unwrap().contains("+++ exited"));
    let record = std::fs::read_to_string(&record).unwrap();
    let partial = partial_of(&home, "bob", "/file").display().to_string();
    let mut steps = Steps { record: &record, at: 0 };
    for content in ["new", "in place"] {
        steps.follow("write", &format!("<{partial}>, \"{content}"));
        steps.follow("fdatasync", &format!("<{partial}>"));
        steps.follow("renameat", &format!("<{}>, \"file\"", home.display()));
        steps.follow("fsync", &format!("<{}>", home.display()));
        steps.follow("sendto", "\"226 ");
    }
}

/// Where in the record of a program's calls we are.
struct Steps<'a> {
    record: &'a str,
    at: usize,
}

impl Steps<'_> {
    /// Goes to the end of the first call of this name with this in it, which begins after the one before has ended.
    #[track_caller]
    fn follow(&mut self, call: &str, part: &str) {
        let rest = &self.record[self.at..];
        let begins = |line: &&str| line.split(' ').any(|word| word.starts_with(call) && word.contains('('));
        let line = rest.lines().find(|line| begins(line) && line.contains(part));
        let line = line.unwrap_or_else(|| panic!("no {call} of {part} in {rest}"));
        let start = line.as_ptr() as usize - self.record.as_ptr() as usize;
        // Another thread's call may stand between the halves of this one.
        let thread = line.split(' ').next().unwrap();
        let is_half = |later: &&str| later.split(' ').next() == Some(thread) && later.contains(&format!("<... {call}"));
        let later = &self.record[start..];
        let last = if line.ends_with("<unfinished ...>") { later.lines().find(is_half).unwrap() } else { line };
        self.at = last.as_ptr() as usize + last.len() - self.record.as_ptr() as usize;
    }
}

/// F11: a disk that fails in the midst of a file that the kernel sends by itself: 451 and a reset, not a short file that
/// looks whole.
#[test]
fn a_disk_that_cannot_be_read_is_no_end_of_a_file() {
    let inject = ["-e", "trace=sendfile", "-e", "inject=sendfile:error=EIO:when=2+"];
    let words = [&["/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null"][..], &inject, &[PROGRAM]].concat();
    let server = Setup::new().program(&words).start();
    let home = server.folder().join("home/bob");
    std::fs::File::create(home.join("large")).unwrap().set_len(256 << 20).unwrap();
    let mut bob = Client::login(server.address, "bob");
    let mut data = bob.open();
    bob.ask("RETR large", "150");
    let end = data.read_to_end(&mut Vec::new());
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    bob.expect("451");
    bob.store("file", b"content");
    assert_eq!(bob.retrieve("file"), b"content");
}

/// F39: a disk that never answers holds up who waits for it and nobody else, and not the end of the server.
#[test]
fn a_disk_that_hangs_holds_up_nobody_else() {
    let setup = Setup::new()
        .variable("FTP_SHUTDOWN_GRACE", "1s")
        .file("conf/users.conf", "bob secret elradfmwMT bob\ncarol secret elradfmwMT carol\n");
    let home = setup.path("home/bob").canonicalize().unwrap();
    let partial = partial_of(&home, "bob", "/file").display().to_string();
    // Ten minutes, which is as good as for ever.
    let delay = ["-e", "trace=write", "-e", "inject=write:delay_enter=600000000"];
    let words = ["/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", &partial];
    let server = setup.program(&[&words[..], &delay, &[PROGRAM]].concat()).start();
    let tracer = Tracer::of(&server);
    let mut bob = Client::login(server.address, "bob");
    let mut data = bob.open();
    bob.ask("STOR file", "150");
    data.write_all(b"content").unwrap();
    drop(data);
    bob.await_moved(7);
    bob.ask("NOOP", "200");

    let mut carol = Client::login(server.address, "carol");
    carol.store("file", b"hers");
    assert_eq!(carol.retrieve("file"), b"hers");
    let mut other = Client::login(server.address, "bob");
    other.ask("SIZE file", "");
    other.store("other", b"his");

    let status = format!("/proc/{}/status", server.pid());
    server.signal(Signal::SIGTERM);
    let is_over = || std::fs::read_to_string(&status).unwrap().contains("State:\tZ");
    wait_until("the server has ended", is_over);
    drop(tracer);
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(0));
    assert!(!ended.folder.path().join("home/bob/file").exists());
}

/// The strace that delays a server. It would not let it go before the delay is over, and so goes itself.
struct Tracer(Pid);

impl Tracer {
    fn of(server: &Running) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap();
        Self(Pid::from_raw(tracer.trim().parse().unwrap()))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It may have gone by itself.
        let _ = kill(self.0, Signal::SIGKILL);
    }
}
