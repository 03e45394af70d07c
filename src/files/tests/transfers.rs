//! Uploads and downloads: where they begin, where they end, and what is left if they do not.

use super::*;
use std::io::Write;

#[test]
fn a_download_begins_anywhere_up_to_the_end() {
    let ground = Ground::new();
    ground.file("file", "0123456789");
    for (offset, want) in [(0, "0123456789"), (9, "9"), (10, "")] {
        assert_eq!(fetch(&ground.home, &path("file"), offset).unwrap(), want.as_bytes());
    }
    let beyond = ground.home.retrieve(&path("file"), 11);
    assert!(matches!(beyond, Err(FileError::BeyondEnd { offset: 11, size: 10 })), "{beyond:?}");
}

/// F13: what is appended later is not sent.
#[test]
fn the_size_of_a_download_is_that_at_the_opening() {
    let ground = Ground::new();
    ground.file("file", "0123456789");
    let retrieval = ground.home.retrieve(&path("file"), 4).unwrap();
    fs::OpenOptions::new().append(true).open(ground.at("file")).unwrap().write_all(b"more").unwrap();
    assert_eq!((retrieval.offset, retrieval.size), (4, 10));
}

/// F14: renamed over, it is still the old file to whoever has begun to read.
#[test]
fn a_download_survives_its_name() {
    let ground = Ground::new();
    ground.file("file", "old");
    ground.file("other", "new");
    let mut retrieval = ground.home.retrieve(&path("file"), 0).unwrap();
    ground.home.rename(&path("other"), &path("file")).unwrap();
    let mut content = String::new();
    retrieval.file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "old");
}

#[test]
fn uploads_replace_restart_and_append() {
    for (old, placement, new, want) in [
        (None, Placement::Replace, "new", "new"),
        (None, Placement::Append, "new", "new"),
        (None, Placement::Replace, "", ""),
        (Some("0123456789"), Placement::Replace, "new", "new"),
        (Some("0123456789"), Placement::Replace, "", ""),
        (Some("0123456789"), Placement::At(10), "new", "0123456789new"),
        (Some("0123456789"), Placement::At(9), "new", "012345678new"),
        (Some("0123456789"), Placement::At(2), "new", "01new"),
        (Some("0123456789"), Placement::At(2), "", "01"),
        (Some("0123456789"), Placement::At(0), "new", "new"),
        (Some("0123456789"), Placement::Append, "new", "0123456789new"),
        (Some("0123456789"), Placement::Append, "", "0123456789"),
        (Some(""), Placement::Append, "new", "new"),
    ] {
        let ground = Ground::new();
        for home in [ground.home.clone(), ground.kept_for("bob"), ground.direct()] {
            match old {
                Some(old) => ground.file("file", old),
                None => drop(fs::remove_file(ground.at("file"))),
            }
            let size = finish(home.store(&path("file"), placement).unwrap(), new.as_bytes()).unwrap();
            assert_eq!(ground.content("file"), want.as_bytes(), "{old:?} {placement:?} {new:?}");
            assert_eq!(size, want.len() as u64);
            assert_eq!(ground.names(), ["file"], "nothing hidden stays");
        }
    }
}

#[test]
fn a_restart_beyond_the_end_changes_nothing() {
    let ground = Ground::new();
    ground.file("file", "0123456789");
    for offset in [11, u64::MAX] {
        let result = ground.home.store(&path("file"), Placement::At(offset));
        assert!(matches!(result, Err(FileError::BeyondEnd { size: 10, .. })), "{result:?}");
    }
    assert_eq!(ground.content("file"), b"0123456789");
    assert!(matches!(ground.home.store(&path("missing"), Placement::At(1)), Err(FileError::NotFound)));
    assert!(!fs::exists(ground.at("missing")).unwrap());
}

#[test]
fn an_upload_that_never_begins_leaves_no_trace() {
    let ground = Ground::new();
    ground.file("file", "old");
    for placement in [Placement::Replace, Placement::At(1), Placement::Append] {
        drop(ground.home.store(&path("file"), placement).unwrap());
    }
    drop(ground.home.store(&path("new"), Placement::Replace).unwrap());
    drop(ground.home.store(&path("new"), Placement::Append).unwrap());
    drop(ground.home.store_unique(&path("ftpd")).unwrap());
    assert_eq!(ground.content("file"), b"old");
    assert_eq!(listed(&ground.home, &VirtualPath::root()).unwrap(), [b"file".to_vec()]);
}

