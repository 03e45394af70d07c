//! Every permission letter with every verb that needs one, over the wire: the table of behaviour.md, and nothing else.

mod stood;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::harness::TestServer;
use crate::wire::{Client, all_of};

const LETTERS: &str = "elradfmwMT";
const REFUSED: &str = "550 Not enough privileges.";

/// What a deed does with the data connection.
#[derive(Clone, Copy, PartialEq)]
enum Data {
    None,
    Fetch,
    Send,
}

/// Whether a deed changes what is on disk.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Looks,
    Changes,
}
use Data::{Fetch, Send};
use Effect::{Changes, Looks};

/// Letters that are all needed, what goes before, the line that is judged, its data, what it does.
type Deed<'a> = (&'a str, &'a str, &'a str, Data, Effect);

/// The table of behaviour.md. REST with STOR needs `w` as STOR and `a` as a resume. AVBL is not in that table; it tells
/// whether a directory is there, as MLST does.
const DEEDS: &[Deed<'static>] = &[
    ("e", "", "CWD /d", Data::None, Looks),
    ("e", "", "XCWD /d", Data::None, Looks),
    ("e", "", "CDUP", Data::None, Looks),
    ("e", "", "XCUP", Data::None, Looks),
    ("l", "", "LIST /", Fetch, Looks),
    ("l", "", "NLST /", Fetch, Looks),
    ("l", "", "NLST /f*", Fetch, Looks),
    ("l", "", "MLSD /", Fetch, Looks),
    ("l", "", "MLST /f", Data::None, Looks),
    ("l", "", "STAT /", Data::None, Looks),
    ("l", "", "SIZE /f", Data::None, Looks),
    ("l", "", "MDTM /f", Data::None, Looks),
    ("l", "", "AVBL /d", Data::None, Looks),
    ("r", "", "RETR /f", Fetch, Looks),
    ("r", "REST 2", "RETR /f", Fetch, Looks),
    ("r", "", "HASH /f", Data::None, Looks),
    ("r", "", "XCRC /f", Data::None, Looks),
    ("r", "", "XMD5 /f", Data::None, Looks),
    ("r", "", "XSHA /f", Data::None, Looks),
    ("r", "", "XSHA1 /f", Data::None, Looks),
    ("r", "", "XSHA256 /f", Data::None, Looks),
    ("r", "", "XSHA512 /f", Data::None, Looks),
    ("a", "", "APPE /f", Send, Changes),
    ("a", "", "APPE /new", Send, Changes),
    ("aw", "REST 2", "STOR /f", Send, Changes),
    ("d", "", "DELE /f", Data::None, Changes),
    ("d", "", "RMD /d", Data::None, Changes),
    ("d", "", "XRMD /d", Data::None, Changes),
    ("f", "", "RNFR /f", Data::None, Looks),
    ("m", "", "MKD /new", Data::None, Changes),
    ("m", "", "XMKD /new", Data::None, Changes),
    ("w", "", "STOR /f", Send, Changes),
    ("w", "", "STOR /new", Send, Changes),
    ("w", "", "STOU", Send, Changes),
    ("M", "", "SITE CHMOD 600 /f", Data::None, Changes),
    ("T", "", "MFMT 19991231235959 /f", Data::None, Changes),
    ("T", "", "MDTM 19991231235959 /f", Data::None, Changes),
    ("T", "", "SITE UTIME 19991231235959 /f", Data::None, Changes),
];

/// What anybody may do who is logged in.
const FREE: &[&str] = &[
    "PWD",
    "XPWD",
    "PASV",
    "EPSV",
    "TYPE I",
    "MODE S",
    "STRU F",
    "FEAT",
    "HELP",
    "NOOP",
    "SYST",
    "STAT",
    "SITE HELP",
    "REST 0",
    "ALLO 1",
    "ABOR",
    "PRET LIST",
];

/// Sets of letters to try: each alone, none, all, and the pair that one deed needs.
fn sets() -> Vec<String> {
    let alone = LETTERS.chars().map(String::from);
    alone.chain(["", LETTERS, "aw"].map(str::to_owned)).collect()
}

fn start() -> (TestServer, Vec<(String, String)>) {
    let users: Vec<(String, String)> =
        sets().into_iter().enumerate().map(|(number, letters)| (format!("user{number}"), letters)).collect();
    let lines = users.iter().map(|(name, letters)| format!("{name} secret \"{letters}\" {name}\n"));
    (TestServer::start_with_users(&lines.collect::<String>(), |_| {}), users)
}

/// A file and a directory, and nothing else.
fn furnish(home: &Path) {
    for entry in std::fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    std::fs::write(home.join("f"), "hello").unwrap();
    std::fs::set_permissions(home.join("f"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let file = std::fs::File::open(home.join("f")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    std::fs::create_dir(home.join("d")).unwrap();
}

/// All that is on disk: names, modes, times, contents.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (u32, SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let metadata = std::fs::metadata(&path).unwrap();
            let content = if metadata.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else {
                std::fs::read(&path).unwrap()
            };
            found.insert(path, (metadata.permissions().mode(), metadata.modified().unwrap(), content));
        }
        let metadata = std::fs::metadata(&folder).unwrap();
        found.insert(folder, (metadata.permissions().mode(), metadata.modified().unwrap(), Vec::new()));
    }
    found
}

/// Does it; gives the reply that judges it, and expects the end of a transfer that was let in.
fn attempt(client: &mut Client, &(_, before, line, data, _): &Deed<'_>) -> String {
    if !before.is_empty() {
        client.ask(before, "350");
    }
    if data == Data::None {
        return client.say(line);
    }
    let mut connection = client.open();
    let reply = client.say(line);
    if reply.starts_with("150") {
        if data == Send {
            connection.write_all(b"more").unwrap();
            drop(connection);
        } else {
            assert!(!all_of(&mut connection).is_empty(), "{line}: nothing came");
        }
        client.expect("226");
    }
    reply
}

