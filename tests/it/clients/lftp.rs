//! lftp: mirrors with times, transfers in segments, resumes by REST before STOR.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::desk::{Desk, Ended};
use super::tree::{self, Half};
use crate::harness::{TestServer, set};

/// The ways to a data connection: the verb that lftp must have used, and the settings that make it.
const WAYS: [(&str, &str); 3] = [
    ("PASV", "set ftp:passive-mode on; set ftp:prefer-epsv off"),
    ("EPSV", "set ftp:passive-mode on; set ftp:prefer-epsv on"),
    // Over IPv4 lftp has no EPRT.
    ("PORT", "set ftp:passive-mode off"),
];

fn lftp(server: &TestServer, desk: &Desk, commands: &str) -> Ended {
    // Without tries and waits that would hide a refusal; everything said on the wire goes to standard error.
    let settings = "set net:max-retries 1; set net:timeout 20; set cmd:fail-exit on; debug 5";
    let script = format!("{settings}; open ftp://bob:secret@{}; {commands}", server.address);
    desk.run("lftp", ["--norc", "-c", &script])
}

#[test]
fn mirrors_a_tree_there_and_back_in_each_way() {
    for (way, settings) in WAYS {
        let (server, desk) = (TestServer::start(|_| {}), Desk::new());
        tree::plant(&desk.path("source"), |_| true);
        let commands = format!("{settings}; mirror --reverse source up; mirror up back");
        lftp(&server, &desk, &commands).succeeded().said(&format!("---> {way}"));
        tree::assert_same(&desk.path("source"), &server.home("bob").join("up"));
        tree::assert_same(&desk.path("source"), &desk.path("back"));
    }
}

/// A link is neither gone through by a mirror, which would have no end, nor by a removal, which would empty what it leads to.
#[test]
fn leaves_what_links_lead_to_alone() {
    for settings in ["set ftp:use-mlsd off", "set ftp:use-mlsd on"] {
        let (server, desk) = (TestServer::start(|_| {}), Desk::new());
        let home = server.home("bob");
        std::fs::create_dir_all(home.join("old")).unwrap();
        std::fs::create_dir_all(home.join("precious")).unwrap();
        std::fs::write(home.join("precious/file"), "content").unwrap();
        std::os::unix::fs::symlink(".", home.join("old/debian")).unwrap();
        std::os::unix::fs::symlink(".", home.join("old/ubuntu")).unwrap();
        std::os::unix::fs::symlink("../precious", home.join("old/link")).unwrap();
        lftp(&server, &desk, &format!("{settings}; mirror old here")).succeeded();
        assert!(!desk.path("here/debian/debian/debian").is_dir() || desk.path("here/debian").is_symlink());
        lftp(&server, &desk, &format!("{settings}; rm -r old")).succeeded();
        assert!(!home.join("old").exists(), "{settings}");
        assert_eq!(std::fs::read(home.join("precious/file")).unwrap(), b"content", "{settings}");
    }
}

#[test]
fn mirrors_side_by_side() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    tree::plant(&desk.path("source"), |_| true);
    lftp(&server, &desk, "mirror --parallel=6 --reverse source up; mirror --parallel=6 up back").succeeded();
    tree::assert_same(&desk.path("source"), &server.home("bob").join("up"));
    tree::assert_same(&desk.path("source"), &desk.path("back"));
}

fn seconds_of(path: &Path) -> u64 {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn mirrors_times_both_ways_and_only_what_is_new() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    std::fs::create_dir(desk.path("source")).unwrap();
    for (name, time) in [("old", 981_173_106), ("older", 86_399), ("in 2030", 1_900_000_001)] {
        let file = std::fs::File::create(desk.path("source").join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(time)).unwrap();
    }
    lftp(&server, &desk, "mirror --reverse source up; mirror up back").succeeded().said("---> MFMT 20010203040506 old");
    for (name, time) in [("old", 981_173_106), ("older", 86_399), ("in 2030", 1_900_000_001)] {
        assert_eq!(seconds_of(&server.home("bob").join("up").join(name)), time, "up/{name}");
        assert_eq!(seconds_of(&desk.path("back").join(name)), time, "back/{name}");
    }
    std::fs::write(desk.path("source/newer"), "text").unwrap();
    lftp(&server, &desk, "mirror --reverse --only-newer source up")
        .succeeded()
        .said("---> STOR newer")
        .did_not_say("---> STOR old");
}

#[test]
fn removes_what_is_gone_from_a_mirror() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    std::fs::create_dir_all(server.home("bob").join("up/gone/deeper")).unwrap();
    std::fs::write(server.home("bob").join("up/gone/deeper/file"), "text").unwrap();
    tree::plant(&desk.path("source"), |_| true);
    lftp(&server, &desk, "mirror --reverse --delete source up").succeeded();
    tree::assert_same(&desk.path("source"), &server.home("bob").join("up"));
}

#[test]
fn resumes_both_ways() {
    let (server, desk, half) = (TestServer::start(|_| {}), Desk::new(), Half::new());
    let (there, here) = (server.home("bob").join("file"), desk.path("file"));
    for (way, settings) in WAYS {
        for (command, verb, partial, whole) in [
            ("get -c file", "---> RETR file", &here, &there),
            ("put -c file", "---> STOR file", &there, &here),
            ("reput file", "---> STOR file", &there, &here),
        ] {
            std::fs::write(whole, &half.whole).unwrap();
            std::fs::write(partial, &half.part).unwrap();
            lftp(&server, &desk, &format!("{settings}; {command}"))
                .succeeded()
                .said(&format!("---> {way}"))
                .said("---> REST 123457")
                .said(verb);
            half.assert_resumed(partial);
        }
    }
}

#[test]
fn downloads_in_segments() {
    // Slow enough that the first segment is not over before the others begin.
    let (server, desk) = (TestServer::start(|settings| set(settings, "max_download", "2MiB")), Desk::new());
    let content = tree::bytes(3_000_000);
    std::fs::write(server.home("bob").join("file"), &content).unwrap();
    // The first connection asks for the whole file, and breaks off by ABOR where the second segment begins.
    lftp(&server, &desk, "set pget:min-chunk-size 100k; pget -n 4 file")
        .succeeded()
        .said("---> REST ")
        .said("---> ABOR");
    assert!(std::fs::read(desk.path("file")).unwrap() == content);
}

#[test]
fn makes_renames_lists_and_deletes() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let home = server.home("bob");
    std::fs::write(home.join("old name"), "text").unwrap();
    let commands = "mkdir -p a/b/c; mv 'old name' 'a/new name'; chmod 600 'a/new name'; ls a; cls a; find";
    lftp(&server, &desk, commands)
        .succeeded()
        .said("-rw-------")
        .said(" new name\n")
        .said("\na/new name\n")
        .said("./a/b/c/\n")
        .said("./a/new name\n");
    assert_eq!(std::fs::read(home.join("a/new name")).unwrap(), b"text");
    lftp(&server, &desk, "rm 'a/new name'; rmdir a/b/c; rm -r a").succeeded();
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 0);
}

#[test]
fn says_what_was_refused() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    lftp(&server, &desk, "user bob wrong; ls").failed(1).said("Login failed: 530 Authentication failed.");
    lftp(&server, &desk, "get missing").failed(1).said("Access failed: 550");
    lftp(&server, &desk, "cd missing").failed(1).said("Access failed: 550");
    lftp(&server, &desk, "user reader secret; mkdir folder")
        .failed(1)
        .said("Access failed: 550 Not enough privileges.");
}