/// Where it is written in place. Elsewhere see `partials`.
#[test]
fn an_upload_that_fails_leaves_what_came() {
    let ground = Ground::new();
    let home = ground.direct();
    let mut upload = home.store(&path("file"), Placement::Replace).unwrap().begin().unwrap();
    upload.write(b"half").unwrap();
    drop(upload);
    assert_eq!(ground.content("file"), b"half");
    assert_eq!(finish(home.store(&path("file"), Placement::At(4)).unwrap(), b" and half").unwrap(), 13);
    assert_eq!(ground.content("file"), b"half and half");
}

#[test]
fn two_appenders_do_not_overwrite_each_other() {
    let ground = Ground::new();
    let home = ground.direct();
    let begin = || home.store(&path("log"), Placement::Append).unwrap().begin().unwrap();
    let (mut first, mut second) = (begin(), begin());
    first.write(b"1").unwrap();
    second.write(b"2").unwrap();
    first.write(b"3").unwrap();
    first.commit().unwrap();
    assert_eq!(second.commit().unwrap(), 3);
    assert_eq!(ground.content("log"), b"123");
}

#[test]
fn what_cannot_be_stored_is_known_before_it_begins() {
    let ground = Ground::new();
    ground.directory("directory");
    ground.file("file", "");
    for (name, want) in
        [("missing/new", "no such file or directory"), ("file/new", "not a directory"), ("directory", "is a directory")]
    {
        for placement in [Placement::Replace, Placement::Append] {
            assert_eq!(ground.home.store(&path(name), placement).unwrap_err().to_string(), want);
        }
    }
    assert!(matches!(ground.home.store_unique(&path("missing/x")), Err(FileError::NotFound)));
}

#[test]
fn unique_names_are_new_and_taken_at_once() {
    let ground = Ground::new();
    let home = ground.direct();
    let pending: Vec<_> = (0..50).map(|_| home.store_unique(&path("report.txt")).unwrap()).collect();
    assert_eq!(listed(&ground.home, &VirtualPath::root()).unwrap().len(), 50);
    let pending = pending.into_iter().chain((0..50).map(|_| ground.home.store_unique(&path("report.txt")).unwrap()));
    for pending in pending {
        let name = pending.path().clone();
        assert!(name.as_bytes().starts_with(b"/report.txt."));
        finish(pending, b"content").unwrap();
        assert_eq!(fetch(&ground.home, &name, 0).unwrap(), b"content");
    }
    let unnamed = ground.home.store_unique(&VirtualPath::root()).unwrap();
    assert!(unnamed.path().as_bytes().starts_with(b"/ftpd."));
}

/// F37: positions beyond 4 GiB.
#[test]
fn files_larger_than_32_bits() {
    const TEBIBYTE: u64 = 1 << 40;
    let ground = Ground::new();
    fs::File::create(ground.at("sparse")).unwrap().set_len(TEBIBYTE).unwrap();
    assert_eq!(ground.home.facts(&path("sparse")).unwrap().size, TEBIBYTE);
    assert_eq!(fetch(&ground.home, &path("sparse"), TEBIBYTE - 10).unwrap(), [0; 10]);
    for offset in [(1 << 32) - 1, 1 << 32, (1 << 32) + 1] {
        assert_eq!(ground.home.retrieve(&path("sparse"), offset).unwrap().offset, offset);
    }
    assert_eq!(ground.upload("sparse", Placement::At((1 << 32) + 1), b"end").unwrap(), (1 << 32) + 4);
}

#[test]
fn new_files_and_directories_have_the_modes_of_the_home() {
    let ground = Ground::new();
    let modes = Modes { file: 0o600, directory: 0o700 };
    let home = Home::open(&ground.at(""), Permissions::ALL, modes, Uploads::default()).unwrap();
    finish(home.store(&path("stored"), Placement::Replace).unwrap(), b"").unwrap();
    finish(home.store(&path("appended"), Placement::Append).unwrap(), b"").unwrap();
    let unique = home.store_unique(&path("unique")).unwrap();
    let name = String::from_utf8(unique.path().file_name().unwrap().to_vec()).unwrap();
    finish(unique, b"").unwrap();
    home.make_directory(&path("made")).unwrap();
    for (name, want) in [("stored", 0o600), ("appended", 0o600), (name.as_str(), 0o600), ("made", 0o700)] {
        assert_eq!(fs::metadata(ground.at(name)).unwrap().mode() & 0o7777, want, "{name}");
    }
    ground.upload("open", Placement::Replace, b"").unwrap();
    assert_eq!(fs::metadata(ground.at("open")).unwrap().mode() & 0o7111, 0, "neither executable nor set-uid");
}
