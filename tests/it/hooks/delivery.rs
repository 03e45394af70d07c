//! Receivers that fail, hang, are not there and come back: nothing is lost, and no transfer waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::receiver::{Manner, Receiver, Told};
use super::{bob, start, telling, telling_of_uploads, wait_until_pending, wait_until_told};
use crate::http::figures::Figures;
use crate::wire::free_port;

/// The sizes of the uploads of each path, in the order in which they were taken.
fn sizes(told: &[Told]) -> BTreeMap<String, Vec<u64>> {
    let mut sizes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for one in told {
        sizes.entry(one.text("path").to_owned()).or_default().push(one.event["size"].as_u64().unwrap());
    }
    sizes
}

/// Three uploads of each of so many files, and what is to be told of them.
fn store_many(client: &mut crate::wire::Client, files: usize) -> BTreeMap<String, Vec<u64>> {
    for size in 1..=3 {
        for file in 0..files {
            client.store(&format!("file{file}"), &vec![7; size]);
        }
    }
    (0..files).map(|file| (format!("/file{file}"), vec![1, 2, 3])).collect()
}

#[test]
fn a_receiver_that_fails_is_asked_again_and_not_hammered() {
    let receiver = Receiver::start(Manner::Answer(500));
    let (mut server, http) = start(telling_of_uploads(&receiver.url()));
    let want = store_many(&mut bob(&server), 10);
    let line = server.wait_for_line("receiver of events failed");
    assert!(line.contains("it answered 500"), "{line}");
    // Those that were under way when the first one failed, and then one at a time, more and more seldom.
    let told = receiver.wait_until("it was asked again and again", |told| told.len() >= 6);
    assert!(told.len() < 16 && told.iter().skip(8).all(|one| one.at_once == 1), "{told:#?}");
    receiver.become_one_that(Manner::Answer(200));
    let taken = receiver.taken(30);
    assert_eq!(sizes(&taken), want);
    server.wait_for_line("receiver of events is well again");
    wait_until_told(http);
    // Each attempt tells the same, and by the same name.
    let told = receiver.told();
    let mut bodies: BTreeMap<&str, BTreeSet<&[u8]>> = BTreeMap::new();
    for one in &told {
        bodies.entry(&one.headers["x-longshore-delivery"]).or_default().insert(&one.body);
    }
    assert_eq!(bodies.len(), 30);
    assert!(bodies.values().all(|bodies| bodies.len() == 1));
    let deliveries =
        |result: &str| Figures::of(http).get(&format!("longshore_event_deliveries_total{{result=\"{result}\"}}"));
    assert_eq!((deliveries("done"), deliveries("failed")), (30.0, (told.len() - 30) as f64));
}

#[test]
fn a_receiver_that_hangs_holds_up_no_transfer() {
    let receiver = Receiver::start(Manner::Hang);
    let (mut server, http) = start(telling_of_uploads(&receiver.url()).variable("FTP_HOOK_TIMEOUT", "5s"));
    let mut client = bob(&server);
    let begun = Instant::now();
    client.store("file0", &[7; 1]);
    receiver.wait_until("it hangs", |told| told.len() == 1);
    // All of this while each delivery takes five seconds to fail.
    let mut want = store_many(&mut client, 20);
    want.get_mut("/file0").unwrap().insert(0, 1);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let line = server.wait_for_line("receiver of events failed");
    assert!(line.contains("no answer within 5 s (hook_timeout)"), "{line}");
    receiver.become_one_that(Manner::Answer(200));
    assert_eq!(sizes(&receiver.taken(61)), want);
    wait_until_told(http);
}

#[test]
fn a_receiver_that_is_not_there_is_told_when_it_comes() {
    let address = (std::net::Ipv4Addr::LOCALHOST, free_port()).into();
    let (mut server, http) = start(telling_of_uploads(&format!("http://{address}/")));
    let want = store_many(&mut bob(&server), 5);
    let line = server.wait_for_line("receiver of events failed");
    assert!(line.contains("Connection refused"), "{line}");
    wait_until_pending(http, 15);
    let receiver = Receiver::at(address, Manner::Answer(200));
    assert_eq!(sizes(&receiver.taken(15)), want);
    let line = server.wait_for_line("receiver of events is well again");
    assert!(line.contains("on_upload"), "{line}");
    wait_until_told(http);
}

