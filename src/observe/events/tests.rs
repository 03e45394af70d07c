//! Each event as it is read in the log.

use super::*;
use crate::limits::Direction;
use crate::observe::What;
use crate::observe::log::tests::lines;
use crate::settings::{LogFormat, LogLevel};

const SEVEN: SessionId = SessionId(7);

/// What `log` writes at a level, as text.
fn at(level: LogLevel, log: impl FnOnce()) -> String {
    lines(level, LogFormat::Text, log).join("\n").trim_start().to_owned()
}

fn info(log: impl FnOnce()) -> String {
    at(LogLevel::Info, log)
}

fn path(name: &[u8]) -> VirtualPath {
    VirtualPath::root().join(name).unwrap()
}

fn peer() -> SocketAddr {
    "[::ffff:192.0.2.1]:4000".parse().unwrap()
}

#[test]
fn the_life_of_a_server() {
    assert_eq!(info(|| start_screen("longshore 0.1.0")), "INFO longshore 0.1.0");
    assert_eq!(info(|| stopping("SIGTERM", 3)), r#"INFO stopping signal="SIGTERM" sessions=3"#);
}

#[test]
fn the_life_of_a_session() {
    let local = "10.0.0.1:2121".parse().unwrap();
    assert_eq!(
        info(|| assert!(session_opened(SEVEN, peer(), local, 2))),
        "INFO session=7 session opened peer=192.0.2.1:4000 local=10.0.0.1:2121 sessions=2"
    );
    assert_eq!(info(|| logged_in(SEVEN, "bob", peer().ip())), r#"INFO session=7 user="bob" logged in peer=192.0.2.1"#);
    assert_eq!(info(|| logged_out(SEVEN, "bob")), r#"INFO session=7 user="bob" logged out"#);
    assert_eq!(
        info(|| session_closed(SEVEN, &"QUIT", Duration::from_micros(1_234_567), 5, 6)),
        r#"INFO session=7 session closed why="QUIT" seconds=1.235 uploaded=5 downloaded=6"#
    );
}

#[test]
fn who_is_turned_away() {
    assert_eq!(
        info(|| refused(peer(), Refusal::AddressFull)),
        "INFO connection refused peer=192.0.2.1:4000 why=max_per_ip sessions from this address are there"
    );
    assert_eq!(
        info(|| banned(one_address("2001:db8::1".parse().unwrap()), Duration::from_secs(600))),
        "WARN banned address=2001:db8::/64 seconds=600"
    );
    assert_eq!(
        info(|| passive_stranger(SEVEN, "192.0.2.9".parse().unwrap(), peer().ip())),
        "WARN session=7 data connection refused: not from the client of this session, nor from trusted_peers \
         stranger=192.0.2.9 client=192.0.2.1"
    );
    assert_eq!(info(|| probe(peer())), "");
    assert_eq!(at(LogLevel::Debug, || probe(peer())), "DEBUG probed peer=192.0.2.1:4000");
}

#[test]
fn a_failed_log_in_names_accounts_only() {
    assert_eq!(
        info(|| login_failed(SEVEN, Some("bob"), peer().ip())),
        r#"INFO session=7 user="bob" log-in failed peer=192.0.2.1"#
    );
    assert_eq!(info(|| login_failed(SEVEN, None, peer().ip())), "INFO session=7 log-in failed peer=192.0.2.1");
}

#[test]
fn transfers() {
    let path = path(b"x\x1b\xff");
    let done = Transfer {
        what: What::File,
        verb: "RETR",
        direction: Direction::Download,
        user: "bob",
        anonymous: false,
        peer: peer().ip(),
        path: &path,
        bytes: 10,
        took: Duration::from_millis(500),
        ascii: false,
        failure: None,
    };
    assert_eq!(
        info(|| transferred(SEVEN, &done)),
        "INFO session=7 user=\"bob\" RETR done path=\"/x\\u{1b}\u{fffd}\" direction=download bytes=10 seconds=0.5"
    );
    let failed = Transfer { verb: "STOR", direction: Direction::Upload, failure: Some("reset"), ..done };
    assert_eq!(
        lines(LogLevel::Info, LogFormat::Json, || transferred(SEVEN, &failed)),
        [
            "\",\"level\":\"INFO\",\"session\":7,\"user\":\"bob\",\"message\":\"STOR failed\",\"path\":\"/x\\u001b\u{fffd}\",\
          \"direction\":\"upload\",\"bytes\":10,\"seconds\":0.5,\"why\":\"reset\"}"
        ]
    );
}

#[test]
fn changes() {
    let (a, b) = (path(b"a"), path(b"b"));
    for (change, want) in [
        (Change::Deleted, r#"deleted path="/a""#),
        (Change::DirectoryMade, r#"directory made path="/a""#),
        (Change::DirectoryRemoved, r#"directory removed path="/a""#),
        (Change::RenamedTo(&b), r#"renamed path="/a" to="/b""#),
        (Change::ModeSet(0o44), r#"mode set path="/a" mode=044"#),
        (Change::TimeSet(86400), r#"time set path="/a" time=86400"#),
    ] {
        assert_eq!(info(|| changed(SEVEN, "bob", &a, change)), format!("INFO session=7 user=\"bob\" {want}"));
    }
}

#[test]
fn commands_and_replies_are_for_the_curious_and_never_show_a_password() {
    let log = || {
        command(SEVEN, "USER", Some(b"bob"));
        command(SEVEN, "PASS", None);
        unknown_command(SEVEN);
        reply(SEVEN, 42, b"Done.");
    };
    assert_eq!(info(log), "");
    assert_eq!(
        at(LogLevel::Debug, log),
        "DEBUG session=7 command verb=\"USER\" argument=\"bob\"\n DEBUG session=7 command verb=\"PASS\" argument=\"****\"\n \
         DEBUG session=7 unknown command"
    );
    assert!(at(LogLevel::Trace, log).ends_with("TRACE session=7 reply code=42 text=\"Done.\""));
}

#[test]
fn a_failure_is_told_here_and_not_to_the_client() {
    assert_eq!(
        info(|| failed(SEVEN, "opening the home", &"no\nsuch")),
        r#"WARN session=7 failed doing="opening the home" error="no\nsuch""#
    );
}

/// T71: what a flood leaves in the log.
#[test]
fn what_is_repeated_is_summed_up_at_its_level() {
    let flooder = "192.0.2.77:4000".parse().unwrap();
    let log = || {
        for _ in 0..422 {
            refused(flooder, Refusal::Banned);
        }
        for _ in 0..13 {
            passive_stranger(SEVEN, flooder.ip(), peer().ip());
        }
        let by_flooder = |summary: &Summary| summary.by == by(flooder.ip());
        floods(Floods::all).iter().filter(|summary| by_flooder(summary)).for_each(more);
    };
    let lines = lines(LogLevel::Info, LogFormat::Text, log);
    assert_eq!(lines.len(), 22, "{lines:#?}");
    assert!(lines[0].contains("connection refused peer=192.0.2.77:4000"), "{lines:#?}");
    let mut summaries: Vec<&str> = lines[20..].iter().map(|line| line.trim_start()).collect();
    summaries.sort_unstable();
    let refused = r#"INFO and more like it more=412 like="connection refused" by="192.0.2.77""#;
    let strangers = r#"WARN and more like it more=3 like="data connection refused" by="192.0.2.77""#;
    assert_eq!(summaries, [refused, strangers]);
}

#[test]
fn a_panic_tells_where_but_nothing_of_a_client() {
    assert_eq!(info(|| panicked(&"src/x.rs:1:2", Some("a bug"))), r#"ERROR panicked at="src/x.rs:1:2" why="a bug""#);
    assert_eq!(info(|| session_panicked(SEVEN)), "ERROR session=7 session ended by a panic");
}
