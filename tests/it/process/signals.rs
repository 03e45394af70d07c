//! SIGTERM and SIGINT: sessions are told, transfers end first, the exit code is 0.

use std::io::Write;
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::binary::Setup;
use crate::wire::{Client, PATIENCE, until_end};

const PARTING: &str = "421 Service is shutting down.";

#[test]
fn either_signal_ends_it_in_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        // What the grace is for is told in shutdown.rs.
        let server = Setup::new().variable("FTP_SHUTDOWN_GRACE", "0").start();
        let mut idle = Client::login(server.address, "bob");
        let mut unknown = Client::connect(server.address);
        unknown.expect("220");
        let mut busy = Client::login(server.address, "bob");
        let mut data = busy.open();
        busy.ask("STOR new", "150");
        data.write_all(b"begun").unwrap();
        server.signal(signal);
        for client in [&mut idle, &mut unknown] {
            client.expect(PARTING);
            client.expect_end();
        }
        busy.expect("426");
        busy.expect(PARTING);
        busy.expect_end();
        until_end(&mut data);
        drop((idle, unknown, busy));
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{signal:?}: {}", ended.complaints);
        assert!(ended.lines.iter().any(|line| line.contains("stopping")), "{:#?}", ended.lines);
        assert_eq!(ended.lines.iter().filter(|line| line.contains("session closed")).count(), 3, "{:#?}", ended.lines);
    }
}

#[test]
fn a_server_without_sessions_ends_as_soon_as_it_has_said_where_it_listens() {
    // Several, for a handler that comes too late is sometimes there soon enough.
    for _ in 0..5 {
        let ended = Setup::new().start().end();
        assert_eq!(ended.status.code(), Some(0), "{:?} {:#?}", ended.status, ended.lines);
    }
}

#[test]
fn nobody_is_let_in_any_more() {
    let server = Setup::new().start();
    let mut idle = Client::login(server.address, "bob");
    server.signal(Signal::SIGTERM);
    idle.expect(PARTING);
    // This one lingers, as its client has not closed, and new ones are refused already.
    let address = server.address;
    crate::wire::wait_until("the port is closed", || crate::wire::is_refused("127.0.0.1", address));
    drop(idle);
    assert_eq!(server.wait().status.code(), Some(0));
}

#[test]
fn a_second_signal_waits_for_nobody() {
    let mut server = Setup::new().start();
    let client = Client::login(server.address, "bob");
    // It never reads, so that not even the parting can be said to it.
    let mut sending = client.stream().try_clone().unwrap();
    sending.set_nonblocking(true).unwrap();
    let many = b"HELP\r\n".repeat(1000);
    // Full for good, not just until the server has taken the next lines.
    let mut refused_in_a_row = 0;
    while refused_in_a_row < 200 {
        refused_in_a_row = if sending.write_all(&many).is_ok() { 0 } else { refused_in_a_row + 1 };
        std::thread::yield_now();
    }
    let asked = Instant::now();
    server.signal(Signal::SIGTERM);
    server.wait_for_line("stopping");
    server.signal(Signal::SIGTERM);
    let ended = server.wait();
    assert!(asked.elapsed() < PATIENCE);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.complaints);
    client.stream().set_nonblocking(false).unwrap();
    until_end(&mut client.stream().try_clone().unwrap());
}
