//! `check`, `hash-password` and `ports`.

use crate::binary::Setup;
use crate::wire::Client;

fn told(setup: &Setup) -> String {
    let output = setup.run();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The line of `check` that begins with this name.
#[track_caller]
fn line<'a>(told: &'a str, name: &str) -> &'a str {
    told.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap_or_else(|| panic!("{name}: {told}"))
}

#[test]
fn check_says_each_value_and_where_it_comes_from() {
    let setup = Setup::new()
        .file("conf/settings.toml", "max_cons = 77\nmax_per_ip = 7\nwelcome_msg = \"from the file\"\n")
        .variable("FTP_MAX_PER_IP", "8")
        .variable("FTP_USER", "ann")
        .variable("FTP_PASS", "s3cr3t")
        .variable("FTP_USERS", "eve p4ssw0rd elr eve")
        .arguments(&["check", "--welcome-msg", "from the flag"]);
    let told = told(&setup);
    for (name, value, source) in [
        ("max_cons", "77", "conf/settings.toml"),
        ("max_per_ip", "8", "FTP_MAX_PER_IP"),
        ("welcome_msg", "\"from the flag\"", "--welcome-msg"),
        ("umask", "\"022\"", "default"),
    ] {
        let line = line(&told, name);
        assert!(line.starts_with(&format!("{name} = {value} ")), "{line}");
        assert!(line.ends_with(&format!("# {source}")), "{line}");
    }
    assert!(line(&told, "pass").ends_with("# FTP_PASS"));
    for secret in ["s3cr3t", "p4ssw0rd"] {
        assert!(!told.contains(secret), "{told}");
    }
    for user in ["# bob elradfmwMT ", "# ann elradfmwMT ", "# eve elr "] {
        assert!(told.lines().any(|line| line.starts_with(user)), "{user}:\n{told}");
    }
}

#[test]
fn check_changes_nothing() {
    let setup = Setup::new()
        .variable("FTP_ENABLE_ANONYMOUS", "on")
        .variable("FTP_ANONYMOUS_PATH", "home/public")
        .variable("FTP_LOGGING_NAME", "longshore.log")
        .arguments(&["check"]);
    told(&setup);
    assert!(!setup.path("home/public").exists());
    assert!(!setup.path("longshore.log").exists());
}

#[test]
fn a_hash_that_it_makes_lets_its_password_in() {
    let password = b"pass word\xc3\xa9";
    let output = Setup::empty().arguments(&["hash-password"]).run_with_input(password);
    assert_eq!(output.status.code(), Some(0));
    let hash = String::from_utf8(output.stdout).unwrap();
    assert!(hash.starts_with("$argon2id$") && !hash.contains("pass word"), "{hash}");
    let server = Setup::new().file("conf/users.conf", &format!("bob {} elr bob\n", hash.trim_end())).start();
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("USER bob", "331");
    client.ask("PASS pass word", "530");
    client.ask("USER bob", "331");
    client.ask("PASS pass wordé", "230");
}

#[test]
fn hashes_of_one_password_differ_and_none_is_none() {
    let hash = |input: &[u8]| Setup::empty().arguments(&["hash-password"]).run_with_input(input);
    assert_ne!(hash(b"secret").stdout, hash(b"secret").stdout);
    let empty = hash(b"");
    assert_eq!((empty.status.code(), empty.stdout.len()), (Some(2), 0));
}

#[test]
fn ports_are_told_for_compose_and_for_kubernetes() {
    let setup = || Setup::new().variable("FTP_PORT", "2121").variable("FTP_PASSIVE_PORTS", "30000-30002");
    let compose = told(&setup().arguments(&["ports"]));
    assert!(compose.contains("2121:2121") && compose.contains("30000-30002:30000-30002"), "{compose}");
    let kubernetes = told(&setup().arguments(&["ports", "--kubernetes"]));
    for port in ["2121", "30000", "30001", "30002"] {
        assert!(kubernetes.contains(&format!("port: {port}")), "{kubernetes}");
    }
    assert!(!kubernetes.contains("30003"), "{kubernetes}");
}

/// `longshore ports | head -1`
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_longshore"));
    let output = command.arg("ports").env_clear().current_dir(folder.path()).stdout(writer).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
