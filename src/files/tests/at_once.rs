//! What is told on the reactor: the same as off it, or nothing. Which of both depends on the disk below the tests.

use std::fs::File;
use std::os::unix::fs::symlink;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;
use crate::files::at_once::Nearby;

const MOST: usize = 64 * 1024;

impl Ground {
    fn is_near(&self) -> bool {
        self.home.ledger().nearby.is_near()
    }

    /// Has a file read, so that it is in memory and was read after it was written.
    fn warm(&self, name: &str) {
        // Both times would be of one tick of the kernel's clock.
        let before = fs::metadata(self.at(name)).unwrap().ctime_nsec();
        wait_for_tick(self, before);
        fs::read(self.at(name)).unwrap();
    }
}

/// Waits until a file that is made now is of another time.
fn wait_for_tick(ground: &Ground, before: i64) {
    let probe = ground.below.path().join("probe");
    loop {
        fs::write(&probe, "").unwrap();
        if fs::metadata(&probe).unwrap().ctime_nsec() != before {
            return;
        }
        fs::remove_file(&probe).unwrap();
    }
}

#[test]
fn a_short_file_is_had_at_once_and_is_the_same() {
    let ground = Ground::new();
    fs::create_dir(ground.at("directory")).unwrap();
    fs::write(ground.at("directory/file"), b"content").unwrap();
    ground.warm("directory/file");
    for offset in [0, 3, 7] {
        let found = ground.home.retrieve_at_once(&path("/directory/file"), offset, MOST);
        assert_eq!(found.is_some(), ground.is_near(), "at {offset}");
        if let Some((file, bytes)) = found {
            assert_eq!(bytes, b"content"[usize::try_from(offset).unwrap()..]);
            assert_eq!((file.offset, file.size), (7, 7));
        }
    }
}

#[test]
fn a_long_file_is_opened_at_once_and_read_later() {
    let ground = Ground::new();
    let content: Vec<u8> = (0..=255).cycle().take(MOST + 10).collect();
    fs::write(ground.at("file"), &content).unwrap();
    let found = ground.home.retrieve_at_once(&path("/file"), 5, MOST);
    assert_eq!(found.is_some(), ground.is_near());
    if let Some((mut file, bytes)) = found {
        assert_eq!(bytes, b"");
        let mut rest = Vec::new();
        file.read_block(&mut rest, usize::MAX).unwrap();
        assert_eq!(rest, content[5..]);
    }
}

#[test]
fn what_is_refused_or_wrong_is_not_told_at_once() {
    let ground = Ground::new();
    fs::write(ground.at("file"), b"content").unwrap();
    ground.warm("file");
    fs::create_dir(ground.at("directory")).unwrap();
    mkfifo(&ground.at("fifo"), Mode::S_IRWXU).unwrap();
    ground.warm("../outside/canary");
    symlink("../outside/canary", ground.at("out")).unwrap();
    symlink(ground.outside().join("canary"), ground.at("absolute")).unwrap();
    for name in ["/missing", "/directory", "/fifo", "/out", "/absolute", "/file/below", "/"] {
        assert!(ground.home.retrieve_at_once(&path(name), 0, MOST).is_none(), "{name}");
        if name != "/missing" {
            assert!(ground.home.store_at_once(&path(name)).is_none(), "{name}");
        }
    }
    assert!(ground.home.retrieve_at_once(&path("/file"), 8, MOST).is_none(), "beyond the end");
    let writer = ground.seen_with("elwad".parse().unwrap());
    assert!(writer.retrieve_at_once(&path("/file"), 0, MOST).is_none());
    let reader = ground.seen_with("elr".parse().unwrap());
    assert!(reader.store_at_once(&path("/file")).is_none());
    assert_eq!(fs::read(ground.outside().join("canary")).unwrap(), CANARY);
}

#[test]
fn what_is_not_in_memory_is_not_waited_for() {
    let ground = Ground::new();
    let forgotten = ["file", "other"].map(|name| {
        fs::write(ground.at(name), b"content").unwrap();
        ground.warm(name);
        let file = File::open(ground.at(name)).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        file
    });
    // Some file systems are nowhere else than in memory. To look is to have it read, so another file is looked at.
    let mut room = [0; 7];
    let nowait = rustix::io::ReadWriteFlags::NOWAIT;
    let found = rustix::io::preadv2(&forgotten[0], &mut [std::io::IoSliceMut::new(&mut room)], 0, nowait);
    if found.is_err() {
        assert!(ground.home.retrieve_at_once(&path("/other"), 0, MOST).is_none());
    }
    let mut bytes = Vec::new();
    ground.home.retrieve(&path("/other"), 0).unwrap().read_block(&mut bytes, MOST).unwrap();
    assert_eq!(bytes, b"content");
}

