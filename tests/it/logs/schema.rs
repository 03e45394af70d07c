//! conf/log-schema.json: every line in JSON is as it says, and it leaves out no event. `schema_check.py` validates.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tokio_rustls::rustls::version::TLS13;

use crate::authority::Authority;
use crate::binary::{Running, Setup};
use crate::reload::{hang_up, hang_up_in_vain, put};
use crate::status::strangers::asked_by_a_stranger;
use crate::status::told;
use crate::tls_side::Side;
use crate::wire::{Client, free_port, stream_from, until_end};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What no client can bring about, or only where disks, descriptors or the program itself fail.
const NOT_SEEN: [&str; 7] = [
    "accepting a connection failed",
    "certificate read anew",
    "log lines lost",
    // Seen and looked at with the floods, among the threats.
    "more log-ins failed",
    "old uploads removed",
    "panicked",
    "session ended by a panic",
];

/// The messages of these lines, once all are found to be as the schema says.
#[track_caller]
pub(crate) fn valid(lines: &[String]) -> Vec<String> {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-B", &format!("{ROOT}/tests/it/logs/schema_check.py"), &format!("{ROOT}/conf/log-schema.json")]);
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = lines.join("\n");
    let writer = std::thread::spawn(move || {
        // It ends at the first line that is wrong.
        let _ = input.write_all(text.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(messages.len(), lines.len());
    messages
}

/// The messages that the schema knows, but for those of transfers, which are patterns.
fn known() -> BTreeSet<String> {
    let text = std::fs::read_to_string(format!("{ROOT}/conf/log-schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    let events = schema["allOf"].as_array().unwrap();
    events
        .iter()
        .filter_map(|event| event["if"]["properties"]["message"]["const"].as_str())
        .map(str::to_owned)
        .collect()
}

/// TLS begun, log-ins of all ends, changes, and transfers that come to something and to nothing.
fn work(server: &Running, side: &Side) {
    let mut secured = Client::connect(server.address);
    secured.expect("220");
    secured.ask("AUTH TLS", "234");
    let mut secured = secured.over_another(|stream| side.over(stream));
    secured.sign_in("bob");
    let mut client = Client::login(server.address, "bob");
    client.store("file", b"12345");
    for (command, code) in [
        ("RNFR file", "350"),
        ("RNTO other", "250"),
        ("SITE CHMOD 600 other", "200"),
        ("MFMT 20200101000000 other", "213"),
        ("DELE other", "250"),
        ("MKD folder", "257"),
        ("RMD folder", "250"),
        ("NONE", "500"),
    ] {
        client.ask(command, code);
    }
    let data = client.open();
    client.ask("STOR broken", "150");
    client.ask("ABOR", "426");
    client.expect("226");
    drop(data);
    let passive = client.pasv();
    until_end(&mut stream_from("127.0.0.9".parse().unwrap(), passive).unwrap());
    client.ask("REIN", "220");
    leave(client);
    leave(secured);
}

/// So that the place is free for the next one.
fn leave(mut client: Client) {
    client.ask("QUIT", "221");
    client.expect_end();
}

/// Who does not get in: a third session of bob's, a guesser until he is banned, and who is no proxy.
fn try_to_get_in(server: &Running) {
    let sessions = [Client::login(server.address, "bob"), Client::login(server.address, "bob")];
    let mut third = Client::connect(server.address);
    third.expect("220");
    third.ask("USER bob", "331");
    third.say("PASS secret");
    let mut guesser = Client::connect_from("127.0.0.5", server.address);
    guesser.expect("220");
    for user in ["bob", "nobody"] {
        guesser.ask(&format!("USER {user}"), "331");
        guesser.ask("PASS wrong", "530");
    }
    // More often than is told one by one.
    for _ in 0..12 {
        until_end(&mut stream_from("127.0.0.5".parse().unwrap(), server.address).unwrap());
    }
    let mut proxy = stream_from("127.0.0.3".parse().unwrap(), server.address).unwrap();
    proxy.write_all(b"PROXY nonsense\r\n").unwrap();
    until_end(&mut proxy);
    sessions.into_iter().for_each(leave);
}

#[test]
fn every_line_is_as_the_schema_says() {
    let authority = Authority::new();
    let pair = authority.issue(&["localhost"]);
    let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut server = Setup::new()
        .file("cert.pem", &pair.cert_pem)
        .file("key.pem", &pair.key_pem)
        .variable("FTP_TLS", "allowed")
        .variable("FTP_TLS_CERT", "cert.pem")
        .variable("FTP_TLS_KEY", "key.pem")
        .variable("FTP_LOG_LEVEL", "trace")
        .variable("FTP_HTTP_LISTEN", &http.to_string())
        .variable("FTP_HTTP_TOKEN", "a token of this test")
        .variable("FTP_MAX_PER_USER", "2")
        .variable("FTP_BAN_AFTER", "2")
        .variable("FTP_PROXY_PROTOCOL", "optional")
        .variable("FTP_PROXY_FROM", "127.0.0.3")
        .file("conf/settings.toml", "masquerade_address = \"localhost\"\n")
        .start();
    server.wait_for_line("masquerade_address resolved");
    work(&server, &Side::new(&authority, &TLS13));
    try_to_get_in(&server);
    let _here = Client::login_from("127.0.0.6", server.address, "bob");
    let sessions = told(&server, &["status", "--json"]).1;
    let last = sessions.lines().last().unwrap();
    let number = last.split(&[':', ','][..]).nth(1).unwrap();
    assert_eq!(told(&server, &["kick", number]).0, Some(0), "{last}");
    asked_by_a_stranger(&server, &["status"]);
    let mut guess = stream_from("127.0.0.7".parse().unwrap(), http).unwrap();
    guess.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong\r\n\r\n").unwrap();
    until_end(&mut guess);
    drop(stream_from("127.0.0.4".parse().unwrap(), server.address).unwrap());
    server.wait_for_line("\"probed\"");
    put(&server, "conf/settings.toml", "masquerade_address = \"nowhere.invalid\"\nlog_keep = 3\n");
    hang_up(&mut server);
    server.wait_for_line("masquerade_address not resolved");
    put(&server, "conf/settings.toml", "max_cons = \"many\"\n");
    hang_up_in_vain(&mut server, "max_cons");
    let seen: BTreeSet<String> = valid(&server.end().lines).into_iter().collect();
    assert!(seen.contains("STOR done") && seen.contains("STOR failed"), "{seen:#?}");
    let not_seen: BTreeSet<String> = known().difference(&seen).cloned().collect();
    let elsewhere = NOT_SEEN.into_iter().chain(crate::hooks::lines::SEEN).map(str::to_owned);
    assert_eq!(not_seen, elsewhere.collect());
}

/// And so every event is in the schema, those that were not seen too.
#[test]
fn the_schema_knows_the_events_of_the_source() {
    let files = ["events.rs", "events/hooks.rs", "events/repeated.rs"].map(|file| format!("{ROOT}/src/observe/{file}"));
    let source = files.map(|file| std::fs::read_to_string(file).unwrap()).concat();
    let messages = source.split("message = \"").skip(1).filter_map(|rest| rest.split('"').next());
    assert_eq!(messages.map(str::to_owned).collect::<BTreeSet<_>>(), known());
}
