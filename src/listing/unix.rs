//! LIST and STAT: the lines of `ls -l`, the only form that every client can parse.
//!
//! `drwxr-xr-x   2 1000     1000         4096 Nov 02 11:22 name`: widths and the choice between time and year are
//! pyftpdlib's (and ProFTPD's). Owner and group are numbers: the names on this machine are nobody's business.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Facts;
use super::columns::{push_left, push_right};

/// What dates in a listing are relative to.
#[derive(Debug, Clone)]
pub struct ListTimes {
    /// Seconds since 1970 in UTC: files far from it show their year instead of the time of day.
    pub now: i64,
    /// The zone that dates are told in: UTC, or the machine's own when `use_gmt_times` is off.
    pub zone: TimeZone,
}

const DAY: i64 = 24 * 60 * 60;
/// Older files show their year.
const RECENT: i64 = 180 * DAY;
/// So do files from the future, but for clocks that differ a little: a client takes a date without a year for a past one.
const SKEW: i64 = DAY;

const MONTHS: [&[u8; 4]; 12] =
    [b"Jan ", b"Feb ", b"Mar ", b"Apr ", b"May ", b"Jun ", b"Jul ", b"Aug ", b"Sep ", b"Oct ", b"Nov ", b"Dec "];

/// Appends the line of one entry.
pub fn write_line(out: &mut Vec<u8>, name: &[u8], facts: &Facts, when: &ListTimes) {
    out.extend_from_slice(&mode_string(facts.mode));
    out.push(b' ');
    push_right(out, facts.links, 3, b' ');
    out.push(b' ');
    push_left(out, facts.uid.into(), 8);
    out.push(b' ');
    push_left(out, facts.gid.into(), 8);
    out.push(b' ');
    push_right(out, facts.size, 8, b' ');
    out.push(b' ');
    push_date(out, facts.modified, when);
    out.push(b' ');
    out.extend_from_slice(name);
    out.extend_from_slice(b"\r\n");
}

fn mode_string(mode: u32) -> [u8; 10] {
    let execute = |bit: u32, special: u32, set: u8, set_alone: u8| match (mode & bit != 0, mode & special != 0) {
        (false, false) => b'-',
        (true, false) => b'x',
        (true, true) => set,
        (false, true) => set_alone,
    };
    let letter = |bit: u32, letter: u8| if mode & bit != 0 { letter } else { b'-' };
    [
        type_letter(mode),
        letter(0o400, b'r'),
        letter(0o200, b'w'),
        execute(0o100, 0o4000, b's', b'S'),
        letter(0o040, b'r'),
        letter(0o020, b'w'),
        execute(0o010, 0o2000, b's', b'S'),
        letter(0o004, b'r'),
        letter(0o002, b'w'),
        execute(0o001, 0o1000, b't', b'T'),
    ]
}

fn type_letter(mode: u32) -> u8 {
    match mode & 0o170_000 {
        0o040_000 => b'd',
        0o120_000 => b'l',
        0o010_000 => b'p',
        0o140_000 => b's',
        0o020_000 => b'c',
        0o060_000 => b'b',
        _ => b'-',
    }
}

fn push_date(out: &mut Vec<u8>, modified: i64, when: &ListTimes) {
    let date = civil(modified, &when.zone);
    out.extend_from_slice(MONTHS[usize::from(date.month().unsigned_abs() - 1)]);
    push_right(out, date.day().unsigned_abs().into(), 2, b'0');
    out.push(b' ');
    if (when.now.saturating_sub(RECENT)..=when.now.saturating_add(SKEW)).contains(&modified) {
        push_right(out, date.hour().unsigned_abs().into(), 2, b'0');
        out.push(b':');
        push_right(out, date.minute().unsigned_abs().into(), 2, b'0');
    } else {
        push_right(out, date.year().max(0).unsigned_abs().into(), 5, b' ');
    }
}

