//! Settings that change: for new sessions, all together, or not before a restart.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Instant;

use longshore::settings::FIELDS;

use super::{RELOADED, hang_up, hang_up_in_vain, put};
use crate::binary::{Running, Setup};
use crate::process::identity::needs_root;
use crate::wire::{Client, PATIENCE, all_of, wait_until};

const FILE: &str = "conf/settings.toml";

fn start(text: &str) -> Running {
    Setup::new().file(FILE, text).start()
}

fn change(server: &mut Running, text: &str) -> String {
    put(server, FILE, text);
    hang_up(server)
}

#[test]
fn what_is_said_to_clients_changes_for_new_sessions() {
    let mut server = start("welcome_msg = \"Old\"\nmasquerade_address = \"192.0.2.1\"\n");
    let mut old = Client::connect(server.address);
    old.expect("220 Old");
    old.sign_in("bob");
    let text = "welcome_msg = \"New\"\nmasquerade_address = \"192.0.2.2\"\nlogin_msg = \"In.\"\nquit_msg = \"Out.\"\n";
    let line = change(&mut server, text);
    assert!(line.contains("\"settings\":\"welcome_msg masquerade_address login_msg quit_msg\""), "{line}");
    let mut new = Client::connect(server.address);
    new.expect("220 New");
    new.ask("USER bob", "331");
    new.ask("PASS secret", "230 In.");
    new.ask("PASV", "227 Entering passive mode (192,0,2,2,");
    new.ask("QUIT", "221 Out.");
    old.ask("PASV", "227 Entering passive mode (192,0,2,1,");
    old.ask("QUIT", "221 Goodbye.");
    server.end();
}

/// A file that is not there at start, and that nobody named, may be a client's: it is told of and not read.
#[test]
fn files_that_nobody_named_are_not_read_if_they_come_later() {
    let setup = Setup::new().variable("FTP_USER", "ann").variable("FTP_PASS", "pass");
    std::fs::remove_file(setup.path("conf/users.conf")).unwrap();
    let mut server = setup.start();
    put(&server, FILE, "welcome_msg = \"New\"\n");
    put(&server, "conf/users.conf", "eve x elradfmwMT /\n");
    for _ in 0..2 {
        let line = hang_up(&mut server);
        assert!(line.contains("\"settings\":\"\",\"users_added\":0"), "{line}");
        Client::connect(server.address).expect("220 Welcome");
        assert!(!super::gets_in(server.address, "eve", "x"));
    }
    let lines = server.end().lines;
    for (file, flag) in [("conf/settings.toml", "--config"), ("conf/users.conf", "--users-file")] {
        let told = lines.iter().filter(|line| line.contains(&format!("{file} was not there when the server started")));
        let told: Vec<_> = told.collect();
        assert!(told.len() == 1 && told[0].contains("WARN") && told[0].contains(flag), "{told:#?}");
    }
}

#[test]
fn a_file_that_was_there_at_start_is_missed() {
    let mut server = start("welcome_msg = \"Old\"\n");
    put(&server, FILE, "welcome_msg = \"New\"\n");
    let line = server.wait_for_line(RELOADED);
    assert!(line.contains("\"settings\":\"welcome_msg\""), "{line}");
    Client::connect(server.address).expect("220 New");
    // Gone again, it is missed.
    std::fs::remove_file(server.folder().join(FILE)).unwrap();
    hang_up_in_vain(&mut server, "conf/settings.toml: found nothing");
    Client::connect(server.address).expect("220 New");
    server.end();
}

/// F47.
#[test]
fn lower_limits_let_those_who_are_in_finish() {
    let mut server = start("max_cons = 50\n");
    let mut all: Vec<Client> = (0..50).map(|_| Client::login(server.address, "bob")).collect();
    Client::connect(server.address).expect("421 Too many connections.");
    change(&mut server, "max_cons = 5\n");
    all.iter_mut().for_each(|client| drop(client.ask("NOOP", "200")));
    Client::connect(server.address).expect("421 Too many connections.");
    for mut client in all.drain(5..) {
        client.ask("QUIT", "221");
    }
    // A seat is free before 221 is said, so these five are all.
    Client::connect(server.address).expect("421 Too many connections.");
    all.pop().unwrap().ask("QUIT", "221");
    let mut one = Client::connect(server.address);
    one.expect("220");
    Client::connect(server.address).expect("421 Too many connections.");
    change(&mut server, "max_cons = 6\n");
    Client::connect(server.address).expect("220");
    server.end();
}

