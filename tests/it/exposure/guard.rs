//! What the system lets others do to the files that rule the server: told, with the command that mends it.

use std::fs::{Permissions, hard_link, set_permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::ways::with_mounts;
use crate::binary::Setup;
use crate::process::identity::needs_root;
use crate::reload::{hang_up, put};

const HASHED: &str = "carol $5$rounds=1000$longshore$5CGXsYWFMlrPZoZgdS.7Au.YJHtZkL1lkNDNtkpERN3 elradfmwMT carol\n";

/// carol, in a folder that anybody may enter, whose users file nobody else may read or write.
fn setup() -> Setup {
    needs_root();
    let setup = Setup::new().file("conf/users.conf", HASHED).variable("FTP_RUN_AS", "12345:23456");
    chmod(&setup, "", 0o755);
    chmod(&setup, "conf", 0o755);
    chmod(&setup, "conf/users.conf", 0o640);
    std::fs::create_dir(setup.path("home/carol")).unwrap();
    for home in ["home", "home/carol"] {
        chown(setup.path(home), Some(12345), Some(23456)).unwrap();
    }
    setup
}

fn chmod(setup: &Setup, name: &str, mode: u32) {
    set_permissions(setup.path(name), Permissions::from_mode(mode)).unwrap();
}

/// The warnings of `check`.
#[track_caller]
fn warnings(setup: &Setup) -> Vec<String> {
    let output = setup.run_with_arguments(&["check"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said.lines().filter_map(|line| line.strip_prefix("warning: ")).map(str::to_owned).collect()
}

#[test]
fn files_that_nobody_else_may_write_or_read_are_no_matter() {
    let setup = setup();
    assert_eq!(warnings(&setup), Vec::<String>::new());
    // Its own, of a user whose group has the same number, and those that only its user may enter.
    chown(setup.path("conf/users.conf"), Some(12345), Some(12345)).unwrap();
    chmod(&setup, "conf/users.conf", 0o660);
    chmod(&setup, "conf", 0o1777);
    assert_eq!(warnings(&setup), Vec::<String>::new());
    chmod(&setup, "conf", 0o700);
    chmod(&setup, "conf/users.conf", 0o644);
    assert_eq!(warnings(&setup), Vec::<String>::new());
    // Comments are no secret, such as in the file that is shipped.
    chmod(&setup, "conf", 0o755);
    let setup = setup.file("conf/users.conf", "# nobody\n").variable("FTP_USERS", "").variable("FTP_USER", "ann");
    let setup = setup.variable("FTP_PASS", HASHED.split(' ').nth(1).unwrap());
    chmod(&setup, "conf/users.conf", 0o644);
    assert_eq!(warnings(&setup), Vec::<String>::new());
}

#[test]
fn what_others_may_write_is_told() {
    for (name, mode, owner, part, mend) in [
        ("conf/users.conf", 0o642, (0, 0), "with mode 642 lets everybody on this machine change", "chmod go-w"),
        ("conf/users.conf", 0o620, (0, 0), "with mode 620 lets the group 0 change", "chmod g-w"),
        ("conf/users.conf", 0o660, (0, 50), "with mode 660 lets the group 50 change", "chmod g-w"),
        ("conf/users.conf", 0o600, (4321, 0), "belongs to uid 4321, who may change", "chown 12345:23456"),
        ("conf", 0o777, (0, 0), "with mode 777 lets everybody on this machine change", "chmod go-w"),
        ("conf", 0o775, (0, 50), "with mode 775 lets the group 50 change", "chmod g-w"),
        ("conf", 0o1755, (4321, 0), "belongs to uid 4321, who may change", "chown 12345:23456"),
        ("", 0o777, (0, 0), "with mode 777 lets everybody on this machine change", "chmod go-w"),
        ("", 0o755, (4321, 4321), "belongs to uid 4321, who may change", "chown 12345:23456"),
    ] {
        let setup = setup();
        chown(setup.path(name), Some(owner.0), Some(owner.1)).unwrap();
        chmod(&setup, name, mode);
        let place = setup.path(name).display().to_string();
        let place = place.trim_end_matches('/');
        let told = warnings(&setup);
        let want = format!("users_file (default): {place} {part} what the server does");
        assert!(told.len() == 1 && told[0].starts_with(&want), "{told:#?}");
        assert!(told[0].ends_with(&format!("to mend it: {mend} {place}")), "{told:#?}");
    }
}

/// Of a link both ends count, and of several files in one place the place is told once.
#[test]
fn the_directories_of_links_are_asked_too() {
    let setup = setup().file("conf/settings.toml", "# nothing\n").file("open/x", "");
    symlink("../open/link", setup.path("conf/link")).unwrap();
    symlink("../conf/users.conf", setup.path("open/link")).unwrap();
    let setup = setup.variable("FTP_USERS_FILE", "conf/link");
    assert_eq!(warnings(&setup), Vec::<String>::new());
    chmod(&setup, "open", 0o777);
    let told = warnings(&setup);
    assert!(
        told.len() == 1 && told[0].starts_with("FTP_USERS_FILE: ") && told[0].contains("/open with mode 777"),
        "{told:#?}"
    );
    chmod(&setup, "open", 0o1777);
    assert_eq!(warnings(&setup), Vec::<String>::new());
    // Whose link it is, is who may replace it there.
    std::os::unix::fs::lchown(setup.path("open/link"), Some(4321), Some(4321)).unwrap();
    let told = warnings(&setup);
    assert!(told.len() == 1 && told[0].contains("/open/link belongs to uid 4321"), "{told:#?}");
    chmod(&setup, "open", 0o755);
    std::os::unix::fs::lchown(setup.path("open/link"), Some(0), Some(0)).unwrap();
    chmod(&setup, "conf", 0o777);
    let told = warnings(&setup);
    assert!(told.len() == 1 && told[0].starts_with("config (default), FTP_USERS_FILE: "), "{told:#?}");
}

#[test]
fn a_secret_that_others_may_read_is_told() {
    let secret = "a secret of some length\n";
    for (name, text, variables) in [
        ("conf/users.conf", HASHED, &[("FTP_RUN_AS", "12345:23456")][..]),
        ("conf/settings.toml", "http_token = \"a token of some length\"\n", &[]),
        ("conf/pass", secret, &[("FTP_USER", "ann"), ("FTP_PASS_FILE", "conf/pass")]),
        ("conf/token", secret, &[("FTP_HTTP_TOKEN_FILE", "conf/token")]),
        ("conf/key", secret, &[("FTP_HOOK_SECRET_FILE", "conf/key")]),
    ] {
        let setup = setup().file(name, text);
        let setup = variables.iter().fold(setup, |setup, (name, value)| setup.variable(name, value));
        let place = setup.path(name).display().to_string();
        let about_reading = |told: Vec<String>| -> Vec<String> {
            told.into_iter().filter(|line| line.contains("holds passwords or keys")).collect()
        };
        for (mode, is_told) in [(0o644, true), (0o604, true), (0o640, false), (0o440, false), (0o400, false)] {
            chmod(&setup, name, mode);
            let told = about_reading(warnings(&setup));
            assert_eq!(told.len(), usize::from(is_told), "{name} {mode:o} {told:#?}");
            if is_told {
                let want = format!("chown 12345:23456 {place} && chmod o-r {place}");
                assert!(
                    told[0].contains(&format!("{place} holds passwords or keys")) && told[0].ends_with(&want),
                    "{told:#?}"
                );
                assert!(!told[0].contains("a secret of"), "{told:#?}");
            }
        }
    }
}

/// A container's settings are mounted read-only; their modes are the business of the machine outside.
#[test]
fn what_is_mounted_read_only_is_not_asked() {
    with_mounts(|| {
        let setup = setup();
        chmod(&setup, "conf/users.conf", 0o666);
        assert_eq!(warnings(&setup).len(), 2);
        let (conf, nothing) = (setup.path("conf"), None::<&Path>);
        mount(Some(&conf), &conf, nothing, MsFlags::MS_BIND, nothing).unwrap();
        let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(nothing, &conf, nothing, read_only, nothing).unwrap();
        assert_eq!(warnings(&setup), Vec::<String>::new());
    });
}

#[test]
fn another_name_of_a_file_is_told_as_it_is_not_looked_for() {
    let setup = setup();
    hard_link(setup.path("conf/users.conf"), setup.path("home/carol/mine")).unwrap();
    let told = warnings(&setup);
    assert!(told.len() == 1 && told[0].contains("users.conf is one of 2 names (hard links) of a file"), "{told:#?}");
    let command = told[0].split("to mend it: ").nth(1).unwrap();
    assert!(std::process::Command::new("/bin/sh").args(["-c", command]).status().unwrap().success());
    assert_eq!(warnings(&setup), Vec::<String>::new());
}

#[test]
fn a_server_that_stays_root_is_told() {
    let told = warnings(&setup().variable("FTP_RUN_AS", ""));
    assert!(told.len() == 1 && told[0].starts_with("run_as: this process is root and stays it"), "{told:#?}");
}

#[test]
fn a_program_that_its_clients_may_replace_is_told() {
    let setup = setup();
    let program = setup.path("home/carol/longshore");
    std::fs::copy(crate::binary::PROGRAM, &program).unwrap();
    let setup = setup.program(&[&program.display().to_string()]);
    let told = warnings(&setup);
    let want = format!("the server's own program: found {}, which clients at home in ", program.display());
    assert!(told.len() == 1 && told[0].starts_with(&want), "{told:#?}");
}

#[test]
fn a_reload_tells_what_came_to_be_open_and_once() {
    let setup = setup();
    chown(setup.path("conf/users.conf"), Some(12345), Some(23456)).unwrap();
    let mut server = setup.start();
    for letters in ["elr", "el"] {
        put(&server, "conf/users.conf", HASHED.replace("elradfmwMT", letters));
        set_permissions(server.folder().join("conf/users.conf"), Permissions::from_mode(0o646)).unwrap();
        hang_up(&mut server);
    }
    let lines = server.end().lines;
    for part in ["users.conf with mode 646 lets everybody", "users.conf holds passwords or keys"] {
        let told: Vec<_> = lines.iter().filter(|line| line.contains(part)).collect();
        assert!(told.len() == 1 && told[0].contains("WARN"), "{part}: {lines:#?}");
    }
}
