//! `/metrics`: what is counted and how things stand, each figure brought about and read. The program itself is asked, for
//! what is counted is counted for a process.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::{get, request, serve};
use crate::binary::Setup;
use crate::wire::{Client, all_of, free_port, wait_until};

/// Each figure by its name, labels included.
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Figures {
    #[track_caller]
    pub(crate) fn of(http: SocketAddr) -> Self {
        let (status, text) = get(http, "/metrics");
        assert_eq!(status, 200, "{text}");
        let figures = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap_or_else(|why| panic!("{line}: {why}")))
        });
        Self(figures.collect())
    }

    /// Names without labels.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| name.split('{').next().unwrap())
    }

    /// This one; none is there that was not counted yet.
    pub(crate) fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    #[track_caller]
    fn are(&self, wanted: &[(&str, f64)]) {
        for (name, value) in wanted {
            assert!((self.get(name) - value).abs() < 1e-9, "{name} is {}, not {value}: {:#?}", self.get(name), self.0);
        }
    }
}

/// Waits for a figure to have this value, in a server that counts it a moment after its client heard of it.
#[track_caller]
fn becomes(http: SocketAddr, name: &str, value: f64) {
    wait_until(name, || (Figures::of(http).get(name) - value).abs() < 1e-9);
}

/// A server that was used in every way that is counted by what clients do.
pub(super) fn used() -> (crate::binary::Running, SocketAddr) {
    let (server, http) = serve(Setup::new());
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("USER bob", "331");
    client.ask("PASS wrong", "530");
    client.sign_in("bob");
    client.store("file", &[7; 5000]);
    client.store("file", &[7; 100]);
    let mut data = client.open();
    client.ask("RETR file", "150");
    assert_eq!(all_of(&mut data).len(), 100);
    client.expect("226");
    let mut data = client.open();
    client.ask("LIST", "150");
    assert!(!all_of(&mut data).is_empty());
    client.expect("226");
    // Stopped on the way.
    let mut data = client.open();
    client.ask("STOR other", "150");
    data.write_all(&[7; 10]).unwrap();
    client.await_moved(10);
    client.ask("NOOP", "200");
    client.ask("ABOR", "426");
    client.expect("226");
    client.ask("RETR missing", "550");
    client.ask("CWD missing", "550");
    client.ask("HASH file", "213");
    client.ask("NONSENSE", "500");
    client.ask("QUIT", "221");
    client.expect_end();
    (server, http)
}

#[test]
fn what_clients_do_is_counted() {
    let (server, http) = used();
    becomes(http, "longshore_sessions", 0.0);
    let command = |verb: &str, reply: &str| format!("longshore_commands_total{{reply=\"{reply}\",verb=\"{verb}\"}}");
    let figures = Figures::of(http);
    for (verb, reply, count) in [
        ("USER", "3xx", 2.0),
        ("PASS", "5xx", 1.0),
        ("PASS", "2xx", 1.0),
        ("STOR", "2xx", 2.0),
        ("STOR", "4xx", 1.0),
        ("STOR", "1xx", 0.0),
        ("RETR", "2xx", 1.0),
        ("RETR", "5xx", 1.0),
        ("LIST", "2xx", 1.0),
        ("NOOP", "2xx", 1.0),
        ("ABOR", "2xx", 1.0),
        ("CWD", "5xx", 1.0),
        ("HASH", "2xx", 1.0),
        ("unknown", "5xx", 1.0),
        ("QUIT", "2xx", 1.0),
    ] {
        figures.are(&[(&command(verb, reply), count)]);
    }
    figures.are(&[
        ("longshore_sessions_total", 1.0),
        ("longshore_probes_total", 0.0),
        ("longshore_logins_total{result=\"done\"}", 1.0),
        ("longshore_logins_total{result=\"failed\"}", 1.0),
        ("longshore_transfers_total{direction=\"upload\",result=\"done\",what=\"file\"}", 2.0),
        ("longshore_transfers_total{direction=\"upload\",result=\"failed\",what=\"file\"}", 1.0),
        ("longshore_transfers_total{direction=\"download\",result=\"done\",what=\"file\"}", 1.0),
        ("longshore_transfers_total{direction=\"download\",result=\"done\",what=\"listing\"}", 1.0),
        ("longshore_transfer_bytes_sum{direction=\"upload\",what=\"file\"}", 5110.0),
        ("longshore_transfer_bytes_sum{direction=\"download\",what=\"file\"}", 100.0),
        ("longshore_transfer_bytes_bucket{direction=\"upload\",what=\"file\",le=\"1024\"}", 2.0),
        ("longshore_transfer_bytes_bucket{direction=\"upload\",what=\"file\",le=\"8192\"}", 3.0),
        ("longshore_transfer_duration_seconds_count{direction=\"upload\",what=\"file\"}", 3.0),
        ("longshore_transfer_duration_seconds_count{direction=\"download\",what=\"listing\"}", 1.0),
        ("longshore_panics_total", 0.0),
    ]);
    drop(Client::connect(server.address));
    becomes(http, "longshore_probes_total", 1.0);
}

