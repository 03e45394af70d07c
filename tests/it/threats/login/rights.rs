//! What may be done before a log-in, and what is left of one after it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use longshore::commands::TABLE;

use crate::harness::TestServer;
use crate::wire::{Client, is_refused};

/// Every name below a folder, with what tells of a change or of a look inside.
fn traces(folder: &Path) -> BTreeMap<PathBuf, (u64, u32, i64, i64, i64)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(traces(&path));
        }
        let of = path.symlink_metadata().unwrap();
        let changed = of.ctime() * 1_000_000_000 + of.ctime_nsec();
        let modified = of.mtime() * 1_000_000_000 + of.mtime_nsec();
        let read = if of.is_file() { of.atime() * 1_000_000_000 + of.atime_nsec() } else { 0 };
        found.insert(path, (of.len(), of.mode(), changed, modified, read));
    }
    found
}

/// T20: before the log-in no verb and no word of SITE does anything to a file, reads one, or opens a port; after USER
/// alone and after a failed PASS neither.
#[test]
fn before_the_log_in_nothing_is_touched() {
    const ARGUMENTS: [&str; 12] = [
        "",
        "file",
        "/file",
        "../bob/file",
        "new",
        "I",
        "1",
        "127,0,0,1,200,200",
        "|1|127.0.0.1|50000|",
        "20000101000000 file",
        "RETR file",
        "UTF8 ON",
    ];
    const SITE: [&str; 12] = [
        "CHMOD 777 file",
        "UTIME 20000101000000 file",
        "HELP",
        "CPFR file",
        "CPTO new",
        "EXEC touch new",
        "SYMLINK file new",
        "MKDIR new",
        "RMDIR dir",
        "COPY file new",
        "UMASK 000",
        "IDLE 1",
    ];
    let server = TestServer::start(|_| {});
    for home in ["bob", "reader", "anonymous"] {
        std::fs::write(server.home(home).join("file"), "content").unwrap();
        std::fs::create_dir(server.home(home).join("dir")).unwrap();
    }
    let before = traces(server.folder());
    let mut asked = 0;
    for lines in [&[][..], &["USER bob"], &["USER bob", "PASS wrong"], &["USER anonymous"], &["USER bob", "REIN"]] {
        for spec in TABLE.iter().map(|entry| entry.spec).filter(|spec| !["PASS", "USER"].contains(&spec.verb)) {
            let mut client = Client::connect(server.address);
            client.expect("220");
            lines.iter().for_each(|line| drop(client.say(line)));
            let arguments = if spec.verb == "SITE" { &SITE } else { &ARGUMENTS };
            for verb in std::iter::once(&spec.verb).chain(spec.aliases) {
                for argument in arguments {
                    let reply = client.say(format!("{verb} {argument}").trim_end());
                    asked += 1;
                    if reply.starts_with("221") {
                        break;
                    }
                    let harmless = ["ACCT", "HOST", "CLNT", "REIN", "FEAT", "OPTS", "HELP", "STAT", "SYST", "NOOP"];
                    let is_refused =
                        ["500", "501", "502", "503", "504", "530", "534"].iter().any(|code| reply.starts_with(code));
                    assert!(is_refused || harmless.contains(&spec.verb), "{lines:?} {verb} {argument}: {reply}");
                    assert!(!reply.contains("file") || spec.verb == "HELP", "{lines:?} {verb} {argument}: {reply}");
                }
            }
        }
    }
    assert!(asked > 2000, "{asked}");
    assert_eq!(traces(server.folder()), before);
}

/// T21: a second log-in, by USER or after REIN, begins with nothing of the first: not its files, rights and directory, not
/// a name to rename, a position, a type, a passive port, or EPSV ALL.
#[test]
fn a_second_log_in_has_nothing_of_the_first() {
    let server = TestServer::start(|_| {});
    std::fs::create_dir_all(server.home("bob").join("d")).unwrap();
    std::fs::write(server.home("bob").join("d/a"), "bob's").unwrap();
    std::fs::create_dir(server.home("reader").join("d")).unwrap();
    std::fs::write(server.home("reader").join("a"), "reader's").unwrap();
    for log_out in [&["USER reader"][..], &["REIN", "USER reader"], &["USER nobody", "PASS x", "USER reader"]] {
        let mut client = Client::login(server.address, "bob");
        client.ask("CWD d", "250");
        client.ask("RNFR a", "350");
        client.ask("REST 3", "350");
        client.ask("EPSV ALL", "200");
        let port = client.epsv();
        for line in log_out {
            client.say(line);
            client.ask("RNTO b", "530");
            client.ask("RETR a", "530");
        }
        client.ask("PASS secret", "230");
        assert!(is_refused("127.0.0.9", port), "the port of the first log-in is open");
        client.ask("RNTO b", "503");
        client.ask("RETR a", "425");
        assert_eq!(client.say("PWD"), "257 \"/\" is the current directory.");
        client.ask("REST 1", "501 Resuming transfers not allowed in ASCII mode.");
        client.ask("TYPE I", "200");
        client.ask("SIZE d/a", "550");
        client.ask("MKD new", "550");
        client.ask("DELE a", "550");
        assert_eq!(client.retrieve("a"), b"reader's");
    }
    assert_eq!(std::fs::read(server.home("bob").join("d/a")).unwrap(), b"bob's");
}
