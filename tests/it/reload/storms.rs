//! Many reloads, and many changes, while many log in.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{RELOADED, gets_in, hang_up, hang_up_in_vain, put};
use crate::binary::Setup;
use crate::wire::{Client, wait_until};

/// 100 Hz.
const TICK: Duration = Duration::from_millis(10);

/// Clients that log in, again and again, until `deed` is done, which is told each time that they did: bob gets in and
/// nobody else does.
fn while_logging_in(server: SocketAddr, deed: impl FnOnce(&Receiver<()>)) {
    let done = AtomicBool::new(false);
    let (tell, told) = channel();
    let log_in = |tell: Sender<()>| {
        while !done.load(Ordering::Relaxed) {
            assert!(gets_in(server, "bob", "secret"), "a wrong denial");
            assert!(!gets_in(server, "bob", "wrong"), "a wrong acceptance");
            assert!(!gets_in(server, "eve", ""), "a wrong acceptance");
            tell.send(()).unwrap();
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| (tell.clone(), &log_in)).collect();
        let clients: Vec<_> = clients.into_iter().map(|(tell, log_in)| scope.spawn(|| log_in(tell))).collect();
        deed(&told);
        done.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

/// F24: the file is truncated and written again at 100 Hz, in two parts of which neither would do; and now and then it is
/// read just then, because SIGHUP asks for it. A thousand log-ins see none of it.
#[test]
fn a_file_that_is_rewritten_all_the_time_harms_nobody() {
    let mut server = Setup::new().start();
    let path = server.folder().join("conf/users.conf");
    let mut number = 0;
    let rewrite = |number: u32, between: &mut dyn FnMut(u32)| {
        let mut file = File::create(&path).unwrap();
        between(0);
        file.write_all(b"bob secret elrad").unwrap();
        between(1);
        file.write_all(format!("fmwMT bob\nalice {number} elr alice\n").as_bytes()).unwrap();
    };
    while_logging_in(server.address, |log_ins| {
        let mut count = 0;
        let mut tick = || {
            let next = Instant::now() + TICK;
            while log_ins.recv_timeout(next.saturating_duration_since(Instant::now())).is_ok() {
                count += 1;
            }
            count
        };
        while tick() < 334 || number < 500 {
            number += 1;
            rewrite(number, &mut |written| match (number % 20, written) {
                (0, 0) => hang_up_in_vain(&mut server, "found no users"),
                (10, 1) => hang_up_in_vain(&mut server, "users.conf:1: expected at least four columns"),
                _ => {}
            });
        }
    });
    rewrite(1_000_000, &mut |_| {});
    hang_up(&mut server);
    wait_until("the last one is in force", || gets_in(server.address, "alice", "1000000"));
    assert!(!gets_in(server.address, "alice", &number.to_string()));
    let ended = server.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.complaints);
}

/// F48: they come as one, one after the other; and the last counts.
#[test]
fn a_thousand_sighups_are_harmless() {
    let mut server = Setup::new().start();
    hang_up(&mut server);
    drop(Client::login(server.address, "bob"));
    let before = server.descriptors_at_rest();
    while_logging_in(server.address, |_| {
        for number in 0..1000 {
            if number == 999 {
                put(&server, "conf/users.conf", "bob secret elradfmwMT bob\nlast one elr last\n");
            }
            server.signal(Signal::SIGHUP);
        }
        wait_until("the last is in force", || gets_in(server.address, "last", "one"));
    });
    wait_until("nothing is left of them", || server.descriptors() <= before);
    let ended = server.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.complaints);
    let reloads = ended.lines.iter().filter(|line| line.contains(RELOADED)).count();
    assert!((2..=1002).contains(&reloads), "{reloads}");
}

#[test]
fn sighup_never_ends_the_server() {
    // Several, for a handler that comes too late is sometimes there soon enough.
    for _ in 0..5 {
        let server = Setup::new().start();
        server.signal(Signal::SIGHUP);
        Client::login(server.address, "bob").ask("QUIT", "221");
        server.signal(Signal::SIGHUP);
        assert_eq!(server.end().status.code(), Some(0));
    }
}

/// SIGTERM is obeyed in the midst of it.
#[test]
fn a_server_that_ends_does_not_reload_any_more() {
    let server = Setup::new().start();
    for _ in 0..100 {
        server.signal(Signal::SIGHUP);
    }
    server.signal(Signal::SIGTERM);
    for _ in 0..100 {
        server.signal(Signal::SIGHUP);
    }
    assert_eq!(server.wait().status.code(), Some(0));
}
