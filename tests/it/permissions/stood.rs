//! Letter × verb × what stands under the name: nothing is replaced by an account that may not, whatever way leads there,
//! and nothing that came meanwhile is lost.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use socket2::SockRef;

use crate::harness::{TestServer, set};
use crate::wire::Client;

const LETTERS: [&str; 10] = ["", "a", "w", "d", "f", "aw", "ad", "fd", "fw", "elradfmwMT"];

/// Letters that are all needed, and what is said.
const VERBS: [(&str, &[&str]); 5] = [
    ("w", &["STOR f"]),
    ("w", &["REST 0", "STOR f"]),
    ("aw", &["REST 2", "STOR f"]),
    ("a", &["APPE f"]),
    ("f", &["RNFR source", "RNTO f"]),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stood {
    Nothing,
    Theirs,
    OwnPartial,
    /// Another's file was stored since the own upload broke.
    OwnPartialAndTheirs,
    /// Another file takes the name after the command began.
    ReplacedMeanwhile,
}

const STOOD: [Stood; 5] =
    [Stood::Nothing, Stood::Theirs, Stood::OwnPartial, Stood::OwnPartialAndTheirs, Stood::ReplacedMeanwhile];

fn empty(home: &Path) {
    for entry in std::fs::read_dir(home).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    std::fs::write(home.join("source"), "moved").unwrap();
    std::fs::write(home.join("theirs"), "theirs").unwrap();
}

/// Breaks an upload of `hello`, if the account may store.
fn leave_partial(client: &mut Client) {
    let data = client.open();
    if client.say("STOR f").starts_with("150") {
        (&data).write_all(b"hello").unwrap();
        client.await_moved(5);
        SockRef::from(&data).set_linger(Some(Duration::ZERO)).unwrap();
        drop(data);
        client.expect("426");
    }
}

/// Says it all, with `meanwhile` as late as can be; the last reply.
fn run(client: &mut Client, lines: &[&str], meanwhile: impl FnOnce()) -> String {
    let (last, before) = lines.split_last().unwrap();
    let data = last.contains(" f").then(|| client.open()).filter(|_| !last.starts_with("RNTO"));
    for line in before {
        let reply = client.say(line);
        if !reply.starts_with('3') {
            return reply;
        }
    }
    let Some(mut data) = data else {
        meanwhile();
        return client.say(last);
    };
    let reply = client.say(last);
    if !reply.starts_with("150") {
        return reply;
    }
    data.write_all(b"more").unwrap();
    client.await_moved(4);
    meanwhile();
    drop(data);
    client.reply()
}

#[test]
fn nothing_is_replaced_without_the_right_to_it() {
    let (mut done, mut refused) = (0, 0);
    for (mode, quota) in [("atomic", ""), ("atomic", " quota=1MiB"), ("direct", "")] {
        let users: String = LETTERS
            .iter()
            .enumerate()
            .map(|(number, letters)| format!("user{number} secret \"{letters}\" bob{quota}\n"))
            .collect();
        let server = TestServer::start_with_users(&users, |settings| set(settings, "upload_mode", mode));
        let (home, file) = (server.home("bob"), server.home("bob").join("f"));
        for (number, letters) in LETTERS.iter().enumerate() {
            let mut client = Client::login(server.address, &format!("user{number}"));
            for (needed, lines) in VERBS {
                for stood in STOOD {
                    let case = format!("{mode}{quota}, «{letters}», {lines:?}, {stood:?}");
                    empty(&home);
                    let others_come = || std::fs::rename(home.join("theirs"), &file).unwrap();
                    if matches!(stood, Stood::OwnPartial | Stood::OwnPartialAndTheirs) {
                        leave_partial(&mut client);
                    }
                    match stood {
                        Stood::Theirs | Stood::OwnPartialAndTheirs => others_come(),
                        Stood::ReplacedMeanwhile => std::fs::write(&file, "old").unwrap(),
                        Stood::Nothing | Stood::OwnPartial => {}
                    }
                    let before = std::fs::read(&file).ok();
                    let meanwhile = || {
                        if stood == Stood::ReplacedMeanwhile {
                            others_come();
                        }
                    };
                    let reply = run(&mut client, lines, meanwhile);
                    let after = std::fs::read(&file).ok();
                    let is_theirs = after.as_deref().is_some_and(|after| after.starts_with(b"theirs"));
                    let were_theirs =
                        matches!(stood, Stood::Theirs | Stood::OwnPartialAndTheirs | Stood::ReplacedMeanwhile);
                    let may_replace = letters.contains(['d', 'w']);
                    if reply.starts_with('2') {
                        done += 1;
                        assert!(needed.chars().all(|letter| letters.contains(letter)), "{case}: {reply}");
                        let is_added = lines == ["APPE f"];
                        assert!(!were_theirs || is_theirs || may_replace && !is_added, "{case}: {reply}: {after:?}");
                        let end: &[u8] = if needed == "f" { b"moved" } else { b"more" };
                        assert!(after.is_some_and(|after| after.ends_with(end)), "{case}: {reply}");
                        assert!(
                            stood != Stood::OwnPartialAndTheirs || mode == "direct" || needed != "aw",
                            "{case}: {reply}"
                        );
                    } else {
                        refused += 1;
                        let has_come = stood == Stood::ReplacedMeanwhile && !home.join("theirs").exists();
                        let stands = if has_come { Some(b"theirs".to_vec()) } else { before };
                        assert_eq!(after, stands, "{case}: {reply}");
                        let is_allowed = needed.chars().all(|letter| letters.contains(letter));
                        let is_simple = stood == Stood::Nothing || stood == Stood::Theirs && may_replace;
                        let has_a_beginning = needed != "aw" || stood == Stood::Theirs;
                        assert!(!(is_allowed && is_simple && has_a_beginning), "{case}: {reply}");
                    }
                }
            }
        }
    }
    assert!(done > 100 && refused > 300, "{done} done, {refused} refused");
}
