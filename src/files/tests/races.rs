//! Somebody with a shell on the machine swaps directories and links while clients are served (as in Docker's and ProFTPD's
//! races): what was checked is what is used, or it is refused.
#![cfg(target_env = "gnu")] // nix has renameat2 for glibc only

use super::*;
use crate::listing::Entry;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::sync::atomic::{AtomicBool, Ordering};

const ROUNDS: usize = 2_000;

/// Swaps the two names until told to stop; tells how often.
fn swap(first: &Path, second: &Path, stop: &AtomicBool) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        renameat2(AT_FDCWD, first, AT_FDCWD, second, RenameFlags::RENAME_EXCHANGE).unwrap();
        count += 1;
    }
    count
}

fn while_swapping(ground: &Ground, first: &str, second: &str, work: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let swapper = scope.spawn(|| swap(&ground.at(first), &ground.at(second), &stop));
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        assert!(swapper.join().unwrap() > 0);
        worked.unwrap();
    });
}

/// T48: the directory above what is named.
#[test]
fn a_directory_and_a_link_change_places() {
    let ground = Ground::new();
    ground.directory("directory");
    ground.file("directory/canary", "mine");
    ground.link("link", "../outside/directory");
    let before = ground.outside_as_it_is();
    let home = &ground.home;
    let (mut served, mut refused) = (0, 0);
    while_swapping(&ground, "directory", "link", || {
        for round in 0..ROUNDS {
            match fetch(home, &path("directory/canary"), 0) {
                Ok(content) => {
                    assert_eq!(content, b"mine", "round {round}");
                    served += 1;
                }
                Err(_) => refused += 1,
            }
            let new = path(format!("directory/new-{round}"));
            let moved = path(format!("directory/moved-{round}"));
            let _ = home.store(&new, Placement::Replace).and_then(|pending| finish(pending, b"planted"));
            let _ = home.store_unique(&new);
            let _ = home.rename(&new, &moved);
            let _ = home.make_directory(&new);
            let _ = home.remove_directory(&new);
            let _ = home.delete(&moved);
            let _ = home.set_mode(&path("directory/canary"), 0o604);
            let _ = home.set_modified(&path("directory/canary"), 1);
            let _ = home.set_mode(&path("directory"), 0o755);
            if let Ok(stream) = home.list(&path("directory")) {
                for Entry { name, facts, .. } in stream.flatten() {
                    assert!(name != b"canary" || facts.size == 4, "round {round}: facts of outside");
                }
            }
        }
    });
    assert_eq!(ground.outside_as_it_is(), before);
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused: nothing raced");
}

/// T48: the name itself.
#[test]
fn a_file_and_a_link_change_places() {
    let ground = Ground::new();
    ground.file("file", "mine");
    ground.link("link", "../outside/canary");
    let before = ground.outside_as_it_is();
    let home = &ground.home;
    let (mut served, mut refused) = (0, 0);
    while_swapping(&ground, "file", "link", || {
        let mut round = 0;
        // Until both have been seen: an upload may put a file in the link's place, and then there is nothing to race.
        while round < ROUNDS || served == 0 || refused == 0 {
            round += 1;
            assert!(round < 1000 * ROUNDS, "{served} served, {refused} refused: nothing raced");
            match fetch(home, &path("file"), 0) {
                Ok(content) => {
                    assert_ne!(content, CANARY, "round {round}");
                    served += 1;
                }
                Err(_) => refused += 1,
            }
        }
        for round in 0..ROUNDS {
            for placement in [Placement::Append, Placement::At(1)] {
                let _ = home.store(&path("file"), placement).and_then(|pending| finish(pending, b"ine"));
            }
            let _ = home.set_mode(&path("file"), 0o604);
            let _ = home.set_modified(&path("file"), 1);
            if let Ok(facts) = home.facts(&path("file")) {
                assert_ne!(facts.size, CANARY.len() as u64, "round {round}: facts of outside");
            }
        }
    });
    assert_eq!(ground.outside_as_it_is(), before);
}

/// Measured by name and opened by name again, a restart could make a hole in whatever took the name meanwhile.
#[test]
fn the_file_of_a_restart_is_the_one_that_was_measured() {
    let ground = Ground::new();
    ground.file("file", "0123456789");
    ground.file("other", "x");
    let direct = ground.direct().store(&path("file"), Placement::At(10)).unwrap();
    let atomic = ground.home.store(&path("file"), Placement::At(10)).unwrap();
    ground.home.rename(&path("other"), &path("file")).unwrap();
    assert!(matches!(finish(direct, b"end"), Err(FileError::Displaced)));
    assert!(matches!(finish(atomic, b"end"), Err(FileError::TryAgain)));
    assert_eq!(ground.content("file"), b"x", "no hole was made in a file that took the name");
}
