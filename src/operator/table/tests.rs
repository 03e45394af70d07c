//! Tables that fit, and names that do no harm.

use super::*;

fn overview() -> Overview {
    Overview {
        version: "0.1.0".to_owned(),
        seconds: 7500,
        draining: false,
        sessions: 3,
        max_sessions: Some(512),
        ports_used: 1,
        ports: 10,
        upload_rate: 0,
        download_rate: 3 << 20,
    }
}

fn seen(session: u64, user: Option<&str>, path: Option<&str>) -> Seen {
    let transfer = path.map(|path| SeenWork {
        verb: "RETR".to_owned(),
        path: path.to_owned(),
        direction: Some("download".to_owned()),
        bytes: 57 << 20,
        size: Some(100 << 20),
        seconds: 19.0,
        rate: 3 << 20,
    });
    Seen {
        session,
        user: user.map(str::to_owned),
        peer: "192.0.2.17:4000".parse().unwrap(),
        local: "192.0.2.1:21".parse().unwrap(),
        since: 1_700_000_000,
        seconds: 60,
        tls: None,
        verb: Some("NOOP".to_owned()),
        idle: transfer.is_none().then_some(12),
        uploaded: 0,
        downloaded: if transfer.is_some() { 57 << 20 } else { 0 },
        transfer,
    }
}

fn three() -> [Seen; 3] {
    [seen(1, None, None), seen(2, Some("bob"), Some("/pub/images/debian-12.iso")), seen(10, Some("alice"), None)]
}

fn drawn(width: Option<usize>, height: Option<usize>) -> String {
    table(&overview(), &three(), width, height).join("\n").replace("22:13:20", "HH:MM:SS")
}

#[test]
fn all_of_it() {
    let want = "\
longshore 0.1.0: sessions 3 of 512, ports 1 of 10, up 0 B/s, down 3.0 MiB/s, for 2h05m
SESSION  USER   FROM           SINCE  DOING                              BYTES       RATE  PROGRESS
      2  bob    192.0.2.17  HH:MM:SS  RETR /pub/images/debian-12.iso  57.0 MiB  3.0 MiB/s  [#####-----]  57% of 100.0 MiB
      1  -      192.0.2.17  HH:MM:SS  idle 12s                             0 B
     10  alice  192.0.2.17  HH:MM:SS  idle 12s                             0 B";
    assert_eq!(drawn(None, None), want);
}

/// However narrow it is, nothing is wider, and who does what is left out last.
#[test]
fn it_fits() {
    for width in 1..140 {
        for line in table(&overview(), &three(), Some(width), None) {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
    let eighty = drawn(Some(80), None);
    assert!(eighty.starts_with("longshore: sessions 3 of 512, ports 1 of 10, up 0 B/s, down 3.0 MiB/s,"), "{eighty}");
    for part in ["bob", "192.0.2.17", "RETR /pub/image", "3.0 MiB/s", "[#####-----]  57%"] {
        assert!(eighty.contains(part), "{part}: {eighty}");
    }
    assert!(drawn(Some(60), None).contains("bob    RETR /pub/"), "{}", drawn(Some(60), None));
}

#[test]
fn what_is_beyond_the_last_line_is_counted() {
    let lines = drawn(None, Some(4));
    assert!(lines.lines().count() == 4 && lines.contains("bob") && lines.ends_with("\nand 2 more"), "{lines}");
    assert_eq!(table(&overview(), &[], None, None)[1], "nobody is there");
}

/// T72: a name is no command to the terminal, and takes the room that it takes there.
#[test]
fn names_do_no_harm_and_wide_ones_are_as_wide_as_they_are() {
    let lines = table(&overview(), &[seen(1, Some("\u{1b}[2J"), Some("/\u{202e}a\r\n\u{9b}b"))], None, None);
    assert!(
        lines[2].contains(" \u{fffd}[2J ") && lines[2].contains("RETR /\u{fffd}a\u{fffd}\u{fffd}\u{fffd}b "),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 3);
    let wide =
        table(&overview(), &[seen(1, Some("文件"), Some("/文")), seen(2, Some("abcd"), Some("/ab"))], None, None);
    assert_eq!(wide[2].width(), wide[3].width(), "{wide:#?}");
    assert_eq!(cut("文件文件", 6), "文...");
}

#[test]
fn numbers_as_people_say_them() {
    let bytes = [0, 1023, 1024, 1536, 1024 * 1024 - 1, 1 << 20, u64::MAX];
    let want = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1023.9 KiB", "1.0 MiB", "15.9 EiB"];
    assert_eq!(bytes.map(human), want);
    let spans = [0, 59, 60, 3599, 3600, 86399, 90000].map(span);
    assert_eq!(spans, ["0s", "59s", "1m", "59m", "1h00m", "23h59m", "1d01h"]);
    let mut work = seen(1, None, Some("/a")).transfer.unwrap();
    (work.bytes, work.size) = (0, Some(0));
    assert_eq!(progress(&work), "[##########] 100% of 0 B");
    (work.bytes, work.size) = (u64::MAX, Some(u64::MAX));
    assert_eq!(progress(&work), "[##########] 100% of 15.9 EiB");
    (work.bytes, work.size) = (99, Some(100));
    assert!(progress(&work).contains(" 99%"));
    (work.bytes, work.size) = (3 << 20, None);
    assert_eq!(progress(&work), "3.0 MiB");
}

/// Each line is made from the widths of all, which are found once.
#[test]
fn a_table_of_thousands_is_drawn_at_once() {
    let many: Vec<Seen> = (0..20_000).map(|number| seen(number, Some("bob"), Some("/a"))).collect();
    let begun = std::time::Instant::now();
    assert_eq!(table(&overview(), &many, Some(80), None).len(), many.len() + 2);
    // It was minutes and more.
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}