/// The date in `zone`; a time that no calendar holds (a broken disk has them) becomes the nearest that one does.
pub(super) fn civil(seconds: i64, zone: &TimeZone) -> DateTime {
    let nearest = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    zone.to_datetime(Timestamp::from_second(seconds).unwrap_or(nearest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Kind;

    const NOW: i64 = 1_762_082_520; // 2025-11-02 11:22 UTC

    fn line(name: &[u8], facts: &Facts, zone: TimeZone) -> String {
        let mut out = Vec::new();
        write_line(&mut out, name, facts, &ListTimes { now: NOW, zone });
        String::from_utf8_lossy(&out).into_owned()
    }

    fn date(modified: i64) -> String {
        line(b"x", &Facts { modified, ..Facts::sample(Kind::File) }, TimeZone::UTC)[42..].replace(" x\r\n", "")
    }

    #[test]
    fn lines_are_those_of_ls() {
        let utc = || TimeZone::UTC;
        for (kind, want) in [
            (Kind::Directory, "drwxr-xr-x   2 1000     1001         4096 Nov 02 11:22 a name\r\n"),
            (Kind::File, "-rw-r--r--   2 1000     1001         4096 Nov 02 11:22 a name\r\n"),
            (Kind::Link, "lrwxrwxrwx   2 1000     1001         4096 Nov 02 11:22 a name\r\n"),
            (Kind::Other, "prw-r--r--   2 1000     1001         4096 Nov 02 11:22 a name\r\n"),
        ] {
            assert_eq!(line(b"a name", &Facts::sample(kind), utc()), want);
        }
        let large = Facts { size: u64::MAX, links: 65_000, uid: u32::MAX, gid: u32::MAX, ..Facts::sample(Kind::File) };
        assert_eq!(
            line(b"x", &large, utc()),
            "-rw-r--r-- 65000 4294967295 4294967295 18446744073709551615 Nov 02 11:22 x\r\n"
        );
    }

    #[test]
    fn names_are_bytes() {
        let mut out = Vec::new();
        let times = ListTimes { now: NOW, zone: TimeZone::UTC };
        write_line(&mut out, b"\xff\xfe -> ;\"", &Facts::sample(Kind::File), &times);
        assert!(out.ends_with(b"11:22 \xff\xfe -> ;\"\r\n"));
    }

    #[test]
    fn dates_far_from_now_show_their_year() {
        for (modified, want) in [
            (NOW, "Nov 02 11:22"),
            (NOW - RECENT, "May 06 11:22"),
            (NOW - RECENT - 1, "May 06  2025"),
            (NOW + SKEW, "Nov 03 11:22"),
            (NOW + SKEW + 1, "Nov 03  2025"),
            (0, "Jan 01  1970"),
            (-1, "Dec 31  1969"),
            (951_782_400, "Feb 29  2000"),
            (253_402_300_799 - 2 * DAY, "Dec 29  9999"),
            (i64::MAX, "Dec 30  9999"),
            (i64::MIN, "Jan 02     0"),
        ] {
            assert_eq!(date(modified), want, "{modified}");
        }
    }

    #[test]
    fn dates_are_told_in_the_zone() {
        let facts = Facts::sample(Kind::File);
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        assert!(line(b"x", &facts, zone).contains(" Nov 02 20:22 x"));
        let zone = TimeZone::get("America/New_York").unwrap();
        assert!(line(b"x", &facts, zone).contains(" Nov 02 06:22 x"));
    }

    #[test]
    fn every_mode_bit_shows() {
        for (mode, want) in [
            (0o107_777, "-rwsrwsrwt"),
            (0o107_000, "---S--S--T"),
            (0o100_000, "----------"),
            (0o140_755, "srwxr-xr-x"),
            (0o020_620, "crw--w----"),
            (0o060_660, "brw-rw----"),
            (0o041_777, "drwxrwxrwt"),
        ] {
            let shown = String::from_utf8(mode_string(mode).to_vec()).unwrap();
            assert_eq!(shown, want, "{mode:o}");
        }
    }
}
