//! lftp, by GnuTLS: mirrors both ways, passive and active.

use super::super::desk::Ended;
use super::super::tree;
use super::{Ground, KINDS, Kind, REUSES};

/// The ways to a data connection: the verb that lftp must have used, and the settings that make it.
const WAYS: [(&str, &str); 2] = [("PASV", "set ftp:passive-mode on"), ("PORT", "set ftp:passive-mode off")];

fn lftp(ground: &Ground, kind: Kind, commands: &str) -> Ended {
    let (scheme, force) = match kind {
        Kind::Explicit => ("ftp", "set ftp:ssl-force on; set ftp:ssl-protect-data on;"),
        Kind::Implicit => ("ftps", ""),
    };
    let settings = "set net:max-retries 1; set net:timeout 20; set cmd:fail-exit on; set ssl:ca-file ca.pem; debug 5";
    let open = format!("open {scheme}://bob:secret@{}", ground.address(kind));
    ground.desk.run("lftp", ["--norc", "-c", &format!("{settings}; {force} {open}; {commands}")])
}

#[test]
fn mirrors_there_and_back_with_each_kind() {
    let ground = Ground::new("require");
    tree::plant(&ground.desk.path("source"), |_| true);
    for (kind, (way, settings)) in KINDS.into_iter().zip(WAYS) {
        let commands = format!("{settings}; mirror --reverse source up; mirror up back");
        lftp(&ground, kind, &commands).succeeded().said(&format!("---> {way}"));
        for there in [ground.server.home("bob").join("up"), ground.desk.path("back")] {
            tree::assert_same(&ground.desk.path("source"), &there);
            std::fs::remove_dir_all(there).unwrap();
        }
    }
}

#[test]
fn puts_gets_and_lists_with_each_reuse_kind_and_way() {
    let content = tree::bytes(300_000);
    for reuse in REUSES {
        let ground = Ground::new(reuse);
        std::fs::write(ground.desk.path("file"), &content).unwrap();
        for kind in KINDS {
            for (way, settings) in WAYS {
                let commands = format!("{settings}; put file; cls; get file -o back; rm file");
                let ended = lftp(&ground, kind, &commands).succeeded().said(&format!("---> {way}"));
                assert_eq!(ended.out, "file\n");
                assert!(std::fs::read(ground.desk.path("back")).unwrap() == content);
                std::fs::remove_file(ground.desk.path("back")).unwrap();
            }
        }
    }
}

#[test]
fn is_told_when_it_does_not_resume_where_it_must() {
    let ground = Ground::new("require");
    for kind in KINDS {
        let ended = lftp(&ground, kind, "set ftp:ssl-copy-sid off; cls");
        ended.failed(1).said("Access failed: 522 The data connection must resume the TLS session");
    }
}

#[test]
fn does_not_speak_to_a_server_of_another_authority() {
    let ground = Ground::new("prefer");
    for kind in KINDS {
        lftp(&ground, kind, "cls").succeeded();
        let ended = lftp(&ground, kind, "set ssl:ca-file other.pem; cls");
        ended.failed(1).said("Certificate verification").did_not_say("---> PASS");
    }
}

#[test]
fn is_told_to_use_tls() {
    let ground = Ground::new("prefer");
    let script = format!("set ftp:ssl-allow off; open ftp://bob:secret@{}; cls", ground.server.address);
    ground.desk.run("lftp", ["--norc", "-c", &script]).failed(1).said("530 Use AUTH TLS first");
}
