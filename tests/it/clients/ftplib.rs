//! Python's ftplib, which has been in every installation since 1994 and speaks MLSD, REST and ABOR. What it does stands
//! in `ftplib_deeds.py`.

use std::ffi::OsStr;

use super::desk::Desk;
use super::tree::{self, Half};
use crate::harness::{TestServer, set};

/// EPSV or PASV, EPRT or PORT: which of them ftplib takes depends on the address.
const MODES: [&str; 2] = ["passive", "active"];

fn ftplib(server: &TestServer, desk: &Desk, mode: &str, deed: &str, arguments: &[&OsStr]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clients/ftplib_deeds.py");
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let fixed = ["-I", "-B", script, host.as_str(), port.as_str(), mode, deed].map(OsStr::new);
    let ended = desk.run("python3", fixed.iter().chain(arguments));
    ended.succeeded().said(&format!("done: {deed}"));
}

#[test]
fn a_tree_there_and_back_in_both_modes_on_both_protocols() {
    for address in ["127.0.0.1", "::1"] {
        for mode in MODES {
            let (server, desk) = (TestServer::start(|settings| set(settings, "ip", address)), Desk::new());
            tree::plant(&desk.path("source"), |_| true);
            ftplib(&server, &desk, mode, "tree", &["source".as_ref(), "back".as_ref()]);
            tree::assert_same(&desk.path("source"), &server.home("bob").join("up"));
            tree::assert_same(&desk.path("source"), &desk.path("back"));
        }
    }
}

#[test]
fn resumes_both_ways_and_appends() {
    let (server, desk, half) = (TestServer::start(|_| {}), Desk::new(), Half::new());
    let (there, here) = (server.home("bob").join("file"), desk.path("file"));
    for mode in MODES {
        std::fs::write(&there, &half.whole).unwrap();
        std::fs::write(&here, &half.part).unwrap();
        ftplib(&server, &desk, mode, "resume_down", &[here.as_os_str()]);
        half.assert_resumed(&here);
        for deed in ["resume_up", "append"] {
            std::fs::write(&here, &half.whole).unwrap();
            std::fs::write(&there, &half.part).unwrap();
            ftplib(&server, &desk, mode, deed, &[here.as_os_str()]);
            half.assert_resumed(&there);
        }
    }
}

#[test]
fn makes_renames_lists_and_deletes() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    for mode in MODES {
        ftplib(&server, &desk, mode, "deeds", &[]);
        assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 0);
    }
}

#[test]
fn aborts_a_download_and_goes_on() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    // More than the buffers of both ends hold, so that the transfer is under way when ABOR comes.
    std::fs::write(server.home("bob").join("file"), tree::bytes(20_000_000)).unwrap();
    for mode in MODES {
        ftplib(&server, &desk, mode, "abort", &[]);
    }
}

#[test]
fn is_told_what_was_refused() {
    let (server, desk) = (TestServer::start(|_| {}), Desk::new());
    for mode in MODES {
        ftplib(&server, &desk, mode, "refused", &[]);
        ftplib(&server, &desk, mode, "wrong_password", &[]);
    }
}
