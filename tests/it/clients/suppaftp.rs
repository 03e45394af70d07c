//! suppaftp, a client from Rust, by its calls: both kinds of passive, active, and listings by its own parser.

use std::io::{Cursor, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use suppaftp::list::ListParser;
use suppaftp::types::FileType;
use suppaftp::{Encoding, FtpError, FtpStream, Mode, Status};

use super::desk::Desk;
use super::tree::{self, Half};
use crate::harness::{TestServer, set};

const WAYS: [Mode; 3] = [Mode::Passive, Mode::ExtendedPassive, Mode::Active];

/// Bytes as they are, each a character: names need not be UTF-8.
#[derive(Debug)]
struct Latin1;

impl Encoding for Latin1 {
    fn decode(&self, bytes: &[u8]) -> String {
        bytes.iter().map(|byte| char::from(*byte)).collect()
    }

    fn encode(&self, text: &str) -> std::io::Result<Vec<u8>> {
        text.chars().map(|c| u8::try_from(u32::from(c)).map_err(std::io::Error::other)).collect()
    }
}

fn name_of(path: &Path) -> String {
    Latin1.decode(path.as_os_str().as_bytes())
}

fn path_of(name: &str) -> PathBuf {
    std::ffi::OsString::from_vec(Latin1.encode(name).unwrap()).into()
}

fn log_in(server: &TestServer, mode: Mode) -> FtpStream {
    let mut client = FtpStream::connect(server.address).unwrap();
    client.set_mode(mode);
    client.set_encoding(Latin1);
    client.login("bob", "secret").unwrap();
    client.transfer_type(FileType::Binary).unwrap();
    client
}

fn put_tree(client: &mut FtpStream, here: &Path, there: &str) {
    client.mkdir(there).unwrap();
    for entry in std::fs::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        let remote = format!("{there}/{}", name_of(Path::new(path.file_name().unwrap())));
        if path.is_dir() {
            put_tree(client, &path, &remote);
        } else {
            client.put_file(&remote, &mut std::fs::File::open(&path).unwrap()).unwrap();
        }
    }
}

fn get_tree(client: &mut FtpStream, there: &str, here: &Path) {
    std::fs::create_dir(here).unwrap();
    for line in client.mlsd(Some(there)).unwrap() {
        let (facts, name) = line.split_once(' ').unwrap();
        let (remote, path) = (format!("{there}/{name}"), here.join(path_of(name)));
        if facts.contains("type=dir;") {
            get_tree(client, &remote, &path);
        } else if facts.contains("type=file;") {
            let content = client.retr_as_buffer(&remote).unwrap().into_inner();
            assert_eq!(client.size(&remote).unwrap(), content.len());
            std::fs::write(path, content).unwrap();
        }
    }
}

#[test]
fn a_tree_there_and_back_in_each_way() {
    for mode in WAYS {
        let (server, desk) = (TestServer::start(|_| {}), Desk::new());
        tree::plant(&desk.path("source"), |_| true);
        let mut client = log_in(&server, mode);
        put_tree(&mut client, &desk.path("source"), "/up");
        tree::assert_same(&desk.path("source"), &server.home("bob").join("up"));
        get_tree(&mut client, "/up", &desk.path("back"));
        tree::assert_same(&desk.path("source"), &desk.path("back"));
        client.quit().unwrap();
    }
}

#[test]
fn both_ways_over_ipv6() {
    for mode in [Mode::ExtendedPassive, Mode::Active] {
        let server = TestServer::start(|settings| set(settings, "ip", "::1"));
        let mut client = log_in(&server, mode);
        client.put_file("file", &mut Cursor::new("text")).unwrap();
        assert_eq!(client.retr_as_buffer("file").unwrap().into_inner(), b"text");
    }
}

