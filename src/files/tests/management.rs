//! Names and attributes.

use super::*;

#[test]
fn directories_are_made_and_removed() {
    let ground = Ground::new();
    let home = &ground.home;
    home.make_directory(&path("a")).unwrap();
    home.make_directory(&path("a/b")).unwrap();
    ground.file("file", "");
    assert!(matches!(home.make_directory(&path("a")), Err(FileError::AlreadyExists)));
    assert!(matches!(home.make_directory(&path("file")), Err(FileError::AlreadyExists)));
    assert!(matches!(home.make_directory(&path("x/y")), Err(FileError::NotFound)));
    assert!(matches!(home.remove_directory(&path("a")), Err(FileError::NotEmpty)));
    assert!(matches!(home.remove_directory(&path("file")), Err(FileError::NotADirectory)));
    assert!(matches!(home.remove_directory(&path("x")), Err(FileError::NotFound)));
    assert!(matches!(home.delete(&path("a")), Err(FileError::IsADirectory)));
    assert!(matches!(home.delete(&path("x")), Err(FileError::NotFound)));
    assert!(matches!(home.change_directory(&path("file")), Err(FileError::NotADirectory)));
    home.remove_directory(&path("a/b")).unwrap();
    home.remove_directory(&path("a")).unwrap();
    home.delete(&path("file")).unwrap();
    assert!(fs::read_dir(ground.at("")).unwrap().next().is_none());
}

#[test]
fn renaming_is_that_of_the_system() {
    let ground = Ground::new();
    let home = &ground.home;
    ground.directory("full/below");
    ground.directory("empty");
    ground.file("old", "old");
    ground.file("new", "new");
    home.rename(&path("new"), &path("old")).unwrap();
    assert_eq!(ground.content("old"), b"new");
    home.rename(&path("old"), &path("full/old")).unwrap();
    assert_eq!(ground.content("full/old"), b"new");
    assert!(matches!(home.rename(&path("missing"), &path("x")), Err(FileError::NotFound)));
    assert!(matches!(home.rename_source_exists(&path("missing")), Err(FileError::NotFound)));
    assert!(matches!(home.rename(&path("full/old"), &path("missing/x")), Err(FileError::NotFound)));
    assert!(matches!(home.rename(&path("full/old"), &path("empty")), Err(FileError::IsADirectory)));
    assert!(matches!(home.rename(&path("empty"), &path("full/old")), Err(FileError::NotADirectory)));
    assert!(matches!(home.rename(&path("empty"), &path("full")), Err(FileError::NotEmpty)));
    assert!(matches!(home.rename(&path("full"), &path("full/below/x")), Err(FileError::InvalidName)));
    home.rename(&path("full"), &path("empty")).unwrap();
    assert_eq!(ground.content("empty/old"), b"new");
}

#[test]
fn modes_have_no_special_bits() {
    let ground = Ground::new();
    ground.file("file", "");
    ground.directory("directory");
    for (name, mode, want) in [
        ("file", 0o4755, 0o755),
        ("file", 0o7777, 0o777),
        ("file", 0o170_644, 0o644),
        ("directory", 0o7777, 0o777),
        ("file", 0, 0),
        ("file", 0o640, 0o640),
    ] {
        ground.home.set_mode(&path(name), mode).unwrap();
        assert_eq!(fs::metadata(ground.at(name)).unwrap().mode() & 0o7777, want, "{name} {mode:o}");
    }
    assert!(matches!(ground.home.set_mode(&path("missing"), 0o644), Err(FileError::NotFound)));
}

#[test]
fn times_of_modification() {
    let ground = Ground::new();
    ground.file("file", "content");
    ground.directory("directory");
    let accessed = fs::metadata(ground.at("file")).unwrap().atime();
    for seconds in [0, 1_000_000_000, 1_762_082_520, -1] {
        for name in ["file", "directory"] {
            ground.home.set_modified(&path(name), seconds).unwrap();
            assert_eq!(ground.home.facts(&path(name)).unwrap().modified, seconds, "{name}");
        }
    }
    assert_eq!(fs::metadata(ground.at("file")).unwrap().atime(), accessed);
    assert!(matches!(ground.home.set_modified(&path("missing"), 0), Err(FileError::NotFound)));
}

/// Which times these are depends on the disk below the tests: each is kept, or the old one is.
#[test]
fn a_time_is_kept_or_refused() {
    let ground = Ground::new();
    ground.file("file", "content");
    let time = || fs::metadata(ground.at("file")).unwrap().mtime();
    for seconds in [-62_135_596_800, -2_147_483_649, -1, 2_147_483_648, 15_032_385_536, 253_402_300_799] {
        let before = time();
        match ground.home.set_modified(&path("file"), seconds) {
            Ok(kept) => {
                assert_eq!(kept, time());
                assert!(kept.abs_diff(seconds) <= 2, "{seconds} became {kept}");
            }
            Err(why) => {
                assert!(matches!(why, FileError::TimeNotKept), "{why:?}");
                assert_eq!(time(), before);
            }
        }
    }
}

#[test]
fn free_space_is_that_of_the_disk() {
    let ground = Ground::new();
    let free = ground.home.free_space(&VirtualPath::root()).unwrap();
    assert!(free > 0, "there was room for this test");
    assert!(matches!(ground.home.free_space(&path("missing")), Err(FileError::NotFound)));
}

#[test]
fn homes_are_made_with_their_parents() {
    let ground = Ground::new();
    let new = ground.at("a/b/c");
    assert!(Home::open(&new, Permissions::ALL, MODES, Uploads::default()).is_err());
    super::super::create_home(&new, 0o700).unwrap();
    super::super::create_home(&new, 0o700).unwrap();
    assert_eq!(fs::metadata(&new).unwrap().mode() & 0o7777, 0o700);
    Home::open(&new, Permissions::ALL, MODES, Uploads::default()).unwrap();
    ground.file("file", "");
    assert!(super::super::create_home(&ground.at("file"), 0o700).is_err());
    assert!(Home::open(&ground.at("file"), Permissions::ALL, MODES, Uploads::default()).is_err());
}
