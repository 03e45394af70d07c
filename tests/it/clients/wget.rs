//! wget, which finds its way by reading LIST. It only downloads.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::desk::{Desk, Ended};
use super::tree::{self, Half};
use crate::harness::TestServer;

/// The ways to a data connection. Over IPv4 wget has neither EPSV nor EPRT.
const WAYS: [(&str, &str); 2] = [("PASV", "--passive-ftp"), ("PORT", "--no-passive-ftp")];

/// wget drops the blanks before a name in a listing, and reads `%41` of a name as `A`.
fn can(name: &[u8]) -> bool {
    !name.starts_with(b" ") && !name.windows(3).any(|three| three == b"%41")
}

fn wget(server: &TestServer, desk: &Desk, flags: &[&str], user: &str, path: &str) -> Ended {
    let url = format!("ftp://{user}@{}/{path}", server.address);
    let common = ["--no-config", "--no-verbose", "--debug", "--tries=1", "--timeout=20", "--no-host-directories"];
    desk.run("wget", common.iter().chain(flags).chain([&url.as_str()]))
}

#[test]
fn mirrors_a_tree_in_each_way() {
    for (way, flag) in WAYS {
        let (server, desk) = (TestServer::start(|_| {}), Desk::new());
        tree::plant(&server.home("bob").join("tree"), can);
        let flags = [flag, "--recursive", "--restrict-file-names=nocontrol"];
        wget(&server, &desk, &flags, "bob:secret", "tree/").succeeded().said(&format!("--> {way}"));
        tree::assert_same(&server.home("bob").join("tree"), &desk.path("tree"));
    }
}

fn make_file(path: &Path, seconds: u64) {
    let file = std::fs::File::create(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

#[test]
fn takes_times_from_the_listing_and_only_what_is_new() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let home = server.home("bob");
    make_file(&home.join("old"), 981_173_106);
    let mirror = || wget(&server, &desk, &["--mirror"], "bob:secret", "").succeeded();
    mirror().said("--> RETR old");
    let modified = std::fs::metadata(desk.path("old")).unwrap().modified().unwrap();
    // LIST has no time of day for a file of another year.
    assert_eq!(modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400, 981_173_106 / 86_400);
    mirror().did_not_say("--> RETR old");
}

#[test]
fn resumes() {
    let (server, desk, half) = (TestServer::start(|_| {}), Desk::new(), Half::new());
    std::fs::write(server.home("bob").join("file"), &half.whole).unwrap();
    for (way, flag) in WAYS {
        std::fs::write(desk.path("file"), &half.part).unwrap();
        wget(&server, &desk, &[flag, "--continue"], "bob:secret", "file")
            .succeeded()
            .said(&format!("--> {way}"))
            .said("--> REST 123457");
        half.assert_resumed(&desk.path("file"));
    }
}

#[test]
fn picks_by_a_pattern() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    for name in ["one.txt", "two.txt", "three.bin"] {
        std::fs::write(server.home("bob").join(name), name).unwrap();
    }
    wget(&server, &desk, &[], "bob:secret", "*.txt").succeeded();
    assert_eq!(std::fs::read(desk.path("one.txt")).unwrap(), b"one.txt");
    assert_eq!(std::fs::read(desk.path("two.txt")).unwrap(), b"two.txt");
    assert!(!desk.path("three.bin").exists());
}

#[test]
fn says_what_was_refused() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    wget(&server, &desk, &[], "bob:wrong", "file").failed(6).said("530 Authentication failed.");
    wget(&server, &desk, &[], "bob:secret", "missing").failed(8).said("No such file");
    wget(&server, &desk, &[], "bob:secret", "missing/file").failed(8).said("No such directory");
}
