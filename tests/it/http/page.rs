//! The status page: who sees it, what it tells, and that a browser shows it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{Answer, get, request_with, serve};
use crate::binary::{Running, Setup};
use crate::harness::{TestServer, set};
use crate::reload::put;
use crate::wire::{Client, wait_until};

const TOKEN: &str = "the token: no more, no less";
const PARTS: [&str; 4] = ["/", "/page.css", "/page.js", "/status.json"];
/// A name that would be markup, and a user's, without the `/` that no such name may have.
const MARKUP: &str = "<img src=x onerror=document.title='broken'>";
const USER: &str = "<b>bob";

fn server() -> TestServer {
    TestServer::start(|settings| {
        set(settings, "http_listen", "127.0.0.1:0");
        set(settings, "http_token", TOKEN);
        set(settings, "max_download", "64K");
        set(settings, "max_upload_total", "1M");
    })
}

#[track_caller]
fn ask(http: SocketAddr, path: &str, authorization: &str) -> Answer {
    request_with(http, "GET", path, &format!("Authorization: {authorization}\r\n"))
}

fn basic(name: &str, token: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{token}")))
}

#[track_caller]
fn status(http: SocketAddr) -> Value {
    let answer = ask(http, "/status.json", &format!("Bearer {TOKEN}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn without_a_token_there_is_no_page() {
    let server = TestServer::start(|settings| set(settings, "http_listen", "127.0.0.1:0"));
    let http = server.http.unwrap();
    for path in PARTS {
        for authorization in ["Bearer ", "Basic Og==", "Bearer x"] {
            assert_eq!(ask(http, path, authorization).status, 404, "{path}");
        }
        assert_eq!(get(http, path), (404, "there are /livez, /readyz and /metrics\n".to_owned()), "{path}");
    }
}

#[test]
fn the_token_lets_in_by_either_way_and_nothing_else_does() {
    let server = server();
    let http = server.http.unwrap();
    for path in PARTS {
        let refused = super::request(http, "GET", path);
        assert_eq!(refused.status, 401, "{path}");
        let challenge = "\r\nwww-authenticate: basic realm=\"longshore\", charset=\"utf-8\"";
        assert!(refused.head.contains(challenge), "{}", refused.head);
        for authorization in [format!("Bearer {TOKEN}"), basic("any", TOKEN), basic("", TOKEN)] {
            let answer = ask(http, path, &authorization);
            assert_eq!(answer.status, 200, "{path} by {authorization}");
            assert!(!answer.body.is_empty() && !answer.body.contains(TOKEN));
        }
    }
    for wrong in ["Bearer", "Bearer the token", &basic("any", "the token"), &basic(TOKEN, "")] {
        let refused = ask(http, "/status.json", wrong);
        assert_eq!(refused.status, 401, "{wrong}");
        assert!(!refused.body.contains("sessions"));
    }
    // Probes and Prometheus need none.
    assert_eq!((get(http, "/livez").0, get(http, "/metrics").0), (200, 200));
    assert_eq!(request_with(http, "POST", "/", &format!("Authorization: Bearer {TOKEN}\r\n")).status, 405);
}

/// Ten at once, so that their waits do not add up.
#[test]
fn who_guesses_waits_is_logged_without_the_guess_and_then_not_heard() {
    let (mut server, http) = serve(Setup::new().variable("FTP_HTTP_TOKEN", TOKEN));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let guess = |number| move || ask(http, "/", &format!("Bearer guess-{number}")).status;
        let guesses: Vec<_> = (0..10).map(|number| scope.spawn(guess(number))).collect();
        guesses.into_iter().for_each(|guess| assert_eq!(guess.join().unwrap(), 401));
    });
    assert!(begun.elapsed().as_millis() >= 1000, "they had no wait");
    let late = ask(http, "/", &format!("Bearer {TOKEN}"));
    assert!(late.status == 429 && late.head.contains("\r\nretry-after: 60"), "{}", late.head);
    server.wait_for_line("status page refused");
    let lines = server.end().lines;
    assert_eq!(lines.iter().filter(|line| line.contains("status page refused peer=127.0.0.1")).count(), 10);
    assert!(!lines.iter().any(|line| line.contains("guess-") || line.contains(TOKEN)), "{lines:#?}");
}

