//! Names that others break on. F34: as long as the disk takes them. F35: bytes that are no text. F36: what has a meaning
//! elsewhere.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use crate::harness::TestServer;
use crate::wire::{Client, all_of};

/// Names are given as they are on disk.
fn command(client: &mut Client, verb: &str, name: &[u8], wanted: &str) {
    client.stream().write_all(&[verb.as_bytes(), b" ", name, b"\r\n"].concat()).unwrap();
    let reply = client.reply();
    assert!(reply.starts_with(wanted), "{verb} {}: {reply}", name.escape_ascii());
}

fn store(client: &mut Client, name: &[u8]) {
    let mut data = client.open();
    command(client, "STOR", name, "150");
    data.write_all(name).unwrap();
    drop(data);
    client.expect("226");
}

fn listed(client: &mut Client, line: &str) -> Vec<u8> {
    let mut data = client.open();
    client.ask(line, "150");
    let received = all_of(&mut data);
    client.expect("226");
    received
}

/// What MLSD lists: all after the first blank of a line.
fn names_of(listing: &[u8]) -> BTreeSet<Vec<u8>> {
    let lines = listing.split(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\r"));
    lines.map(|line| line[line.iter().position(|&byte| byte == b' ').unwrap() + 1..].to_vec()).collect()
}

/// Stores, lists, renames, fetches and deletes each.
fn make_the_round_trip(names: &BTreeSet<Vec<u8>>) {
    let server = TestServer::start(|_| {});
    let mut client = Client::login(server.address, "bob");
    for name in names {
        store(&mut client, name);
    }
    let on_disk: BTreeSet<Vec<u8>> = std::fs::read_dir(server.home("bob"))
        .unwrap()
        .map(|entry| OsString::into_vec(entry.unwrap().file_name()))
        .collect();
    assert_eq!(&on_disk, names);
    assert_eq!(&names_of(&listed(&mut client, "MLSD")), names);
    let mut lines: BTreeSet<Vec<u8>> = listed(&mut client, "NLST")
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec())
        .collect();
    lines.remove(&b""[..]);
    assert_eq!(&lines, names);
    for name in names {
        command(&mut client, "RNFR", name, "350");
        client.ask("RNTO between", "250");
        client.ask("RNFR between", "350");
        command(&mut client, "RNTO", name, "250");
        command(&mut client, "SIZE", name, &format!("213 {}", name.len()));
        let mut data = client.open();
        command(&mut client, "RETR", name, "150");
        assert_eq!(&all_of(&mut data), name);
        client.expect("226");
        command(&mut client, "DELE", name, "250");
    }
    assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 0);
}

#[test]
fn random_bytes_make_the_round_trip() {
    let mut names = BTreeSet::new();
    let random = RandomState::new();
    for number in 0_u32.. {
        if names.len() == 300 {
            break;
        }
        let bytes: Vec<u8> =
            (0..1 + number % 200).flat_map(|part| random.hash_one((number, part)).to_le_bytes()).collect();
        let bytes = bytes.into_iter().filter(|byte| !byte.is_ascii_control() && *byte != b'/');
        let name: Vec<u8> = bytes.take(1 + usize::try_from(number % 255).unwrap()).collect();
        // Two of the bytes may be a control character by chance, which no new name holds.
        let is_name = !name.is_empty() && name != b"." && name != b"..";
        if is_name && !longshore::path::has_control(&name) {
            names.insert(name);
        }
    }
    assert!(names.iter().any(|name| std::str::from_utf8(name).is_err()));
    make_the_round_trip(&names);
}

#[test]
fn names_with_a_meaning_elsewhere_make_the_round_trip() {
    let mut names: BTreeSet<Vec<u8>> = [
        "-",
        "--",
        "-rf",
        "-la x",
        "--help",
        " ",
        "  two  blanks  ",
        " before",
        "behind ",
        "\"",
        "\"quoted\"",
        "'",
        "`id`",
        "$HOME",
        "a;b",
        "a=b",
        "type=dir; x",
        "size=1;modify=2; y",
        "*",
        "?",
        "[a]",
        "*.txt",
        "{a,b}",
        "~",
        "~root",
        "...",
        "....",
        ".hidden",
        "C:\\x",
        "\\",
        "\\\\host\\share",
        "a\\nb",
        "%2e%2e%2f",
        "%s%n",
        "#",
        "!",
        "&",
        "|",
        "<x>",
        "a>b",
        "(",
        "@",
        ":",
        "con",
        "nul",
        "aux.txt",
        "226 done",
        "150",
        "e\u{301}",
        "\u{e9}",
        "\u{fb01}",
        "\u{202e}txt.exe",
        "\u{feff}x",
        "你好",
        "😀",
        "Grüße",
        "total 0",
        "d",
        "-rw-r--r-- 1 0 0 0 Jan 1 1970 x",
    ]
    .map(|name| name.as_bytes().to_vec())
    .into();
    for symbol in b' '..=b'~' {
        if symbol != b'/' {
            names.insert(vec![b'a', symbol, b'b']);
            names.insert(vec![b'a', symbol]);
            names.insert(vec![symbol, b'a']);
        }
    }
    assert!(names.len() > 200, "{}", names.len());
    make_the_round_trip(&names);
}

#[test]
fn the_longest_names_work_with_every_verb_and_no_longer_ones() {
    let server = TestServer::start(|_| {});
    let mut client = Client::login(server.address, "bob");
    let long = ["a", "b", "c"].map(|letter| letter.repeat(255));
    let longer = "x".repeat(256);
    let [first, second, third] = long.each_ref().map(String::as_str);
    client.store(first, b"content");
    client.ask(&format!("RNFR {first}"), "350");
    client.ask(&format!("RNTO {second}"), "250");
    client.ask(&format!("MKD {third}"), "257");
    client.ask(&format!("CWD {third}"), "250");
    client.ask("CDUP", "250");
    assert_eq!(client.retrieve(second), b"content");
    assert_eq!(listed(&mut client, &format!("NLST {second}")), format!("{second}\r\n").as_bytes());
    client.ask(&format!("MLST {second}"), "250-");
    let mut data = client.open();
    client.ask(&format!("STOU {second}"), "150");
    data.write_all(b"unique").unwrap();
    drop(data);
    client.expect("226");
    assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 3);
    for verb in ["MKD", "CWD", "DELE", "RMD", "SIZE", "MDTM", "MLST", "RNFR", "SITE CHMOD 600", "STAT"] {
        client.ask(&format!("{verb} {longer}"), "553 File name too long.");
    }
    for verb in ["STOR", "APPE", "STOU", "RETR", "LIST", "NLST", "MLSD"] {
        client.pasv();
        client.ask(&format!("{verb} {longer}"), "553 File name too long.");
    }
    client.ask(&format!("RNFR {second}"), "350");
    client.ask(&format!("RNTO {longer}"), "553 File name too long.");
    client.ask(&format!("DELE {second}"), "250");
    client.ask(&format!("RMD {third}"), "250");
}
