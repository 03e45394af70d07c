//! F17: killed again and again while clients store. What a client was told is done is told to the receiver, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;

use nix::sys::signal::Signal;

use super::receiver::{Manner, Receiver};
use super::{start, telling_of_uploads, wait_until_told};
use crate::binary::{PROGRAM, Setup};
use crate::wire::{Client, free_port, wait_until};

const ROUNDS: usize = 6;
const CLIENTS: usize = 4;

/// Path and size of each upload that was answered 226. Of each path the sizes grow.
type Stored = Mutex<Vec<(String, u64)>>;

fn store_until_killed(server: SocketAddr, number: usize, round: usize, stored: &Stored) {
    let mut client = Client::login(server, "bob");
    for step in 1.. {
        let (name, size) = (format!("file{number}-{}", step % 3), 1000 * round + step);
        // Panics once the server is gone.
        client.store(&name, &vec![7; size]);
        stored.lock().unwrap().push((format!("/{name}"), size as u64));
    }
}

/// As a crash in the midst of a write would leave it.
fn tear(spool: &Path) {
    let entries = std::fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().path());
    let last = entries.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).max().unwrap();
    let mut file = std::fs::File::options().append(true).open(last).unwrap();
    file.write_all(b"{\"id\":\"torn\",\"event\":\"upl").unwrap();
}

/// Killed at the moment at which an event is written: nobody has heard yet that the deed is done.
#[test]
fn an_event_is_there_before_its_reply() {
    let kill = ["-e", "trace=pwrite64", "-e", "inject=pwrite64:signal=KILL"];
    let words = [&["/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null"][..], &kill, &[PROGRAM]].concat();
    let begin = |event: &str| {
        let server =
            telling_of_uploads("").variable(&format!("FTP_ON_{event}"), "http://127.0.0.1:1/").program(&words).start();
        let mut client = Client::connect(server.address);
        client.expect("220");
        client.ask("USER bob", "331");
        (server, client)
    };
    let (server, mut client) = begin("LOGIN");
    assert_eq!(client.say("PASS secret"), "");
    server.wait();
    for (event, deed) in [("UPLOAD", "STOR new"), ("DELETE", "DELE file"), ("MKDIR", "MKD new"), ("RENAME", "RNTO new")]
    {
        let (server, mut client) = begin(event);
        std::fs::write(server.folder().join("home/bob/file"), "1").unwrap();
        client.ask("PASS secret", "230");
        client.ask("RNFR file", "350");
        let data = client.open();
        let reply = client.say(deed);
        drop(data);
        let reply = if reply.starts_with("150") { client.reply() } else { reply };
        assert_eq!(reply, "", "{deed}");
        server.wait();
    }
}

#[test]
fn what_was_answered_226_is_told_whatever_is_killed() {
    let homes = tempfile::tempdir().unwrap();
    let spool = homes.path().join(".longshore-spool");
    let receiver_address: SocketAddr = (std::net::Ipv4Addr::LOCALHOST, free_port()).into();
    let setup = || -> Setup {
        telling_of_uploads(&format!("http://{receiver_address}/"))
            .variable("FTP_HOME_ROOT", &homes.path().display().to_string())
            .variable("FTP_HOOK_SPOOL", &spool.display().to_string())
            // So that segments are begun and removed.
            .variable("FTP_HOOK_SPOOL_SIZE", "200000")
    };
    let stored = Stored::default();
    let mut told = Vec::new();
    for round in 1..=ROUNDS {
        // Killed with nobody there, and while somebody is told.
        let receiver = (round % 2 == 0).then(|| Receiver::at(receiver_address, Manner::Answer(200)));
        let (server, _) = start(setup());
        let before = stored.lock().unwrap().len();
        std::thread::scope(|scope| {
            let (address, stored) = (server.address, &stored);
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| scope.spawn(move || store_until_killed(address, number, round, stored)))
                .collect();
            wait_until("some are stored", || stored.lock().unwrap().len() > before + 40);
            server.signal(Signal::SIGKILL);
            server.wait();
            clients.into_iter().for_each(|client| assert!(client.join().is_err(), "it outlived the server"));
        });
        tear(&spool);
        told.extend(receiver.iter().flat_map(Receiver::told));
    }
    let receiver = Receiver::at(receiver_address, Manner::Answer(200));
    let (server, http) = start(setup());
    wait_until_told(http);
    told.extend(receiver.told());
    assert!(server.end().status.success());

    let taken: Vec<_> = told.iter().filter(|one| one.is_taken()).collect();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for one in &taken {
        let size = one.event["size"].as_u64().unwrap();
        let before = last.insert(one.text("path"), size).unwrap_or_default();
        assert!(before <= size, "{} of {size} bytes came after that of {before}", one.text("path"));
    }
    let all: BTreeSet<(String, u64)> =
        taken.iter().map(|one| (one.text("path").to_owned(), one.event["size"].as_u64().unwrap())).collect();
    let stored = stored.into_inner().unwrap();
    assert!(stored.len() > ROUNDS * 40);
    let missing: Vec<_> = stored.iter().filter(|one| !all.contains(one)).collect();
    assert!(missing.is_empty(), "{} of {}: {missing:?}", missing.len(), stored.len());
    // One that is told twice has the same name.
    let ids: BTreeSet<&str> = taken.iter().map(|one| one.text("id")).collect();
    assert_eq!(ids.len(), all.len());
}
