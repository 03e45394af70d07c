//! What the process makes of modes, homes and descriptors.

use std::fs::{metadata, remove_dir_all};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::binary::{Running, Setup};
use crate::wire::Client;

fn mode(path: &Path) -> u32 {
    metadata(path).unwrap_or_else(|why| panic!("{}: {why}", path.display())).permissions().mode() & 0o7777
}

fn make_things(server: &Running) -> (u32, u32) {
    let mut client = Client::login(server.address, "bob");
    client.store("file", b"content");
    client.ask("MKD folder", "257");
    let home = server.folder().join("home/bob");
    (mode(&home.join("file")), mode(&home.join("folder")))
}

/// T57: what nobody may run nobody can run, however wide open the umask.
#[test]
fn modes_are_those_of_the_settings_less_the_umask() {
    for (variables, wanted) in [
        (vec![], (0o644, 0o755)),
        (vec![("FTP_UMASK", "027")], (0o640, 0o750)),
        (vec![("FTP_UMASK", "000")], (0o666, 0o777)),
        (vec![("FTP_UMASK", "0"), ("FTP_FILE_MODE", "600"), ("FTP_DIR_MODE", "710")], (0o600, 0o710)),
        (vec![("FTP_UMASK", "077"), ("FTP_FILE_MODE", "664"), ("FTP_DIR_MODE", "775")], (0o600, 0o700)),
    ] {
        let setup = variables.iter().fold(Setup::new(), |setup, (name, value)| setup.variable(name, value));
        assert_eq!(make_things(&setup.start()), wanted, "{variables:?}");
    }
}

#[test]
fn a_missing_home_is_made_at_the_log_in() {
    let setup = Setup::new();
    remove_dir_all(setup.path("home")).unwrap();
    let server = setup.variable("FTP_UMASK", "027").start();
    let home = server.folder().join("home/bob");
    assert!(!home.exists());
    Client::login(server.address, "bob");
    assert_eq!(mode(&home), 0o750);
}

#[test]
fn a_missing_home_is_no_log_in_when_it_may_not_be_made() {
    let setup = Setup::new();
    remove_dir_all(setup.path("home")).unwrap();
    let server = setup.variable("FTP_CREATE_HOMES", "off").start();
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("USER bob", "331");
    assert_eq!(client.say("PASS secret"), "530 The home directory is not available.");
    assert!(!server.folder().join("home").exists());
}

#[test]
fn the_home_of_anonymous_is_made_at_the_start_with_the_umask_of_the_settings() {
    let server = Setup::new()
        .variable("FTP_ENABLE_ANONYMOUS", "on")
        .variable("FTP_ANONYMOUS_PATH", "home/public")
        .variable("FTP_UMASK", "027")
        .start();
    assert_eq!(mode(&server.folder().join("home/public")), 0o750);
}

#[test]
fn without_a_home_of_anonymous_it_does_not_start() {
    let setup = Setup::new()
        .variable("FTP_ENABLE_ANONYMOUS", "on")
        .variable("FTP_ANONYMOUS_PATH", "home/public")
        .variable("FTP_CREATE_HOMES", "off");
    let output = setup.run();
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("FTP_ANONYMOUS_PATH: found ") && complaint.contains("home/public"), "{complaint}");
    assert!(!setup.path("home/public").exists());
}

#[test]
fn the_limit_of_open_files_is_raised_whatever_the_limit_of_sessions() {
    for max_cons in ["512", "0"] {
        let server = Setup::new().variable("FTP_MAX_CONS", max_cons).start();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let words: Vec<&str> = line["Max open files".len()..].split_whitespace().collect();
        assert_eq!(words[0], words[1], "max_cons {max_cons}: {line}");
    }
}
