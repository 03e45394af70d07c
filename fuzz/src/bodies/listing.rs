//! Listings: one line a name, whatever the name and the facts; and patterns, which match what they say in bounded time.

use jiff::tz::TimeZone;
use longshore::listing::facts::{self, FactSet, Place};
use longshore::listing::pattern::{Pattern, is_pattern};
use longshore::listing::unix::{self, ListTimes};
use longshore::listing::{Facts, Kind, names};
use longshore::path::MAX_COMPONENT;
use longshore::settings::{Encoding, Permissions, Value};

use super::{contains, take_u64};

/// The facts, a byte for the choices and, up to a line feed, a pattern; the rest is the name.
pub(super) fn run(input: &[u8]) {
    let mut input = input;
    let choices = take_u64(&mut input);
    let found = read_facts(choices, &mut input);
    let now = take_u64(&mut input).cast_signed();
    let mut parts = input.splitn(2, |&byte| byte == b'\n');
    let (pattern, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    matching(pattern, name);
    // Other names are left out of listings, by the stream that reads a directory.
    if name.is_empty() || name.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n' | b'/')) {
        return;
    }
    lines(name, &found, now);
    fact_lines(name, &found, choices);
    for label in ["utf8", "latin-1", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "windows-1251"] {
        let encoding = Encoding::read(label).expect("an encoding of its documentation");
        let wire = encoding.encode(name);
        assert!(!wire.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')), "{label} forges a line");
        let _ = encoding.decode(name);
    }
}

fn read_facts(choices: u64, input: &mut &[u8]) -> Facts {
    let kind = [Kind::File, Kind::Directory, Kind::Link, Kind::Other][(choices % 4) as usize];
    let mut next = || take_u64(input);
    let (size, modified, mixed) = (next(), next().cast_signed(), next());
    let [a, b, c, d, high @ ..] = mixed.to_le_bytes();
    let (low, high) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(high));
    Facts {
        kind,
        size,
        modified,
        mode: low,
        links: mixed,
        uid: high,
        gid: low.rotate_left(8),
        device: choices,
        inode: mixed.rotate_left(16),
    }
}

fn lines(name: &[u8], found: &Facts, now: i64) {
    let mut out = Vec::new();
    unix::write_line(&mut out, name, found, &ListTimes { now, zone: TimeZone::UTC });
    let before = one_line(&out, name);
    assert!(before.is_ascii());
    let words = String::from_utf8_lossy(before).split_ascii_whitespace().count();
    // Mode, links, owner, group, size, month, day, and the time or the year.
    assert_eq!(words, 8, "{}", out.escape_ascii());
    out.clear();
    names::write_line(&mut out, name);
    assert!(one_line(&out, name).is_empty());
}

fn fact_lines(name: &[u8], found: &Facts, choices: u64) {
    let all = FactSet::chosen(b"type;perm;size;modify;unique;unix.mode;unix.uid;unix.gid;");
    for set in [all, FactSet::default(), FactSet::chosen(b"")] {
        let place = if choices & 4 == 0 { Place::Home } else { Place::Inside };
        let mut out = Vec::new();
        facts::write_line(&mut out, name, found, set, Permissions::ALL, place);
        let told = one_line(&out, name);
        let told = String::from_utf8(told.to_vec()).expect("facts are ASCII");
        let told = told.strip_suffix(' ').expect("a blank goes before the name");
        assert!(!told.contains(' '), "the first blank ends the facts: {told:?}");
        let pairs: Vec<(&str, &str)> = told
            .split_terminator(';')
            .map(|pair| pair.split_once('=').unwrap_or_else(|| panic!("{pair:?} is no fact")))
            .collect();
        assert_eq!(pairs.len(), set.to_string().matches(';').count());
        for (key, value) in pairs {
            match key {
                "size" => assert_eq!(value.parse(), Ok(found.size)),
                "modify" => assert!(value.len() == 14 && value.bytes().all(|byte| byte.is_ascii_digit()), "{value}"),
                "unix.mode" => assert_eq!(u32::from_str_radix(value, 8), Ok(found.mode & 0o7777)),
                _ => {}
            }
        }
    }
}

/// What stands before the name in a line that ends with it.
fn one_line<'a>(out: &'a [u8], name: &[u8]) -> &'a [u8] {
    let line = out.strip_suffix(b"\r\n").expect("a line has an end");
    assert!(!contains(line, b"\r") && !contains(line, b"\n"), "{}", line.escape_ascii());
    line.strip_suffix(name).expect("the name ends the line")
}

/// A pattern and a name of the longest kind end at once, or the fuzzer finds that they do not.
fn matching(text: &[u8], name: &[u8]) {
    let Some(pattern) = Pattern::new(text) else {
        assert!(text.len() > MAX_COMPONENT);
        return;
    };
    assert_eq!(pattern.matches(name), by_definition(text, name), "{:?} {:?}", text.escape_ascii(), name.escape_ascii());
    if !is_pattern(text) {
        assert_eq!(pattern.matches(name), text == name);
    }
}

/// The definition by a table: whether each beginning of the pattern fits each beginning of the name.
fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let mut row = vec![false; name.len() + 1];
    row[0] = true;
    let mut rest = pattern;
    while let Some((&first, after)) = rest.split_first() {
        let class = (first == b'[').then(|| class_length(after)).flatten();
        rest = &after[class.unwrap_or(0)..];
        if first == b'*' {
            for at in 1..row.len() {
                row[at] |= row[at - 1];
            }
            continue;
        }
        let fits = |byte: u8| match (first, class) {
            (b'?', _) => true,
            (_, Some(length)) => in_class(&after[..length - 1], byte),
            _ => byte == first,
        };
        for at in (1..row.len()).rev() {
            row[at] = row[at - 1] && fits(name[at - 1]);
        }
        row[0] = false;
    }
    row[name.len()]
}

/// The bytes of a class, with its `]`, behind its `[`.
fn class_length(text: &[u8]) -> Option<usize> {
    let negation = usize::from(matches!(text.first(), Some(b'!' | b'^')));
    // The first member may be a `]`.
    let from = negation + 1;
    text.get(from..)?.iter().position(|&byte| byte == b']').map(|end| from + end + 1)
}

fn in_class(members: &[u8], byte: u8) -> bool {
    let negated = matches!(members.first(), Some(b'!' | b'^'));
    let mut members = &members[usize::from(negated)..];
    let mut found = false;
    while let Some((&first, rest)) = members.split_first() {
        let (last, after) = match rest {
            [b'-', last, after @ ..] => (*last, after),
            _ => (first, rest),
        };
        found |= (first..=last).contains(&byte);
        members = after;
    }
    found != negated
}
