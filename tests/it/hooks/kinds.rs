//! What is told of which deed, and of what nothing is told.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use serde_json::json;
use tokio_rustls::rustls::version::TLS13;

use super::receiver::{Manner, Receiver, Told};
use super::{SECRET, bob, start, telling, wait_until_told};
use crate::authority::Authority;
use crate::http::figures::Figures;
use crate::tls_side::{self, Side};
use crate::wire::Client;

/// The one that tells this.
#[track_caller]
fn one<'a>(told: &'a [Told], short: &str) -> &'a Told {
    let all: Vec<&Told> = told.iter().filter(|one| one.short() == short).collect();
    assert_eq!(all.len(), 1, "{short}: {told:#?}");
    all[0]
}

#[test]
fn each_deed_is_told_in_full() {
    let receiver = Receiver::start(Manner::Answer(204));
    let (server, http) = start(telling(&receiver.url()));
    let home = server.folder().join("home/bob").canonicalize().unwrap().display().to_string();
    let mut client = bob(&server);
    client.ask("MKD in", "257");
    client.store("in/a", b"12345");
    client.ask("RNFR in/a", "350");
    client.ask("RNTO b", "250");
    client.ask("DELE b", "250");
    client.ask("RMD in", "250");
    let told = receiver.taken(6);
    wait_until_told(http);
    assert_eq!(told.len(), 6);
    let file = |path: &str| format!("{home}{path}");
    for (short, rest) in [
        ("login ", json!({})),
        ("mkdir /in", json!({"file": file("/in")})),
        ("upload /in/a", json!({"file": file("/in/a"), "size": 5, "transferred": 5})),
        ("rename /b", json!({"from": "/in/a", "file": file("/b"), "from_file": file("/in/a")})),
        ("delete /b", json!({"file": file("/b")})),
        ("rmdir /in", json!({"file": file("/in")})),
    ] {
        let one = one(&told, short);
        let mut want = json!({
            "id": one.event["id"], "time": one.event["time"], "event": one.event["event"], "user": "bob",
            "peer": "127.0.0.1", "session": one.event["session"], "tls": false,
        });
        if short != "login " {
            want["path"] = one.event["path"].clone();
        }
        want.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        assert_eq!(one.event, want);
        assert_eq!(one.line, "POST /events?to=me HTTP/1.1");
        let header = |name: &str| one.headers[name].as_str();
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(header("host"), receiver.address.to_string());
        assert_eq!(header("x-longshore-event"), one.text("event"));
        assert_eq!(header("x-longshore-delivery"), one.text("id"));
        assert!(one.is_signed(SECRET) && !one.is_signed("another"), "{one:?}");
        assert_eq!(one.text("id").len(), 32);
        let time: jiff::Timestamp = one.text("time").parse().unwrap();
        let sent: i64 = header("x-longshore-timestamp").parse().unwrap();
        assert!(one.text("time").ends_with('Z') && (0..=60).contains(&(sent - time.as_second())), "{one:?}");
    }
    let session = one(&told, "login ").event["session"].clone();
    assert!(session.as_u64() >= Some(1) && told.iter().all(|one| one.event["session"] == session));
    let ids: std::collections::BTreeSet<&str> = told.iter().map(|one| one.text("id")).collect();
    assert_eq!(ids.len(), 6);
    let events = |kind: &str| Figures::of(http).get(&format!("longshore_events_total{{event=\"{kind}\"}}"));
    assert!(["login", "mkdir", "upload", "rename", "delete", "rmdir"].iter().all(|kind| events(kind) == 1.0));
    assert_eq!(Figures::of(http).get("longshore_event_deliveries_total{result=\"done\"}"), 6.0);
}

#[test]
fn every_way_to_store_a_file_is_told_once_it_is_whole() {
    let receiver = Receiver::start(Manner::Answer(200));
    let (server, http) = start(telling(&receiver.url()).variable("FTP_UPLOAD_FSYNC", "on"));
    let mut client = bob(&server);
    client.store("plain", b"12345");
    client.store("empty", b"");
    for (command, bytes) in [("APPE plain", &b"678"[..]), ("STOU", b"12"), ("STOR resumed", b"1234")] {
        let mut data = client.open();
        client.ask(command, "150");
        data.write_all(bytes).unwrap();
        drop(data);
        client.expect("226");
    }
    let mut data = client.open();
    client.ask("REST 2", "350");
    client.ask("STOR resumed", "150");
    data.write_all(b"ab").unwrap();
    drop(data);
    client.expect("226");
    client.ask("TYPE A", "200");
    client.store("text", b"a\r\nb\r\n");
    let told = receiver.taken(8);
    let uploads = |path: &str| -> Vec<(u64, u64)> {
        let of = told.iter().filter(|one| one.text("event") == "upload" && one.text("path").starts_with(path));
        of.map(|one| (one.event["size"].as_u64().unwrap(), one.event["transferred"].as_u64().unwrap())).collect()
    };
    assert_eq!(uploads("/plain"), [(5, 5), (8, 3)]);
    assert_eq!(uploads("/empty"), [(0, 0)]);
    assert_eq!(uploads("/ftpd."), [(2, 2)]);
    assert_eq!(uploads("/resumed"), [(4, 4), (4, 2)]);
    assert_eq!(uploads("/text"), [(4, 6)]);
    assert_eq!(Figures::of(http).get("longshore_events_total{event=\"upload\"}"), 7.0);
}

