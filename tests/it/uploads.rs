//! What 226 means: an upload is whole under its name, or the name stands for what it stood for before.

mod disks;

use std::fs::DirEntry;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};
use socket2::SockRef;

use crate::binary::Setup;
use crate::harness::{TestServer, set};
use crate::wire::{Client, wait_until};

/// The hidden file of a user's upload to a name in the home's root.
pub(crate) fn partial_of(home: &Path, user: &str, path: &str) -> PathBuf {
    let sum = Sha256::digest([user.as_bytes(), &[0], path.as_bytes()].concat());
    let digits: String = sum[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    home.join(format!(".longshore-{digits}"))
}

fn reset_on_close(data: &TcpStream) {
    SockRef::from(data).set_linger(Some(Duration::ZERO)).unwrap();
}

/// F03: a reset, however much came before it, is never 226, and the old file stands.
#[test]
fn a_reset_anywhere_changes_nothing() {
    let server = TestServer::start(|_| {});
    let (file, new) = (server.home("bob").join("file"), vec![7; 300_000]);
    std::fs::write(&file, "old").unwrap();
    let mut bob = Client::login(server.address, "bob");
    for count in (0..=10).map(|tenth| new.len() / 10 * tenth) {
        let mut data = bob.open();
        bob.ask("STOR file", "150");
        data.write_all(&new[..count]).unwrap();
        // All of it is with the server before the reset, which would throw away what is not.
        bob.await_moved(count);
        reset_on_close(&data);
        drop(data);
        bob.expect("426");
        assert_eq!(std::fs::read(&file).unwrap(), b"old", "after {count}");
        bob.ask("SIZE file", "213 3");
    }
    bob.store("file", &new);
    assert_eq!(std::fs::read(&file).unwrap(), new);
    assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 1);
}

/// What the client is told has come is what SIZE has it go on from, wherever in the work the reset is met.
#[test]
fn a_reset_is_told_with_all_that_is_kept() {
    let server = TestServer::start(|_| {});
    let mut bob = Client::login(server.address, "bob");
    let mut has_kept_some = false;
    for number in 0..20 {
        let mut data = bob.open();
        bob.ask(&format!("STOR file{number}"), "150");
        data.write_all(&vec![7; 500_000]).unwrap();
        reset_on_close(&data);
        drop(data);
        let told = bob.expect("426");
        let size = bob.ask(&format!("SIZE file{number}"), "213");
        let kept = size.trim_start_matches("213 ").trim_end();
        assert!(told.contains(&format!(" {kept} bytes")), "{told}{size}");
        has_kept_some |= kept != "0";
    }
    assert!(has_kept_some);
}

/// F01: the control connection goes, and no end of the data comes: nothing is published. The next session goes on with it.
#[test]
fn an_upload_whose_session_is_gone_is_not_published() {
    let server = TestServer::start(|_| {});
    let file = server.home("bob").join("file");
    std::fs::write(&file, "old").unwrap();
    let mut bob = Client::login(server.address, "bob");
    let mut data = bob.open();
    bob.ask("STOR file", "150");
    data.write_all(b"hello").unwrap();
    bob.await_moved(5);
    drop(bob);
    // The server lets go of it.
    let mut nothing = Vec::new();
    let _ = data.read_to_end(&mut nothing);
    drop(data);
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
    let mut bob = Client::login(server.address, "bob");
    bob.ask("SIZE file", "213 3");
    bob.resume("file", 5, b"world");
    assert_eq!(std::fs::read(&file).unwrap(), b"helloworld");
}

/// F29, F30: writers of one name and its readers: whoever looks sees one of the versions, whole.
#[test]
fn every_look_finds_one_version() {
    const SIZE: usize = 200_000;
    let server = TestServer::start(|_| {});
    std::fs::write(server.home("bob").join("file"), vec![b'0'; SIZE]).unwrap();
    let whole = |content: &[u8]| content.len() == SIZE && content.iter().all(|byte| *byte == content[0]);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=4_u8)
            .map(|writer| {
                let mut bob = Client::login(server.address, "bob");
                scope.spawn(move || (0..10).for_each(|_| bob.store("file", &vec![b'0' + writer; SIZE])))
            })
            .collect();
        let mut reader = Client::login(server.address, "bob");
        while writers.iter().any(|writer| !writer.is_finished()) {
            assert!(whole(&reader.retrieve("file")));
        }
    });
    assert!(whole(&std::fs::read(server.home("bob").join("file")).unwrap()));
    assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 1, "nothing hidden stays");
}

