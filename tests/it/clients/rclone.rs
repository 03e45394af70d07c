//! rclone: several sessions at once, MLSD, and times by MFMT. It is passive only, and resumes nothing over FTP.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::desk::{Desk, Ended};
use super::tree;
use crate::harness::TestServer;

/// The ways to a data connection, and the option of the remote that makes them.
const WAYS: [(&str, &str); 2] = [("EPSV", "disable_epsv=false"), ("PASV", "disable_epsv=true")];

/// rclone's names are text: what is not UTF-8 it replaces.
fn can(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok()
}

struct Rclone<'a> {
    desk: &'a Desk,
    /// `:ftp,host=…:`, a remote without a configuration.
    remote: String,
}

impl<'a> Rclone<'a> {
    fn new(server: &TestServer, desk: &'a Desk, password: &str, option: &str) -> Self {
        let obscured = desk.run("rclone", ["obscure", password]).succeeded().out;
        let (host, port, pass) = (server.address.ip(), server.address.port(), obscured.trim_end());
        // Of its own accord rclone would give a name with a blank at its end another one.
        let remote = format!(":ftp,host={host},port={port},user=bob,pass={pass},encoding=Slash,{option}:");
        Self { desk, remote }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.remote)
    }

    fn run<'b>(&self, arguments: impl IntoIterator<Item = &'b str>) -> Ended {
        let common = ["--config=", "--retries=1", "--low-level-retries=1", "--timeout=20s", "--contimeout=20s"];
        self.desk.run("rclone", common.into_iter().chain(arguments))
    }

    fn sync(&self, from: &str, to: &str) -> Ended {
        // The protocol, and what was done with which file, go to standard error.
        self.run(["sync", "--create-empty-src-dirs", "-vv", "--dump=headers,auth", from, to])
    }
}

#[test]
fn syncs_and_checks_a_tree_in_each_way() {
    for (way, option) in WAYS {
        let (server, desk) = (TestServer::start(|_| {}), Desk::new());
        let rclone = Rclone::new(&server, &desk, "secret", option);
        tree::plant(&desk.path("source"), can);
        rclone.sync("source", &rclone.at("up")).succeeded().said(&format!("FTP Tx: \"{way}\""));
        tree::assert_same(&desk.path("source"), &server.home("bob").join("up"));
        rclone.run(["check", "--download", "source", &rclone.at("up")]).succeeded().said("0 differences found");
        rclone.sync(&rclone.at("up"), "back").succeeded().said(&format!("FTP Tx: \"{way}\""));
        tree::assert_same(&desk.path("source"), &desk.path("back"));
    }
}

fn make_file(path: &Path, content: &str, seconds: u64) {
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

fn seconds_of(path: &Path) -> u64 {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn keeps_times_and_sends_only_what_has_changed() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let rclone = Rclone::new(&server, &desk, "secret", WAYS[0].1);
    let up = server.home("bob").join("up");
    std::fs::create_dir(desk.path("source")).unwrap();
    make_file(&desk.path("source/old"), "text", 981_173_106);
    make_file(&desk.path("source/other"), "text", 86_399);
    rclone.sync("source", &rclone.at("up")).succeeded();
    assert_eq!([seconds_of(&up.join("old")), seconds_of(&up.join("other"))], [981_173_106, 86_399]);
    rclone.run(["lsl", &rclone.at("up")]).succeeded().said("2001-02-03 04:05:06.000000000 old\n");
    rclone.sync("source", &rclone.at("up")).succeeded().said("There was nothing to transfer");

    // The same size, another time: only the time tells.
    make_file(&desk.path("source/old"), "next", 981_173_107);
    std::fs::remove_file(desk.path("source/other")).unwrap();
    rclone.sync("source", &rclone.at("up")).succeeded().said("old: Copied (replaced existing)").said("other: Deleted");
    assert_eq!(std::fs::read(up.join("old")).unwrap(), b"next");
    assert!(!up.join("other").exists());

    rclone.sync(&rclone.at("up"), "back").succeeded();
    assert_eq!(seconds_of(&desk.path("back/old")), 981_173_107);
}

#[test]
fn makes_renames_lists_and_deletes() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let rclone = Rclone::new(&server, &desk, "secret", WAYS[0].1);
    let home = server.home("bob");
    std::fs::write(home.join("old name"), "text").unwrap();
    rclone.run(["mkdir", &rclone.at("a/b/c")]).succeeded();
    rclone.run(["moveto", &rclone.at("old name"), &rclone.at("a/new name")]).succeeded();
    assert_eq!(std::fs::read(home.join("a/new name")).unwrap(), b"text");
    assert_eq!(rclone.run(["cat", "--offset=1", "--count=2", &rclone.at("a/new name")]).succeeded().out, "ex");
    let listed = rclone.run(["lsf", "--recursive", &rclone.at("")]).succeeded().out;
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, ["a/", "a/b/", "a/b/c/", "a/new name"]);
    rclone.run(["deletefile", &rclone.at("a/new name")]).succeeded();
    rclone.run(["purge", &rclone.at("a")]).succeeded();
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 0);
}

#[test]
fn says_what_was_refused() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let rclone = Rclone::new(&server, &desk, "wrong", WAYS[0].1);
    rclone.run(["lsf", &rclone.at("")]).failed(1).said("530 Authentication failed.");
    let rclone = Rclone::new(&server, &desk, "secret", WAYS[0].1);
    // behaviour.md: with pyftpdlib's 501 in place of 550, rclone takes what is missing for a failure.
    rclone.run(["lsf", &rclone.at("missing")]).failed(3).said("directory not found");
}
