//! Each event as it is read in the log.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::repeated::{floods, more};
use super::*;
use crate::limits::{Direction, one_address};
use crate::observe::What;
use crate::observe::floods::{By, Floods, Summary};
use crate::observe::log::tests::lines;
use crate::settings::{LogFormat, LogLevel};
use crate::users::Secret;

/// Counts are those of the process, so tests that look at them do it one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static COUNTS: Mutex<()> = Mutex::new(());
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

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

fn bob() -> Account {
    Account::new("bob", Secret::parse(b"secret").unwrap(), "elr".parse().unwrap(), PathBuf::new())
}

fn guest() -> Account {
    Account::anonymous("elr".parse().unwrap(), PathBuf::new())
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
    assert_eq!(info(|| logged_in(SEVEN, &bob(), peer().ip())), r#"INFO session=7 user="bob" logged in peer=192.0.2.1"#);
    assert_eq!(info(|| logged_out(SEVEN, &bob(), peer().ip())), r#"INFO session=7 user="bob" logged out"#);
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
    let path = path(b"x\x1b\xff\xc2\x9b\xe2\x80\xae");
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
        "INFO session=7 user=\"bob\" RETR done path=\"/x\\u{1b}\u{fffd}\u{fffd}\u{fffd}\" direction=download bytes=10 seconds=0.5"
    );
    let failed = Transfer { verb: "STOR", direction: Direction::Upload, failure: Some("reset"), ..done };
    assert_eq!(
        lines(LogLevel::Info, LogFormat::Json, || transferred(SEVEN, &failed)),
        [
            "\",\"level\":\"INFO\",\"session\":7,\"user\":\"bob\",\"message\":\"STOR failed\",\"path\":\"/x\\u001b\u{fffd}\u{fffd}\u{fffd}\",\
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
        assert_eq!(
            info(|| changed(SEVEN, &bob(), peer().ip(), &a, change)),
            format!("INFO session=7 user=\"bob\" {want}")
        );
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
        info(|| failed(SEVEN, peer().ip(), "opening the home", &"no\nsuch")),
        r#"WARN session=7 failed doing="opening the home" error="no\nsuch""#
    );
}

/// T71: what a flood leaves in the log.
#[test]
fn what_is_repeated_is_summed_up_at_its_level() {
    let _alone = alone();
    let flooder = "192.0.2.77:4000".parse().unwrap();
    let log = || {
        for _ in 0..422 {
            refused(flooder, Refusal::Banned);
        }
        for _ in 0..13 {
            passive_stranger(SEVEN, flooder.ip(), peer().ip());
        }
        let by_flooder = |summary: &Summary| summary.by == By::Network(one_address(flooder.ip()));
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
    assert_eq!(info(|| session_panicked(SEVEN, peer().ip())), "ERROR session=7 session ended by a panic");
}

/// How many lines of an event there may be.
enum Lines {
    /// So many in a minute from one address, however often it is brought about.
    Most(usize),
    /// One each: it takes the operator, the server itself, a user with a password, or `ban_after` failures.
    Each,
    /// None at `info`.
    None,
}

/// An event: its name, how often it is told, and what brings it about.
type Row<'a> = (&'static str, Lines, Box<dyn Fn() + 'a>);

/// Every event: who repeats it without a password is limited by address.
#[test]
fn nobody_repeats_an_event_without_end() {
    let _alone = alone();
    use Lines::{Each, Most, None as Never};
    let flooder: SocketAddr = "198.51.100.77:4000".parse().unwrap();
    let ip = flooder.ip();
    let (a, b) = (path(b"a"), path(b"b"));
    let transfer = Transfer {
        what: What::File,
        verb: "RETR",
        direction: Direction::Download,
        user: "anonymous",
        anonymous: true,
        peer: ip,
        path: &a,
        bytes: 0,
        took: Duration::ZERO,
        ascii: false,
        failure: None,
    };
    let error = std::io::Error::other("x");
    let change = |change| move |a: &VirtualPath| changed(SEVEN, &guest(), ip, a, change);
    let deleted = change(Change::Deleted);
    let events: Vec<Row<'_>> = vec![
        ("start_screen", Each, Box::new(|| start_screen("x"))),
        ("stopping", Each, Box::new(|| stopping("x", 1))),
        ("log_lines_lost", Each, Box::new(|| log_lines_lost("x", 1))),
        ("warning", Each, Box::new(|| warning("x"))),
        ("swept", Each, Box::new(|| swept(std::path::Path::new("x"), 1))),
        ("accept_failed", Most(1), Box::new(|| accept_failed(&error))),
        ("masquerade_resolved", Each, Box::new(|| masquerade_resolved("x", Ipv4Addr::LOCALHOST, None))),
        ("masquerade_unresolved", Each, Box::new(|| masquerade_unresolved("x", "y", None))),
        ("proxy_refused", Most(10), Box::new(|| proxy_refused(flooder, &error))),
        ("not_a_proxy", Most(10), Box::new(|| not_a_proxy(flooder))),
        // Counted together with not_a_proxy, which has had its ten.
        ("refused", Most(0), Box::new(|| refused(flooder, Refusal::Banned))),
        ("probe", Never, Box::new(|| probe(flooder))),
        ("session_opened", Most(60), Box::new(|| _ = session_opened(SEVEN, flooder, flooder, 1))),
        // Of sessions whose beginning was told.
        ("secured", Each, Box::new(|| secured(SEVEN, "x", &[]))),
        ("reloaded", Each, Box::new(|| reloaded("x", "y", RosterChanges { added: 0, removed: 0, changed: 0 }))),
        ("reload_refused", Each, Box::new(|| reload_refused(&["x".to_owned()]))),
        ("needs_restart", Each, Box::new(|| needs_restart("x"))),
        ("certificate_reloaded", Each, Box::new(|| certificate_reloaded("x"))),
        ("logged_in", Most(60), Box::new(|| logged_in(SEVEN, &guest(), ip))),
        ("login_failed", Most(10), Box::new(|| login_failed(SEVEN, Some("bob"), ip))),
        ("banned", Each, Box::new(|| banned(one_address(ip), Duration::from_secs(1)))),
        ("logged_out", Most(60), Box::new(|| logged_out(SEVEN, &guest(), ip))),
        ("transferred", Most(120), Box::new(|| transferred(SEVEN, &transfer))),
        ("changed", Most(60), Box::new(|| deleted(&a))),
        ("passive_stranger", Most(10), Box::new(|| passive_stranger(SEVEN, ip, peer().ip()))),
        ("kicked", Each, Box::new(|| kicked(SEVEN, 1))),
        ("not_the_operator", Most(10), Box::new(|| not_the_operator(4_000_000))),
        ("page_refused", Most(10), Box::new(|| page_refused(ip))),
        ("failed", Most(10), Box::new(|| failed(SEVEN, ip, "x", &"y"))),
        ("met_limit", Never, Box::new(|| met_limit("quota"))),
        ("panicked", Most(10), Box::new(|| panicked(&"x", None))),
        ("session_panicked", Most(10), Box::new(|| session_panicked(SEVEN, ip))),
        // A question, whose answer is that of its caller.
        ("tells_end_without_beginning", Never, Box::new(|| _ = tells_end_without_beginning(ip))),
        ("session_closed", Each, Box::new(|| session_closed(SEVEN, &"x", Duration::ZERO, 0, 0))),
        ("command", Never, Box::new(|| command(SEVEN, "NOOP", None))),
        ("unknown_command", Never, Box::new(|| unknown_command(SEVEN))),
        ("answered", Never, Box::new(|| answered("NOOP", &replies::unknown_command()))),
        ("reply", Never, Box::new(|| reply(SEVEN, 200, b"x"))),
    ];
    let source = include_str!("../events.rs");
    let names: Vec<&str> = source.split("\npub fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next()).collect();
    assert_eq!(events.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), names);
    for (name, want, event) in &events {
        let told = lines(LogLevel::Info, LogFormat::Text, || (0..1000).for_each(|_| event()))
            .iter()
            .filter(|line| !line.contains("and more like it"))
            .count();
        match want {
            Most(most) => assert!(told <= *most && (told > 0 || *most == 0), "{name}: {told}"),
            Each => assert_eq!(told, 1000, "{name}"),
            Never => assert_eq!(told, 0, "{name}"),
        }
    }
    // Each change by itself, and none is left out for somebody with a password.
    let other = lines(LogLevel::Info, LogFormat::Text, || {
        (0..100).for_each(|_| change(Change::RenamedTo(&b))(&a));
        (0..100).for_each(|_| changed(SEVEN, &bob(), ip, &a, Change::Deleted));
    });
    assert_eq!(other.len(), 160);
}

/// What bans by the log names an address, the failures of an IPv6 network its prefix.
#[test]
fn more_failed_log_ins_name_their_address() {
    let _alone = alone();
    let guess = |host: &str| login_failed(SEVEN, Some("bob"), host.parse().unwrap());
    let log = || {
        (0..30).for_each(|_| guess("198.51.100.78"));
        (0..13).for_each(|host| guess(&format!("2001:db8:78::{host:x}")));
        floods(Floods::all).iter().filter(|summary| summary.what == Repeated::LoginFailed).for_each(more);
    };
    let lines = lines(LogLevel::Info, LogFormat::Text, log);
    for want in ["more log-ins failed peer=198.51.100.78 more=20", "more log-ins failed peer=2001:db8:78::/64 more=3"] {
        assert!(lines.iter().any(|line| line.trim_start() == format!("INFO {want}")), "{want}: {lines:#?}");
    }
}
