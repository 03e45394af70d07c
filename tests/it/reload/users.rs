//! Users who come, go and change.

use super::{RELOADED, gets_in, hang_up, hang_up_in_vain, put};
use crate::binary::Setup;
use crate::wire::Client;

const BOB: &str = "bob secret elradfmwMT bob\n";

#[test]
fn sighup_lets_new_users_in_and_old_ones_finish() {
    let mut server = Setup::new().start();
    let mut bob = Client::login(server.address, "bob");
    assert!(!gets_in(server.address, "alice", "wonderland"));
    put(&server, "conf/users.conf", "alice wonderland elr alice\n");
    let line = hang_up(&mut server);
    assert!(line.contains("\"users_added\":1,\"users_removed\":1,\"users_changed\":0"), "{line}");
    assert!(gets_in(server.address, "alice", "wonderland"));
    assert!(!gets_in(server.address, "bob", "secret"));
    // Who is in stays in, and may do what he might.
    bob.store("file", b"content");
    assert_eq!(bob.retrieve("file"), b"content");
    server.end();
}

#[test]
fn a_changed_file_is_read_without_a_signal() {
    let mut server = Setup::new().start();
    put(&server, "conf/users.conf", "bob another elradfmwMT bob\n");
    let line = server.wait_for_line(RELOADED);
    assert!(line.contains("\"because\":\"changed files\"") && line.contains("\"users_changed\":1"), "{line}");
    assert!(gets_in(server.address, "bob", "another") && !gets_in(server.address, "bob", "secret"));
    put(&server, "conf/users.conf", BOB);
    server.wait_for_line(RELOADED);
    assert!(gets_in(server.address, "bob", "secret") && !gets_in(server.address, "bob", "another"));
    server.end();
}

/// F24, T18: whatever is wrong with the file, nobody gets in by it and nobody is kept out.
#[test]
fn a_damaged_file_changes_nothing() {
    let mut server = Setup::new().variable("FTP_USER", "ann").variable("FTP_PASS", "pass").start();
    let large = [b"# nobody\n".repeat(100_000), b"eve".to_vec()].concat();
    let full_of_it = b"eve x elr eve\n".repeat(1000);
    let damaged: [(&[u8], &str); 9] = [
        (b"eve x elr eve\nbob secret elr", "conf/users.conf:2: "),
        (b"eve x elr eve\nbob secret elq bob\n", "conf/users.conf:2: "),
        (b"eve x elr eve\nbob \"\" elr bob\n", "conf/users.conf:2: "),
        (b"eve x elr eve\neve x elr eve\n", "conf/users.conf:2: "),
        (b"eve x elr eve\nbob secret elr b\0b\n", "conf/users.conf:2: "),
        (b"", "conf/users.conf: found nothing"),
        (b" \n\n", "conf/users.conf: found nothing"),
        (&large, "conf/users.conf:100001: "),
        (&full_of_it, "979 complaints more"),
    ];
    for (text, complaint) in damaged {
        put(&server, "conf/users.conf", text);
        hang_up_in_vain(&mut server, complaint);
        assert!(gets_in(server.address, "bob", "secret") && !gets_in(server.address, "eve", "x"), "{complaint}");
    }
    std::fs::remove_file(server.folder().join("conf/users.conf")).unwrap();
    hang_up_in_vain(&mut server, "conf/users.conf: found nothing");
    assert!(gets_in(server.address, "bob", "secret"));
    put(&server, "conf/users.conf", format!("{BOB}eve x elr eve\n"));
    hang_up(&mut server);
    assert!(gets_in(server.address, "bob", "secret") && gets_in(server.address, "eve", "x"));
    let ended = server.end();
    assert!(!ended.lines.iter().any(|line| line.contains("\"x\"") || line.contains("secret")), "{:#?}", ended.lines);
    let told = ended.lines.iter().filter(|line| line.contains("`eve` is defined already")).count();
    assert!(told < 100, "{told} of 999 complaints");
}

/// The file may lose all its users, where that is said by a comment and others may log in.
#[test]
fn a_file_without_users_is_meant_if_it_says_so() {
    let mut server = Setup::new().variable("FTP_USER", "ann").variable("FTP_PASS", "pass").start();
    put(&server, "conf/users.conf", "");
    hang_up_in_vain(&mut server, "conf/users.conf: found nothing");
    assert!(gets_in(server.address, "bob", "secret"));
    put(&server, "conf/users.conf", "# nobody\n");
    let line = hang_up(&mut server);
    assert!(line.contains("\"users_removed\":1"), "{line}");
    assert!(!gets_in(server.address, "bob", "secret") && gets_in(server.address, "ann", "pass"));
    server.end();
}

/// Sessions of a user are counted across a reload.
#[test]
fn a_users_own_limit_counts_the_sessions_of_before() {
    let mut server = Setup::new().start();
    let first = Client::login(server.address, "bob");
    let _second = Client::login(server.address, "bob");
    put(&server, "conf/users.conf", "bob secret elr bob max_cons=2\n");
    hang_up(&mut server);
    assert!(!gets_in(server.address, "bob", "secret"));
    drop(first);
    crate::wire::wait_until("a place is free", || gets_in(server.address, "bob", "secret"));
    server.end();
}

#[test]
fn bans_go_on() {
    let limits = "ban_after = 2\nban_time = \"1h\"\n";
    let mut server = Setup::new().file("conf/settings.toml", limits).start();
    let mut bob = Client::login(server.address, "bob");
    assert!(!gets_in(server.address, "bob", "wrong"));
    // One more, and those of before count.
    hang_up(&mut server);
    assert!(!gets_in(server.address, "bob", "wrong"));
    Client::connect(server.address).expect("421 Too many failed log-ins");
    put(&server, "conf/settings.toml", format!("{limits}max_per_ip = 9\n"));
    hang_up(&mut server);
    Client::connect(server.address).expect("421 Too many failed log-ins");
    bob.ask("NOOP", "200");
    put(&server, "conf/settings.toml", "ban_after = 0\n");
    hang_up(&mut server);
    assert!(gets_in(server.address, "bob", "secret"));
    server.end();
}
