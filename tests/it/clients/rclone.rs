//! rclone: several sessions at once, MLSD, and times by MFMT. It is passive only, and resumes nothing over FTP.

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
    /// `:ftp,host=…:` on the fly.
    remote: String,
}

impl<'a> Rclone<'a> {
    fn new(server: &TestServer, desk: &'a Desk, password: &str, option: &str) -> Self {
        let obscured = desk.run("rclone", ["obscure", password]).succeeded().out;
        let (host, port, pass) = (server.address.ip(), server.address.port(), obscured.trim_end());
        // Of its own accord rclone would give names with a blank at the end another one.
        let remote = format!(":ftp,host={host},port={port},user=bob,pass={pass},encoding=Slash,{option}:");
        Self { desk, remote }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.remote)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let common = ["--config=", "--retries=1", "--low-level-retries=1", "--create-empty-src-dirs", "--dump=bodies"];
        // The flag for empty folders is known to these two only.
        let takes_folders = ["sync", "copy"].contains(&arguments[0]);
        self.desk.run("rclone", common.iter().filter(|flag| takes_folders || !flag.contains("empty")).chain(arguments))
    }
}

#[test]
fn syncs_and_checks_a_tree_in_each_way() {
    for (way, option) in WAYS {
        let (server, desk) = (TestServer::start(|_| {}), Desk::new());
        let rclone = Rclone::new(&server, &desk, "secret", option);
        tree::plant(&desk.path("source"), can);
        rclone.run(&["sync", "source", &rclone.at("up")]).succeeded();
        tree::assert_same(&desk.path("source"), &server.home("bob").join("up"));
        rclone.run(&["check", "--download", "source", &rclone.at("up")]).succeeded().said("0 differences found");
        rclone.run(&["sync", &rclone.at("up"), "back"]).succeeded();
        tree::assert_same(&desk.path("source"), &desk.path("back"));
        assert!(!way.is_empty());
    }
}
