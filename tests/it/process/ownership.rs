//! Homes that the process may not write: served as far as they can be, told with the command that mends it, and never
//! changed. Needs root, as `.ci/run` is.

use std::fs::{Permissions, create_dir_all, metadata, remove_dir_all, set_permissions, write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use super::identity::{become_somebody, needs_root, setup};
use crate::binary::{PROGRAM, Running, Setup};
use crate::wire::{Client, all_of};

/// The warnings of the start about what cannot be used, without what is before the message.
fn told(server: Running) -> Vec<String> {
    let ended = server.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.complaints);
    let lines = ended.lines.into_iter().filter(|line| line.contains("and this process is"));
    lines.map(|line| line.split("WARN ").nth(1).unwrap_or_else(|| panic!("{line}")).trim().to_owned()).collect()
}

fn start(setup: Setup) -> Running {
    become_somebody(setup).variable("FTP_LOG_FORMAT", "text").start()
}

/// Owner and mode.
fn facts(path: &Path) -> (u32, u32, u32) {
    let found = metadata(path).unwrap();
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

#[test]
fn a_home_of_somebody_else_is_read_and_not_written_and_one_line_says_why() {
    let setup = setup();
    let home = setup.path("home/bob");
    write(home.join("file"), b"content").unwrap();
    chown(&home, Some(54321), Some(4321)).unwrap();
    let before = (facts(&home), facts(&home.join("file")));
    let server = start(setup);
    let mut client = Client::login(server.address, "bob");
    assert_eq!(client.retrieve("file"), b"content");
    let mut data = client.open();
    client.ask("LIST", "150");
    assert!(String::from_utf8(all_of(&mut data)).unwrap().contains("file"));
    client.expect("226");
    let _data = client.open();
    client.ask("STOR new", "550");
    client.ask("MKD new", "550");
    client.ask("DELE file", "550");
    client.ask("QUIT", "221");
    assert_eq!((facts(&home), facts(&home.join("file"))), before);
    let shown = home.display();
    assert_eq!(
        told(server),
        [format!(
            "{shown} belongs to 54321:4321 with mode 755, and this process is 12345:23456: it cannot be written, so it \
             is served read-only; to mend it: chown -R 12345:23456 {shown}"
        )]
    );
}

#[test]
fn the_command_that_is_told_mends_it() {
    let setup = setup();
    let home = setup.path("home/bob");
    chown(&home, Some(0), Some(0)).unwrap();
    let server = start(setup);
    // Without its end, by which the folder goes.
    let mut client = Client::login(server.address, "bob");
    let _data = client.open();
    client.ask("STOR new", "550");
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = server.wait();
    let line = ended.lines.iter().find(|line| line.contains("belongs to 0:0")).expect("it is told");
    let command = line.split("to mend it: ").nth(1).unwrap();
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
    assert_eq!(facts(&home), (12345, 23456, 0o755));
}

#[test]
fn one_line_is_enough_for_all_homes_of_a_place() {
    let setup = setup().file("conf/users.conf", "bob secret elradfmwMT bob\nann secret elr ann\neve secret elrw eve\n");
    chown(setup.path("home/bob"), Some(0), Some(0)).unwrap();
    let place = setup.path("home").display().to_string();
    let server = start(setup);
    let mut ann = Client::connect(server.address);
    ann.expect("220");
    ann.ask("USER ann", "331");
    ann.ask("PASS secret", "530 The home directory is not available.");
    assert_eq!(
        told(server),
        [format!(
            "{place} belongs to 0:0 with mode 755, and this process is 12345:23456: it cannot be written, so the homes \
             that are missing in it cannot be made, and log-ins fail; to mend it: chown -R 12345:23456 {place}"
        )]
    );
}

#[test]
fn an_own_home_lacks_a_mode_and_a_closed_one_is_not_even_read() {
    let own = setup();
    let home = own.path("home/bob");
    set_permissions(&home, Permissions::from_mode(0o555)).unwrap();
    let lines = told(start(own));
    let end = format!("it cannot be written, so it is served read-only; to mend it: chmod u+rwx {}", home.display());
    assert!(lines.len() == 1 && lines[0].ends_with(&end), "{lines:#?}");

    let closed = setup().file("conf/users.conf", "bob secret elr bob\n");
    let home = closed.path("home/bob");
    chown(&home, Some(0), Some(0)).unwrap();
    set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    let lines = told(start(closed));
    let end = format!("it cannot be read, so log-ins fail; to mend it: chown -R 12345:23456 {}", home.display());
    assert!(lines.len() == 1 && lines[0].ends_with(&end), "{lines:#?}");
}

#[test]
fn nothing_is_told_of_what_is_as_it_should_be() {
    let readers = setup().file("conf/users.conf", "bob secret elradfmwMT bob\nann secret elr ann\n");
    create_dir_all(readers.path("home/ann")).unwrap();
    assert_eq!(told(start(readers)), Vec::<String>::new());
    // A home that may not be made is no matter of rights.
    let missing = setup();
    remove_dir_all(missing.path("home/bob")).unwrap();
    assert_eq!(told(start(missing.variable("FTP_CREATE_HOMES", "off"))), Vec::<String>::new());
}

/// In a mount namespace of its own, which goes with the process.
#[test]
fn a_volume_that_is_mounted_read_only_is_served_and_no_command_is_told() {
    needs_root();
    let setup = Setup::new();
    let home = setup.path("home/bob").display().to_string();
    let mount = format!(
        "mount -t tmpfs longshore \"{home}\" && echo content > \"{home}/file\" && \
         mount -o remount,ro \"{home}\" && exec \"$0\" \"$@\""
    );
    let words = ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", &mount, PROGRAM];
    let setup = setup.program(&words).variable("PATH", "/usr/bin:/bin").variable("FTP_LOG_FORMAT", "text");
    let server = setup.start();
    let mut client = Client::login(server.address, "bob");
    assert_eq!(client.retrieve("file"), b"content\n");
    let _data = client.open();
    client.ask("STOR new", "550");
    client.ask("QUIT", "221");
    let lines = told(server);
    let end = "and this process is 0:0: it is mounted read-only, so uploads are refused";
    assert!(lines.len() == 1 && lines[0].starts_with(&home) && lines[0].ends_with(end), "{lines:#?}");
    assert!(
        Command::new("mountpoint").args(["-q", &home]).stderr(Stdio::null()).status().is_ok_and(|it| !it.success())
    );
}