/// A whole download, which a low rate would not let come to its end.
#[track_caller]
fn soon(client: &mut Client) -> Vec<u8> {
    let mut data = client.open();
    client.ask("RETR file", "150");
    let (begun, mut received, mut part) = (Instant::now(), Vec::new(), vec![0; 65536]);
    loop {
        assert!(begun.elapsed() < 2 * PATIENCE, "after {} bytes it takes too long", received.len());
        match data.read(&mut part).unwrap() {
            0 => break,
            count => received.extend(&part[..count]),
        }
    }
    client.expect("226");
    received
}

#[test]
fn rates_change_for_new_sessions() {
    const RATE: u64 = 1000;
    let content = vec![7; 3_000_000];
    let mut server = start("max_download = 1000\nmax_download_total = 2000\n");
    std::fs::write(server.folder().join("home/bob/file"), &content).unwrap();
    let mut slow = Client::login(server.address, "bob");
    let mut data = slow.open();
    let begun = Instant::now();
    slow.ask("RETR file", "150");
    data.read_exact(&mut [0; 100]).unwrap();
    // At the old rate this would take most of an hour.
    change(&mut server, "# no limit\n");
    let mut fast = Client::login(server.address, "bob");
    assert!(soon(&mut fast) == content);
    change(&mut server, "max_download = 1000\n");
    assert!(soon(&mut fast) == content);
    let mut slow_too = Client::login(server.address, "bob");
    let mut data_too = slow_too.open();
    let begun_too = Instant::now();
    slow_too.ask("RETR file", "150");
    assert!(soon(&mut fast) == content);
    for (client, data, begun) in [(&mut slow, &mut data, begun), (&mut slow_too, &mut data_too, begun_too)] {
        client.ask("ABOR", "426");
        let received = crate::wire::until_end(data).len() as u64;
        let most = (begun.elapsed().as_secs() + 2) * RATE;
        assert!(received <= most, "{received} of at most {most}");
    }
    server.end();
}

#[test]
fn transfers_go_on_through_a_reload_of_everything() {
    let mut server = start("");
    let content: Vec<u8> = (0..=255).cycle().take(30_000_000).collect();
    std::fs::write(server.folder().join("home/bob/old"), &content).unwrap();
    let (mut up, mut down) = (Client::login(server.address, "bob"), Client::login(server.address, "bob"));
    let (mut sent, mut received) = (up.open(), down.open());
    up.ask("STOR new", "150");
    sent.write_all(&content[..1000]).unwrap();
    down.ask("RETR old", "150");
    let mut first = vec![0; 1000];
    received.read_exact(&mut first).unwrap();
    let mut waiting = Client::login(server.address, "bob");
    let passive = waiting.pasv();

    put(&server, "conf/users.conf", "alice wonderland elr alice\n");
    change(&mut server, "upload_mode = \"direct\"\nmax_upload_total = 1000\nmax_cons = 1\ntls = \"required\"\n");
    sent.write_all(&content[1000..]).unwrap();
    drop(sent);
    up.expect("226");
    first.extend(all_of(&mut received));
    down.expect("226");
    assert!(first == content);
    // A port that was open before leads to its session still.
    let mut data = waiting.data(passive);
    waiting.ask("RETR new", "150");
    assert!(all_of(&mut data) == content);
    waiting.expect("226");
    server.end();
}

