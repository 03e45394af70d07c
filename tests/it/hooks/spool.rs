//! The spool: bounded, the server's own, and out of the reach of clients.

use std::io::Write;

use super::receiver::{Manner, Receiver};
use super::{bob, start, telling, telling_of_uploads, wait_until_pending, wait_until_told};
use crate::http::figures::Figures;
use crate::wire::{Client, all_of};

#[test]
fn a_full_spool_loses_events_and_no_upload() {
    let receiver = Receiver::start(Manner::Hang);
    let (mut server, http) = start(telling_of_uploads(&receiver.url()).variable("FTP_HOOK_SPOOL_SIZE", "20000"));
    let mut client = bob(&server);
    for number in 0..150 {
        client.store(&format!("file{number}"), b"1");
    }
    let line = server.wait_for_line("events lost");
    assert!(line.contains("count=1 ") && line.contains("(hook_spool_size)") && line.contains("ERROR"), "{line}");
    let figures = Figures::of(http);
    let [kept, lost] = ["longshore_events_pending", "longshore_events_dropped_total"].map(|name| figures.get(name));
    assert!((30.0..100.0).contains(&kept) && kept + lost == 150.0, "{kept} are kept and {lost} lost");
    assert_eq!(figures.get("longshore_events_total{event=\"upload\"}"), kept);
    let bytes: u64 = std::fs::read_dir(server.folder().join("spool"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= 20_000, "{bytes}");
    receiver.become_one_that(Manner::Answer(200));
    let line = server.wait_for_line("events are kept again");
    assert!(line.contains(&format!("lost={lost}")), "{line}");
    wait_until_told(http);
    client.store("last", b"1");
    let told = receiver.wait_until("the last one too", |told| told.iter().any(|one| one.short() == "upload /last"));
    let paths: std::collections::BTreeSet<&str> =
        told.iter().filter(|one| one.is_taken()).map(|one| one.text("path")).collect();
    assert_eq!(paths.len() as f64, kept + 1.0);
    let lines = server.end().lines;
    assert_eq!(lines.iter().filter(|line| line.contains("events lost")).count(), 1, "{lines:#?}");
}

/// Where a home holds the spool, its user does not know of it.
#[test]
fn clients_do_not_see_the_spool_in_a_home_above_it() {
    let receiver = Receiver::start(Manner::Answer(500));
    let setup = telling_of_uploads(&receiver.url());
    let home = setup.path("home").display().to_string();
    let spool = format!("{home}/in/.longshore-spool");
    let (server, http) = start(
        setup
            .file("conf/users.conf", &format!("root secret elradfmwMT {home} quota=10MiB\nbob secret elradfmwMT bob\n"))
            .variable("FTP_HOOK_SPOOL", &spool),
    );
    bob(&server).store("file", b"1");
    assert!(std::fs::read_dir(&spool).unwrap().count() >= 2, "it is there");
    let mut client = Client::login(server.address, "root");
    for command in ["LIST -a /in", "NLST /in", "MLSD /in"] {
        let mut data = client.open();
        client.ask(command, "150");
        assert_eq!(String::from_utf8_lossy(&all_of(&mut data)).matches("longshore").count(), 0, "{command}");
        client.expect("226");
    }
    for command in [
        "CWD in/.longshore-spool",
        "SIZE in/.longshore-spool/lock",
        "RETR in/.longshore-spool/lock",
        "DELE in/.longshore-spool/lock",
        "STOR in/.longshore-spool/x",
        "RNFR in/.longshore-spool",
        "RMD in/.longshore-spool",
        "MKD in/.longshore-spool/y",
        "RMD in",
    ] {
        client.pasv();
        client.ask(command, "55");
    }
    // Nor are its bytes the user's.
    let left =
        |client: &mut Client| -> u64 { client.ask("AVBL", "213").split_whitespace().last().unwrap().parse().unwrap() };
    assert_eq!(left(&mut client), (10 << 20) - 1);
    wait_until_pending(http, 1);
}

#[test]
fn a_spool_that_clients_could_reach_is_refused() {
    for place in ["home/bob", "home/bob/spool", "home/bob/a/b"] {
        let setup = telling("http://127.0.0.1:1/");
        let path = setup.path(place).display().to_string();
        let output = setup.variable("FTP_HOOK_SPOOL", &path).arguments(&["check"]).run();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("FTP_HOOK_SPOOL: found {path}, which clients at home in ")), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn a_spool_that_cannot_be_used_keeps_the_server_from_starting() {
    let setup = telling("http://127.0.0.1:1/").file("spool", "a file");
    let path = setup.path("spool").display().to_string();
    let output = setup.run();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("hook_spool: {path} cannot be used: ")), "{said}");

    // Nor do two servers share one.
    let receiver = Receiver::start(Manner::Answer(200));
    let (server, http) = start(telling(&receiver.url()));
    let taken = server.folder().join("spool").display().to_string();
    let output = telling(&receiver.url()).variable("FTP_HOOK_SPOOL", &taken).run();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("another server uses it"), "{said}");
    bob(&server).store("file", b"1");
    wait_until_told(http);
}

#[test]
fn what_was_damaged_on_disk_is_told_and_the_rest_is_delivered() {
    let spool = tempfile::tempdir().unwrap();
    let line = |path: &str| {
        format!(
            "{{\"id\":\"1\",\"time\":\"2026-11-21T10:15:30.000Z\",\"event\":\"upload\",\"user\":\"bob\",\"peer\":\"::1\",\
             \"session\":1,\"tls\":false,\"path\":\"{path}\",\"file\":\"/x{path}\",\"size\":1,\"transferred\":1}}\n"
        )
    };
    let mut file = std::fs::File::create(spool.path().join("events-00000000000000000007.jsonl")).unwrap();
    file.write_all([&line("/a"), "\0\0\0\n", &line("/b"), "{\"id\":"].concat().as_bytes()).unwrap();
    let receiver = Receiver::start(Manner::Answer(200));
    let (server, http) =
        start(telling_of_uploads(&receiver.url()).variable("FTP_HOOK_SPOOL", &spool.path().display().to_string()));
    let mut told: Vec<String> = receiver.taken(2).iter().map(super::receiver::Told::short).collect();
    told.sort();
    assert_eq!(told, ["upload /a", "upload /b"]);
    wait_until_told(http);
    assert_eq!(Figures::of(http).get("longshore_events_dropped_total"), 1.0);
    let lines = server.end().lines;
    assert!(
        lines.iter().any(|line| line.contains("damaged lines in the spool") && line.contains("lines=1")),
        "{lines:#?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("events found in the spool") && line.contains("count=2")),
        "{lines:#?}"
    );
}