#[test]
fn of_what_failed_nothing_is_told() {
    let receiver = Receiver::start(Manner::Answer(200));
    let (server, http) = start(
        telling(&receiver.url()).file("conf/users.conf", "bob secret elradfmwMT bob quota=10\nreader secret elr bob\n"),
    );
    let mut client = bob(&server);
    let mut data = client.open();
    client.ask("STOR broken", "150");
    data.write_all(b"123").unwrap();
    client.await_moved(3);
    client.ask("ABOR", "426");
    client.expect("226");
    let mut data = client.open();
    client.ask("STOR large", "150");
    data.write_all(&[7; 11]).unwrap();
    drop(data);
    client.expect("552");
    client.ask("DELE missing", "550");
    client.ask("MKD a/b", "550");
    client.ask("RMD missing", "550");
    let mut other = Client::login(server.address, "reader");
    other.ask("MKD folder", "550");
    let mut third = Client::connect(server.address);
    third.expect("220");
    third.ask("USER bob", "331");
    third.ask("PASS wrong", "530");
    client.store("good", b"1");
    let told = receiver.taken(3);
    wait_until_told(http);
    let mut shorts: Vec<String> = told.iter().map(Told::short).collect();
    shorts.sort();
    assert_eq!(shorts, ["login ", "login ", "upload /good"]);
    let figures = Figures::of(http);
    let kinds = ["login", "mkdir", "upload", "rename", "delete", "rmdir"];
    let counts = kinds.map(|kind| figures.get(&format!("longshore_events_total{{event=\"{kind}\"}}")));
    assert_eq!(counts, [2.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_name_that_is_no_text_comes_through_whole() {
    let receiver = Receiver::start(Manner::Answer(200));
    let (server, _) = start(super::telling_of_uploads(&receiver.url()).variable("FTP_ENCODING", "utf8"));
    let mut client = bob(&server);
    let mut data = client.open();
    client.stream().write_all(b"STOR \xe9t\xe9 100%\r\n").unwrap();
    client.expect("150");
    data.write_all(b"1").unwrap();
    drop(data);
    client.expect("226");
    let told = receiver.taken(1);
    assert_eq!(told[0].text("path"), "/\u{fffd}t\u{fffd} 100%");
    assert_eq!(told[0].text("path_bytes"), "/%E9t%E9%20100%25");
    assert!(told[0].text("file_bytes").ends_with("/home/bob/%E9t%E9%20100%25"), "{:?}", told[0]);
    let names: Vec<_> = std::fs::read_dir(server.folder().join("home/bob")).unwrap().collect();
    assert_eq!(names[0].as_ref().unwrap().file_name().as_bytes(), b"\xe9t\xe9 100%");
}

#[test]
fn tls_is_told() {
    let receiver = Receiver::start(Manner::Answer(200));
    let (authority, pair) = (Authority::new(), tempfile::tempdir().unwrap());
    let (cert, key) = tls_side::write(pair.path(), &authority.issue(&["localhost"]));
    let (server, _) = start(
        telling(&receiver.url())
            .variable("FTP_TLS", "allowed")
            .variable("FTP_TLS_CERT", &cert)
            .variable("FTP_TLS_KEY", &key),
    );
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("AUTH TLS", "234");
    let mut client = client.over_another(|stream| Side::new(&authority, &TLS13).over(stream));
    client.sign_in("bob");
    client.ask("MKD folder", "257");
    let told = receiver.taken(2);
    assert!(told.iter().all(|one| one.event["tls"] == true), "{told:#?}");
}

/// With nobody to be told there is no spool, and it is not looked for.
#[test]
fn without_receivers_there_is_no_spool() {
    let setup = crate::binary::Setup::new().variable("FTP_HOOK_SPOOL", "/proc/nowhere/spool");
    let server = setup.start();
    bob(&server).store("file", b"1");
}
