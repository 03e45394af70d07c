//! What is in a file is lost to another that takes its name only if the account may delete it, or may write to it.

use super::*;

/// T56: `f` moves things, and destroys none.
#[test]
fn renaming_over_a_file_needs_the_right_to_destroy_it() {
    for (letters, is_allowed) in [("f", false), ("elrafmMT", false), ("fw", true), ("fd", true)] {
        let ground = Ground::with(letters);
        ground.file("a", "a");
        ground.file("b", "b");
        ground.directory("from");
        ground.directory("empty");
        ground.link("link", "b");
        let home = &ground.home;
        for taken in ["b", "link", "a"] {
            let renamed = home.rename(&path("a"), &path(taken));
            match renamed {
                Ok(()) if is_allowed => ground.file("a", "a"),
                Err(FileError::MayNotReplace) if !is_allowed => {}
                result => panic!("{letters} to {taken}: {result:?}"),
            }
        }
        assert_eq!(ground.content("b"), if is_allowed { b"a" } else { b"b" }, "{letters}");
        assert_eq!(home.rename(&path("from"), &path("empty")).is_ok(), is_allowed, "{letters}");
        home.rename(&path("a"), &path("new")).unwrap();
        assert_eq!(ground.content("new"), b"a");
        assert!(matches!(home.rename(&path("new"), &path("missing/new")), Err(FileError::NotFound)));
        home.rename(&path("empty"), &path("moved")).unwrap();
        home.rename(&path("new"), &path("moved/new")).unwrap();
        assert!(matches!(home.rename(&path("moved"), &path("moved/in")), Err(FileError::InvalidName)));
        assert_eq!(ground.content("moved/new"), b"a");
    }
}

/// T56: two names race for a third, and whoever comes second keeps its own.
#[test]
fn of_two_that_take_one_name_neither_is_lost() {
    let ground = Ground::with("f");
    for round in 0..1000 {
        ground.file("a", "a");
        ground.file("b", "b");
        let barrier = std::sync::Barrier::new(2);
        let renamed = thread::scope(|scope| {
            let racers = ["a", "b"].map(|name| {
                let (home, barrier) = (&ground.home, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    home.rename(&path(name), &path("taken"))
                })
            });
            racers.map(|racer| racer.join().unwrap())
        });
        let loser = match renamed {
            [Ok(()), Err(FileError::MayNotReplace)] => "b",
            [Err(FileError::MayNotReplace), Ok(())] => "a",
            renamed => panic!("round {round}: {renamed:?}"),
        };
        let winner = if loser == "a" { b"b" } else { b"a" };
        assert_eq!(ground.content("taken"), winner, "round {round}");
        assert_eq!(ground.content(loser), loser.as_bytes(), "round {round}");
        fs::remove_file(ground.at("taken")).unwrap();
    }
}

/// The same where the kernel cannot look and act at once.
#[test]
fn renaming_in_two_steps_replaces_nothing_either() {
    let ground = Ground::new();
    ground.file("a", "a");
    ground.file("b", "b");
    ground.directory("from/below");
    ground.directory("full/below");
    let rename = |old: &str, new: &str| {
        let root = ground.home.root();
        super::super::manage::rename_in_two_steps(root, old.as_ref(), root, new.as_ref())
    };
    assert!(matches!(rename("a", "b"), Err(FileError::MayNotReplace)));
    assert!(matches!(rename("from", "b"), Err(FileError::NotADirectory)));
    assert!(matches!(rename("from", "full"), Err(FileError::NotEmpty)));
    assert!(matches!(rename("from", "from/below"), Err(FileError::NotEmpty | FileError::InvalidName)));
    assert_eq!((ground.content("a"), ground.content("b")), (b"a".to_vec(), b"b".to_vec()));
    rename("a", "c").unwrap();
    rename("from", "to").unwrap();
    assert_eq!(listed(&ground.home, &VirtualPath::root()).unwrap(), ["b", "c", "full", "to"].map(Vec::from));
}

/// T53: those who do not know each other share a home. What one of them brought the next one may not replace.
#[test]
fn anybody_brings_new_files_and_replaces_none() {
    let modes = [UploadMode::Atomic, UploadMode::Direct];
    let letters = [("aw", false), ("afw", false), ("adw", true)];
    for (mode, (letters, is_allowed)) in modes.into_iter().flat_map(|mode| letters.map(|letters| (mode, letters))) {
        let ground = Ground::new();
        let uploads = Uploads { mode, ..Uploads::default() };
        let home = Home::open(&ground.at(""), letters.parse().unwrap(), MODES, uploads).unwrap().for_anybody();
        let store = |name: &str, placement, content: &[u8]| finish(home.store(&path(name), placement)?, content);
        store("new", Placement::Replace, b"first").unwrap();
        for placement in [Placement::Replace, Placement::At(0), Placement::At(2)] {
            match store("new", placement, b"second") {
                Ok(_) if is_allowed => {}
                Err(FileError::MayNotReplace) if !is_allowed => {}
                result => panic!("{letters}, {placement:?}: {result:?}"),
            }
        }
        ground.link("link", "new");
        assert_eq!(store("link", Placement::Replace, b"second").is_ok(), is_allowed);
        assert_eq!(ground.content("new"), if is_allowed { &b"second"[..] } else { b"first" });
        // Two that begin at once: one of them is first.
        let [one, other] = [0, 1].map(|_| home.store(&path("both"), Placement::Replace).unwrap());
        finish(one, b"one").unwrap();
        assert_eq!(finish(other, b"other").is_ok(), is_allowed);
        assert_eq!(ground.content("both"), if is_allowed { &b"other"[..] } else { b"one" });
        if letters.contains('f') {
            assert!(matches!(home.rename(&path("both"), &path("new")), Err(FileError::MayNotReplace)));
        }
        store("new", Placement::Append, b" and more").unwrap();
    }
}
