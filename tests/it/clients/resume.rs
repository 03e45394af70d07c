//! Clients that resume an upload. They ask SIZE, which tells the size of the file where there is one, and else how much of
//! the interrupted upload is kept. Resuming by an offset gives the whole new file; APPE, and an offset beyond what is kept,
//! are refused where an overwrite was interrupted, so that old and new bytes never join.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::desk::Desk;
use super::tree;
use crate::harness::TestServer;
use crate::wire::Client;

/// Bytes of the file that is there before: none, fewer than are kept of the interrupted upload, or more.
const OLDS: [Option<usize>; 3] = [None, Some(100_000), Some(900_000)];
const NEW: usize = 1_000_000;

struct Broken {
    server: TestServer,
    desk: Desk,
    old: Option<usize>,
    new: Vec<u8>,
}

impl Broken {
    fn new(old: Option<usize>) -> Self {
        let (server, desk, new) = (TestServer::start(|_| {}), Desk::new(), tree::bytes(NEW));
        std::fs::write(desk.path("file"), &new).unwrap();
        let broken = Self { server, desk, old, new };
        old.iter().for_each(|&old| std::fs::write(broken.there(), vec![b'o'; old]).unwrap());
        let mut bob = Client::login(broken.server.address, "bob");
        let mut data = bob.open();
        bob.ask("STOR file", "150");
        data.write_all(&broken.new[..NEW / 2]).unwrap();
        bob.await_moved(NEW / 2);
        socket2::SockRef::from(&data).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(data);
        bob.expect("426");
        broken.assert_old_stands();
        broken
    }

    /// What SIZE tells.
    fn size(&self) -> usize {
        self.old.unwrap_or(NEW / 2)
    }

    fn assert_old_stands(&self) {
        let found = std::fs::read(self.there()).ok();
        assert!(found == self.old.map(|old| vec![b'o'; old]), "what was there before is there");
    }

    fn there(&self) -> PathBuf {
        self.server.home("bob").join("file")
    }

    fn here(&self) -> PathBuf {
        self.desk.path("file")
    }

    fn assert_resumed(&self, what: &str) {
        let found = std::fs::read(self.there()).unwrap();
        assert!(found == self.new, "{what}: {} bytes, and not those of the source", found.len());
        assert_eq!(std::fs::read_dir(self.server.home("bob")).unwrap().count(), 1, "{what} leaves something hidden");
    }
}

#[test]
fn curl_continues_a_new_file_and_harms_no_old_one() {
    for old in OLDS {
        let broken = Broken::new(old);
        let url = format!("ftp://bob:secret@{}/file", broken.server.address);
        let arguments = ["-sSv", "-C", "-", "-T", "file", url.as_str()];
        let ended = broken.desk.run("curl", arguments);
        if old.is_none() {
            ended.succeeded().said("> APPE file");
            broken.assert_resumed("curl -C -");
        } else {
            ended.failed(25).said("> APPE file").said("< 550 An upload to this file was interrupted.");
            broken.assert_old_stands();
        }
    }
}

#[test]
fn lftp_continues() {
    for command in ["put -c file", "reput file"] {
        for old in OLDS {
            let broken = Broken::new(old);
            let address = broken.server.address;
            let script = format!(
                "set net:max-retries 1; set net:timeout 20; set cmd:fail-exit on; debug 5; \
                 open ftp://bob:secret@{address}; {command}"
            );
            let ended = broken.desk.run("lftp", ["--norc", "-c", script.as_str()]);
            let ended = ended.said(&format!("---> REST {}", broken.size()));
            let ended = ended.succeeded();
            if broken.size() > NEW / 2 {
                // It then sends all of it again.
                ended.said("<--- 554 ");
            }
            broken.assert_resumed(command);
        }
    }
}

#[test]
fn ftplib_continues() {
    for how in ["connection.storbinary('STOR file', source, rest=size)", "connection.storbinary('APPE file', source)"] {
        for old in OLDS {
            let broken = Broken::new(old);
            let address = broken.server.address;
            let script = format!(
                "import ftplib\nconnection = ftplib.FTP()\nconnection.connect('{}', {})\n\
                 connection.login('bob', 'secret')\nconnection.voidcmd('TYPE I')\nsize = connection.size('file')\n\
                 assert size == {}\nsource = open('{}', 'rb')\nsource.seek(size)\n{how}\n",
                address.ip(),
                address.port(),
                broken.size(),
                Path::display(&broken.here())
            );
            let ended = broken.desk.run("python3", ["-I", "-B", "-c", script.as_str()]);
            if old.is_none() || how.contains("rest") && broken.size() <= NEW / 2 {
                ended.succeeded();
                broken.assert_resumed(how);
            } else {
                ended.failed(1).said("ftplib.error_perm: 55");
                broken.assert_old_stands();
            }
        }
    }
}
