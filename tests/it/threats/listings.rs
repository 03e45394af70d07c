//! Listings: T58 to T62.
//!
//! T58 is shown by `src/listing/pattern.rs` too, which counts the steps, T59 and T60 by `dialogues/listing.txt`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::binary::Setup;
use crate::harness::TestServer;
use crate::wire::{Client, all_of};

fn listing(client: &mut Client, line: &str) -> Vec<u8> {
    let mut data = client.open();
    client.ask(line, "150");
    let received = all_of(&mut data);
    client.expect("226");
    received
}

fn make_files(folder: &Path, count: usize, name: impl Fn(usize) -> String) {
    for number in 0..count {
        std::fs::File::create(folder.join(name(number))).unwrap();
    }
}

/// T58: patterns that others take exponential time for are answered, and none reaches beyond one directory.
#[test]
fn a_pattern_costs_little_and_walks_no_tree() {
    let server = TestServer::start(|_| {});
    let home = server.home("bob");
    make_files(&home, 300, |number| format!("{}{number:03}", "a".repeat(200)));
    std::fs::create_dir_all(home.join("d/d/d")).unwrap();
    let mut client = Client::login(server.address, "bob");
    for command in ["LIST", "NLST"] {
        assert_eq!(listing(&mut client, &format!("{command} {}b", "a*".repeat(100))), b"");
        let found = listing(&mut client, &format!("{command} {}7", "a*".repeat(100)));
        assert_eq!(found.iter().filter(|&&byte| byte == b'\n').count(), 30);
    }
    let stars = "*".repeat(256);
    for pattern in ["*/*/*", "*/d", "d/*/d", "{a,b}/*", stars.as_str()] {
        client.pasv();
        client.ask(&format!("LIST {pattern}"), "55");
    }
    client.ask(&format!("STAT {}b", "a*".repeat(100)), "213");
    // One step up and down again is said in words, not walked.
    assert_eq!(listing(&mut client, "LIST */../*/../d*").iter().filter(|&&byte| byte == b'\n').count(), 1);
    assert_eq!(listing(&mut client, "NLST x/../d/*"), b"x/../d/d\r\n");
}

/// T61: what is held in memory while it is sent is no listing of any length; there is another connection for that.
#[test]
fn a_status_has_a_thousand_lines_and_says_that_there_are_more() {
    let server = Setup::new().start();
    let home = server.folder().join("home/bob");
    std::fs::create_dir(home.join("large")).unwrap();
    make_files(&home.join("large"), 12_000, |number| format!("{number:0>250}"));
    let mut client = Client::login(server.address, "bob");
    client.ask("STAT large/no*", "213");
    let before = server.kib("VmHWM");
    for argument in ["large", "large/*", "-la large"] {
        let reply = client.ask(&format!("STAT {argument}"), "213-Status of \"/large\":");
        assert_eq!(reply.lines().filter(|line| line.starts_with('-')).count(), 1000);
        assert_eq!(reply.lines().count(), 1002);
        assert!(reply.ends_with("\n213 End of status, but there is more: use LIST."), "{:?}", reply.lines().last());
    }
    let more = server.kib("VmHWM") - before;
    assert!(more <= 4096, "{more} KiB");

    std::fs::create_dir(home.join("full")).unwrap();
    make_files(&home.join("full"), 1000, |number| number.to_string());
    let reply = client.ask("STAT full", "213-");
    assert_eq!(reply.lines().count(), 1002);
    assert!(reply.ends_with("\n213 End of status."));
}

/// Names that somebody else put on disk.
const FORGING: [&[u8]; 4] = [b"a\r\n226 done", b"b\n226 done", b"c\r226 done", b"\r\n"];
const ODD: [&[u8]; 6] =
    [b"226 done", b"\x1b[2J\x1b]0;title\x07", b"\"quoted\"", b"-", b"\x85\xc2\x85", b"\xe2\x80\xa8"];

/// T62: a name that would end its line is in no listing; each of the others is one line of it.
#[test]
fn no_name_forges_a_line() {
    let server = TestServer::start(|_| {});
    let folder = server.home("bob").join("folder");
    std::fs::create_dir(&folder).unwrap();
    for name in FORGING.into_iter().chain(ODD) {
        std::fs::write(folder.join(OsStr::from_bytes(name)), "").unwrap();
    }
    let mut client = Client::login(server.address, "bob");
    for command in ["LIST folder", "NLST folder", "MLSD folder", "LIST folder/*", "NLST folder/*"] {
        let received = listing(&mut client, command);
        assert!(received.ends_with(b"\r\n"));
        let lines: Vec<&[u8]> = received.split(|&byte| byte == b'\n').collect();
        assert_eq!(lines.len() - 1, ODD.len(), "{command}: {}", received.escape_ascii());
        for name in ODD {
            let wanted = [name, b"\r"].concat();
            let found = lines.iter().filter(|line| line.ends_with(&wanted)).count();
            assert!(found >= 1, "{command}: {} of {}", found, name.escape_ascii());
        }
    }
    let reply = client.ask("STAT folder", "213-");
    assert_eq!(reply.split('\n').count(), ODD.len() + 2, "{reply}");
    assert!(!reply.lines().any(|line| line.starts_with("226")), "{reply}");
    for name in ["226 done", "\x1b[2J\x1b]0;title\x07", "\"quoted\""] {
        let reply = client.ask(&format!("MLST folder/{name}"), "250-");
        assert_eq!(reply.split('\n').count(), 3, "{reply}");
        assert!(reply.lines().all(|line| line.starts_with("250") || line.starts_with(' ')), "{reply}");
    }
}

/// T62: nor does the name of a directory that one is in.
#[test]
fn the_name_of_a_directory_stays_within_its_quotes() {
    let server = TestServer::start(|_| {});
    let mut client = Client::login(server.address, "bob");
    for name in ["226 done", "\" is the current directory.", "\"\"", "a\"b", "\x1b[2J"] {
        std::fs::create_dir(server.home("bob").join(name)).unwrap();
        let doubled = name.replace('"', "\"\"");
        client.ask(&format!("CWD /{name}"), "250");
        assert_eq!(client.say("PWD"), format!("257 \"/{doubled}\" is the current directory."));
        let reply = client.ask("MLST", "250-");
        assert_eq!(reply.split('\n').count(), 3, "{reply}");
        assert_eq!(client.say("STAT ."), format!("213-Status of \"/{doubled}\":\r\n213 End of status."));
    }
}
