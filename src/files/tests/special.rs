//! FIFOs, sockets and devices are refused at once, not waited for.

use super::*;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::os::unix::net::UnixListener;

const OPENING: [&str; 4] = ["retrieve", "digest", "store", "append"];
const CHANGING_ATTRIBUTES: [&str; 2] = ["set_mode", "set_modified"];

/// Entering and listing are refused with another word.
fn assert_refused(home: &Home, name: &str, operations: &[&str]) {
    let all = || READING.into_iter().chain(CHANGING);
    for wanted in operations {
        let (operation, run) = all().find(|(operation, _)| operation == wanted).unwrap();
        let (home, path) = (home.clone(), path(name));
        let result = promptly(move || run(&home, &path));
        assert!(matches!(result, Err(FileError::NotRegular)), "{operation} of {name}: {result:?}");
    }
    let (home, path) = (home.clone(), path(name));
    let result = promptly(move || (home.list(&path).map(drop), home.change_directory(&path)));
    assert!(matches!(result, (Err(FileError::NotADirectory), Err(FileError::NotADirectory))), "{name}: {result:?}");
}

/// T50: nobody is waited for.
#[test]
fn fifos_and_sockets() {
    let ground = Ground::new();
    mkfifo(&ground.at("fifo"), Mode::S_IRWXU).unwrap();
    let _listener = UnixListener::bind(ground.at("socket")).unwrap();
    ground.link("to_fifo", "fifo");
    for name in ["fifo", "socket", "to_fifo"] {
        assert_refused(&ground.home, name, &OPENING);
        assert_refused(&ground.home, name, &CHANGING_ATTRIBUTES);
    }
    ground.home.delete(&path("fifo")).unwrap();
}

/// T50: a FIFO with somebody at the other end can be opened both ways, and is refused all the same.
#[test]
fn a_fifo_with_a_peer() {
    let ground = Ground::new();
    mkfifo(&ground.at("fifo"), Mode::S_IRWXU).unwrap();
    let _peer = fs::OpenOptions::new().read(true).write(true).open(ground.at("fifo")).unwrap();
    assert_refused(&ground.home, "fifo", &OPENING);
}

/// T50: these are the machine's own: nothing here may be able to change them, even if what is tested is broken.
#[test]
fn devices() {
    let home = Home::open(Path::new("/dev"), Permissions::ALL, MODES, Uploads::default()).unwrap();
    for name in ["null", "zero", "full"] {
        assert_refused(&home, name, &OPENING);
    }
}
