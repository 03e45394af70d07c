//! Disks that are full, small or broken. Each test has a mount namespace of its own, which goes with its server; making
//! one takes root.

use std::path::PathBuf;

use super::partial_of;
use crate::binary::{PROGRAM, Running, Setup};
use crate::wire::Client;

/// A server whose bob is at home on a tmpfs with these options, and its home as seen from here.
fn on_a_small_disk(options: &str) -> (Running, PathBuf) {
    let setup = Setup::new();
    let home = setup.path("home/bob");
    let mount = format!("mount -t tmpfs -o {options} longshore '{}' && exec \"$0\" \"$@\"", home.display());
    let words = ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", &mount, PROGRAM];
    let server = setup.variable("PATH", "/usr/bin:/bin").program(&words).start();
    let seen = format!("/proc/{}/root{}", server.pid(), home.display());
    (server, seen.into())
}

fn names(home: &PathBuf) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// F07: 452, the old file whole, nothing left that would keep the disk full, and the session lives.
#[test]
fn a_full_disk() {
    let (server, home) = on_a_small_disk("size=1m");
    std::fs::write(home.join("old"), vec![1; 100_000]).unwrap();
    let mut bob = Client::login(server.address, "bob");
    for name in ["new", "old"] {
        let reply = bob.try_to_store(name, &vec![2; 4 << 20]);
        assert_eq!(reply, "452 No space left on device.", "{name}");
        assert_eq!(names(&home), ["old"]);
        assert_eq!(std::fs::read(home.join("old")).unwrap(), vec![1; 100_000]);
    }
    bob.store("small", &[3; 100_000]);
    assert_eq!(names(&home), ["old", "small"]);
}

/// With no byte left it is 452 instead of 150, and nothing is made.
#[test]
fn a_disk_that_is_full_already() {
    let (server, home) = on_a_small_disk("size=1m");
    std::fs::write(home.join("old"), vec![1; 1 << 20]).unwrap();
    let mut bob = Client::login(server.address, "bob");
    for line in ["STOR new", "STOR old", "APPE old", "APPE new", "STOU new"] {
        drop(bob.open());
        bob.ask(line, "452 No space left on device.");
    }
    assert_eq!(names(&home), ["old"]);
    bob.ask("DELE old", "250");
    bob.store("new", b"x");
}

/// F41: no more names, though there is room: 452, and one that is deleted makes room for one.
#[test]
fn a_disk_without_inodes() {
    let (server, home) = on_a_small_disk("size=1m,nr_inodes=10");
    let mut bob = Client::login(server.address, "bob");
    let mut stored = 0;
    let refused = loop {
        let reply = bob.try_to_store(&format!("file{stored}"), b"x");
        if !reply.starts_with("226") {
            break reply;
        }
        stored += 1;
        assert!(stored < 20, "the disk has no limit");
    };
    assert_eq!(refused, "452 No space left on device.");
    bob.ask("DELE file0", "250");
    bob.store("file0", b"y");
    assert_eq!(names(&home).len(), stored);
}

/// F10: beyond the limit of file sizes it is 552, and the process lives.
#[test]
fn a_limit_of_file_sizes() {
    let server = Setup::new().program(&["/usr/bin/prlimit", "--fsize=1048576", PROGRAM]).start();
    let home = server.folder().join("home/bob");
    std::fs::write(home.join("old"), "old").unwrap();
    let mut bob = Client::login(server.address, "bob");
    for name in ["new", "old"] {
        assert_eq!(bob.try_to_store(name, &vec![2; 2 << 20]), "552 File too large.");
        assert_eq!(names(&home), ["old"]);
    }
    bob.store("old", &vec![2; 1 << 20]);
    assert!(server.end().status.success());
}

/// A file that is a mount of its own, as containers make them, cannot be swapped: it is written instead.
#[test]
fn a_file_that_is_a_mount() {
    let setup = Setup::new();
    let (file, real) = (setup.path("home/bob/file"), setup.path("real"));
    std::fs::write(&file, "").unwrap();
    std::fs::write(&real, "old and long").unwrap();
    let mount = format!("mount --bind '{}' '{}' && exec \"$0\" \"$@\"", real.display(), file.display());
    let words = ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", &mount, PROGRAM];
    let server = setup.variable("PATH", "/usr/bin:/bin").program(&words).start();
    let mut bob = Client::login(server.address, "bob");
    bob.store("file", b"new");
    assert_eq!(bob.retrieve("file"), b"new");
    assert_eq!(std::fs::read(&real).unwrap(), b"new");
    assert_eq!(names(&server.folder().join("home/bob")), ["file"]);
}

/// F08: a disk that finds out late, at any step, is never 226; the old file stands, the session lives, and what the disk
/// could not keep is not tried again.
#[test]
fn a_disk_that_fails() {
    for (call, error, wanted) in [
        ("write", "EIO", "451"),
        ("write", "ENOSPC", "452"),
        ("write", "EDQUOT", "552"),
        ("fdatasync", "EIO", "451"),
        ("fdatasync", "ENOSPC", "452"),
        ("close", "EIO", "451"),
        ("close", "ENOSPC", "452"),
    ] {
        let setup = Setup::new().variable("FTP_UPLOAD_FSYNC", "on");
        let home = setup.path("home/bob").canonicalize().unwrap();
        std::fs::write(home.join("file"), "old").unwrap();
        let partial = partial_of(&home, "bob", "/file").display().to_string();
        let (inject, trace) = (format!("inject={call}:error={error}"), format!("trace={call}"));
        let words =
            ["/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", &partial, "-e", &trace, "-e", &inject];
        let server = setup.program(&[&words[..], &[PROGRAM]].concat()).start();
        let mut bob = Client::login(server.address, "bob");
        let reply = bob.try_to_store("file", b"new content");
        assert!(reply.starts_with(wanted), "{call} {error}: {reply}");
        assert_eq!(std::fs::read(home.join("file")).unwrap(), b"old");
        bob.ask("NOOP", "200");
        assert!(call == "close" || error == "EIO" && call == "write" || names(&home) == ["file"], "{call} {error}");
    }
}
