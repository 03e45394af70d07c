//! A shared folder is never read for settings and users: not at start, not on SIGHUP, not when files appear.

use crate::binary::Setup;
use crate::reload::hang_up;
use crate::wire::Client;

/// What a stranger would store: a user who may do all in `/`, and a program that is run at each log-in.
fn attack(client: &mut Client, proof: &str) {
    client.ask("MKD conf", "257");
    client.store("conf/users.conf", b"eve x elradfmwMT /\n");
    let command = format!("/bin/sh -c 'echo $LONGSHORE_USER > {proof}'");
    let text = format!("on_login = \"{command}\"\nusers = \"mallory x elradfmwMT /\"\nwelcome_msg = \"Pwned\"\n");
    client.store("conf/settings.toml", text.as_bytes());
}

#[test]
fn what_a_client_stores_in_a_shared_folder_rules_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let proof = outside.path().join("proof");
    let common = ["-i", "127.0.0.1", "-p", "0", "-r", "20000-29999"];
    let shares: [(&[&str], &str); 4] = [
        (&["-w", "-d", "."], "anonymous"),
        (&["-w"], "anonymous"),
        (&["-w", "-d", ".", "-u", "bob", "-P", "secret"], "bob"),
        // Without -d: the user's home is the folder that the server was started in.
        (&["-u", "bob", "-P", "secret", "--home-root", "."], "bob"),
    ];
    for (flags, user) in shares {
        let setup = Setup::empty().variable("FTP_AUTH_FAILED_DELAY", "0").arguments(&common).arguments(flags);
        std::os::unix::fs::symlink(".", setup.path("bob")).unwrap();
        let mut server = setup.start();
        let mut client = Client::login(server.address, user);
        attack(&mut client, &proof.display().to_string());
        for _ in 0..2 {
            let line = hang_up(&mut server);
            assert!(line.contains("\"settings\":\"\",\"users_added\":0"), "{flags:?}: {line}");
        }
        for stranger in ["eve", "mallory"] {
            let mut client = Client::connect(server.address);
            client.expect("220 Welcome");
            client.ask(&format!("USER {stranger}"), "331");
            client.ask("PASS x", "530");
        }
        drop(Client::login(server.address, user));
        let ended = server.end();
        let reloads = ended.lines.iter().filter(|line| line.contains("settings and users read anew")).count();
        assert_eq!(reloads, 2, "{flags:?}: nothing is watched in the folder: {:#?}", ended.lines);
        assert!(!proof.exists(), "{flags:?}");
    }
}

/// Nor is what lies there when the server starts.
#[test]
fn what_lies_in_a_shared_folder_is_not_read_at_start() {
    for (flags, letters) in [(&["-w", "-d", "."][..], "may read, and write"), (&["-d", "."], "may read in")] {
        let setup = Setup::empty()
            .file("conf/settings.toml", "no_such_setting = 1\n")
            .file("conf/users.conf", "eve x elradfmwMT /\n")
            .arguments(&["-i", "127.0.0.1", "-p", "0", "-r", "20000-29999"])
            .arguments(flags);
        let mut server = setup.variable("FTP_AUTH_FAILED_DELAY", "0").start();
        let told = server.wait_for_line(letters);
        assert!(told.contains("anonymous"), "{told}");
        let note = server.wait_for_line("conf/settings.toml is not read");
        assert!(note.contains("--config"), "{note}");
        let mut client = Client::connect(server.address);
        client.expect("220 Welcome");
        client.ask("USER eve", "331");
        client.ask("PASS x", "530");
        server.end();
    }
}
