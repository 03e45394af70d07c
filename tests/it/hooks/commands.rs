//! Commands that are told of events: what they are given, what becomes of what they say, and of those that fail or hang.

use std::collections::BTreeMap;
use std::path::Path;

use super::{bob, start, telling, telling_of_uploads, wait_until_pending, wait_until_told};
use crate::binary::Setup;
use crate::wire::wait_until;

/// A setup whose uploads are told to this script, with these words behind it.
fn running(script: &str, words: &str) -> Setup {
    let setup = Setup::new();
    let (file, spool) = (setup.path("script").display().to_string(), setup.path("spool").display().to_string());
    setup
        .file("script", script)
        .variable("FTP_HOOK_SPOOL", &spool)
        .variable("FTP_HOOK_RETRY", "50ms")
        .variable("FTP_ON_UPLOAD", &format!("/bin/sh '{file}' {words}"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_command_is_given_the_event_and_no_secret() {
    let out = tempfile::tempdir().unwrap();
    let script = "out=$1; cat /proc/$$/environ > $out/environ; printf '%s|' \"$@\" > $out/words; pwd > $out/folder; \
                  cat > $out/body; : > $out/done";
    let words = format!("{} 'two  words' \"it's \\\"so\\\"\" $HOME * a\\ b ''", out.path().display());
    let setup = running(script, &words).variable("FTP_HOOK_SECRET", "hunter2").variable("HOME", "/root");
    let (server, http) = start(setup);
    let home = server.folder().join("home/bob").canonicalize().unwrap();
    bob(&server).store("a file", b"12345");
    wait_until("the command is done", || out.path().join("done").exists());
    wait_until_told(http);
    let body: serde_json::Value = serde_json::from_str(&read(&out.path().join("body"))).unwrap();
    assert_eq!((body["path"].as_str(), body["size"].as_u64()), (Some("/a file"), Some(5)));
    let environ = read(&out.path().join("environ"));
    let variables: BTreeMap<&str, &str> =
        environ.split_terminator('\0').map(|variable| variable.split_once('=').unwrap()).collect();
    let file = home.join("a file").display().to_string();
    let want = [
        ("LONGSHORE_EVENT", "upload"),
        ("LONGSHORE_FILE", &file),
        ("LONGSHORE_ID", body["id"].as_str().unwrap()),
        ("LONGSHORE_PATH", "/a file"),
        ("LONGSHORE_SIZE", "5"),
        ("LONGSHORE_USER", "bob"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ];
    assert_eq!(variables, want.into());
    let said = read(&out.path().join("words"));
    let want = format!("{}|two  words|it's \"so\"|$HOME|*|a b||", out.path().display());
    assert_eq!(said, want);
    assert_eq!(read(&out.path().join("folder")), "/\n");
}

#[test]
fn what_a_command_says_is_logged_and_harmless() {
    let script = "printf 'one \\033[2J two\\n'; printf 'trouble' >&2; head -c 100000 /dev/zero | tr '\\0' x";
    let (mut server, http) = start(running(script, "").variable("FTP_LOG_FORMAT", "json"));
    bob(&server).store("file", b"1");
    let line = server.wait_for_line("command of an event said");
    assert!(line.contains("one ") && line.contains(" two"), "{line}");
    assert!(!line.contains('\u{1b}') && line.len() < 4000, "{line}");
    let line = server.wait_for_line("command of an event said");
    assert!(line.contains("trouble"), "{line}");
    wait_until_told(http);
}

#[test]
fn a_command_that_fails_is_run_again() {
    let out = tempfile::tempdir().unwrap();
    let script = "echo $LONGSHORE_ID >> $1/tries; [ $(wc -l < $1/tries) -ge 3 ] || exit 7";
    let (mut server, http) = start(running(script, &out.path().display().to_string()));
    bob(&server).store("file", b"1");
    let line = server.wait_for_line("receiver of events failed");
    assert!(line.contains("exit status: 7") && line.contains("/bin/sh"), "{line}");
    server.wait_for_line("receiver of events is well again");
    wait_until_told(http);
    let tries = read(&out.path().join("tries"));
    let ids: Vec<&str> = tries.lines().collect();
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{tries}");
}

/// Whether a process is there, and is more than its exit code.
fn lives(pid: &str) -> bool {
    let status = read(Path::new(&format!("/proc/{}/stat", pid.trim())));
    status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let out = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo $! > $1/inner.new; mv $1/inner.new $1/inner; echo $$ > $1/outer.new; \
                  mv $1/outer.new $1/outer; wait";
    let words = out.path().display().to_string();
    let (mut server, http) =
        start(running(script, &words).variable("FTP_HOOK_TIMEOUT", "5s").variable("FTP_HOOK_RETRY", "10m"));
    bob(&server).store("file", b"1");
    wait_until("it runs", || out.path().join("outer").exists());
    let pids = ["inner", "outer"].map(|name| read(&out.path().join(name)));
    assert!(pids.iter().all(|pid| lives(pid)), "{pids:?}");
    let line = server.wait_for_line("receiver of events failed");
    assert!(line.contains("hook_timeout"), "{line}");
    wait_until("both are gone", || !pids.iter().any(|pid| lives(pid)));
    wait_until_pending(http, 1);
}

/// The end of the server is theirs too: they would be run twice at once after the next start.
#[test]
fn a_command_ends_with_the_server() {
    let out = tempfile::tempdir().unwrap();
    let script = "echo $$ > $1/pid.new; mv $1/pid.new $1/pid; exec sleep 1000";
    let (server, _) = start(running(script, &out.path().display().to_string()));
    bob(&server).store("file", b"1");
    wait_until("it runs", || out.path().join("pid").exists());
    let pid = read(&out.path().join("pid"));
    assert!(lives(&pid));
    assert_eq!(server.end().status.code(), Some(0));
    wait_until("it is gone", || !lives(&pid));
}

#[test]
fn a_program_that_is_not_there_is_told_of() {
    let (mut server, _) = start(telling_of_uploads("/nowhere/program --x"));
    bob(&server).store("file", b"1");
    let line = server.wait_for_line("receiver of events failed");
    assert!(line.contains("/nowhere/program") && line.contains("No such file"), "{line}");
    let output = telling("relative/program").arguments(&["check"]).run();
    assert_eq!(output.status.code(), Some(2));
}
