//! Faults that an engine makes: too little memory, too little of a processor, a pause. The numbers are those of
//! `tests/it/faults.rs`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::engine::{ALICE, Container, SECRET, docker, image, inspect, success, wait_until};
use crate::wire::Client;

/// A download that has begun and that nobody reads.
fn unread(container: &Container) -> (Client, TcpStream) {
    let mut client = container.alice();
    let mut data = client.open();
    client.ask("RETR large", "150");
    data.read_exact(&mut [0; 1000]).unwrap();
    (client, data)
}

/// F16: memory is bounded by the limits of the settings. With as little as this, sessions and transfers in numbers are
/// served, and the kernel kills nobody.
#[test]
fn little_memory_is_enough_for_many() {
    let limits = ["--memory", "64m", "--memory-swap", "64m", "-e", "FTP_MAX_PER_IP=0"];
    let container = Container::start(&[&limits[..], &["-e", ALICE, "-e", SECRET]].concat());
    let content: Vec<u8> = (0..=255).cycle().take(32 << 20).collect();
    container.alice().store("large", &content);
    let idle: Vec<Client> = (0..200).map(|_| container.alice()).collect();
    let downloads: Vec<_> = (0..50).map(|_| unread(&container)).collect();
    let mut whole = container.alice();
    assert!(whole.retrieve("large") == content);
    for (mut client, mut data) in downloads.into_iter().take(5) {
        assert_eq!(std::io::copy(&mut data, &mut std::io::sink()).unwrap(), (32 << 20) - 1000);
        client.expect("226");
    }
    for mut client in idle {
        client.ask("NOOP", "200");
    }
    assert_eq!(inspect(&container.name, "{{.State.OOMKilled}} {{.State.Running}} {{.RestartCount}}"), "false true 0");
}

/// F21: `docker pause` for longer than anybody may be silent: those who spoke meanwhile are heard, and transfers go on.
#[test]
fn a_pause_of_the_container_ends_nothing() {
    let limits = ["-e", "FTP_IDLE_TIMEOUT=5s", "-e", "FTP_DATA_TIMEOUT=5s"];
    let container = Container::start(&[&limits[..], &["-e", ALICE, "-e", SECRET]].concat());
    let mut uploader = container.alice();
    let mut data = uploader.open();
    uploader.ask("STOR new", "150");
    data.write_all(b"begun, ").unwrap();
    uploader.await_moved(7);

    let control = container.control();
    let mut clients: Vec<Client> = (0..5).map(|_| Client::login(control, "alice")).collect();
    docker(&["pause", &container.name]);
    let paused = Instant::now();
    clients.iter_mut().for_each(|client| client.send("NOOP"));
    data.write_all(b"and done").unwrap();
    wait_until("longer than the limit", || paused.elapsed() > Duration::from_secs(6));
    docker(&["unpause", &container.name]);

    for client in &mut clients {
        client.expect("200");
    }
    drop(data);
    uploader.expect("226");
    assert_eq!(uploader.retrieve("new"), b"begun, and done");
}

/// F55: with a tenth of a processor, whoever logs in among twenty is let in, hashed password or not, and is served.
#[test]
fn little_of_a_processor_is_enough_to_log_in() {
    let hash = "printf %s secret | docker run --rm --interactive \"$0\" hash-password";
    let hash = success(Command::new("sh").args(["-c", hash, image()]));
    let container = Container::start(&["--cpus", "0.1", "-e", ALICE, "-e", &format!("FTP_PASS={hash}")]);
    let control = container.control();
    std::thread::scope(|scope| {
        for number in 0..20 {
            scope.spawn(move || {
                let mut client = Client::login(control, "alice");
                let name = format!("new{number}");
                client.store(&name, b"content");
                assert_eq!(client.retrieve(&name), b"content");
                client.ask("QUIT", "221");
            });
        }
    });
}
