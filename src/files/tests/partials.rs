//! Uploads that are not whole: never seen, found again by their user, and gone when nobody wants them.

use super::*;
use crate::files::{Quotas, sweep};
use crate::path::RESERVED_PREFIX;
use std::time::SystemTime;

fn begin(home: &Home, name: &str, placement: Placement, content: &[u8]) -> crate::files::Upload {
    let mut upload = home.store(&path(name), placement).unwrap().begin().unwrap();
    upload.write(content).unwrap();
    upload
}

fn size(home: &Home, name: &str) -> Option<u64> {
    home.size(&path(name)).ok()
}

fn hidden(ground: &Ground) -> Vec<String> {
    ground.names().into_iter().filter(|name| name.as_bytes().starts_with(RESERVED_PREFIX)).collect()
}

/// F01, F06, F30: until the commit, and after a failure, the name stands for the old file.
#[test]
fn the_old_file_stands_until_the_swap() {
    let ground = Ground::new();
    ground.file("file", "old");
    let home = ground.kept_for("bob");
    let upload = begin(&home, "file", Placement::Replace, b"new and longer");
    assert_eq!(fetch(&home, &path("file"), 0).unwrap(), b"old");
    assert_eq!(listed(&home, &VirtualPath::root()).unwrap(), [b"file".to_vec()]);
    drop(upload);
    assert_eq!(ground.content("file"), b"old");
    begin(&home, "file", Placement::Replace, b"new and longer").commit().unwrap();
    assert_eq!(ground.content("file"), b"new and longer");
    assert_eq!(ground.names(), ["file"]);
}

/// An upload that broke is gone on with by its offset. APPE, which has none, goes on with it only where no file is.
#[test]
fn the_user_who_failed_goes_on() {
    for old in [None, Some("old text")] {
        for (placement, rest, want) in [
            (Placement::At(5), &b"world"[..], "helloworld"),
            (Placement::Append, b"world", "helloworld"),
            (Placement::At(4), b"0", "hell0"),
            (Placement::Replace, b"anew", "anew"),
        ] {
            let ground = Ground::new();
            old.iter().for_each(|old| ground.file("file", old));
            let bob = ground.kept_for("bob");
            drop(begin(&bob, "file", Placement::Replace, b"hello"));
            let beyond = bob.store(&path("file"), Placement::At(6));
            assert!(matches!(beyond, Err(FileError::BeyondEnd { offset: 6, size: 5 })), "{beyond:?}");
            let upload = bob.store(&path("file"), placement);
            if placement == Placement::Append && old.is_some() {
                assert!(matches!(upload, Err(FileError::Interrupted)), "{upload:?}");
                assert_eq!(ground.content("file"), b"old text");
                continue;
            }
            finish(upload.unwrap(), rest).unwrap();
            assert_eq!(ground.content("file"), want.as_bytes(), "{placement:?}");
            assert_eq!(ground.names(), ["file"]);
        }
    }
}

/// The SIZE rule, for each state of the name, of an upload to it, and each user. Whatever asks for facts, bytes, sums or
/// entries is told of the file, and so is SIZE where there is one.
#[test]
fn all_speak_of_one_file() {
    for old in [None, Some("old text")] {
        for sent in [&b""[..], b"hello", b"longer than the old text"] {
            for is_writing in [true, false] {
                let ground = Ground::new();
                old.iter().for_each(|old| ground.file("file", old));
                let (bob, eve) = (ground.kept_for("bob"), ground.kept_for("eve"));
                let upload = begin(&bob, "file", Placement::Replace, sent);
                let upload = is_writing.then_some(upload);
                let there = old.map(|old| old.len() as u64);
                for (home, is_bob) in [(&bob, true), (&eve, false), (&ground.home, false)] {
                    let kept = (is_bob && !is_writing).then_some(sent.len() as u64);
                    assert_eq!(size(home, "file"), there.or(kept), "{old:?} {sent:?} {is_writing} {is_bob}");
                    let name = path("file");
                    assert_eq!(home.facts(&name).ok().map(|facts| facts.size), there);
                    assert_eq!(fetch(home, &name, 0).ok().map(|bytes| bytes.len() as u64), there);
                    let sum = home.summing(&name, crate::files::Algorithm::Crc32, 0, None).ok();
                    assert_eq!(sum.map(|mut sum| sum.read_on(|| true).unwrap().unwrap().end), there);
                    let entries = home.list(&VirtualPath::root()).unwrap().map(Result::unwrap);
                    assert_eq!(entries.map(|entry| entry.facts.size).collect::<Vec<_>>(), Vec::from_iter(there));
                }
                drop(upload);
                ground.directory("other");
                assert!(matches!(bob.size(&path("other")), Err(FileError::NotRegular)));
            }
        }
    }
}

