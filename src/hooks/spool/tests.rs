use super::*;
use crate::hooks::event::Name;

const NO_LIMIT: Limits = Limits { bytes: None, fsync: false };

fn event(path: &str) -> Event {
    Event {
        id: "0".repeat(32),
        time: "2026-11-21T10:15:30.000Z".to_owned(),
        event: Kind::Upload,
        user: "bob".to_owned(),
        peer: "192.0.2.1".parse().unwrap(),
        session: 1,
        tls: false,
        path: Some(Name::new(path.as_bytes())),
        from: None,
        file: Some(Name::new(path.as_bytes())),
        from_file: None,
        size: Some(1),
        transferred: Some(1),
    }
}

fn add(spool: &Spool, path: &str) {
    spool.add(&event(path), NO_LIMIT);
}

/// The paths of what is not over, by their numbers.
fn there(spool: &Spool) -> Vec<(u64, String)> {
    spool
        .after(0)
        .into_iter()
        .map(|(number, _)| {
            let read: Event = serde_json::from_slice(&spool.read(number).unwrap().unwrap()).unwrap();
            (number, read.path.unwrap().as_os().into_string().unwrap())
        })
        .collect()
}

fn paths(spool: &Spool) -> Vec<String> {
    there(spool).into_iter().map(|(_, path)| path).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn what_is_not_over_is_there_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    ["/a", "/b", "/c"].iter().for_each(|path| add(&spool, path));
    assert_eq!(paths(&spool), ["/a", "/b", "/c"]);
    spool.over(2);
    drop(spool);
    for _ in 0..3 {
        let spool = Spool::open(folder.path()).unwrap();
        assert_eq!(there(&spool), [(1, "/a".to_owned()), (3, "/c".to_owned())]);
    }
    let spool = Spool::open(folder.path()).unwrap();
    add(&spool, "/d");
    assert_eq!(there(&spool).last().unwrap(), &(4, "/d".to_owned()));
    assert_eq!(spool.after(3).len(), 1);
    let were_there = [1, 3, 4, 4].map(|number| spool.over(number));
    assert_eq!(were_there, [true, true, true, false]);
    drop(spool);
    drop(Spool::open(folder.path()).unwrap());
    assert_eq!(files(folder.path()), ["events-00000000000000000005.jsonl", "lock"]);
}

/// F17: a kill in the midst of a write.
#[test]
fn a_torn_line_is_no_event_and_spoils_none() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    ["/a", "/b"].iter().for_each(|path| add(&spool, path));
    spool.over(1);
    drop(spool);
    let segment = segment_path(folder.path(), 1);
    let whole = std::fs::read(&segment).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in second..=whole.len() {
        std::fs::write(&segment, &whole[..length]).unwrap();
        std::fs::write(done_path(folder.path(), 1), "00000000\n0000").unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        assert_eq!(paths(&spool), if length == whole.len() { &["/b"][..] } else { &[] }, "{length}");
        add(&spool, "/c");
        assert_eq!(paths(&spool).last().unwrap(), "/c");
        // A number that was given out is not given out again.
        assert!(spool.after(0).last().unwrap().0 >= 2);
        spool.after(0).iter().for_each(|(number, _)| assert!(spool.over(*number)));
        drop(spool);
        drop(Spool::open(folder.path()).unwrap());
        std::fs::remove_dir_all(folder.path()).unwrap();
        std::fs::create_dir(folder.path()).unwrap();
    }
}

#[test]
fn a_line_that_is_damaged_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    ["/a", "/b", "/c"].iter().for_each(|path| add(&spool, path));
    drop(spool);
    let segment = segment_path(folder.path(), 1);
    let text = std::fs::read_to_string(&segment).unwrap().replace("\"/b\"", "\0\0\0\0");
    std::fs::write(&segment, text).unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    assert_eq!(there(&spool), [(1, "/a".to_owned()), (3, "/c".to_owned())]);
}

