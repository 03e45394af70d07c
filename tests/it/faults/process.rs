//! The process itself: descriptors that run out, clocks that jump, a pause, a log that takes no more lines, a restart.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::binary::{PROGRAM, Running, Setup};
use crate::namespaces::{Host, program};
use crate::wire::{Client, all_of, free_port, wait_until};

/// More than all buffers on the way hold.
const LARGE: u64 = 64 << 20;

fn large_file(server: &Running) {
    std::fs::File::create(server.folder().join("home/bob/large")).unwrap().set_len(LARGE).unwrap();
}

/// An upload that has begun: the first bytes are there.
fn upload(server: &Running, name: &str) -> (Client, TcpStream) {
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask(&format!("STOR {name}"), "150");
    data.write_all(b"begun, ").unwrap();
    client.await_moved(7);
    (client, data)
}

#[track_caller]
fn finish((mut client, mut data): (Client, TcpStream)) {
    data.write_all(b"and done").unwrap();
    drop(data);
    client.expect("226");
}

/// How many files the process may have open from now on.
fn limit_descriptors(server: &Running, most: usize) {
    let (pid, limit) = (server.pid().to_string(), format!("--nofile={most}:"));
    let said = program("prlimit").args(["--pid", &pid, &limit]).output().expect("prlimit (util-linux)");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// The descriptor that it would get next, which is the lowest that is free.
fn next_descriptor(server: &Running) -> usize {
    let is_open = |number: &usize| Path::new(&format!("/proc/{}/fd/{number}", server.pid())).is_symlink();
    (0..).find(|number| !is_open(number)).unwrap()
}

/// F15: when descriptors run out, what runs goes on, whoever comes is told, and what is asked for is refused; all is
/// well as soon as there are some.
#[test]
fn without_descriptors_transfers_finish_and_newcomers_are_told() {
    let server = Setup::new().start();
    large_file(&server);
    let mut idle = Client::login(server.address, "bob");
    let uploading = upload(&server, "new");
    let mut downloading = Client::login(server.address, "bob");
    let mut data = downloading.open();
    downloading.ask("RETR large", "150");
    data.read_exact(&mut [0; 1000]).unwrap();

    limit_descriptors(&server, next_descriptor(&server));
    for _ in 0..3 {
        let mut newcomer = Client::connect(server.address);
        newcomer.expect("421 Too many connections. Service temporarily unavailable.");
        newcomer.expect_end();
    }
    idle.ask("PASV", "425");
    idle.ask("HASH large", "450");
    idle.ask("NOOP", "200");
    assert_eq!(all_of(&mut data).len() as u64, LARGE - 1000);
    downloading.expect("226");

    limit_descriptors(&server, 1024);
    // To take its name an upload needs one for a moment: without, it would be 450, and kept to be gone on with.
    finish(uploading);
    assert_eq!(idle.retrieve("new"), b"begun, and done");
    assert_eq!(Client::login(server.address, "bob").retrieve("new"), b"begun, and done");
}

/// F20: the wall clock jumps, by a day and by ten years, forth and back: no session, timer, limit or ban changes. What is
/// written down has the new time. T77.
#[test]
fn a_clock_that_jumps_changes_nothing_but_dates() {
    let setup = Setup::new();
    let clock = setup.path("clock");
    let says = |jump: &str| std::fs::write(&clock, jump).unwrap();
    says("+0");
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    assert!(Path::new(&library).exists(), "libfaketime (Debian package libfaketime)");
    let mut server = setup
        .variable("LD_PRELOAD", &library)
        .variable("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .variable("FAKETIME_NO_CACHE", "1")
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .variable("FTP_BAN_AFTER", "3")
        .variable("FTP_MAX_LOGIN_ATTEMPTS", "0")
        .start();
    let mut idle = Client::login(server.address, "bob");
    let mut half = Client::connect(server.address);
    half.expect("220");
    half.ask("USER bob", "331");
    let mut banned = Client::connect_from("127.0.0.7", server.address);
    banned.expect("220");
    for _ in 0..3 {
        banned.ask("USER bob", "331");
        banned.say("PASS wrong");
    }
    let this_year = year_of(&server.wait_for_line("log-in failed"));
    let uploading = upload(&server, "new");
    for (jump, years) in [("+1d", 0), ("-1d", 0), ("+10y", 10), ("-10y", -10)] {
        says(jump);
        idle.ask("NOOP", "200");
        idle.store("other", b"content");
        assert_eq!(idle.retrieve("other"), b"content", "{jump}");
        let year = year_of(&server.wait_for_line("RETR done"));
        assert!((this_year + years - 1..=this_year + years + 1).contains(&year), "{jump}: {year}");
        Client::connect_from("127.0.0.7", server.address).expect("421 Too many failed log-ins");
        Client::login(server.address, "bob").ask("NOOP", "200");
    }
    half.ask("PASS secret", "230");
    finish(uploading);
    assert!(server.end().status.success());
}

/// The year of a line's time.
fn year_of(line: &str) -> i32 {
    line.split("\"timestamp\":\"").nth(1).unwrap()[..4].parse().unwrap()
}

/// F21: the process stands still for longer than anybody may be silent. Who spoke meanwhile was not silent.
#[test]
fn a_pause_is_nobodys_silence() {
    const LIMIT: &str = "5s";
    let server = Setup::new().variable("FTP_IDLE_TIMEOUT", LIMIT).variable("FTP_DATA_TIMEOUT", LIMIT).start();
    large_file(&server);
    let mut downloading = Client::login(server.address, "bob");
    let mut data = downloading.open();
    downloading.ask("RETR large", "150");
    let (mut uploader, mut up) = upload(&server, "new");

    let mut idle: Vec<Client> = (0..5).map(|_| Client::login(server.address, "bob")).collect();
    server.signal(Signal::SIGSTOP);
    let paused = std::time::Instant::now();
    idle.iter_mut().for_each(|client| client.send("NOOP"));
    up.write_all(b"and done").unwrap();
    wait_until("longer than the limit", || paused.elapsed().as_secs() > 6);
    server.signal(Signal::SIGCONT);

    for client in &mut idle {
        client.expect("200");
    }
    drop(up);
    uploader.expect("226");
    assert_eq!(all_of(&mut data).len() as u64, LARGE);
    downloading.expect("226");
}

/// F25: a disk without room for the log, or for the transfer log: it is served all the same, and what was lost is counted
/// where it can be.
#[test]
fn a_log_that_cannot_be_written_stops_nobody() {
    let setup = Setup::new();
    let [log, transfers] = ["log", "transfers"].map(|name| setup.path(name));
    for path in [&log, &transfers] {
        std::os::unix::fs::symlink("/dev/full", path).unwrap();
    }
    let mut server = setup
        .variable("FTP_LOGGING_NAME", log.to_str().unwrap())
        .variable("FTP_LOG_ROTATION", "never")
        .variable("FTP_TRANSFER_LOG", transfers.to_str().unwrap())
        .start();
    let mut client = Client::login(server.address, "bob");
    client.store("new", b"content");
    let first = server.wait_for_line("log lines lost");
    // The next transfer finds out about the one before.
    assert_eq!(client.retrieve("new"), b"content");
    let second = server.wait_for_line("log lines lost");
    for path in [&log, &transfers] {
        let part = format!(r#""log":"{}","lines":"#, path.display());
        assert!(first.contains(&part) || second.contains(&part), "no {part}: {first} {second}");
    }
    assert!(server.end().status.success());
}

/// A server whose standard output is not what it should be; this script sees to it that one line of it comes here.
fn start_by(script: &str, setup: Setup) -> Running {
    setup.variable("PATH", "/usr/bin:/bin").program(&["/bin/bash", "-c", script, PROGRAM]).start()
}

/// F25: standard output is closed, or its reader is gone.
#[test]
fn nobody_reads_standard_output() {
    let port = free_port();
    let closed = format!("echo 'listening  127.0.0.1:{port}'; exec \"$0\" \"$@\" >&-");
    let gone = "exec \"$0\" \"$@\" > >(sed -n '/listening  /{p;q}')";
    for script in [&closed, gone] {
        let server = start_by(script, Setup::new().variable("FTP_PORT", &port.to_string()));
        wait_until("it listens", || TcpStream::connect(server.address).is_ok());
        let mut client = Client::login(server.address, "bob");
        for _ in 0..20 {
            client.store("new", b"content");
        }
        assert_eq!(client.retrieve("new"), b"content", "{script}");
        assert!(server.end().status.success(), "{script}");
    }
}

/// F25: whoever reads standard output has stopped reading. Nobody waits for it, not even the end.
#[test]
fn nobody_waits_for_the_reader_of_standard_output() {
    let stopped = "exec \"$0\" \"$@\" \
                   > >(sed -n '/listening  /{p;q}'; exec tail --pid=$$ -f /dev/null > /dev/null 2>&1)";
    let server = start_by(stopped, Setup::new().variable("FTP_LOG_LEVEL", "trace"));
    let mut client = Client::login(server.address, "bob");
    // Far more lines than a pipe holds.
    for _ in 0..5000 {
        client.ask("NOOP", "200");
    }
    client.store("new", b"content");
    assert_eq!(client.retrieve("new"), b"content");
    assert!(server.end().status.success());
}

/// F50: restarted in the midst of work, it listens at once on the same port, and so do its passive ports.
#[test]
fn a_restart_under_load_finds_its_ports_free() {
    let (control, passive) = (free_port().to_string(), free_port().to_string());
    for _ in 0..10 {
        let server = Setup::new().variable("FTP_PORT", &control).variable("FTP_PASSIVE_PORTS", &passive).start();
        large_file(&server);
        let mut clients: Vec<_> = (2..6)
            .map(|number| {
                let mut client = Client::login_from(&format!("127.0.0.{number}"), server.address, "bob");
                client.store(&format!("new{number}"), b"content");
                let mut data = client.open();
                client.ask("RETR large", "150");
                data.read_exact(&mut [0; 1000]).unwrap();
                (client, data)
            })
            .collect();
        drop(server);
        for (client, data) in &mut clients {
            crate::wire::until_end(data);
            client.expect_end();
        }
    }
}

/// F50: whoever chooses passive ports that the kernel gives to others is told so.
#[test]
fn passive_ports_that_the_kernel_gives_out_are_warned_about() {
    let host = Host::new();
    let mut server = host.run(|| {
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "25000 60999").unwrap();
        Setup::new().start()
    });
    server.wait_for_line("port 25000 is among those that the kernel gives to any connection");
}