#[test]
fn nothing_is_kept_for_anonymous() {
    let ground = Ground::new();
    drop(begin(&ground.home, "file", Placement::Replace, b"hello"));
    assert_eq!(ground.names(), [""; 0]);
}

/// F29: each writer has a partial of its own, and the last one to finish wins, whole.
#[test]
fn two_writers_of_one_name() {
    let ground = Ground::new();
    let bob = ground.kept_for("bob");
    let mut first = begin(&bob, "file", Placement::Replace, b"1");
    let mut second = begin(&bob, "file", Placement::Replace, b"2");
    first.write(b"1").unwrap();
    second.write(b"2").unwrap();
    second.commit().unwrap();
    assert_eq!(ground.content("file"), b"22");
    first.commit().unwrap();
    assert_eq!(ground.content("file"), b"11");
    assert_eq!(ground.names(), ["file"]);
}

/// While somebody writes to a partial nobody goes on with it: a client whose first connection still hangs tries again.
#[test]
fn a_partial_in_use_is_busy() {
    let ground = Ground::new();
    let bob = ground.kept_for("bob");
    let first = begin(&bob, "file", Placement::Replace, b"hello");
    assert_eq!(size(&bob, "file"), None);
    for placement in [Placement::At(5), Placement::Append] {
        let second = bob.store(&path("file"), placement);
        assert!(matches!(second, Err(FileError::TryAgain)), "{second:?}");
    }
    drop(begin(&bob, "file", Placement::Replace, b"other"));
    assert_eq!(hidden(&ground).len(), 1, "the second one was nobody's");
    drop(first);
    assert_eq!(size(&bob, "file"), Some(5));
}

/// Appends come one behind the other, in the order of their ends, and none takes another away.
#[test]
fn an_append_never_loses_another() {
    for old in [None, Some("old")] {
        let ground = Ground::new();
        old.iter().for_each(|old| ground.file("log", old));
        let (bob, eve) = (ground.kept_for("bob"), ground.kept_for("eve"));
        let first = begin(&bob, "log", Placement::Append, b"1");
        begin(&eve, "log", Placement::Append, b"2").commit().unwrap();
        first.commit().unwrap();
        assert_eq!(ground.content("log"), format!("{}21", old.unwrap_or_default()).into_bytes());
        assert_eq!(ground.names(), ["log"]);
    }
}

/// Too long to be copied: the old bytes stay as they are, and a failure takes the new ones away.
#[test]
fn a_long_file_is_appended_to_in_place() {
    const LONG: u64 = (64 << 20) + 1;
    let ground = Ground::new();
    fs::File::create(ground.at("long")).unwrap().set_len(LONG).unwrap();
    let bob = ground.kept_for("bob");
    drop(begin(&bob, "long", Placement::Append, b"broken"));
    assert_eq!(fs::metadata(ground.at("long")).unwrap().len(), LONG);
    assert_eq!(size(&bob, "long"), Some(LONG));
    begin(&bob, "long", Placement::At(LONG), b"whole").commit().unwrap();
    assert_eq!(fetch(&bob, &path("long"), LONG).unwrap(), b"whole");
}

/// F31: what was removed or moved meanwhile is not written to, wherever it is now.
#[test]
fn a_directory_that_moved_gets_no_file() {
    let ground = Ground::new();
    ground.directory("here");
    let bob = ground.kept_for("bob");
    let upload = begin(&bob, "here/file", Placement::Replace, b"hello");
    bob.rename(&path("here"), &path("there")).unwrap();
    assert!(matches!(upload.commit(), Err(FileError::NotFound)));
    assert!(!fs::exists(ground.at("there/file")).unwrap());
    let upload = begin(&bob, "there/file", Placement::Replace, b"hello");
    assert!(matches!(bob.remove_directory(&path("there")), Err(FileError::NotEmpty)), "it is being written to");
    fs::remove_dir_all(ground.at("there")).unwrap();
    assert!(matches!(upload.commit(), Err(FileError::NotFound)));
    // A file that was removed meanwhile is there again, new.
    ground.file("file", "old");
    let upload = begin(&bob, "file", Placement::Replace, b"new");
    bob.delete(&path("file")).unwrap();
    upload.commit().unwrap();
    assert_eq!(ground.content("file"), b"new");
}

