//! tnftp, the `ftp` of the BSDs and of Debian: commands one by one, many files by `mput` and `mget` with NLST. It goes
//! into no folder by itself.

use super::desk::{Desk, Ended};
use super::tree::{self, Half};
use crate::harness::TestServer;

/// The ways to a data connection: the verb that must have been used, the flag, and the command that make it.
const WAYS: [(&str, &str, &str); 4] =
    [("EPSV", "-p", ""), ("PASV", "-p", "epsv4"), ("EPRT", "-A", ""), ("PORT", "-A", "epsv4")];

fn tnftp(server: &TestServer, desk: &Desk, flags: &[&str], user: &str, commands: &str) -> Ended {
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let common =
        ["-n", "-i", "-v", "-d"].into_iter().chain(flags.iter().copied()).chain([host.as_str(), port.as_str()]);
    // Its exit code tells nothing: it is that of `quit`.
    desk.run_fed("tnftp", common, &format!("user {user}\nbinary\n{commands}\nquit\n")).succeeded()
}

#[test]
fn files_there_and_back_in_each_way() {
    for (way, flag, command) in WAYS {
        let (server, desk) = (TestServer::start(|_| {}), Desk::new());
        tree::plant_files(&desk.path("source"), |_| true);
        std::fs::create_dir(desk.path("back")).unwrap();
        let commands = "mkdir up\ncd up\nlcd source\nmput *\nput .hidden\nlcd ../back\nmget *\nget .hidden";
        tnftp(&server, &desk, &[flag], "bob secret", &format!("{command}\n{commands}")).said(&format!("---> {way}"));
        tree::assert_same(&desk.path("source"), &server.home("bob").join("up"));
        tree::assert_same(&desk.path("source"), &desk.path("back"));
    }
}

#[test]
fn resumes_both_ways() {
    let (server, desk, half) = (TestServer::start(|_| {}), Desk::new(), Half::new());
    let (there, here) = (server.home("bob").join("file"), desk.path("file"));
    for (way, flag, command) in WAYS {
        for (resume, partial, whole) in [("reget file", &here, &there), ("restart 123457\nput file", &there, &here)] {
            std::fs::write(whole, &half.whole).unwrap();
            std::fs::write(partial, &half.part).unwrap();
            tnftp(&server, &desk, &[flag], "bob secret", &format!("{command}\n{resume}"))
                .said(&format!("---> {way}"))
                .said("---> REST 123457");
            half.assert_resumed(partial);
        }
    }
}

#[test]
fn appends() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let there = server.home("bob").join("file");
    std::fs::write(&there, "one ").unwrap();
    std::fs::write(desk.path("more"), "two").unwrap();
    tnftp(&server, &desk, &[], "bob secret", "append more file");
    assert_eq!(std::fs::read(there).unwrap(), b"one two");
}

#[test]
fn makes_renames_lists_and_deletes() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let home = server.home("bob");
    for name in ["old name", "other", "third"] {
        std::fs::write(home.join(name), "text").unwrap();
    }
    let file = std::fs::File::options().write(true).open(home.join("other")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(981_173_106)).unwrap();
    let commands = "mkdir \"a folder\"\nrename \"old name\" \"a folder/new name\"\nsize other\nmodtime other\n\
                    ls \"a folder\"\ncd \"a folder\"\npwd\ncdup\nmdelete o* t*";
    tnftp(&server, &desk, &[], "bob secret", commands)
        .said("-rw-r--r--")
        .said(" new name\n")
        .said("other\t4")
        .said("Sat, 03 Feb 2001 04:05:06 +0000")
        .said("Remote directory: /a folder");
    assert_eq!(std::fs::read(home.join("a folder/new name")).unwrap(), b"text");
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 1);
    tnftp(&server, &desk, &[], "bob secret", "delete \"a folder/new name\"\nrmdir \"a folder\"");
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0);
}

#[test]
fn fetches_and_stores_by_url() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    std::fs::write(desk.path("file"), "text").unwrap();
    let url = |path: &str| format!("ftp://bob:secret@{}/{path}", server.address);
    // It leaves the escapes of a URL that it stores to as they are.
    desk.run("tnftp", ["-u", &url("plain.txt"), "file"]).succeeded();
    assert_eq!(std::fs::read(server.home("bob").join("plain.txt")).unwrap(), b"text");
    std::fs::rename(server.home("bob").join("plain.txt"), server.home("bob").join("100%41 .txt")).unwrap();
    desk.run("tnftp", ["-o", "back", &url("100%2541%20.txt")]).succeeded();
    assert_eq!(std::fs::read(desk.path("back")).unwrap(), b"text");
}

#[test]
fn says_what_was_refused() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    tnftp(&server, &desk, &[], "bob wrong", "pwd").said("530 Authentication failed.").said("Login failed.");
    tnftp(&server, &desk, &[], "bob secret", "get missing").said("550 No such file or directory.");
    let missing = format!("ftp://bob:secret@{}/missing", server.address);
    desk.run("tnftp", ["-o", "back", &missing]).failed(1).said("No such file or directory");
}
