//! What others do to a name while an upload to it is under way or interrupted: nothing of theirs is lost to it.

use super::*;
use crate::files::names::alone;
use crate::files::partial::{Over, Partial};
use crate::files::place::Place;
use crate::files::seen::Seen;
use crate::files::{Quotas, sweep};
use crate::path::RESERVED_PREFIX;

fn begin(home: &Home, name: &str, placement: Placement, content: &[u8]) -> crate::files::Upload {
    let mut upload = home.store(&path(name), placement).unwrap().begin().unwrap();
    upload.write(content).unwrap();
    upload
}

fn hidden(ground: &Ground) -> Vec<String> {
    ground.names().into_iter().filter(|name| name.as_bytes().starts_with(RESERVED_PREFIX)).collect()
}

/// What happened to `file` since bob's upload to it was interrupted, and whether that upload may still become the file.
type Change = (&'static str, bool, fn(&Ground));

const CHANGES: [Change; 7] = [
    ("nothing", true, |_| {}),
    ("it was removed", true, |ground| drop(fs::remove_file(ground.at("file")))),
    ("another was renamed onto it", false, |ground| {
        ground.file("other", "old");
        fs::rename(ground.at("other"), ground.at("file")).unwrap();
    }),
    ("it was written to", false, |ground| ground.file("file", "new")),
    ("another user stored it", false, |ground| {
        begin(&ground.kept_for("eve"), "file", Placement::Replace, b"eve's").commit().unwrap();
    }),
    ("another user appended to it", false, |ground| {
        begin(&ground.kept_for("eve"), "file", Placement::Append, b"eve's").commit().unwrap();
    }),
    ("it is of the same size and time", false, |ground| {
        let modified = fs::metadata(ground.at("file")).and_then(|found| found.modified());
        fs::write(ground.at("file"), "OLD").unwrap();
        if let Ok(modified) = modified {
            fs::File::options().write(true).open(ground.at("file")).unwrap().set_modified(modified).unwrap();
        }
    }),
];

/// REST and STOR, and APPE, with an interrupted upload: what stood there × what happened × the command × when.
#[test]
fn an_interrupted_upload_replaces_nothing_but_what_it_was_begun_for() {
    for old in [None, Some("old")] {
        for (what, mut may_go_on, change) in CHANGES {
            for placement in [Placement::At(5), Placement::At(2), Placement::Append, Placement::Replace] {
                for is_late in [false, true] {
                    let case = format!("{old:?}, {what}, {placement:?}, late: {is_late}");
                    let ground = Ground::new();
                    old.iter().for_each(|old| ground.file("file", old));
                    let bob = ground.kept_for("bob");
                    drop(begin(&bob, "file", Placement::Replace, b"hello"));
                    let mut finished = Err(FileError::TooManyOpen);
                    let mut before = None;
                    if is_late {
                        if let Ok(pending) = bob.store(&path("file"), placement) {
                            let mut upload = pending.begin().unwrap();
                            upload.write(b"bob's").unwrap();
                            change(&ground);
                            before = fs::read(ground.at("file")).ok();
                            finished = upload.commit();
                        }
                    } else {
                        change(&ground);
                        before = fs::read(ground.at("file")).ok();
                        finished = bob.store(&path("file"), placement).and_then(|pending| finish(pending, b"bob's"));
                    }
                    if old.is_none() {
                        may_go_on = before.is_none();
                    }
                    let is_append_to_a_file = placement == Placement::Append && before.is_some();
                    match (finished, placement) {
                        (Ok(_), Placement::Replace) => assert_eq!(ground.content("file"), b"bob's", "{case}"),
                        (Ok(_), Placement::At(2)) if may_go_on => {
                            assert_eq!(ground.content("file"), b"hebob's", "{case}");
                        }
                        (Ok(_), _) if may_go_on && !is_append_to_a_file => {
                            assert_eq!(ground.content("file"), b"hellobob's", "{case}");
                        }
                        (Err(why), _) if !may_go_on || placement == Placement::Append => {
                            let is_told = matches!(
                                why,
                                FileError::Superseded
                                    | FileError::Interrupted
                                    | FileError::TryAgain
                                    | FileError::TooManyOpen
                            );
                            assert!(is_told, "{case}: {why:?}");
                            let there = fs::read(ground.at("file")).ok();
                            assert!(before.is_none() || there == before, "{case}: {there:?}");
                        }
                        (result, _) => panic!("{case}: {result:?}"),
                    }
                }
            }
        }
    }
}

/// What older versions left has nothing beside it that says what it was begun for.
#[test]
fn a_partial_without_a_memory_may_only_become_a_new_name() {
    let ground = Ground::new();
    ground.file("file", "old");
    let bob = ground.kept_for("bob");
    drop(begin(&bob, "file", Placement::Replace, b"hello"));
    let memory = hidden(&ground).into_iter().find(|name| name.ends_with("-of")).unwrap();
    fs::remove_file(ground.at(&memory)).unwrap();
    let refused = bob.store(&path("file"), Placement::At(5));
    assert!(matches!(refused, Err(FileError::Superseded)), "{refused:?}");
    fs::remove_file(ground.at("file")).unwrap();
    begin(&bob, "file", Placement::At(5), b" world").commit().unwrap();
    assert_eq!(ground.content("file"), b"hello world");
    assert_eq!(ground.names(), ["file"]);
}

/// A copy of a file is no interrupted upload: whoever went on with it would bring the file back to what it was.
#[test]
fn a_copy_goes_with_its_upload() {
    for placement in [Placement::Append, Placement::At(2)] {
        for is_replaced in [false, true] {
            let ground = Ground::new();
            ground.file("file", "old");
            let bob = ground.kept_for("bob");
            let upload = begin(&bob, "file", placement, b"bob's");
            if is_replaced {
                fs::remove_file(ground.at("file")).unwrap();
                assert!(matches!(upload.commit(), Err(FileError::TryAgain)), "{placement:?}");
                assert_eq!(ground.names(), [""; 0], "{placement:?}");
            } else {
                drop(upload);
                assert_eq!(ground.names(), ["file"], "{placement:?}");
                assert_eq!(ground.content("file"), b"old");
            }
        }
    }
    let ground = Ground::new();
    drop(begin(&ground.kept_for("bob"), "new", Placement::Append, b"bob's"));
    assert_eq!(ground.names(), [""; 0]);
}

type End = fn(&Ground, &Home);

/// What is remembered goes with its partial, by each way that a partial goes, and with RMD and the sweep without one.
#[test]
fn nothing_remembered_is_left_behind() {
    let ends: [(&str, End); 5] = [
        ("resumed", |_, bob| assert_eq!(begin(bob, "d/file", Placement::At(5), b"!").commit().unwrap(), 6)),
        ("begun again", |_, bob| assert_eq!(begin(bob, "d/file", Placement::Replace, b"!").commit().unwrap(), 1)),
        ("removed", |_, bob| bob.delete(&path("d/file")).unwrap()),
        ("swept", |ground, _| {
            for name in ["d"].map(|name| ground.at(name)) {
                for entry in fs::read_dir(name).unwrap().map(Result::unwrap) {
                    let is_partial = entry.file_name().as_encoded_bytes().starts_with(RESERVED_PREFIX);
                    if is_partial && entry.metadata().unwrap().is_file() {
                        let file = fs::File::options().write(true).open(entry.path()).unwrap();
                        file.set_modified(std::time::UNIX_EPOCH).unwrap();
                    }
                }
            }
            assert_eq!(sweep(&ground.at(""), &Quotas::default()).unwrap(), 1);
        }),
        ("lost its partial", |ground, _| {
            let partials = fs::read_dir(ground.at("d")).unwrap().map(Result::unwrap);
            for entry in partials.filter(|entry| entry.file_name() != "file" && entry.metadata().unwrap().is_file()) {
                fs::remove_file(entry.path()).unwrap();
            }
            assert_eq!(sweep(&ground.at(""), &Quotas::default()).unwrap(), 0);
        }),
    ];
    for (what, end) in ends {
        let ground = Ground::new();
        ground.directory("d");
        ground.file("d/file", "old");
        let bob = ground.kept_for("bob");
        drop(begin(&bob, "d/file", Placement::Replace, b"hello"));
        assert_eq!(fs::read_dir(ground.at("d")).unwrap().count(), 3, "{what}: file, partial and memory");
        end(&ground, &bob);
        let _ = fs::remove_file(ground.at("d/file"));
        assert_eq!(fs::read_dir(ground.at("d")).unwrap().count(), 0, "{what}");
    }
    let ground = Ground::new();
    ground.directory("d");
    ground.file("d/file", "old");
    let bob = ground.kept_for("bob");
    drop(begin(&bob, "d/file", Placement::Replace, b"hello"));
    fs::remove_file(ground.at("d/file")).unwrap();
    bob.remove_directory(&path("d")).unwrap();
}

/// As many bytes as successes, and each session's in its order.
#[test]
fn appends_at_the_same_time_are_all_there() {
    const SESSIONS: u8 = 8;
    const EACH: u8 = 25;
    for (mode, old) in [UploadMode::Atomic, UploadMode::Direct].into_iter().flat_map(|mode| [(mode, ""), (mode, "old")])
    {
        let ground = Ground::new();
        if !old.is_empty() {
            ground.file("log", old);
        }
        let stored: usize = thread::scope(|scope| {
            let sessions = (0..SESSIONS).map(|session| {
                let keeper = Some(["bob", "eve"][usize::from(session % 2)].to_owned());
                let home = ground.with_uploads(Uploads { mode, keeper, ..Uploads::default() });
                scope.spawn(move || {
                    let store = || finish(home.store(&path("log"), Placement::Append)?, &[session]);
                    (0..EACH).filter(|_| store().is_ok()).count()
                })
            });
            let sessions: Vec<_> = sessions.collect();
            sessions.into_iter().map(|session| session.join().unwrap()).sum()
        });
        assert_eq!(stored, usize::from(SESSIONS) * usize::from(EACH), "{mode:?}: all come in turn");
        assert_eq!(ground.content("log").len(), stored + old.len(), "{mode:?}");
        assert_eq!(ground.names(), ["log"]);
    }
}

/// Whoever has the lock of a name keeps others from publishing, removing and renaming it.
#[test]
fn a_name_is_changed_by_one_at_a_time() {
    let ground = Ground::new();
    for name in ["stored", "removed", "from", "to"] {
        ground.file(name, name);
    }
    let bob = ground.kept_for("bob");
    let place = |name: &str| Place::find(&bob, &path(name)).unwrap().0.key().unwrap();
    let upload = begin(&bob, "stored", Placement::Replace, b"new");
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        alone([place("stored"), place("removed"), place("to")], || {
            let bob = &bob;
            let told = [sender.clone(), sender.clone(), sender];
            let [stored, removed, renamed] = told;
            scope.spawn(move || stored.send(upload.commit().map(drop)));
            scope.spawn(move || removed.send(bob.delete(&path("removed"))));
            scope.spawn(move || renamed.send(bob.rename(&path("from"), &path("to"))));
            assert!(receiver.recv_timeout(Duration::from_millis(200)).is_err(), "one of them did not wait");
            assert_eq!(ground.content("stored"), b"stored");
        });
        for _ in 0..3 {
            receiver.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
        }
    });
    assert_eq!(ground.names(), ["stored", "to"]);
}