/// T52: no verb goes past the one gate, for any letter.
#[test]
fn every_letter_opens_its_verbs_and_no_others() {
    let (server, users) = start();
    let (mut allowed, mut refused) = (0, 0);
    for (name, letters) in &users {
        let home = server.home(name);
        std::fs::create_dir_all(&home).unwrap();
        let mut client = Client::login(server.address, name);
        for deed in DEEDS {
            let &(needed, before, line, _, effect) = deed;
            let what = format!("{before} {line} with «{letters}»");
            furnish(&home);
            let was = snapshot(&home);
            let reply = attempt(&mut client, deed);
            let is_changed = snapshot(&home) != was;
            if needed.chars().all(|letter| letters.contains(letter)) {
                assert!(reply.as_bytes()[0] < b'4', "{what}: {reply}");
                assert_eq!(is_changed, effect == Changes, "{what}: changed on disk");
                allowed += 1;
            } else {
                assert_eq!(reply, REFUSED, "{what}");
                assert!(!is_changed, "{what}: refused, and changed on disk");
                refused += 1;
            }
        }
    }
    assert!(allowed >= 2 * DEEDS.len() && refused > 10 * DEEDS.len(), "{allowed} allowed, {refused} refused");
}

/// What is there of the deeds' names, in another place.
fn elsewhere(line: &str, place: &str) -> String {
    [" /f", " /d", " /new"]
        .iter()
        .fold(line.to_owned(), |line, name| line.replace(name, &format!(" {place}{}", &name[2..])))
}

/// T52: a hidden name is a name like any other, behind the same letters.
#[test]
fn hidden_names_have_the_same_gate() {
    let (server, users) = start();
    for (name, letters) in &users {
        let home = server.home(name);
        std::fs::create_dir_all(&home).unwrap();
        let mut client = Client::login(server.address, name);
        for deed in DEEDS {
            let &(needed, before, line, data, effect) = deed;
            furnish(&home);
            for hidden in ["f", "d"] {
                std::fs::rename(home.join(hidden), home.join(format!(".{hidden}"))).unwrap();
            }
            let was = snapshot(&home);
            let line = elsewhere(line, "/.");
            let reply = attempt(&mut client, &(needed, before, &line, data, effect));
            let is_allowed = needed.chars().all(|letter| letters.contains(letter));
            assert_eq!(reply != REFUSED, is_allowed, "{line} with «{letters}»: {reply}");
            assert_eq!(snapshot(&home) != was, is_allowed && effect == Changes, "{line} with «{letters}»: on disk");
        }
    }
}

/// T52: with all letters, nobody gets at what is another's or above the home, by name or by a link.
#[test]
fn no_letter_opens_what_is_outside() {
    let server = TestServer::start(|_| {});
    let other = server.home("carol");
    furnish(&other);
    let was = snapshot(&other);
    let above = std::fs::read_dir(server.folder()).unwrap().count();
    let home = server.home("bob");
    std::os::unix::fs::symlink("../carol", home.join("link")).unwrap();
    std::os::unix::fs::symlink("..", home.join("up")).unwrap();
    let mut client = Client::login(server.address, "bob");
    let mut tried = 0;
    for place in ["/carol/", "../carol/", "/../carol/", "link/", "up/carol/"] {
        for deed in DEEDS {
            let &(needed, before, line, data, effect) = deed;
            let there = elsewhere(line, place);
            if there == line {
                continue;
            }
            let reply = attempt(&mut client, &(needed, before, &there, data, effect));
            assert_eq!(reply, "550 No such file or directory.", "{there}");
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
    // What is above the home is the home.
    for line in ["CWD ..", "CWD /..", "CDUP"] {
        client.ask(line, "250 \"/\"");
    }
    assert_eq!(snapshot(&other), was);
    assert_eq!(std::fs::read_dir(server.folder()).unwrap().count(), above);
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 2);
}

#[test]
fn renaming_needs_its_letter_at_both_ends() {
    let (server, users) = start();
    for (name, letters) in &users {
        let home = server.home(name);
        std::fs::create_dir_all(&home).unwrap();
        furnish(&home);
        let mut client = Client::login(server.address, name);
        let is_allowed = letters.contains('f');
        client.ask("RNFR /f", if is_allowed { "350" } else { REFUSED });
        client.ask("RNTO /g", if is_allowed { "250" } else { "503" });
        assert_eq!((home.join("f").exists(), home.join("g").exists()), (!is_allowed, is_allowed), "«{letters}»");
    }
}

#[test]
fn some_commands_need_no_letter() {
    let (server, users) = start();
    let none = users.iter().find(|(_, letters)| letters.is_empty()).unwrap();
    let mut client = Client::login(server.address, &none.0);
    for line in FREE {
        let reply = client.say(line);
        assert!(reply.as_bytes()[0] < b'4', "{line}: {reply}");
    }
    client.ask("PORT 127,0,0,1,200,200", "200");
    client.ask("QUIT", "221");
}

/// Nothing is told of what is there to somebody who may not look: the refusal comes before the look.
#[test]
fn a_refusal_does_not_tell_whether_the_file_is_there() {
    let (server, users) = start();
    let none = users.iter().find(|(_, letters)| letters.is_empty()).unwrap();
    let mut client = Client::login(server.address, &none.0);
    for deed in DEEDS {
        let (_, before, line, data, effect) = *deed;
        let missing = line.replace("/f", "/nowhere/f").replace("/d", "/nowhere/d");
        assert_eq!(attempt(&mut client, &("", before, &missing, data, effect)), REFUSED, "{missing}");
    }
}
