//! T46: no string that names a file leads out of the home, in any command that takes a path.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::{DENIALS, setup};
use crate::wire::{Client, all_of};

/// A size that no other file has, to be known by in any reply.
const CANARY: usize = 8_675_309;

const BEGINNINGS: [&[u8]; 8] = [b"", b"/", b"//", b"./", b"/./", b"directory/", b"missing/", b"file/"];

/// Ways to say `../`. What they have in common is that somebody's server took them for it.
const UPWARDS: [&[u8]; 18] = [
    b"../",
    b"..//",
    b".././",
    b"./../",
    b"..\\",
    b"..\\/",
    b"%2e%2e/",
    b"%2e%2e%2f",
    b"..%252f",
    b"..%c0%af",
    b"\xc0\xae\xc0\xae/",
    b"..\xc0\xaf",
    b"....//",
    b"..;/",
    b".. /",
    b"~/../",
    b"directory/../../",
    b"..\x01/",
];
const DEPTHS: [usize; 2] = [1, 3];
const ENDS: [&[u8]; 2] = [b"outside/canary", b"outside/./"];

/// All of these end outside the home, where the canary is, or are odd names in it. None names another file of the machine:
/// a broken jail may not harm it.
fn hostile(outside: &Path) -> Vec<Vec<u8>> {
    let real = outside.to_str().unwrap();
    let mut all: Vec<Vec<u8>> =
        [format!("{real}/canary"), format!("/{real}/canary"), format!("..{real}/canary"), format!("~{real}/canary")]
            .map(String::into_bytes)
            .into();
    all.push([b"../".repeat(300), b"outside/canary".to_vec()].concat());
    all.push([b"directory/../".repeat(150), b"../outside/canary".to_vec()].concat());
    for beginning in BEGINNINGS {
        for upwards in UPWARDS {
            for depth in DEPTHS {
                for end in ENDS {
                    all.push([beginning, &upwards.repeat(depth), end].concat());
                }
            }
        }
    }
    all
}

const CONTROL: [&str; 16] = [
    "CWD ?",
    "SIZE ?",
    "MDTM ?",
    "MLST ?",
    "STAT ?",
    "HASH ?",
    "XCRC ?",
    "AVBL ?",
    "SITE CHMOD 600 ?",
    "MFMT 19991231235959 ?",
    "MDTM 19991231235959 ?",
    "SITE UTIME 19991231235959 ?",
    "MKD ?",
    "RNFR ?",
    "DELE ?",
    "RMD ?",
];
const DATA: [&str; 8] = ["RETR ?", "LIST ?", "NLST ?", "MLSD ?", "STOR ?", "APPE ?", "STOU ?", "NLST ?*"];

fn line(verb: &str, name: &[u8]) -> Vec<u8> {
    let (before, after) = verb.split_once('?').unwrap();
    [before.as_bytes(), name, after.as_bytes(), b"\r\n"].concat()
}

fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    for path in [folder.to_owned(), folder.join("canary")] {
        let found = path.metadata().unwrap();
        let content = if found.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        seen.insert(path, (found.mode(), found.mtime(), found.mtime_nsec(), content));
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
    seen
}

/// Tries every so many of the strings.
fn try_all(denial: Option<Errno>, every: usize) -> usize {
    let server = setup(denial).start();
    let home = server.folder().join("home/bob");
    // Where one step up from the home leads, and where three do.
    let outside = [server.folder().join("home/outside"), server.folder().join("outside")];
    for folder in &outside {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("canary"), vec![b'!'; CANARY]).unwrap();
    }
    std::fs::create_dir(home.join("directory")).unwrap();
    std::fs::write(home.join("file"), "mine").unwrap();
    let before = outside.each_ref().map(|folder| snapshot(folder));
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    for folder in &outside {
        watch.add_watch(folder, AddWatchFlags::IN_ALL_EVENTS).unwrap();
    }

    let mut client = Client::login(server.address, "bob");
    let canary = CANARY.to_string();
    let mut tried = 0;
    for name in hostile(&outside[0]).iter().step_by(every) {
        let what = |verb: &str| format!("{verb} of {}", name.escape_ascii());
        // All in one go, with a good one here and there: many bad ones in a row would end the session.
        let commands: Vec<Vec<u8>> = CONTROL.iter().map(|verb| line(verb, name)).collect();
        client
            .stream()
            .write_all(&commands.chunks(8).map(<[_]>::concat).collect::<Vec<_>>().join(&b"CWD /\r\n"[..]))
            .unwrap();
        client.stream().write_all(b"CWD /\r\n").unwrap();
        for verbs in CONTROL.chunks(8) {
            for verb in verbs {
                let reply = client.reply();
                assert!(!reply.contains(&canary), "{}: {reply}", what(verb));
            }
            client.expect("250");
        }
        for verb in DATA {
            let address = client.pasv();
            client.stream().write_all(&line(verb, name)).unwrap();
            let reply = client.reply();
            if reply.starts_with("150") {
                let mut data = client.data(address);
                if verb.starts_with("STO") || verb.starts_with("APPE") {
                    data.write_all(b"planted").unwrap();
                    drop(data);
                } else {
                    let received = String::from_utf8_lossy(&all_of(&mut data)).into_owned();
                    assert!(!received.contains(&canary) && !received.contains('!'), "{}", what(verb));
                }
                client.reply();
            } else {
                client.ask("NOOP", "200");
            }
        }
        tried += 1;
    }
    client.ask("SIZE /file", "213 4");
    let events = watch.read_events();
    assert_eq!(events.err(), Some(Errno::EAGAIN), "what is outside was touched");
    assert_eq!(outside.each_ref().map(|folder| snapshot(folder)), before);
    tried
}

#[test]
fn nothing_outside_is_touched_by_any_command() {
    let tried = try_all(None, 1);
    assert!(tried > 500, "{tried}");
}

/// T49: nor step by step.
#[test]
fn nor_where_openat2_is_denied() {
    for denial in DENIALS {
        assert!(try_all(Some(denial), 4) > 125);
    }
}
