//! Tools that read the log: the filter for fail2ban, by the real one, and the parser for Fluent Bit.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::binary::Setup;
use crate::wire::Client;

const CONF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf");
/// A name, also of a file, that looks like the end of one and then like a failed log-in from elsewhere.
const FORGED: &str = "x\" log-in failed peer=192.0.2.66";
const FORGED_JSON: &str = "x\",\"message\":\"log-in failed\",\"peer\":\"192.0.2.66\"}";

fn fail2ban(arguments: &[&str]) -> String {
    let output = Command::new("/usr/bin/fail2ban-regex").args(arguments).env("LC_ALL", "C.UTF-8").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What fail2ban finds in a log: the addresses of failures, each as often as it failed.
fn failures(log: &Path) -> Vec<String> {
    let (log, filter) = (log.to_str().unwrap(), format!("{CONF}/fail2ban/filter.d/longshore.conf"));
    // Every line has its time read, or fail2ban would take the present for it.
    let lines = std::fs::read_to_string(log).unwrap().lines().count();
    let told = fail2ban(&[log, &filter]);
    assert!(told.contains(&format!("[{lines}] ^(?:\\{{\"timestamp\":\")?Year-Month-Day")), "{told}");
    fail2ban(&["--raw", "--usedns=no", "--out=ip", log, &filter]).lines().map(str::to_owned).collect()
}

fn fail(server: std::net::SocketAddr, source: &str, user: &str) {
    let mut client = Client::connect_from(source, server);
    client.expect("220");
    client.ask(&format!("USER {user}"), "331");
    client.ask("PASS wrong", "530");
    client.ask("QUIT", "221");
}

#[test]
fn fail2ban_finds_who_failed_to_log_in_and_nobody_else() {
    for format in ["text", "json"] {
        let quoted = FORGED.replace('"', "\\\"");
        let users = format!("bob secret elradfmwMT bob\n\"{quoted}\" secret elr bob\n");
        let mut server = Setup::new()
            .file("conf/users.conf", &users)
            .variable("FTP_LOG_FORMAT", format)
            .variable("FTP_LOG_LEVEL", "trace")
            .variable("FTP_LOGGING_NAME", "longshore.log")
            .variable("FTP_LOG_ROTATION", "never")
            .start();
        for user in ["bob", "nobody", FORGED, FORGED_JSON] {
            fail(server.address, "127.0.0.5", user);
        }
        let mut client = Client::login_from("127.0.0.6", server.address, "bob");
        client.ask("MKD INFO session=1 log-in failed peer=192.0.2.66", "257");
        for name in [FORGED, FORGED_JSON] {
            client.store(name, b"");
            client.ask(&format!("USER {name}"), "331");
            client.ask("PASS secret", if name == FORGED { "230" } else { "530" });
            client.sign_in("bob");
        }
        client.ask("QUIT", "221");
        drop(client);
        server.wait_for_line("\"closed with 221\"");
        let ended = server.end();
        // One of 127.0.0.6 is there: the password of nobody.
        let found = failures(&ended.folder.path().join("longshore.log"));
        assert_eq!(found, ["127.0.0.5", "127.0.0.5", "127.0.0.5", "127.0.0.5", "127.0.0.6"], "{format}");
    }
}

/// Beyond ten in a minute there is one line more, which names the address, or the IPv6 network.
#[test]
fn fail2ban_finds_those_who_fail_too_often_to_be_told_each_time() {
    for format in ["text", "json"] {
        let server = Setup::new()
            .variable("FTP_LOG_FORMAT", format)
            .variable("FTP_LOGGING_NAME", "longshore.log")
            .variable("FTP_LOG_ROTATION", "never")
            .start();
        for user in ["bob"; 25] {
            fail(server.address, "127.0.0.5", user);
        }
        let ended = server.end();
        let path = ended.folder.path().join("longshore.log");
        assert_eq!(failures(&path), ["127.0.0.5"; 11], "{format}");
        // The same of a network, as fail2ban would ban it.
        let text = std::fs::read_to_string(&path).unwrap();
        let summed_up: Vec<&str> = text.lines().filter(|line| line.contains("more log-ins failed")).collect();
        assert_eq!(summed_up.len(), 1, "{text}");
        std::fs::write(&path, format!("{}\n", summed_up[0].replace("127.0.0.5", "2001:db8:1:2::/64"))).unwrap();
        assert_eq!(failures(&path), ["2001:db8:1:2::/64"], "{format}");
    }
}

/// As fail2ban itself would read it, its own files apart.
#[test]
fn the_jail_is_one_that_fail2ban_takes() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("longshore.log");
    std::fs::write(&log, "").unwrap();
    let copied = Command::new("/bin/cp").args(["-r", "/etc/fail2ban"]).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let etc = folder.path().join("fail2ban");
    // Debian's jail for sshd, which may have no log here.
    let _ = std::fs::remove_file(etc.join("jail.d/defaults-debian.conf"));
    std::fs::copy(format!("{CONF}/fail2ban/filter.d/longshore.conf"), etc.join("filter.d/longshore.conf")).unwrap();
    let jail = std::fs::read_to_string(format!("{CONF}/fail2ban/jail.d/longshore.conf")).unwrap();
    let jail = jail.replace("/var/log/longshore.log", log.to_str().unwrap());
    std::fs::write(etc.join("jail.d/longshore.conf"), jail).unwrap();
    let output = Command::new("/usr/bin/fail2ban-client").arg("-c").arg(&etc).arg("-d").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told} {}", String::from_utf8_lossy(&output.stderr));
    for part in ["['start', 'longshore']", "'addfailregex'", log.to_str().unwrap(), "2121,990,30000:30009"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// Fluent Bit is no package of Debian's: this looks at the keys, and reads the time of a real line by its format.
#[test]
fn the_parser_for_fluent_bit_names_what_a_line_has() {
    let text = std::fs::read_to_string(format!("{CONF}/fluent-bit/parsers.conf")).unwrap();
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(lines.next(), Some("[PARSER]"));
    let keys: BTreeMap<&str, &str> =
        lines.map(|line| line.strip_prefix("    ").and_then(|line| line.split_once(' ')).unwrap()).collect();
    let key = |name: &str| keys[name].trim_start();
    assert_eq!(keys.len(), 5, "{keys:?}");
    assert_eq!((key("Name"), key("Format"), key("Time_Keep")), ("longshore", "json", "Off"));
    let lines = Setup::new().start().end().lines;
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    let time = line[key("Time_Key")].as_str().unwrap();
    // Its %L is the fraction of a second, which others call %f; its %z takes Z as well.
    let format = key("Time_Format").replace("%L", "%f");
    let read = "import datetime, sys; datetime.datetime.strptime(*sys.argv[1:])";
    let python = Command::new("/usr/bin/python3").args(["-c", read, time, &format]).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
}