/// F17: killed in the midst, the server leaves the old file, what it said 226 to, and a partial that its successor knows.
#[test]
fn a_killed_server_leaves_whole_files() {
    let homes = tempfile::tempdir().unwrap();
    let start = || Setup::new().variable("FTP_HOME_ROOT", &homes.path().display().to_string()).start();
    let file = homes.path().join("bob/file");
    let server = start();
    let mut bob = Client::login(server.address, "bob");
    bob.store("file", b"old");
    bob.store("done", b"done");
    let mut data = bob.open();
    bob.ask("STOR file", "150");
    data.write_all(b"hello").unwrap();
    let hidden = |entry: &DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".longshore-");
    let partials = || std::fs::read_dir(homes.path().join("bob")).unwrap().flatten().filter(hidden);
    wait_until("all is written", || partials().any(|partial| partial.metadata().unwrap().len() == 5));
    server.signal(Signal::SIGKILL);
    server.wait();
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
    let server = start();
    let mut bob = Client::login(server.address, "bob");
    assert_eq!(bob.retrieve("done"), b"done");
    bob.ask("SIZE file", "213 3");
    bob.resume("file", 5, b"world");
    assert_eq!(std::fs::read(&file).unwrap(), b"helloworld");
    assert_eq!(std::fs::read_dir(homes.path().join("bob")).unwrap().count(), 2);
}

/// Sessions of one user and of another that append at the same time: as many bytes as there were 226, in both modes, with
/// a quota and without.
#[test]
fn every_append_that_was_226_is_there() {
    for (mode, quota) in [("atomic", ""), ("direct", ""), ("atomic", " quota=1MiB"), ("direct", " quota=1MiB")] {
        let users = format!("bob secret elradfmwMT bob{quota}\neve secret elra bob{quota}\n");
        let server = TestServer::start_with_users(&users, |settings| set(settings, "upload_mode", mode));
        let done: usize = std::thread::scope(|scope| {
            let sessions: Vec<_> = (0..8)
                .map(|number| {
                    let mut client = Client::login(server.address, ["bob", "eve"][number % 2]);
                    scope.spawn(move || {
                        let appended = |_: &usize| {
                            let mut data = client.open();
                            client.ask("APPE log", "150");
                            data.write_all(b"x").unwrap();
                            drop(data);
                            client.reply().starts_with("226")
                        };
                        (0..40).filter(appended).count()
                    })
                })
                .collect();
            sessions.into_iter().map(|session| session.join().unwrap()).sum()
        });
        let log = std::fs::read(server.home("bob").join("log")).unwrap();
        assert_eq!((log.len(), done), (320, 320), "{mode}{quota}");
        assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 1, "nothing hidden stays");
    }
}

/// F09, T54: ten uploads at once against a quota that has room for four: never a byte more, and exact after.
#[test]
fn parallel_uploads_against_a_quota() {
    const ROOM: u64 = 450_000;
    let users = format!("bob secret elradfmwMT bob quota={ROOM}\n");
    let server = TestServer::start_with_users(&users, |_| {});
    std::thread::scope(|scope| {
        for number in 0..10 {
            let mut bob = Client::login(server.address, "bob");
            scope.spawn(move || {
                let mut data = bob.open();
                bob.ask(&format!("STOR file{number}"), "150");
                // The server may have had enough before all is sent.
                let _ = data.write_all(&vec![0; 100_000]);
                drop(data);
                let reply = bob.reply();
                assert!(reply.starts_with("226") || reply.starts_with("552"), "{reply}");
            });
        }
    });
    let sizes = std::fs::read_dir(server.home("bob")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    let used: u64 = sizes.sum();
    assert!(used <= ROOM && used > 0, "{used}");
    let mut bob = Client::login(server.address, "bob");
    bob.ask("AVBL", &format!("213 {}", ROOM - used));
    bob.ask(&format!("ALLO {ROOM}"), "202");
    bob.ask(&format!("ALLO {}", ROOM + 1), "504");
}
