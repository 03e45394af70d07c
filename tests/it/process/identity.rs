//! `run_as`: root binds the port and then is somebody else, for good. Needs root, as `.ci/run` is.

use std::fs::{Permissions, create_dir, metadata, set_permissions};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use crate::binary::{PROGRAM, Running, Setup};
use crate::wire::Client;

const UID: u32 = 12345;
const GID: u32 = 23456;

#[track_caller]
pub(crate) fn needs_root() {
    assert!(nix::unistd::geteuid().is_root(), "this test becomes other users, which needs root: run it as root");
}

/// A setup whose folder anybody may enter, with bob's home belonging to the one whom the server becomes.
pub(crate) fn setup() -> Setup {
    needs_root();
    let setup = Setup::new();
    set_permissions(setup.path(""), Permissions::from_mode(0o755)).unwrap();
    chown(setup.path("home/bob"), Some(UID), Some(GID)).unwrap();
    setup
}

pub(crate) fn become_somebody(setup: Setup) -> Setup {
    setup.variable("FTP_RUN_AS", &format!("{UID}:{GID}"))
}

/// A line of the status of each thread of the process, without its name.
fn status(server: &Running, name: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let status = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
    let lines = status.map(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).map(str::trim);
        line.unwrap_or_else(|| panic!("{name}: {status}")).to_owned()
    });
    lines.collect()
}

#[test]
fn every_thread_is_somebody_else_without_a_way_back() {
    // With groups that there are to lose.
    let groups = ["/usr/bin/setpriv", "--groups=0,4,27", PROGRAM];
    let server = become_somebody(setup()).program(&groups).start();
    let client = Client::login(server.address, "bob");
    let four = |id: u32| [id; 4].map(|id| id.to_string()).join("\t");
    for (name, wanted) in [
        ("Uid", four(UID)),
        ("Gid", four(GID)),
        ("Groups", String::new()),
        ("CapEff", "0".repeat(16)),
        ("CapPrm", "0".repeat(16)),
    ] {
        let told = status(&server, name);
        assert!(told.len() > 1, "there is one thread only");
        assert!(told.iter().all(|line| *line == wanted), "{name}: {told:?}");
    }
    drop(client);
}

#[test]
fn what_it_makes_belongs_to_the_one_it_has_become() {
    let setup = become_somebody(setup());
    create_dir(setup.path("log")).unwrap();
    chown(setup.path("log"), Some(UID), Some(GID)).unwrap();
    let mut server = setup
        .variable("FTP_LOGGING_NAME", "log/longshore.log")
        .variable("FTP_LOG_ROTATION", "never")
        .variable("FTP_TRANSFER_LOG", "log/transfers")
        .start();
    server.wait_for_line(&format!("uid {UID}, gid {GID}"));
    let mut client = Client::login(server.address, "bob");
    client.store("file", b"content");
    client.ask("MKD folder", "257");
    client.ask("QUIT", "221");
    let ended = server.end();
    for made in ["home/bob/file", "home/bob/folder", "log/longshore.log", "log/transfers"] {
        let made = metadata(ended.folder.path().join(made)).unwrap_or_else(|why| panic!("{made}: {why}"));
        assert_eq!((made.uid(), made.gid()), (UID, GID));
    }
}

/// The port is bound before, the users are read before.
#[test]
fn root_binds_and_reads_what_the_other_could_not() {
    let setup = become_somebody(setup());
    set_permissions(setup.path("conf/users.conf"), Permissions::from_mode(0o600)).unwrap();
    set_permissions(setup.path("conf"), Permissions::from_mode(0o700)).unwrap();
    // An address of this test's own, for the port is a fixed one.
    let [a, b] = u16::try_from(RandomState::new().hash_one(0_u8) % 0x1_0000).unwrap().to_be_bytes();
    let address = format!("127.31.{a}.{b}");
    let server = setup.variable("FTP_IP", &address).variable("FTP_PORT", "21").start();
    assert_eq!(server.address.port(), 21);
    let mut client = Client::connect_from(&address, server.address);
    client.expect("220");
    client.ask("USER bob", "331");
    client.ask("PASS secret", "230");
}

/// Where it lies, others may be unable to reach it. By a program of its own: as long as a child of another test has the
/// open file, nobody can run it.
fn copy_program(to: &Path) {
    assert!(Command::new("/bin/cp").arg(PROGRAM).arg(to).status().unwrap().success());
}

#[test]
fn whoever_is_not_root_stays_who_he_is_and_says_so() {
    let setup = become_somebody(setup());
    copy_program(&setup.path("longshore"));
    let copy = setup.path("longshore").display().to_string();
    let setup = setup.program(&["/usr/bin/setpriv", "--reuid=1234", "--regid=2345", "--clear-groups", &copy]);
    let output = setup.run();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert_eq!(
        complaint,
        format!(
            "run_as: 1234:2345 cannot become {UID}:{GID} (Operation not permitted): start as root with the \
             capabilities SETUID and SETGID, or leave run_as out\n"
        )
    );
    // The right user with another group is another.
    let output = setup.variable("FTP_RUN_AS", "1234:1234").run();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn whoever_is_the_one_already_serves() {
    let setup = setup().variable("FTP_RUN_AS", "1234:2345");
    copy_program(&setup.path("longshore"));
    let copy = setup.path("longshore").display().to_string();
    let server = setup.program(&["/usr/bin/setpriv", "--reuid=1234", "--regid=2345", "--clear-groups", &copy]).start();
    Client::login(server.address, "bob");
    assert!(status(&server, "Uid").iter().all(|line| line.starts_with("1234\t")));
}