/// Another process is between look and rename: what it brought stays.
#[test]
fn the_kernel_tells_what_came_back() {
    let ground = Ground::new();
    ground.file("file", "old");
    let bob = ground.kept_for("bob");
    let place = || Place::find(&bob, &path("file")).unwrap().0;
    let seen = Seen::of(&place().look().unwrap());
    ground.file("other", "theirs");
    fs::rename(ground.at("other"), ground.at("file")).unwrap();
    for is_kept in [false, true] {
        let made = if is_kept {
            Partial::begin(&bob, place(), &path("file"), 0o600, Some(seen)).map(|(partial, _)| partial)
        } else {
            Partial::draft(place(), 0o600)
        };
        let mut partial = made.unwrap();
        let refused = partial.publish(Over::Only(seen));
        assert!(matches!(refused, Err(FileError::TryAgain)), "{refused:?}");
        assert_eq!(ground.content("file"), b"theirs");
        drop(partial);
        let left = if is_kept { 2 } else { 0 };
        assert_eq!(hidden(&ground).len(), left, "what was kept is kept still");
    }
    let mut partial = Partial::draft(place(), 0o600).unwrap();
    partial.publish(Over::Only(Seen::of(&place().look().unwrap()))).unwrap();
    drop(partial);
    assert_eq!(ground.content("file"), b"");
}

