//! T48: somebody with a shell on the machine swaps a directory and a link out of the home, without end, while clients work
//! in it. What was looked at is what is used.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::errno::Errno;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{DENIALS, setup};
use crate::wire::{Client, until_end};

const SECRET: &[u8] = b"a secret of 8675309 bytes or not";
const MINE: &[u8] = b"mine";
const CLIENTS: usize = 4;
const ROUNDS: usize = 60;

/// How often what was asked for was done, and how often refused.
#[derive(Default)]
struct Counts {
    done: AtomicUsize,
    refused: AtomicUsize,
}

impl Counts {
    fn count(&self, reply: &str) {
        let counter = if reply.as_bytes()[0] < b'4' { &self.done } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn work(server: SocketAddr, number: usize, counts: &Counts) {
    let mut client = Client::login(server, "bob");
    for round in 0..ROUNDS {
        for (verb, wanted) in [("RETR place/canary", MINE), ("LIST place", b""), ("MLSD place", b"")] {
            let address = client.pasv();
            let reply = client.say(verb);
            counts.count(&reply);
            if reply.starts_with("150") {
                let received = until_end(&mut client.data(address));
                client.reply();
                assert!(wanted.is_empty() || received == wanted, "{verb}: {}", received.escape_ascii());
                let size = format!(" {} ", SECRET.len());
                let fact = format!("size={};", SECRET.len());
                let told = String::from_utf8_lossy(&received);
                assert!(!told.contains(&size) && !told.contains(&fact), "{verb}: {told}");
            }
        }
        let name = format!("{number}-{round}");
        let address = client.pasv();
        let reply = client.say(&format!("STOR place/{name}"));
        counts.count(&reply);
        if reply.starts_with("150") {
            // Refused after all it is closed.
            let _ = client.data(address).write_all(b"planted");
            client.reply();
        }
        for line in [
            format!("SIZE place/{name}"),
            format!("RNFR place/{name}"),
            format!("RNTO place/{name}-moved"),
            format!("SITE CHMOD 604 place/{name}-moved"),
            format!("MFMT 19991231235959 place/{name}-moved"),
            format!("DELE place/{name}-moved"),
            format!("MKD place/{name}"),
            format!("RMD place/{name}"),
            "RNFR mine".to_owned(),
            format!("RNTO place/{name}"),
            format!("RNFR place/{name}"),
            "RNTO mine".to_owned(),
            "SITE CHMOD 604 place/canary".to_owned(),
            "DELE place/secret".to_owned(),
        ] {
            let reply = client.say(&line);
            counts.count(&reply);
        }
    }
}

fn swap(one: &Path, other: &Path, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
    }
}

fn race(denial: Option<Errno>) {
    let server = setup(denial).start();
    let home = server.folder().join("home/bob");
    let outside = server.folder().join("home/outside");
    std::fs::create_dir(home.join("place")).unwrap();
    std::fs::write(home.join("place/canary"), MINE).unwrap();
    std::fs::write(home.join("mine"), "moved to and fro").unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("canary"), SECRET).unwrap();
    std::fs::write(outside.join("secret"), SECRET).unwrap();
    std::os::unix::fs::symlink("../outside", home.join("link")).unwrap();
    let look = || {
        let names = ["", "canary", "secret"].map(|name| outside.join(name).metadata().unwrap());
        names.map(|found| (found.modified().unwrap(), found.permissions()))
    };
    let before = look();
    let (stop, counts) = (AtomicBool::new(false), Counts::default());
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| swap(&home.join("place"), &home.join("link"), &stop));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (address, counts) = (server.address, &counts);
                scope.spawn(move || work(address, number, counts))
            })
            .collect();
        let worked: Vec<_> = clients.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        attacker.join().unwrap();
        worked.into_iter().for_each(|one| one.unwrap());
    });
    assert_eq!(look(), before);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2);
    for name in ["canary", "secret"] {
        assert_eq!(std::fs::read(outside.join(name)).unwrap(), SECRET);
    }
    let (done, refused) = (counts.done.into_inner(), counts.refused.into_inner());
    assert!(done > ROUNDS && refused > ROUNDS, "{done} done, {refused} refused: nothing raced");
}

#[test]
fn no_swap_of_a_directory_and_a_link_leads_out() {
    race(None);
}

/// T49: nor step by step.
#[test]
fn nor_where_openat2_is_denied() {
    DENIALS.into_iter().for_each(|denial| race(Some(denial)));
}
