//! `masquerade_address` as a host name, whose address is unknown, known, changes, and cannot be asked for any more.

use super::{Internet, PUBLIC, setup};
use crate::namespaces::NameServer;
use crate::wire::{Client, all_of};

const NAME_SERVER: &str = "10.2.0.1";

/// PASV is answered so; with marks in the log before and after.
#[track_caller]
fn pasv_between_marks(client: &mut Client, number: u8, wanted: &str) {
    client.ask(&format!("CWD before-{number}"), "550");
    client.ask("PASV", wanted);
    client.ask(&format!("CWD after-{number}"), "550");
}

/// There was no news of the name while PASV was being answered.
#[track_caller]
fn assert_no_news_between_marks(lines: &[String], number: u8) {
    let mark = |when| lines.iter().position(|line| line.contains(&format!("\"{when}-{number}\""))).unwrap();
    let between = &lines[mark("before")..mark("after")];
    assert!(!between.iter().any(|line| line.contains("masquerade_address")), "{between:#?}");
}

/// F22: unknown at the start, known, another, and unknown again.
#[test]
fn a_name_is_asked_for_in_the_background_and_its_last_good_answer_stays() {
    let net = Internet::new();
    let dns = NameServer::start(&net.servers_router, NAME_SERVER.parse().unwrap());
    let setup = setup()
        .variable("FTP_MASQUERADE_ADDRESS", "ftp.example.org")
        .file("resolv.conf", &format!("nameserver {NAME_SERVER}\noptions timeout:5 attempts:1\n"));
    let resolv_conf = setup.path("resolv.conf");
    let mut server = net.server.run_resolving_by(&resolv_conf, || setup.start());
    let log_in = || net.client.run(|| Client::login(format!("{PUBLIC}:2121").parse().unwrap(), "bob"));
    let mut client = log_in();

    // Not resolved at the start: the server serves, EPSV needs no name, and PASV says so without waiting.
    dns.wait_for_question();
    pasv_between_marks(&mut client, 1, "425");
    net.client.run(|| {
        let at = client.epsv();
        let mut data = client.data(at);
        client.ask("LIST", "150");
        all_of(&mut data);
        client.expect("226");
    });
    server.wait_for_line("masquerade_address not resolved");

    dns.says("192.0.2.1");
    server.wait_for_line("masquerade_address resolved");
    client.ask("PASV", "227 Entering passive mode (192,0,2,1,");

    // The answer changes.
    dns.says(PUBLIC);
    let line = server.wait_for_line("masquerade_address resolved");
    assert!(line.contains(PUBLIC) && line.contains("192.0.2.1"), "{line}");
    client.ask("PASV", "227 Entering passive mode (198,51,100,1,");
    let url = format!("ftp://bob:secret@{PUBLIC}:2121/");
    net.client.curl(&["--disable-epsv", &url]).well("227 Entering passive mode (198,51,100,1,");

    // No answer any more: while it is waited for, PASV is not.
    dns.is_silent();
    dns.wait_for_question();
    pasv_between_marks(&mut client, 2, "227 Entering passive mode (198,51,100,1,");
    let line = server.wait_for_line("masquerade_address not resolved");
    assert!(line.contains(&format!("\"kept\":\"{PUBLIC}\"")), "{line}");
    client.ask("PASV", "227 Entering passive mode (198,51,100,1,");
    drop(client);

    let ended = server.end();
    assert_no_news_between_marks(&ended.lines, 1);
    assert_no_news_between_marks(&ended.lines, 2);
}