#[test]
fn an_upload_is_prepared_at_once_and_changes_nothing_yet() {
    let ground = Ground::new();
    for home in [ground.home.clone(), ground.direct()] {
        fs::write(ground.at("file"), b"old").unwrap();
        let before = ground.names();
        let pending = home.store_at_once(&path("/file"));
        assert_eq!(pending.is_some(), ground.is_near());
        assert_eq!(fs::read(ground.at("file")).unwrap(), b"old");
        assert_eq!(ground.names(), before);
        if let Some(pending) = pending {
            let mut upload = pending.begin().unwrap();
            upload.write(b"new").unwrap();
            upload.commit().unwrap();
            assert_eq!(fs::read(ground.at("file")).unwrap(), b"new");
        }
        // Asked for once, a name that nothing has is known not to be there.
        assert!(fs::metadata(ground.at("fresh")).is_err());
        if let Some(pending) = home.store_at_once(&path("/fresh")) {
            let mut upload = pending.begin().unwrap();
            upload.write(b"fresh").unwrap();
            upload.commit().unwrap();
            assert_eq!(fs::read(ground.at("fresh")).unwrap(), b"fresh");
            fs::remove_file(ground.at("fresh")).unwrap();
        }
    }
}

#[test]
fn the_facts_of_a_file_are_the_same_at_once() {
    let ground = Ground::new();
    fs::create_dir(ground.at("directory")).unwrap();
    fs::write(ground.at("directory/file"), b"content").unwrap();
    symlink("directory/file", ground.at("link")).unwrap();
    let name = path("/directory/file");
    let facts = ground.home.facts(&name).unwrap();
    assert_eq!(ground.home.facts_at_once(&name), ground.is_near().then_some(facts));
    for other in ["/directory", "/link", "/missing", "/"] {
        assert!(ground.home.facts_at_once(&path(other)).is_none(), "{other}");
    }
    assert!(ground.seen_with("er".parse().unwrap()).facts_at_once(&name).is_none());
    // An interrupted upload changes nothing about the file.
    let bob = ground.kept_for("bob");
    let mut upload = bob.store(&name, Placement::Replace).unwrap().begin().unwrap();
    upload.write(b"par").unwrap();
    drop(upload);
    assert_eq!(bob.facts_at_once(&name), ground.is_near().then_some(facts));
}

#[test]
fn a_directory_is_entered_at_once_if_it_can_be() {
    let ground = Ground::new();
    fs::create_dir(ground.at("directory")).unwrap();
    fs::write(ground.at("file"), b"").unwrap();
    symlink("../outside/directory", ground.at("out")).unwrap();
    for (name, is_one) in [("/", true), ("/directory", true), ("/file", false), ("/out", false), ("/missing", false)] {
        assert_eq!(ground.home.change_directory_at_once(&path(name)).is_some(), is_one && ground.is_near(), "{name}");
    }
    assert!(ground.seen_with("lr".parse().unwrap()).change_directory_at_once(&path("/directory")).is_none());
}

/// T20: what somebody stored is not lost to the next one who needs no password.
#[test]
fn anybody_replaces_nothing_at_once_either() {
    let ground = Ground::with("elwr");
    fs::write(ground.at("file"), b"old").unwrap();
    for home in [ground.seen_with("elwr".parse().unwrap()), ground.direct_with("elwr")] {
        assert!(home.for_anybody().store_at_once(&path("/file")).is_none());
    }
}

#[test]
fn a_home_is_entered_at_once_while_somebody_is_in_it() {
    let ground = Ground::new();
    let uploads = Uploads::default();
    let enter = || Home::open_at_once(&ground.at(""), Permissions::ALL, MODES, &uploads);
    assert!(enter().is_none(), "nobody is in it");
    let first = Home::open(&ground.at(""), Permissions::ALL, MODES, uploads.clone()).unwrap();
    let second = enter();
    assert_eq!(second.is_some(), first.ledger().nearby.is_near());
    if let Some(second) = &second {
        assert!(std::ptr::eq(first.ledger(), second.ledger()), "they share a quota");
    }
    let elsewhere = |path: &Path| Home::open_at_once(path, Permissions::ALL, MODES, &uploads);
    assert!(elsewhere(&ground.outside()).is_none());
    assert!(elsewhere(&ground.at("missing")).is_none());
    drop((first, second));
    assert!(enter().is_none(), "all have left");
}

/// F39: who serves such names may hang, and is never asked on the reactor.
#[test]
fn only_disks_of_this_machine_are_near() {
    for elsewhere in ["/proc", "/sys", "/dev/pts"] {
        let Ok(directory) = Dir::open_ambient_dir(elsewhere, ambient_authority()) else { continue };
        assert!(!Nearby::of(&directory).is_near(), "{elsewhere}");
    }
    assert!(!Nearby::default().is_near(), "nothing is known");
}
