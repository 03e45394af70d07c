//! The bytes of a home: exact after each change, and never more than may be.

use super::*;
use crate::files::Quotas;

const QUOTA: u64 = 1000;

struct Limited {
    ground: Ground,
    quotas: Quotas,
    home: Home,
}

impl Limited {
    fn new() -> Self {
        let (ground, quotas) = (Ground::new(), Quotas::default());
        let home = ground.with_uploads(Self::uploads("bob", &quotas));
        Self { ground, quotas, home }
    }

    fn uploads(user: &str, quotas: &Quotas) -> Uploads {
        let quotas = quotas.clone();
        Uploads { keeper: Some(user.to_owned()), quota: Some(QUOTA), quotas, ..Uploads::default() }
    }

    fn store(&self, name: &str, placement: Placement, size: u64) -> Result<u64, FileError> {
        finish(self.home.store(&path(name), placement)?, &vec![0; usize::try_from(size).unwrap()])
    }

    /// The number that is kept is the one that a count finds.
    #[track_caller]
    fn assert_left(&self, left: u64) {
        assert_eq!(self.home.free_space(&VirtualPath::root()).unwrap(), left);
        let anew = self.ground.with_uploads(Self::uploads("eve", &Quotas::default()));
        assert_eq!(anew.free_space(&VirtualPath::root()).unwrap(), left, "counted anew");
    }
}

#[test]
fn what_is_there_counts_and_what_goes_is_given_back() {
    let limited = Limited::new();
    limited.ground.directory("deep/er");
    limited.ground.file("deep/er/file", [0; 300]);
    limited.ground.link("link", "deep/er/file");
    fs::hard_link(limited.ground.at("deep/er/file"), limited.ground.at("twin")).unwrap();
    limited.assert_left(700);
    limited.store("new", Placement::Replace, 700).unwrap();
    limited.assert_left(0);
    assert!(matches!(limited.store("more", Placement::Replace, 1), Err(FileError::OverQuota)));
    limited.assert_left(0);
    // Nobody knows before the data connection that a file is empty.
    assert!(matches!(limited.home.store(&path("empty"), Placement::Replace), Err(FileError::OverQuota)));
    limited.home.delete(&path("twin")).unwrap();
    limited.assert_left(0);
    limited.home.delete(&path("new")).unwrap();
    limited.assert_left(700);
    limited.store("other", Placement::Replace, 100).unwrap();
    limited.home.rename(&path("other"), &path("deep/er/file")).unwrap();
    limited.assert_left(900);
    limited.home.rename(&path("deep/er/file"), &path("deep/er/file")).unwrap();
    limited.assert_left(900);
}

#[test]
fn overwriting_counts_the_difference() {
    let limited = Limited::new();
    limited.store("file", Placement::Replace, 600).unwrap();
    limited.store("file", Placement::Replace, 1000).unwrap();
    limited.assert_left(0);
    assert!(matches!(limited.store("file", Placement::Replace, 1001), Err(FileError::OverQuota)));
    limited.assert_left(0);
    limited.store("file", Placement::Replace, 10).unwrap();
    limited.store("file", Placement::Append, 10).unwrap();
    limited.store("file", Placement::At(5), 10).unwrap();
    limited.assert_left(985);
}

#[test]
fn what_broke_counts_until_it_is_gone() {
    let limited = Limited::new();
    let mut upload = limited.home.store(&path("file"), Placement::Replace).unwrap().begin().unwrap();
    upload.write(&[0; 400]).unwrap();
    limited.assert_left(600);
    drop(upload);
    limited.assert_left(600);
    limited.store("file", Placement::At(300), 100).unwrap();
    limited.assert_left(600);
    // One that is beyond what may be stays nowhere.
    let mut upload = limited.home.store(&path("more"), Placement::Replace).unwrap().begin().unwrap();
    upload.write(&[0; 600]).unwrap();
    assert!(matches!(upload.write(&[0; 1]), Err(FileError::OverQuota)));
    drop(upload);
    limited.assert_left(600);
    // An overwrite that broke is more than may be, as the old file is there too.
    limited.store("file", Placement::Replace, 900).unwrap();
    let mut upload = limited.home.store(&path("file"), Placement::Replace).unwrap().begin().unwrap();
    upload.write(&[0; 900]).unwrap();
    drop(upload);
    limited.assert_left(100);
}