/// Those are named, and the rest of the file is taken.
#[test]
fn what_is_read_at_start_only_is_kept_and_told() {
    needs_root();
    let server = Setup::new().variable("FTP_PORT", "").variable("FTP_IP", "");
    let mut server = server.file(FILE, "ip = \"127.0.0.1\"\nport = 0\ntls = \"allowed\"\n").start();
    let text = "ip = \"127.0.0.2\"\nport = 2\nenable_logging = false\nlogging_name = \"log\"\ntls = \"allowed\"\n\
                tls_listen = \"127.0.0.1:1\"\numask = \"077\"\nrun_as = \"1:1\"\nlog_level = \"trace\"\n\
                log_format = \"text\"\nlog_rotation = \"hourly\"\nlog_keep = 1\n\
                http_listen = \"127.0.0.1:3\"\nhook_spool = \"spool\"\nwelcome_msg = \"New\"\n";
    let line = change(&mut server, text);
    assert!(line.contains("\"settings\":\"welcome_msg\""), "{line}");
    let at_start: Vec<&str> = FIELDS.iter().filter(|field| field.at_start).map(|field| field.name).collect();
    assert_eq!(at_start.len(), 13);
    for name in at_start {
        server.wait_for_line(&format!(
            "\"needs a restart, until then the value in force is kept\",\"setting\":\"{name}\""
        ));
    }
    let mut client = Client::connect(server.address);
    client.expect("220 New");
    client.sign_in("bob");
    client.store("file", b"content");
    let found = std::fs::metadata(server.folder().join("home/bob/file")).unwrap();
    assert_eq!((found.uid(), found.permissions().mode() & 0o777), (0, 0o644));
    drop(client);
    let ended = server.end();
    assert!(!ended.folder.path().join("log").exists());
    assert!(ended.lines.iter().all(|line| line.starts_with('{') && !line.contains("TRACE")), "{:#?}", ended.lines);
}

#[test]
fn bad_settings_change_nothing() {
    let mut server = start("welcome_msg = \"Old\"\n");
    for (text, complaint) in [
        ("welcome_msg = \"New\"\nmax_cons = \"many\"\n", "conf/settings.toml: max_cons: found "),
        ("welcome_msg = \"New\"\nmax_conns = 1\n", "conf/settings.toml: max_conns: there is no such setting"),
        ("welcome_msg = \"New\"\nmax_cons = \n", "conf/settings.toml, line 2: found no TOML"),
        ("welcome_msg = \"New\"\nusers_file = \"nowhere\"\n", "nowhere, which cannot be read"),
        ("welcome_msg = \"New\"\ntls = \"allowed\"\ntls_cert = \"c\"\n", "tls_cert"),
        ("welcome_msg = \"New\"\ntransfer_log = \"no/such/folder\"\n", "no/such/folder"),
        ("", "conf/settings.toml: found nothing"),
    ] {
        put(&server, FILE, text);
        hang_up_in_vain(&mut server, complaint);
        Client::connect(server.address).expect("220 Old");
    }
    // Every complaint of settings and users, each once; and what is good is not taken either.
    put(&server, FILE, "max_cons = \"many\"\nmax_per_ip = -1\n");
    put(&server, "conf/users.conf", "bob secret elradfmwMT bob\nalice x elr alice\neve\n");
    for complaint in ["max_cons: found", "max_per_ip: found", "users.conf:3: "] {
        hang_up_in_vain(&mut server, complaint);
    }
    assert!(!super::gets_in(server.address, "alice", "x"));
    // What may be mended elsewhere than in the file that is wrong is found there.
    put(&server, "conf/users.conf", "bob secret elradfmwMT bob\n");
    put(&server, FILE, "welcome_msg = \"New\"\nusers_file = \"conf/others\"\n");
    hang_up_in_vain(&mut server, "conf/others, which cannot be read");
    put(&server, "conf/others", "alice x elr alice\n");
    server.wait_for_line(RELOADED);
    Client::connect(server.address).expect("220 New");
    assert!(super::gets_in(server.address, "alice", "x"));
    server.end();
}

#[test]
fn the_transfer_log_changes_for_new_sessions() {
    let mut server = start("transfer_log = \"one\"\n");
    let mut old = Client::login(server.address, "bob");
    change(&mut server, "transfer_log = \"one\"\nmax_cons = 9\n");
    let mut same = Client::login(server.address, "bob");
    change(&mut server, "transfer_log = \"two\"\n");
    let mut new = Client::login(server.address, "bob");
    for (client, name) in [(&mut old, "a"), (&mut same, "b"), (&mut new, "c")] {
        client.store(name, b"content");
    }
    let lines = |log: &str| {
        let text = std::fs::read_to_string(server.folder().join(log)).unwrap_or_default();
        text.lines().map(|line| line.split_whitespace().nth(8).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    wait_until("all is written", || lines("one") == ["/a", "/b"] && lines("two") == ["/c"]);
    server.end();
}
