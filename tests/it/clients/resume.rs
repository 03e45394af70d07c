//! The trap of the blind resume: an overwrite breaks at half, and the client goes on where SIZE says. Were that the size
//! of the old file, the new end would be glued to the old beginning.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::desk::Desk;
use super::tree;
use crate::harness::TestServer;
use crate::wire::Client;

const OLD: usize = 100_000;
const NEW: usize = 1_000_000;

struct Broken {
    server: TestServer,
    desk: Desk,
    new: Vec<u8>,
}

impl Broken {
    fn new() -> Self {
        let (server, desk, new) = (TestServer::start(|_| {}), Desk::new(), tree::bytes(NEW));
        std::fs::write(desk.path("file"), &new).unwrap();
        let broken = Self { server, desk, new };
        std::fs::write(broken.there(), vec![b'o'; OLD]).unwrap();
        let mut bob = Client::login(broken.server.address, "bob");
        let mut data = bob.open();
        bob.ask("STOR file", "150");
        data.write_all(&broken.new[..NEW / 2]).unwrap();
        bob.await_moved(NEW / 2);
        socket2::SockRef::from(&data).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(data);
        bob.expect("426");
        assert_eq!(std::fs::read(broken.there()).unwrap(), vec![b'o'; OLD], "the old file stands");
        broken
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
fn curl_continues() {
    let broken = Broken::new();
    let url = format!("ftp://bob:secret@{}/file", broken.server.address);
    let arguments = ["-sSv", "-C", "-", "-T", "file", url.as_str()];
    broken.desk.run("curl", arguments).succeeded().said("> APPE file");
    broken.assert_resumed("curl -C -");
}

#[test]
fn lftp_continues() {
    for command in ["put -c file", "reput file"] {
        let broken = Broken::new();
        let address = broken.server.address;
        let script = format!(
            "set net:max-retries 1; set net:timeout 20; set cmd:fail-exit on; debug 5; \
             open ftp://bob:secret@{address}; {command}"
        );
        let ended = broken.desk.run("lftp", ["--norc", "-c", script.as_str()]).succeeded();
        ended.said(&format!("---> REST {}", NEW / 2));
        broken.assert_resumed(command);
    }
}

#[test]
fn ftplib_continues() {
    for how in ["connection.storbinary('STOR file', source, rest=size)", "connection.storbinary('APPE file', source)"] {
        let broken = Broken::new();
        let address = broken.server.address;
        let script = format!(
            "import ftplib\nconnection = ftplib.FTP()\nconnection.connect('{}', {})\n\
             connection.login('bob', 'secret')\nconnection.voidcmd('TYPE I')\nsize = connection.size('file')\n\
             source = open('{}', 'rb')\nsource.seek(size)\n{how}\n",
            address.ip(),
            address.port(),
            Path::display(&broken.here())
        );
        broken.desk.run("python3", ["-I", "-B", "-c", script.as_str()]).succeeded();
        broken.assert_resumed(how);
    }
}