/// Of which there is no end, and which are nobody's business.
#[test]
fn no_label_is_a_name_or_an_address() {
    let (_server, http) = used();
    let (_, text) = get(http, "/metrics");
    for secret in ["bob", "127.0.0.1", "missing", "NONSENSE", "wrong"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let known = ["verb", "reply", "direction", "what", "result", "limit", "state", "version", "le", "event"];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, labels)) = line.split_once('{') else { continue };
        for label in labels.split('}').next().unwrap().split("\",") {
            assert!(known.contains(&label.split('=').next().unwrap()), "{line}");
        }
    }
}

#[test]
fn clients_that_meet_a_limit_are_counted_by_its_setting() {
    let limit = |name: &str| format!("longshore_refusals_total{{limit=\"{name}\"}}");
    let port = free_port();
    let (server, http) = serve(
        Setup::new()
            .file("conf/users.conf", "bob secret elradfmwMT bob quota=10\n")
            .variable("FTP_MAX_CONS", "3")
            .variable("FTP_MAX_PER_USER", "2")
            .variable("FTP_PASSIVE_PORTS", &format!("{port}-{port}"))
            .variable("FTP_BAN_AFTER", "2")
            .variable("FTP_MAX_LOGIN_ATTEMPTS", "0"),
    );
    let [mut one, mut two] = [(), ()].map(|()| Client::login(server.address, "bob"));
    let mut data = one.open();
    one.ask("STOR file", "150");
    data.write_all(&[7; 11]).unwrap();
    drop(data);
    one.expect("552");
    one.pasv();
    // Without a transfer the port would go to the second.
    one.ask("LIST", "150");
    two.ask("EPSV", "4");
    let ports = |state: &str| format!("longshore_passive_ports{{state=\"{state}\"}}");
    Figures::of(http).are(&[
        (&limit("quota"), 1.0),
        (&limit("passive_ports"), 1.0),
        (&ports("used"), 1.0),
        (&ports("free"), 0.0),
    ]);
    let mut three = Client::connect(server.address);
    three.expect("220");
    three.ask("USER bob", "331");
    three.ask("PASS secret", "530");
    Client::connect(server.address).expect("421");
    Figures::of(http).are(&[
        (&limit("max_per_user"), 1.0),
        (&limit("max_cons"), 1.0),
        (&limit("ban_after"), 0.0),
        ("longshore_sessions", 3.0),
        ("longshore_sessions_limit", 3.0),
        (&ports("free"), 0.0),
    ]);
    for _ in 0..2 {
        three.ask("USER bob", "331");
        three.say("PASS wrong");
    }
    Client::connect(server.address).expect("421");
    one.ask("ABOR", "426");
    one.expect("226");
    Figures::of(http).are(&[
        (&limit("ban_after"), 1.0),
        ("longshore_bans_total", 1.0),
        (&ports("used"), 0.0),
        (&ports("free"), 1.0),
    ]);
}