#[test]
fn it_is_bounded_and_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    let limits = Limits { bytes: Some(100_000), fsync: false };
    for number in 0..1000 {
        // Of many clients, none of which has used up its share.
        let peer = std::net::IpAddr::from([192, 0, 2, u8::try_from(number % 250).unwrap()]);
        spool.add(&Event { peer, ..event(&format!("/{number}")) }, limits);
    }
    let kept = spool.after(0).len();
    assert!((300..600).contains(&kept), "{kept}");
    assert!(bytes(folder.path()) <= 100_000);
    assert_eq!(paths(&spool)[kept - 1], format!("/{}", kept - 1), "the first are kept");
    assert!(spool.within().losses.spell().is_some());
    // Room comes back with the first segment, not with its first event.
    spool.over(1);
    spool.add(&event("/no"), limits);
    assert_eq!(spool.after(0).len(), kept - 1);
    (2..40).for_each(|number| assert!(spool.over(number)));
    assert!(spool.within().losses.spell().is_none());
    spool.add(&event("/yes"), limits);
    assert_eq!(paths(&spool).last().unwrap(), "/yes");
    // All that is said of their ends has its room too.
    spool.after(0).iter().rev().for_each(|(number, _)| assert!(spool.over(*number)));
    assert!(bytes(folder.path()) <= 100_000);
}

/// One client that makes events without end leaves room for those of others, and has more once some are over; also after
/// a restart.
#[test]
fn a_flood_of_one_client_leaves_room_for_the_events_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path()).unwrap();
    let limits = Limits { bytes: Some(100_000), fsync: false };
    let other = |last, path: &str| Event { peer: std::net::IpAddr::from([192, 0, 2, last]), ..event(path) };
    for restart in 0..2 {
        (0..1000).for_each(|_| spool.add(&event("/flood"), limits));
        let kept = spool.after(0).len();
        for last in 10..20 {
            spool.add(&other(last + 10 * restart, "/other"), limits);
        }
        assert_eq!(spool.after(0).len(), kept + 10, "all of the others'");
        drop(spool);
        spool = Spool::open(folder.path()).unwrap();
        assert_eq!(spool.after(0).len(), kept + 10);
    }
    let before = paths(&spool).len();
    (1..=200).for_each(|number| assert!(spool.over(number)));
    spool.add(&event("/flood"), limits);
    assert_eq!(paths(&spool).len(), before - 199);
    spool.after(0).iter().for_each(|(number, _)| assert!(spool.over(*number)));
    assert!(spool.within().owed.is_empty());
}

/// However small it is, and wherever its end falls, what is over gives its room back.
#[test]
fn a_small_spool_goes_on_for_ever() {
    for most in [600, 1000, 5000, 70_000] {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        for number in 1..=1000 {
            spool.add(&event("/a"), Limits { bytes: Some(most), fsync: number % 10 == 0 });
            assert_eq!(spool.after(0).len(), 1, "{most}: {number}");
            spool.over(spool.after(0)[0].0);
            assert!(bytes(folder.path()) <= most);
        }
        assert!(files(folder.path()).len() <= 20);
    }
}

#[test]
fn a_disk_that_fails_loses_events_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    add(&spool, "/a");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let good = std::mem::replace(&mut spool.within().last.as_mut().unwrap().file, Arc::new(full));
    add(&spool, "/b");
    assert_eq!(paths(&spool), ["/a"]);
    // It could not be cut off either, so another segment is begun.
    drop(good);
    add(&spool, "/c");
    assert_eq!(there(&spool), [(1, "/a".to_owned()), (3, "/c".to_owned())]);
    drop(spool);
    assert_eq!(there(&Spool::open(folder.path()).unwrap()), [(1, "/a".to_owned()), (3, "/c".to_owned())]);
}

#[test]
fn one_that_is_gone_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path()).unwrap();
    add(&spool, "/a");
    std::fs::remove_file(segment_path(folder.path(), 1)).unwrap();
    assert_eq!(spool.read(1).unwrap(), None);
    spool.over(1);
    assert_eq!(spool.read(1).unwrap(), None);
}

#[test]
fn there_is_one_server_to_a_spool() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(&folder.path().join("a/b")).unwrap();
    let error = Spool::open(&folder.path().join("a/b")).unwrap_err();
    assert_eq!(error.to_string(), "another server uses it");
    drop(spool);
    Spool::open(&folder.path().join("a/b")).unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    assert!(Spool::open(&folder.path().join("file")).is_err());
}