/// A name that moves away while its replacement comes is not given back twice.
#[test]
fn a_file_that_is_renamed_while_it_is_replaced() {
    let limited = Limited::new();
    limited.store("file", Placement::Replace, 600).unwrap();
    let mut upload = limited.home.store(&path("file"), Placement::Replace).unwrap().begin().unwrap();
    upload.write(&[0; 600]).unwrap();
    limited.home.rename(&path("file"), &path("kept")).unwrap();
    assert!(matches!(upload.commit(), Err(FileError::OverQuota)));
    limited.assert_left(400);
}

/// T54: side by side, as different users of one home, they get in what fits and no byte more.
#[test]
fn parallel_uploads_share_one_quota() {
    let limited = Limited::new();
    let homes: Vec<Home> = (0..10)
        .map(|number| limited.ground.with_uploads(Limited::uploads(&format!("user{number}"), &limited.quotas)))
        .collect();
    let stored: u64 = thread::scope(|scope| {
        let uploads = homes.iter().enumerate().map(|(number, home)| {
            scope.spawn(move || {
                let Ok(mut upload) = home.store(&path(format!("file{number}")), Placement::Replace)?.begin() else {
                    return Ok(0);
                };
                for _ in 0..15 {
                    upload.write(&[0; 20])?;
                }
                upload.commit()
            })
        });
        let uploads: Vec<_> = uploads.collect();
        uploads.into_iter().filter_map(|upload| upload.join().unwrap().ok()).sum()
    });
    assert!(stored <= QUOTA, "{stored}");
    limited.assert_left(QUOTA - stored);
}

#[test]
fn a_file_written_in_place_counts_as_it_grows() {
    let ground = Ground::new();
    let quotas = Quotas::default();
    let home = ground.with_uploads(Uploads { mode: UploadMode::Direct, ..Limited::uploads("bob", &quotas) });
    let limited = Limited { ground, quotas, home };
    limited.store("file", Placement::Replace, 600).unwrap();
    limited.store("file", Placement::Append, 100).unwrap();
    limited.store("file", Placement::At(50), 100).unwrap();
    limited.assert_left(850);
    let mut upload = limited.home.store(&path("file"), Placement::Replace).unwrap().begin().unwrap();
    upload.write(&[0; 900]).unwrap();
    assert!(matches!(upload.write(&[0; 101]), Err(FileError::OverQuota)));
    drop(upload);
    limited.assert_left(100);
}

/// Used up to the last byte, it is said so before the data connection; what gives bytes back first still comes.
#[test]
fn a_full_home_says_so_at_once() {
    for mode in [UploadMode::Atomic, UploadMode::Direct] {
        let (ground, quotas) = (Ground::new(), Quotas::default());
        let home = ground.with_uploads(Uploads { mode, ..Limited::uploads("bob", &quotas) });
        let limited = Limited { ground, quotas, home };
        limited.store("file", Placement::Replace, QUOTA).unwrap();
        let full = |pending: Result<PendingUpload, FileError>| matches!(pending, Err(FileError::OverQuota));
        for name in ["file", "new"] {
            assert!(full(limited.home.store(&path(name), Placement::Append)), "{mode:?} {name}");
        }
        assert!(full(limited.home.store(&path("new"), Placement::Replace)), "{mode:?}");
        assert!(full(limited.home.store(&path("file"), Placement::At(QUOTA))), "{mode:?}");
        assert!(full(limited.home.store_unique(&path("new"))), "{mode:?}");
        assert_eq!(limited.ground.names(), ["file"], "{mode:?}");
        limited.store("file", Placement::At(QUOTA - 10), 10).unwrap();
        limited.store("file", Placement::Replace, QUOTA).unwrap();
        assert!(limited.home.store_at_once(&path("file")).is_none(), "{mode:?}: looked at with time");
        limited.assert_left(0);
    }
}

/// What cannot be counted is full.
#[test]
fn a_home_that_cannot_be_counted_takes_nothing() {
    let ground = Ground::new();
    ground.file("file", "no directory");
    let root = cap_std::fs::Dir::from_std_file(fs::File::open(ground.at("file")).unwrap());
    let ledger = crate::files::quota::Ledger::default();
    assert!(ledger.add(&root, 1, Some(QUOTA)).is_err());
    assert!(ledger.add(&root, 1, None).is_ok(), "nobody asked");
    assert!(!ledger.counts());
}
