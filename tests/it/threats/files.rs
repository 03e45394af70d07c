//! Files: T46 to T57.
//!
//! T47 is shown by `dialogues/confinement.txt`, T51 by `dialogues/site.txt`, T52 by `permissions.rs`, T56 by
//! `src/files/tests/replacing.rs` and `dialogues/manage.txt`, T57 by `process/files.rs`. T49 repeats others of them where
//! the kernel does not open names in one step, as do the tests of `src/files`.

mod drop_box;
mod races;
mod special;
mod traversal;

use nix::errno::Errno;

use crate::binary::{PROGRAM, Setup};

const WITHOUT_OPENAT2: &str = include_str!("without_openat2.py");
const DENIALS: [Errno; 2] = [Errno::EPERM, Errno::ENOSYS];

/// The program where openat2 fails with this number, if with any.
fn setup(denial: Option<Errno>) -> Setup {
    match denial {
        None => Setup::new(),
        Some(number) => {
            let number = (number as i32).to_string();
            Setup::new().program(&["/usr/bin/python3", "-c", WITHOUT_OPENAT2, &number, PROGRAM])
        }
    }
}

/// T49: it is told at the start.
#[test]
fn a_server_without_openat2_says_so() {
    const TOLD: &str = "does not let it call openat2: files are opened step by step";
    for denial in [None].into_iter().chain(DENIALS.map(Some)) {
        let ended = setup(denial).start().end();
        assert_eq!(ended.lines.iter().any(|line| line.contains(TOLD)), denial.is_some(), "{:#?}", ended.lines);
    }
}