/// What is told of a path comes in order, also where it had another name, or the directory above it had.
#[test]
fn nothing_overtakes_what_came_before_it() {
    let receiver = Receiver::start(Manner::Answer(500));
    let (mut server, _) = start(telling(&receiver.url()));
    let mut client = bob(&server);
    server.wait_for_line("receiver of events failed");
    for round in 0..5 {
        client.ask(&format!("MKD d{round}"), "257");
        for file in ["a", "b", "c"] {
            client.store(&format!("d{round}/{file}"), b"1");
        }
        client.ask(&format!("RNFR d{round}"), "350");
        client.ask(&format!("RNTO e{round}"), "250");
        for file in ["a", "b", "c"] {
            client.ask(&format!("DELE e{round}/{file}"), "250");
        }
        client.ask(&format!("RMD e{round}"), "250");
    }
    receiver.become_one_that(Manner::Answer(200));
    let taken = receiver.taken(1 + 5 * 9);
    for round in 0..5 {
        let (old, new) = (format!("/d{round}"), format!("/e{round}"));
        let of_this = |one: &&Told| one.text("path").starts_with(&old) || one.text("path").starts_with(&new);
        let told: Vec<String> = taken.iter().filter(of_this).map(Told::short).collect();
        assert_eq!(told.len(), 9);
        let mut parts = [told[1..4].to_vec(), told[5..8].to_vec()];
        parts.iter_mut().for_each(|part| part.sort());
        assert_eq!(told[0], format!("mkdir {old}"), "{told:#?}");
        assert_eq!(parts[0], ["a", "b", "c"].map(|file| format!("upload {old}/{file}")), "{told:#?}");
        assert_eq!(told[4], format!("rename {new}"), "{told:#?}");
        assert_eq!(parts[1], ["a", "b", "c"].map(|file| format!("delete {new}/{file}")), "{told:#?}");
        assert_eq!(told[8], format!("rmdir {new}"), "{told:#?}");
    }
}

/// However often one event is refused, it holds up those about its own path only.
#[test]
fn what_is_never_taken_holds_up_nothing_else() {
    let receiver = Receiver::start(Manner::Refuse("/bad".to_owned()));
    let (server, http) = start(telling_of_uploads(&receiver.url()));
    let mut client = bob(&server);
    client.store("bad", b"1");
    let mut want = store_many(&mut client, 10);
    client.store("bad", b"12");
    assert_eq!(sizes(&receiver.taken(30)), want);
    wait_until_pending(http, 2);
    let told = receiver.told();
    assert!(told.iter().filter(|one| one.text("path") == "/bad").all(|one| one.event["size"] == 1), "{told:#?}");
    receiver.become_one_that(Manner::Answer(200));
    want.insert("/bad".to_owned(), vec![1, 2]);
    assert_eq!(sizes(&receiver.taken(32)), want);
    wait_until_told(http);
}

/// Whom one setting names has nothing to do with whom another does.
#[test]
fn one_receiver_that_hangs_does_not_hold_up_another() {
    let (stuck, well) = (Receiver::start(Manner::Hang), Receiver::start(Manner::Answer(200)));
    let (server, http) = start(telling(&well.url()).variable("FTP_ON_UPLOAD", &stuck.url()));
    let mut client = bob(&server);
    for file in 0..20 {
        client.store(&format!("file{file}"), b"1");
        client.ask(&format!("DELE file{file}"), "250");
    }
    assert_eq!(well.taken(21).len(), 21);
    wait_until_pending(http, 20);
    assert!(stuck.told().len() <= 8);
}

/// Nobody waits for a receiver to end the server either, and what it did not take is there at the next start.
#[test]
fn the_end_does_not_wait_and_the_next_start_goes_on() {
    let receiver = Receiver::start(Manner::Hang);
    let spool = tempfile::tempdir().unwrap();
    let setup = || telling_of_uploads(&receiver.url()).variable("FTP_HOOK_SPOOL", &spool.path().display().to_string());
    let (server, _) = start(setup());
    bob(&server).store("file", b"1");
    let first = receiver.wait_until("it is told", |told| told.len() == 1);
    let begun = Instant::now();
    assert_eq!(server.end().status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    receiver.become_one_that(Manner::Answer(200));
    let (_server, http) = start(setup());
    let told = receiver.taken(1);
    assert_eq!(told[0].body, first[0].body);
    wait_until_told(http);
}