#[test]
fn nothing_from_elsewhere_may_come_in_and_nobody_may_frame_it() {
    let server = server();
    let http = server.http.unwrap();
    let types =
        ["text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8", "application/json"];
    for (path, content_type) in PARTS.into_iter().zip(types) {
        let head = ask(http, path, &basic("a", TOKEN)).head;
        let headers: BTreeMap<&str, &str> = head.lines().skip(1).filter_map(|line| line.split_once(": ")).collect();
        assert_eq!(headers["content-type"], content_type);
        let policy: Vec<&str> = headers["content-security-policy"].split("; ").collect();
        assert!(policy.contains(&"default-src 'none'") && policy.contains(&"frame-ancestors 'none'"), "{policy:?}");
        assert!(
            !policy.iter().any(|part| part.contains("unsafe") || part.contains("http") || part.contains('*')),
            "{policy:?}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "deny"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(headers[name], value, "{path}: {name}");
        }
    }
    let html = ask(http, "/", &basic("a", TOKEN)).body;
    assert!(!html.contains("style=") && !html.contains("onload") && !html.contains("//"), "{html}");
}

/// A slow download and the beginning of an upload.
fn at_work(server: SocketAddr, home: &std::path::Path, user: &str, name: &str) -> [(Client, TcpStream); 2] {
    std::fs::write(home.join(name), vec![7; 8 << 20]).unwrap();
    let mut down = Client::login(server, user);
    let download = down.open();
    down.ask(&format!("RETR {name}"), "150");
    let mut up = Client::login(server, user);
    let mut upload = up.open();
    up.ask("STOR new", "150");
    upload.write_all(&[7; 100_000]).unwrap();
    up.await_moved(100_000);
    [(down, download), (up, upload)]
}

#[test]
fn the_figures_are_those_of_the_server() {
    let server = server();
    let http = server.http.unwrap();
    let _work = at_work(server.address, &server.home("bob"), "bob", "big");
    let mut guesser = Client::connect(server.address);
    guesser.expect("220");
    // A name that nobody has may be a password.
    for name in ["bob", "hunter2"] {
        guesser.ask(&format!("USER {name}"), "331");
        guesser.ask("PASS wrong", "530");
    }
    wait_until("a tick has passed", || {
        let history = &status(http)["history"];
        let sum = |name: &str| history[name].as_array().unwrap().iter().filter_map(Value::as_u64).sum::<u64>();
        sum("uploaded") == 100_000 && sum("downloaded") > 0
    });
    let status = status(http);
    assert_eq!(status["server"]["sessions"], 3);
    assert_eq!((&status["obstacle"], &status["more"]), (&Value::Null, &Value::from(0)));
    let limits = status["limits"].as_array().unwrap();
    let limit = |name: &str| limits.iter().find(|limit| limit["setting"] == name).unwrap();
    assert_eq!((&limit("max_cons")["used"], &limit("max_cons")["most"]), (&Value::from(3), &Value::from(512)));
    assert_eq!((&limit("max_per_user")["used"], &limit("max_per_user")["most"]), (&Value::from(2), &Value::Null));
    assert_eq!(
        (&limit("max_per_ip")["used"], &limit("passive_ports")["most"]),
        (&Value::from(3), &Value::from(10_000))
    );
    assert_eq!(
        (&limit("max_upload_total")["most"], &limit("max_upload_total")["is_rate"]),
        (&Value::from(1 << 20), &Value::from(true))
    );
    assert!(limit("ulimit -n")["used"].as_u64().unwrap() > 5);
    let sessions = status["sessions"].as_array().unwrap();
    let transfers: Vec<_> = sessions.iter().map(|seen| seen["transfer"]["path"].as_str()).collect();
    assert_eq!(transfers, [Some("/big"), Some("/new"), None]);
    let news: Vec<_> = status["news"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["what"].as_str().unwrap(), item["user"].as_str()))
        .collect();
    assert_eq!(news, [("login_failed", None), ("login_failed", Some("bob")), ("logged_in", Some("bob"))]);
    assert_eq!(status["news"][2]["times"], 2);
    let all = status.to_string();
    assert!(!all.contains("hunter2") && !all.contains("secret") && !all.contains(TOKEN), "{all}");
}