#[test]
fn who_comes_from_where_too_many_or_none_may_come_from_is_counted() {
    let (server, http) = serve(Setup::new().variable("FTP_MAX_PER_IP", "1"));
    let _one = Client::login(server.address, "bob");
    Client::connect(server.address).expect("421");
    Figures::of(http).are(&[("longshore_refusals_total{limit=\"max_per_ip\"}", 1.0)]);
    let setup = Setup::new().variable("FTP_PROXY_PROTOCOL", "required").variable("FTP_PROXY_FROM", "192.0.2.1");
    let (server, http) = serve(setup);
    Client::connect(server.address).expect_end();
    Figures::of(http).are(&[("longshore_refusals_total{limit=\"proxy_from\"}", 1.0)]);
}

#[test]
fn how_the_process_stands_is_what_the_kernel_says() {
    let (server, http) = serve(Setup::new().variable("FTP_MAX_CONS", "0"));
    let figures = Figures::of(http);
    let build = format!("longshore_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    figures.are(&[(&build, 1.0), ("longshore_draining", 0.0)]);
    assert!(!figures.names().any(|name| name == "longshore_sessions_limit"), "there is none");
    // That of the connection, which the server may still be closing when they are counted here, is among those it tells.
    wait_until("as many descriptors", || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
        (Figures::of(http).get("process_open_fds") - descriptors as f64 - 1.0).abs() < 0.5
    });
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let most = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    figures.are(&[("process_max_fds", most.split_whitespace().nth(3).unwrap().parse().unwrap())]);
    // The kernel adds up what its CPUs counted when it likes to, so two of its files may differ by some pages.
    let (resident, most) = (figures.get("process_resident_memory_bytes"), server.kib("VmHWM") as f64 * 1024.0);
    assert!(resident > 1e6 && resident <= most + 1e6, "{resident} of at most {most}");
}

#[test]
fn waits_for_a_rate_are_counted() {
    let (server, http) = serve(Setup::new().variable("FTP_MAX_UPLOAD", "10000"));
    let mut client = Client::login(server.address, "bob");
    Figures::of(http).are(&[("longshore_rate_waits_total", 0.0)]);
    client.store("file", &[7; 5000]);
    assert!(Figures::of(http).get("longshore_rate_waits_total") >= 1.0);
}

#[test]
fn reloads_and_lost_lines_are_counted() {
    let (mut server, http) =
        serve(Setup::new().variable("FTP_LOGGING_NAME", "/dev/full").variable("FTP_LOG_ROTATION", "never"));
    let dropped = "longshore_log_lines_dropped_total";
    wait_until(dropped, || Figures::of(http).get(dropped) >= 1.0);
    let users = server.folder().join("conf/users.conf");
    std::fs::write(&users, "bob secret elradfmwMT bob\nalice secret elr alice\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("read anew");
    becomes(http, "longshore_reloads_total{result=\"done\"}", 1.0);
    // Three complaints of one reload.
    std::fs::write(&users, "bob\nalice\ncarol\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("not reloaded");
    becomes(http, "longshore_reloads_total{result=\"failed\"}", 1.0);
    becomes(http, "longshore_reloads_total{result=\"done\"}", 1.0);
}

#[test]
fn the_end_is_seen_until_the_last_session_is_over() {
    let (server, http) = serve(Setup::new().variable("FTP_SHUTDOWN_GRACE", "10m"));
    let mut client = Client::login(server.address, "bob");
    let data = client.open();
    client.ask("STOR new", "150");
    server.signal(Signal::SIGTERM);
    becomes(http, "longshore_draining", 1.0);
    becomes(http, "longshore_sessions", 1.0);
    drop(data);
    client.expect("226");
    assert_eq!(server.wait().status.code(), Some(0));
}

/// promtool, of Debian's package prometheus, with this on standard input; all that it says.
pub(super) fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("/usr/bin/promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|why| panic!("promtool (see tests/run): {why}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn promtool_finds_nothing_wrong_with_them() {
    let (_server, http) = used();
    let answer = request(http, "GET", "/metrics");
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", answer.head);
    assert_eq!(promtool(&["check", "metrics"], &answer.body), (true, String::new()));
    // It does look.
    let worse = answer.body.replace("longshore_bans_total", "longshore_bans");
    assert!(!promtool(&["check", "metrics"], &worse).1.is_empty());
}
