//! Directories, entry by entry.

use super::*;
use crate::files::DirectoryStream;
use crate::listing::{Entry, Facts, Kind};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::os::unix::net::UnixListener;

fn entries(ground: &Ground) -> BTreeMap<String, Facts> {
    let entries = ground.home.list(&VirtualPath::root()).unwrap().map(Result::unwrap);
    entries.map(|entry| (String::from_utf8(entry.name).unwrap(), entry.facts)).collect()
}

#[test]
fn facts_are_those_of_the_system() {
    let ground = Ground::new();
    ground.file("file", "content");
    ground.directory("directory");
    let entries = entries(&ground);
    assert_eq!(entries.len(), 2);
    for (name, facts) in &entries {
        let want = fs::metadata(ground.at(name)).unwrap();
        let found =
            (facts.size, facts.modified, facts.mode, facts.links, facts.uid, facts.gid, facts.device, facts.inode);
        let want =
            (want.size(), want.mtime(), want.mode(), want.nlink(), want.uid(), want.gid(), want.dev(), want.ino());
        assert_eq!(found, want, "{name}");
        assert_eq!(ground.home.facts(&path(name)).unwrap(), *facts);
    }
    assert_eq!((entries["file"].kind, entries["directory"].kind), (Kind::File, Kind::Directory));
    assert_eq!(ground.home.facts(&VirtualPath::root()).unwrap().kind, Kind::Directory);
}

#[test]
fn links_are_told_as_what_they_lead_to_inside() {
    let ground = Ground::new();
    ground.file("file", "content");
    ground.directory("directory");
    ground.link("to_file", "file");
    ground.link("to_directory", "directory");
    for (name, target) in [("leads_out", "../outside/canary"), ("dangling", "missing"), ("circle", "circle")] {
        ground.link(name, target);
    }
    mkfifo(&ground.at("fifo"), Mode::S_IRWXU).unwrap();
    ground.link("to_fifo", "fifo");
    let _listener = UnixListener::bind(ground.at("socket")).unwrap();
    let entries = entries(&ground);
    assert_eq!(entries["to_file"], entries["file"]);
    assert_eq!(entries["to_directory"], entries["directory"]);
    for name in ["leads_out", "dangling", "circle"] {
        assert_eq!((entries[name].kind, entries[name].size), (Kind::Link, 0), "{name}");
        assert_eq!(entries[name].mode & 0o170_000, 0o120_000);
    }
    for name in ["fifo", "to_fifo", "socket"] {
        assert_eq!(entries[name].kind, Kind::Other, "{name}");
    }
}

/// What is shown of a link's text, by where it stands, where it leads, and whether that is there.
#[test]
fn the_target_of_a_link_tells_nothing_of_the_outside() {
    let ground = Ground::new();
    ground.directory("a/b");
    ground.file("file", "content");
    // A directory that is called deeper than it is.
    ground.link("a/b/top", "../..");
    let absolute = ground.at("file").display().to_string();
    for (name, target, shown) in [
        ("to_file", "file", "file"),
        ("to_directory", "./a//b/", "./a//b/"),
        ("here", ".", "."),
        ("a/b/up", "../../file", "../../file"),
        ("dangling", "missing", "missing"),
        ("a/b/dangling", "../../missing/below", "../../missing/below"),
        ("circle", "circle", "?"),
        ("odd", "a\nb\r\x1b[2J \x7f; -> x", "a?b??[2J ?; -> x"),
        ("absolute", absolute.as_str(), "?"),
        ("root", "/", "?"),
        ("out", "../outside/canary", "?"),
        ("out_and_back", "../home/file", "?"),
        ("missing_outside", "../secret", "?"),
        ("behind_the_missing", "missing/../../secret", "?"),
        ("a/b/too_far", "../../../secret", "?"),
        ("through", "out/below", "?"),
        ("reserved", ".longshore-spool/lock", "?"),
    ] {
        ground.link(name, target);
        let entry = ground.home.entry(&path(name)).unwrap();
        let link = entry.link.clone().unwrap();
        assert_eq!(String::from_utf8(link.target).unwrap(), shown, "{name}");
        assert_eq!((link.facts.kind, link.facts.size), (Kind::Link, shown.len() as u64), "{name}");
        let mut listed = ground.home.list(&path(name).parent()).unwrap().map(Result::unwrap);
        assert!(listed.any(|listed| listed == entry), "{name}");
    }
    let top = path("a/b/top/missing_outside");
    assert_eq!(ground.home.entry(&top).unwrap().link.unwrap().target, b"?");
}

#[test]
fn links_in_a_directory_start_from_there() {
    let ground = Ground::new();
    ground.directory("below");
    ground.file("file", "content");
    ground.link("below/to_file", "../file");
    let Entry { name, facts, .. } = ground.home.list(&path("below")).unwrap().next().unwrap().unwrap();
    assert_eq!((name.as_slice(), facts.kind, facts.size), (&b"to_file"[..], Kind::File, 7));
}

/// T62: nothing else is.
#[test]
fn names_that_would_forge_lines_are_left_out_and_counted() {
    let ground = Ground::new();
    for name in ["a\r\n226 done", "b\nc", "d\re", "plain", ".hidden"] {
        ground.file(name, "");
    }
    let mut stream = ground.home.list(&VirtualPath::root()).unwrap();
    let mut names: Vec<_> = stream.by_ref().map(|entry| entry.unwrap().name).collect();
    names.sort();
    assert_eq!(names, [b".hidden".to_vec(), b"plain".to_vec()]);
    assert_eq!(stream.skipped(), 3);
}

#[test]
fn what_is_no_directory_is_not_listed() {
    let ground = Ground::new();
    ground.file("file", "");
    assert!(matches!(ground.home.list(&path("file")), Err(FileError::NotADirectory)));
    assert!(matches!(ground.home.list(&path("missing")), Err(FileError::NotFound)));
}

/// Were entries gathered first, those removed after the first would still be told.
#[test]
fn ten_thousand_entries_are_not_gathered() {
    let ground = Ground::new();
    for number in 0..10_000 {
        ground.file(&format!("file-{number:05}"), "");
    }
    assert_eq!(ground.home.list(&VirtualPath::root()).unwrap().count(), 10_000);
    let mut stream = ground.home.list(&VirtualPath::root()).unwrap();
    let Entry { name: first, .. } = stream.next().unwrap().unwrap();
    for entry in fs::read_dir(ground.at("")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert!(first.starts_with(b"file-"));
    assert_eq!(stream.map(Result::unwrap).count(), 0);
}

#[test]
fn a_stream_can_be_read_in_parts_on_any_thread() {
    fn assert_sendable<T: Send + 'static>() {}
    assert_sendable::<DirectoryStream>();
    let ground = Ground::new();
    for number in 0..10 {
        ground.file(&number.to_string(), "");
    }
    let mut stream = ground.home.list(&VirtualPath::root()).unwrap();
    let first = stream.by_ref().take(4).count();
    let rest = thread::spawn(move || stream.count()).join().unwrap();
    assert_eq!((first, rest), (4, 6));
}
