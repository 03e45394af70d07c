//! ncftpput, ncftpget and ncftpls: recursive, over PASV or PORT only. Apart from raw commands they can neither rename
//! nor delete.

use std::ffi::OsStr;
use std::time::{Duration, SystemTime};

use super::desk::{Desk, Ended};
use super::tree::{self, Half};
use crate::harness::TestServer;

/// The ways to a data connection: the verb that must have been used, and the flag that makes it.
const WAYS: [(&str, &str); 2] = [("PASV", "-F"), ("PORT", "-E")];

fn ncftp(program: &str, server: &TestServer, desk: &Desk, flags: &[&str], rest: &[&str]) -> Ended {
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    // No meters, one try, and what is said on the wire on standard output.
    let common = ["-V", "-r", "0", "-d", "stdout", "-u", "bob", "-P", &port];
    let flags = common.iter().chain(flags).map(OsStr::new);
    desk.run(program, flags.chain([OsStr::new(&host)]).chain(rest.iter().map(OsStr::new)))
}

#[test]
fn a_tree_there_and_back_in_each_way() {
    for (way, flag) in WAYS {
        let (server, desk) = (TestServer::start(|_| {}), Desk::new());
        tree::plant(&desk.path("source"), |_| true);
        let flags = ["-p", "secret", "-R", flag];
        let making = [&flags[..], &["-m"]].concat();
        ncftp("ncftpput", &server, &desk, &making, &["up", "source"]).succeeded().said(&format!("Cmd: {way}"));
        tree::assert_same(&desk.path("source"), &server.home("bob").join("up/source"));
        std::fs::create_dir(desk.path("back")).unwrap();
        // Without -T it would ask for source.tar first, which some servers make as they go.
        let plain = [&flags[..], &["-T"]].concat();
        ncftp("ncftpget", &server, &desk, &plain, &["back", "up/source"]).succeeded().said(&format!("Cmd: {way}"));
        tree::assert_same(&desk.path("source"), &desk.path("back/source"));
    }
}

#[test]
fn resumes_both_ways() {
    let (server, desk, half) = (TestServer::start(|_| {}), Desk::new(), Half::new());
    let (there, here) = (server.home("bob").join("file"), desk.path("file"));
    for (_, flag) in WAYS {
        std::fs::write(&there, &half.whole).unwrap();
        std::fs::write(&here, &half.part).unwrap();
        // Were it older here than there, it would be taken for a part of another file and fetched anew.
        ncftp("ncftpget", &server, &desk, &["-p", "secret", flag], &[".", "file"]).succeeded().said("Cmd: REST 123457");
        half.assert_resumed(&here);

        std::fs::write(&here, &half.whole).unwrap();
        std::fs::write(&there, &half.part).unwrap();
        // With sendfile ncftp 3.2.6 sends a resumed upload from its beginning.
        ncftp("ncftpput", &server, &desk, &["-p", "secret", "-z", "-s", flag], &["/", "file"])
            .succeeded()
            .said("Cmd: REST 123457");
        half.assert_resumed(&there);
    }
}

#[test]
fn keeps_times_and_sends_raw_commands() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    let file = std::fs::File::create(desk.path("file")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(981_173_106)).unwrap();
    let raw = ["-p", "secret", "-W", "MKD folder", "-Y", "RNFR file", "-Y", "RNTO folder/new name"];
    ncftp("ncftpput", &server, &desk, &raw, &["/", "file"]).succeeded().said("Cmd: MFMT 20010203040506 file");
    let moved = server.home("bob").join("folder/new name");
    let modified = std::fs::metadata(moved).unwrap().modified().unwrap();
    assert_eq!(modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), 981_173_106);
}

#[test]
fn lists_both_ways() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    std::fs::write(server.home("bob").join("a name"), "text").unwrap();
    let url = format!("ftp://bob:secret@{}/", server.address);
    for (_, flag) in WAYS {
        desk.run("ncftpls", ["-r", "0", flag, "-1", &url]).succeeded().said("a name\n");
        desk.run("ncftpls", ["-r", "0", flag, "-l", &url]).succeeded().said("-rw-r--r--").said(" a name\n");
    }
}

#[test]
fn says_what_was_refused() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    ncftp("ncftpget", &server, &desk, &["-p", "wrong"], &[".", "file"])
        .failed(1)
        .said("username and/or password was not accepted for login");
    ncftp("ncftpget", &server, &desk, &["-p", "secret"], &[".", "missing"])
        .failed(3)
        .said("server said: No such file or directory");
}