#[test]
fn removing_and_renaming_forget_what_broke() {
    let ground = Ground::new();
    let bob = ground.kept_for("bob");
    drop(begin(&bob, "file", Placement::Replace, b"hello"));
    bob.delete(&path("file")).unwrap();
    assert!(matches!(bob.delete(&path("file")), Err(FileError::NotFound)));
    drop(begin(&bob, "file", Placement::Replace, b"hello"));
    ground.file("whole", "12345678");
    bob.rename(&path("whole"), &path("file")).unwrap();
    assert_eq!(size(&bob, "file"), Some(8));
    ground.directory("directory");
    drop(begin(&bob, "directory/file", Placement::Replace, b"hello"));
    bob.remove_directory(&path("directory")).unwrap();
    assert_eq!(ground.names(), ["file"]);
}

#[test]
fn an_overwritten_file_keeps_its_mode_and_its_link() {
    use std::os::unix::fs::PermissionsExt;
    let ground = Ground::new();
    ground.file("file", "old");
    fs::set_permissions(ground.at("file"), fs::Permissions::from_mode(0o604)).unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(ground.at("file"), Some(1234), Some(5678)).unwrap();
    }
    let owners = |name: &str| fs::metadata(ground.at(name)).map(|found| (found.uid(), found.gid())).unwrap();
    let owners_before = owners("file");
    fs::hard_link(ground.at("file"), ground.at("twin")).unwrap();
    ground.directory("directory");
    ground.link("directory/link", "../file");
    let bob = ground.kept_for("bob");
    let upload = begin(&bob, "directory/link", Placement::Replace, b"new");
    for name in hidden(&ground).iter().filter(|name| !name.ends_with("-of")) {
        assert_eq!(fs::metadata(ground.at(name)).unwrap().mode() & 0o077, 0o004, "no more is to be read than before");
    }
    upload.commit().unwrap();
    assert_eq!(ground.content("file"), b"new");
    assert_eq!(fs::metadata(ground.at("file")).unwrap().mode() & 0o7777, 0o604);
    assert_eq!(owners("file"), owners_before);
    assert!(fs::symlink_metadata(ground.at("directory/link")).unwrap().is_symlink());
    // As with every program that replaces files: another name of the old file keeps the old content.
    assert_eq!(ground.content("twin"), b"old");
}

/// F34: the hidden name is short, however long the other is.
#[test]
fn the_longest_names() {
    let ground = Ground::new();
    let bob = ground.kept_for("bob");
    let name = "n".repeat(255);
    drop(begin(&bob, &name, Placement::Replace, b"hello"));
    begin(&bob, &name, Placement::At(5), b"!").commit().unwrap();
    assert_eq!(ground.content(&name), b"hello!");
}

/// Something of another's under the hidden name is left alone, and hinders nobody.
#[test]
fn a_hidden_name_that_is_taken() {
    let ground = Ground::new();
    let bob = ground.kept_for("bob");
    drop(begin(&bob, "file", Placement::Replace, b"x"));
    let name = hidden(&ground)[0].clone();
    fs::remove_file(ground.at(&name)).unwrap();
    ground.link(&name, "../outside/canary");
    let before = ground.outside_as_it_is();
    begin(&bob, "file", Placement::Replace, b"hello").commit().unwrap();
    assert_eq!(ground.content("file"), b"hello");
    assert_eq!(size(&bob, "file"), Some(5));
    assert_eq!(ground.outside_as_it_is(), before);
}

/// F49: a thousand leftovers of a crash, one of them in use, one of them young.
#[test]
fn old_leftovers_are_swept() {
    let ground = Ground::new();
    ground.directory("a/b");
    let bob = ground.kept_for("bob");
    let in_use = begin(&bob, "a/b/used", Placement::Replace, b"x");
    drop(begin(&bob, "young", Placement::Replace, b"x"));
    ground.file(".longshore.txt", "a name like others");
    let old = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    let used = fs::read_dir(ground.at("a/b")).unwrap().next().unwrap().unwrap().path();
    let age = |path: &Path| fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    age(&used);
    age(&ground.at(".longshore.txt"));
    for number in 0..1000 {
        let name = format!("a/.longshore-{number:032x}");
        ground.file(&name, "left");
        age(&ground.at(&name));
    }
    assert_eq!(sweep(&ground.at(""), &Quotas::default()).unwrap(), 1000);
    assert!(used.exists());
    assert_eq!(ground.names(), [hidden(&ground)[0].as_str(), ".longshore.txt", "a"]);
    drop(in_use);
    assert_eq!(sweep(&ground.at(""), &Quotas::default()).unwrap(), 1);
    assert_eq!(sweep(&ground.at("missing"), &Quotas::default()).unwrap(), 0);
}