/// A file that is written in place: at the end its name stands for it, or the upload failed.
#[test]
fn what_is_written_in_place_is_still_there_at_the_end() {
    const LONG: u64 = (64 << 20) + 1;
    type Away = fn(&Ground);
    let ways: [(&str, Away); 3] = [
        ("removed", |ground| fs::remove_file(ground.at("file")).unwrap()),
        ("renamed", |ground| fs::rename(ground.at("file"), ground.at("elsewhere")).unwrap()),
        ("replaced", |ground| {
            ground.file("other", "theirs");
            fs::rename(ground.at("other"), ground.at("file")).unwrap();
        }),
    ];
    for (how, away) in ways {
        for placement in [Placement::Replace, Placement::At(2), Placement::Append] {
            for is_there in [false, true] {
                let ground = Ground::new();
                if is_there || placement == Placement::At(2) {
                    ground.file("file", "old");
                }
                let upload = begin(&ground.direct(), "file", placement, b"new");
                away(&ground);
                let lost = upload.commit();
                assert!(matches!(lost, Err(FileError::Displaced)), "{how}, {placement:?}: {lost:?}");
            }
        }
        // Atomic, and too long to be copied where the disk cannot share blocks.
        let ground = Ground::new();
        fs::File::create(ground.at("file")).unwrap().set_len(LONG).unwrap();
        let upload = begin(&ground.kept_for("bob"), "file", Placement::Append, b"new");
        away(&ground);
        match upload.commit() {
            Err(FileError::Displaced | FileError::TryAgain) => {}
            Ok(size) => assert_eq!(ground.content("file"), b"theirsnew", "{how}: {size}"),
            Err(why) => panic!("{how}: {why:?}"),
        }
        if how == "replaced" {
            assert!(ground.content("file").starts_with(b"theirs"));
        }
    }
}

