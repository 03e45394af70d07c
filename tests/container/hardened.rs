//! Without rights, as anybody, on volumes of anybody: served as far as the file system allows, and never changed.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine::{ALICE, Container, SECRET, Volume, success};

/// Owner and mode of everything below a folder.
fn ownership(folder: &Path) -> BTreeMap<PathBuf, (u32, u32, u32)> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(path) = ahead.pop() {
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            ahead.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(path, (metadata.uid(), metadata.gid(), metadata.mode()));
    }
    found
}

fn own(path: &Path, uid: u32, gid: u32, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    chown(path, Some(uid), Some(gid)).expect("only root may give files away");
}

/// T75: no capability is needed, nor a root that can be written to.
#[test]
fn any_user_without_any_right_serves_a_fresh_volume() {
    let homes = Volume::new();
    let mount = homes.as_homes();
    let rights = ["--user", "12345:0", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
    let options = [&["-e", ALICE, "-e", SECRET, "-e", "FTP_ENABLE_ANONYMOUS=on", "-v", &mount], &rights[..]].concat();
    let container = Container::start(&options);
    assert_eq!(container.status("Uid"), "12345 12345 12345 12345");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(container.status(set), "0000000000000000", "{set}");
    }
    assert_eq!(container.status("NoNewPrivs"), "1");
    let mut client = container.alice();
    client.store("file", b"of a stranger");
    assert_eq!(client.retrieve("file"), b"of a stranger");
    client.ask("MKD folder", "257");
    client.ask("RNFR file", "350");
    client.ask("RNTO folder/file", "250");
    let mut anonymous = container.alice();
    anonymous.ask("USER anonymous", "331");
    anonymous.ask("PASS me@example.test", "230");
    let made = std::fs::metadata(homes.path().join("alice/folder/file")).unwrap();
    assert_eq!((made.uid(), made.gid()), (12345, 0));
    assert!(!container.said().contains("chown"), "{}", container.said());
}

#[test]
fn a_mount_of_somebody_else_is_served_read_only_until_its_owner_is_mended() {
    let outside = tempfile::tempdir().unwrap();
    let homes = outside.path().join("homes");
    let home = homes.join("alice");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("old"), b"from before").unwrap();
    std::fs::set_permissions(outside.path(), Permissions::from_mode(0o755)).unwrap();
    own(&home.join("old"), 4321, 4321, 0o644);
    own(&home, 4321, 4321, 0o755);
    own(&homes, 4321, 4321, 0o755);
    let before = ownership(&homes);

    let mount = format!("{}:/srv/ftp", homes.display());
    let container = Container::start(&["-e", ALICE, "-e", SECRET, "-v", &mount, "--read-only", "--cap-drop", "ALL"]);
    let mut client = container.alice();
    assert_eq!(client.retrieve("old"), b"from before");
    let mut data = client.open();
    client.ask("STOR new", "550");
    // A refused command leaves the data connection to the next one.
    client.ask("ABOR", "225");
    assert_eq!(crate::wire::until_end(&mut data), b"");

    let said = container.said();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("to mend it: ")).collect();
    let [line] = lines[..] else { panic!("{said}") };
    for part in ["/srv/ftp", "4321:4321", "755", "1000:1000"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let command = line.split("to mend it: ").nth(1).unwrap().split('"').next().unwrap();
    // It is about to be run as root.
    assert!(command.starts_with("chown -R 1000:1000 /"), "{command}");
    assert!(Path::new(command.rsplit(' ').next().unwrap()).starts_with(&homes), "{command}");
    assert_eq!(ownership(&homes), before);

    success(Command::new("sh").args(["-c", command]));
    client.store("new", b"allowed now");
    client.ask("DELE old", "250");
    assert_eq!(ownership(&home)[&home.join("new")].0, 1000);
}

#[test]
fn a_home_that_cannot_be_made_is_no_death() {
    let outside = tempfile::tempdir().unwrap();
    own(outside.path(), 4321, 4321, 0o755);
    let mount = format!("{}:/srv/ftp", outside.path().display());
    let options = ["-e", ALICE, "-e", SECRET, "-e", "FTP_ENABLE_ANONYMOUS=on", "-v", &mount];
    let container = Container::start(&options);
    let mut client = crate::wire::Client::connect(container.control());
    client.expect("220");
    client.ask("USER alice", "331");
    client.ask("PASS secret", "530");
    let said = container.said();
    assert!(said.contains(&format!("chown -R 1000:1000 {}", outside.path().display())), "{said}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn root_becomes_somebody_else_and_changes_nothing_that_is_there() {
    let outside = tempfile::tempdir().unwrap();
    let home = outside.path().join("alice");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("of root"), b"secret").unwrap();
    own(&home.join("of root"), 0, 0, 0o600);
    own(&home, 1000, 1000, 0o700);
    own(outside.path(), 0, 0, 0o755);
    let before = ownership(outside.path());

    let mount = format!("{}:/srv/ftp", outside.path().display());
    let options = ["--user", "0:0", "-e", "FTP_RUN_AS=1000:1000", "-e", ALICE, "-e", SECRET, "-v", &mount];
    let container = Container::start(&options);
    assert_eq!(container.status("Uid"), "1000 1000 1000 1000");
    assert_eq!(container.status("Gid"), "1000 1000 1000 1000");
    assert_eq!(container.status("Groups"), "");
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(container.status(set), "0000000000000000", "{set}");
    }
    let mut client = container.alice();
    client.store("upload", b"of alice");
    client.ask("MKD folder", "257");
    let mut data = client.open();
    client.ask("RETR of root", "550");
    // A refused command leaves the data connection to the next one.
    client.ask("ABOR", "225");
    assert_eq!(crate::wire::until_end(&mut data), b"");

    let mut after = ownership(outside.path());
    for made in ["upload", "folder"] {
        let (uid, gid, _) = after.remove(&home.join(made)).unwrap();
        assert_eq!((uid, gid), (1000, 1000), "{made}");
    }
    assert_eq!(after, before);
}

#[test]
fn only_root_can_become_somebody_else() {
    let container = Container::launch(&["-e", "FTP_RUN_AS=1001:1001", "-e", ALICE, "-e", SECRET]);
    assert_eq!(container.wait(), 1);
    assert!(container.said().contains("run_as: 1000:1000 cannot become 1001:1001"), "{}", container.said());
}
