//! Files of other kinds: secrets in files, and volumes of Kubernetes.

use std::fs::{File, FileTimes, create_dir, remove_dir_all, rename, write};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use super::{RELOADED, gets_in, hang_up, hang_up_in_vain, put};
use crate::binary::Setup;

#[test]
fn secrets_in_files_are_followed_and_never_told() {
    let setup = Setup::new().file("secret/pass", "old password\n").file("secret/users", "carol first elr carol\n");
    let mut server = setup
        .variable("FTP_USER", "ann")
        .variable("FTP_PASS_FILE", "secret/pass")
        .variable("FTP_USERS_FILE", "")
        .start();
    assert!(gets_in(server.address, "ann", "old password"));
    put(&server, "secret/pass", "new password\n");
    let line = server.wait_for_line(RELOADED);
    assert!(line.contains("\"settings\":\"pass\"") && line.contains("\"users_changed\":1"), "{line}");
    assert!(gets_in(server.address, "ann", "new password") && !gets_in(server.address, "ann", "old password"));
    put(&server, "secret/pass", "");
    hang_up_in_vain(&mut server, "found");
    std::fs::remove_file(server.folder().join("secret/pass")).unwrap();
    hang_up_in_vain(&mut server, "FTP_PASS_FILE: ");
    assert!(gets_in(server.address, "ann", "new password"));
    put(&server, "secret/pass", "third password");
    hang_up(&mut server);
    assert!(gets_in(server.address, "ann", "third password"));
    let ended = server.end();
    let told = ended.lines.join("\n") + &ended.complaints;
    assert!(!["old", "new", "third"].iter().any(|word| told.contains(&format!("{word} password"))), "{told}");
}

/// As the kubelet does it: the file is a link through a folder, which is another one in one step. Nothing but that tells
/// one content from the other.
#[test]
fn a_volume_of_kubernetes_is_followed() {
    let setup = Setup::new();
    let path = |name: &str| setup.path("conf").join(name);
    let then = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    for (folder, password) in [("..one", "secret"), ("..two", "SECRET")] {
        create_dir(path(folder)).unwrap();
        let file = path(folder).join("users.conf");
        write(&file, format!("bob {password} elr bob\n")).unwrap();
        File::options().write(true).open(&file).unwrap().set_times(then).unwrap();
    }
    std::fs::remove_file(path("users.conf")).unwrap();
    symlink("..one", path("..data")).unwrap();
    symlink("..data/users.conf", path("users.conf")).unwrap();
    let mut server = setup.start();
    assert!(gets_in(server.address, "bob", "secret"));
    let conf = server.folder().join("conf");
    symlink("..two", conf.join("..data_tmp")).unwrap();
    rename(conf.join("..data_tmp"), conf.join("..data")).unwrap();
    remove_dir_all(conf.join("..one")).unwrap();
    server.wait_for_line(RELOADED);
    assert!(gets_in(server.address, "bob", "SECRET") && !gets_in(server.address, "bob", "secret"));
    server.end();
}