/// In place there is one that writes from somewhere on, or some that append.
#[test]
fn writers_in_place_do_not_meet() {
    let ground = Ground::new();
    ground.file("file", "old");
    let home = ground.direct();
    for first in [Placement::Replace, Placement::At(1), Placement::Append] {
        for second in [Placement::Replace, Placement::At(1), Placement::Append] {
            let under_way = begin(&home, "file", first, b"first");
            let other = home.store(&path("file"), second).unwrap().begin();
            if (first, second) == (Placement::Append, Placement::Append) {
                drop(other.unwrap());
            } else {
                assert!(matches!(other, Err(FileError::TryAgain)), "{first:?}, {second:?}: {other:?}");
            }
            let size = under_way.commit().unwrap();
            assert_eq!(ground.content("file").len() as u64, size.max(5));
            assert!(ground.content("file").ends_with(b"first"), "{first:?}, {second:?}");
        }
    }
}

/// STOU's name that nothing came for is given back, unless another has it by then.
#[test]
fn a_reserved_name_that_another_took_stays() {
    let ground = Ground::new();
    let pending = ground.direct().store_unique(&path("new")).unwrap();
    let name = ground.names()[0].clone();
    ground.file("other", "theirs");
    fs::rename(ground.at("other"), ground.at(&name)).unwrap();
    drop(pending);
    assert_eq!(ground.content(&name), b"theirs");
    let names = ground.names();
    drop(ground.direct().store_unique(&path("new")).unwrap());
    assert_eq!(ground.names(), names);
}