#[test]
fn resumes_both_ways_and_appends() {
    let (server, half) = (TestServer::start(|_| {}), Half::new());
    let there = server.home("bob").join("file");
    for mode in WAYS {
        let mut client = log_in(&server, mode);
        let at = half.part.len();

        std::fs::write(&there, &half.whole).unwrap();
        client.resume_transfer(at).unwrap();
        assert!(client.retr_as_buffer("file").unwrap().into_inner() == half.whole[at..]);

        std::fs::write(&there, &half.part).unwrap();
        client.resume_transfer(at).unwrap();
        client.put_file("file", &mut &half.whole[at..]).unwrap();
        half.assert_resumed(&there);

        std::fs::write(&there, &half.part).unwrap();
        client.append_file("file", &mut &half.whole[at..]).unwrap();
        half.assert_resumed(&there);
    }
}

#[test]
fn listings_parse() {
    let (server, mut home_files) = (TestServer::start(|_| {}), Vec::new());
    let home = server.home("bob");
    std::fs::create_dir(home.join("a folder")).unwrap();
    std::fs::write(home.join("a file"), "12345").unwrap();
    let mut client = log_in(&server, Mode::Passive);
    for line in client.list(None).unwrap() {
        let file = ListParser::parse_posix(&line).unwrap();
        home_files.push((file.name().to_owned(), file.is_directory(), file.size()));
    }
    home_files.sort();
    let folder_size = home_files[1].2;
    assert_eq!(home_files, [("a file".to_owned(), false, 5), ("a folder".to_owned(), true, folder_size)]);

    let lines = client.mlsd(None).unwrap();
    let found = lines.iter().map(|line| ListParser::parse_mlsd(line).unwrap()).find(|file| file.name() == "a file");
    let found = found.unwrap();
    assert!(found.is_file());
    assert_eq!(found.size(), 5);
    assert_eq!(found.modified(), whole_seconds(&home.join("a file")));
    let mut names = client.nlst(None).unwrap();
    names.sort();
    assert_eq!(names, ["a file", "a folder"]);
}

fn whole_seconds(path: &Path) -> std::time::SystemTime {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    std::time::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}

#[test]
fn makes_renames_deletes_and_aborts() {
    let server = TestServer::start(|_| {});
    let home = server.home("bob");
    std::fs::write(home.join("old name"), tree::bytes(20_000_000)).unwrap();
    for mode in WAYS {
        let mut client = log_in(&server, mode);
        client.mkdir("a folder").unwrap();
        client.cwd("a folder").unwrap();
        assert_eq!(client.pwd().unwrap(), "/a folder");
        client.rename("/old name", "new name").unwrap();
        let mut transfer = client.retr_as_stream("new name").unwrap();
        transfer.read_exact(&mut [0; 1000]).unwrap();
        assert_aborted(client.abort(transfer));
        client.rename("new name", "/old name").unwrap();
        client.cdup().unwrap();
        client.rmdir("a folder").unwrap();
        assert_eq!(client.nlst(None).unwrap(), ["old name"]);
    }
    log_in(&server, Mode::Passive).rm("old name").unwrap();
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 0);
}

/// It breaks off the data connection in the same breath. When the server learns of that first, the transfer has ended by
/// itself with 426, and there is nothing left to abort: 225, as pyftpdlib says, which suppaftp does not expect. Either
/// way both replies are read, and the session goes on.
#[track_caller]
fn assert_aborted(result: Result<(), FtpError>) {
    if result.is_err() {
        assert_refused(result, Status::DataConnectionOpen, "225 No transfer to abort.");
    }
}

#[track_caller]
fn assert_refused<T>(result: Result<T, FtpError>, status: Status, words: &str) {
    match result {
        Err(FtpError::UnexpectedResponse(response)) => {
            assert_eq!(response.status, status);
            assert!(String::from_utf8_lossy(&response.body).contains(words), "{response}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("not refused"),
    }
}

#[test]
fn is_told_what_was_refused() {
    let server = TestServer::start(|_| {});
    let mut client = FtpStream::connect(server.address).unwrap();
    assert_refused(client.login("bob", "wrong"), Status::NotLoggedIn, "530 Authentication failed.");
    client.login("bob", "secret").unwrap();
    assert_refused(client.retr_as_buffer("missing"), Status::FileUnavailable, "550 No such file or directory.");
    assert_refused(client.cwd("missing"), Status::FileUnavailable, "550 No such file or directory.");
}