/// By a reload; and a token that is in a file.
#[test]
fn another_token_is_in_force_after_a_reload() {
    let settings = |token: &str| format!("http_token = \"{token}\"\n");
    let (mut server, http) = serve(Setup::new().file("conf/settings.toml", &settings("the first of them")));
    assert_eq!(ask(http, "/", "Bearer the first of them").status, 200);
    put(&server, "conf/settings.toml", settings("the second of them"));
    server.wait_for_line("settings=\"http_token\"");
    assert_eq!(ask(http, "/", "Bearer the second of them").status, 200);
    assert_eq!(ask(http, "/", "Bearer the first of them").status, 401);
    drop(server);
    let setup = Setup::new().file("token", "a token in a file\n");
    let (_server, http) = serve(setup.variable("FTP_HTTP_TOKEN_FILE", "token"));
    assert_eq!(ask(http, "/", "Bearer a token in a file").status, 200);
}

#[test]
fn a_token_that_is_of_no_use_is_warned_about_and_never_shown() {
    let warned = |setup: Setup| {
        let output = setup.arguments(&["check"]).run();
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains("http_token = \"********\""));
        String::from_utf8(output.stderr).unwrap()
    };
    let nowhere = warned(Setup::new().variable("FTP_HTTP_TOKEN", TOKEN));
    assert!(nowhere.contains("FTP_HTTP_TOKEN: there is no status page, as http_listen is empty"), "{nowhere}");
    let listening = || Setup::new().variable("FTP_HTTP_LISTEN", "127.0.0.1:0");
    let short = warned(listening().variable("FTP_HTTP_TOKEN", "tiny-secret"));
    assert!(short.contains("FTP_HTTP_TOKEN: shorter than 16 characters, so it may be guessed"), "{short}");
    assert!(!short.contains("tiny"), "{short}");
    assert!(!warned(listening().variable("FTP_HTTP_TOKEN", TOKEN)).contains("HTTP_TOKEN"));
}

/// The page as Chromium has it after a while, with its scripts run.
fn shown(server: &Running, http: SocketAddr) -> String {
    let mut chromium = Command::new("/usr/bin/chromium");
    chromium.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
    // It goes nowhere but to loopback.
    chromium.args(["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]);
    chromium.arg(format!("--user-data-dir={}", server.folder().join("chromium").display()));
    chromium.args(["--virtual-time-budget=5000", "--dump-dom", &format!("http://any:browser-token-here@{http}/")]);
    let output = chromium.env("HOME", server.folder()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_browser_shows_the_transfers_and_names_are_text() {
    let setup = Setup::new()
        .file("conf/users.conf", &format!("{USER} secret elradfmwMT bob\n"))
        .variable("FTP_HTTP_TOKEN", "browser-token-here")
        .variable("FTP_MAX_DOWNLOAD", "64K");
    let (server, http) = serve(setup);
    let _work = at_work(server.address, &server.folder().join("home/bob"), USER, MARKUP);
    let mut other = Client::connect(server.address);
    other.expect("220");
    other.ask(&format!("USER {MARKUP}"), "331");
    other.ask("PASS wrong", "530");
    let page = shown(&server, http);
    for part in [
        "<p id=\"health\" role=\"status\" class=\"good\">serving</p>",
        "<td class=\"who\"><div>&lt;b&gt;bob</div><div class=\"small\">127.0.0.1</div></td>",
        "<span class=\"down\">/&lt;img src=x onerror=document.title='broken'&gt;</span><progress max=\"8388608\"",
        "aria-label=\"/&lt;img src=x",
        "<span class=\"up\">/new</span><div class=\"small\">97.7 KiB so far</div>",
        "<td class=\"bad\">log-in failed: no such user</td>",
        "<title>3 – longshore</title>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<img") && !page.contains("<b>bob"), "{page}");
}
