//! No password in any output at the finest level: not as configured, not as typed, not in the wrong place.

use crate::binary::Setup;
use crate::wire::Client;

/// T23: of none of the ways to say a password, right, wrong or malformed.
#[test]
fn no_output_holds_a_password() {
    let hash_words = "hashed-p4ss";
    let hash =
        String::from_utf8(Setup::empty().arguments(&["hash-password"]).run_with_input(hash_words.as_bytes()).stdout);
    let hash = hash.unwrap().trim_end().to_owned();
    let users = format!("bob plain-p4ss elradfmwMT bob\ncarol {hash} elr bob\n");
    for format in ["json", "text"] {
        let mut server = Setup::new()
            .file("conf/users.conf", &users)
            .variable("FTP_USERS", "eve inline-p4ss elr bob")
            .variable("FTP_USER", "ann")
            .variable("FTP_PASS", "variable-p4ss")
            .variable("FTP_LOG_LEVEL", "trace")
            .variable("FTP_LOG_FORMAT", format)
            .variable("FTP_LOGGING_NAME", "longshore.log")
            .variable("FTP_LOG_ROTATION", "never")
            .variable("FTP_TRANSFER_LOG", "xferlog")
            .variable("FTP_MAX_LOGIN_ATTEMPTS", "0")
            .start();
        let mut client = Client::connect(server.address);
        client.expect("220");
        for (user, password) in [
            ("bob", "plain-p4ss"),
            ("carol", hash_words),
            ("eve", "inline-p4ss"),
            ("ann", "variable-p4ss"),
            ("bob", "mistyped-p4ss"),
            ("nobody", "unknown-p4ss"),
            ("anonymous", "mail-p4ss@example.org"),
        ] {
            client.ask(&format!("USER {user}"), "331");
            let reply = client.say(&format!("PASS {password}"));
            assert!(reply.starts_with("230") || reply.starts_with("530"), "{reply}");
        }
        // In small letters, with blanks, without a blank, and where no password belongs.
        client.ask("USER bob", "331");
        client.ask("pass  spaced-p4ss", "530");
        client.say("PASSglued-p4ss");
        client.say("PSAS typo-p4ss");
        client.ask("PASS\tp4ss", "500");
        client.ask("ACCT p4ss", "502");
        client.ask("SITE PSWD p4ss p4ss", "530");
        for malformed in ["p4ss\0x", "p4ss\rx", "\0p4ss", "\u{1b}[2Jp4ss", "p4ss\u{7f}", "\u{ff}p4ss"] {
            client.ask("USER bob", "331");
            let reply = client.say(&format!("PASS {malformed}"));
            assert!(reply.starts_with("501") || reply.starts_with("530"), "{reply}");
        }
        client.ask(&format!("PASS {}p4ss", "p4ss".repeat(2000)), "500");
        client.ask("USER bob", "331");
        client.ask("PASS plain-p4ss", "230");
        client.store("new", b"content");
        client.ask("QUIT", "221");
        drop(client);
        server.wait_for_line("session closed");
        let ended = server.end();
        let read = |name: &str| std::fs::read_to_string(ended.folder.path().join(name)).unwrap();
        let all = [ended.lines.join("\n"), ended.complaints.clone(), read("longshore.log"), read("xferlog")].concat();
        assert!(all.contains("log-in failed") && all.contains("PASS") && all.contains("STOR"), "{all}");
        for secret in ["p4ss", "argon2", &hash] {
            assert!(!all.contains(secret), "{secret}: {:#?}", all.lines().find(|line| line.contains(secret)));
        }
    }
}

#[test]
fn a_password_typed_as_a_name_is_not_in_the_log_at_info() {
    let mut server = Setup::new().start();
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("USER name-p4ss", "331");
    client.ask("PASS x", "530");
    client.ask("USER bob", "331");
    client.ask("PASS secret", "230");
    client.ask("USER name-p4ss", "331");
    client.ask("QUIT", "221");
    drop(client);
    server.wait_for_line("session closed");
    let ended = server.end();
    assert!(!ended.lines.join("\n").contains("p4ss"), "{:#?}", ended.lines);
    assert_eq!(ended.complaints, "");
}

#[test]
fn bad_settings_are_told_without_their_secrets() {
    let output = Setup::new()
        .file("conf/settings.toml", "pass = { s3cr3t = 1 }\n")
        .variable("FTP_USERS", "eve s3cr3t elrQ eve\nshort s3cr3t\n")
        .variable("FTP_USER", "..")
        .arguments(&["-P", "s3cr3t"])
        .run();
    assert_eq!(output.status.code(), Some(2));
    let all = [output.stdout, output.stderr].concat();
    let all = String::from_utf8(all).unwrap();
    assert!(all.contains("FTP_USERS:1:") && all.contains("FTP_USER:"), "{all}");
    assert!(!all.contains("s3cr3t"), "{all}");
}
