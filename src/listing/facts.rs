//! MLSD and MLST: what is known of a file in a form that a program can read (RFC 3659, section 7).

use std::fmt::{self, Write as _};

use jiff::tz::TimeZone;

use super::columns::{push_base, push_right};
use super::unix::civil;
use super::{Facts, Kind};
use crate::settings::{Permission, Permissions};

/// The facts that one session has chosen, by OPTS MLST (RFC 3659, section 7.9). At first those of pyftpdlib.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactSet(u8);

/// One fact, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    Type,
    Perm,
    Size,
    Modify,
    Unique,
    UnixMode,
    UnixUid,
    UnixGid,
}

const ALL: [(Fact, &str); 8] = [
    (Fact::Type, "type"),
    (Fact::Perm, "perm"),
    (Fact::Size, "size"),
    (Fact::Modify, "modify"),
    (Fact::Unique, "unique"),
    (Fact::UnixMode, "unix.mode"),
    (Fact::UnixUid, "unix.uid"),
    (Fact::UnixGid, "unix.gid"),
];

/// The type of a symbolic link: that of erratum 1500 to RFC 3659, which FileZilla, WinSCP, basic-ftp, FAR and FluentFTP know,
/// and which clients that do not know it take for no directory. The `OS.unix=slink:target` of the RFC's own example
/// breaks clients where the target has a blank or a semicolon. What it leads to is told by the `unique` fact.
const LINK_TYPE: &[u8] = b"OS.unix=symlink";

/// Where an entry stands, as far as it changes what may be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The home itself, which can be neither renamed nor removed.
    Home,
    /// Anything in it.
    Inside,
    /// A link in it: the name is the link's, and the facts are those of what it leads to.
    Link,
}

impl FactSet {
    /// The choice of an `OPTS MLST` argument such as `Type;Size;`. Case does not count, and facts that nobody
    /// here knows are left out, as the RFC asks: an empty choice is one too.
    #[must_use]
    pub fn chosen(argument: &[u8]) -> Self {
        let mut set = Self(0);
        for name in argument.split(|&byte| byte == b';') {
            for (fact, known) in ALL {
                if known.as_bytes().eq_ignore_ascii_case(name.trim_ascii()) {
                    set.0 |= 1 << fact as u8;
                }
            }
        }
        set
    }

    /// The line of FEAT: every fact there is, with a star behind those chosen (section 7.8).
    #[must_use]
    pub fn feature(self) -> String {
        let mut feature = String::from("MLST ");
        for (fact, name) in ALL {
            let star = if self.contains(fact) { "*;" } else { ";" };
            feature.extend([name, star]);
        }
        feature
    }

    fn contains(self, fact: Fact) -> bool {
        self.0 & (1 << fact as u8) != 0
    }
}

impl Default for FactSet {
    fn default() -> Self {
        [Fact::Type, Fact::Perm, Fact::Size, Fact::Modify]
            .iter()
            .fold(Self(0), |set, &fact| Self(set.0 | 1 << fact as u8))
    }
}

impl fmt::Display for FactSet {
    /// `type;size;`, as the reply to OPTS MLST tells the choice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (fact, name) in ALL {
            if self.contains(fact) {
                f.write_str(name)?;
                f.write_char(';')?;
            }
        }
        Ok(())
    }
}

/// Appends the line of one entry: `type=file;size=1; name`, all behind the first blank being the name.
pub fn write_line(out: &mut Vec<u8>, name: &[u8], facts: &Facts, set: FactSet, permissions: Permissions, place: Place) {
    for (fact, key) in ALL {
        if set.contains(fact) {
            out.extend_from_slice(key.as_bytes());
            out.push(b'=');
            push_value(out, fact, facts, permissions, place);
            out.push(b';');
        }
    }
    out.push(b' ');
    out.extend_from_slice(name);
    out.extend_from_slice(b"\r\n");
}

fn push_value(out: &mut Vec<u8>, fact: Fact, facts: &Facts, permissions: Permissions, place: Place) {
    match fact {
        Fact::Type if place == Place::Link => out.extend_from_slice(LINK_TYPE),
        Fact::Type => out.extend_from_slice(match facts.kind {
            Kind::File => b"file",
            Kind::Directory => b"dir",
            Kind::Link => LINK_TYPE,
            Kind::Other => b"OS.unix=special",
        }),
        Fact::Perm => push_perm(out, facts.kind, permissions, place),
        Fact::Size => push_right(out, facts.size, 1, b' '),
        Fact::Modify => push_time(out, facts.modified),
        Fact::Unique => {
            push_base(out, facts.device, 16);
            out.push(b'g');
            push_base(out, facts.inode, 16);
        }
        Fact::UnixMode => {
            out.push(b'0');
            push_base(out, (facts.mode & 0o7777).into(), 8);
        }
        Fact::UnixUid => push_right(out, facts.uid.into(), 1, b' '),
        Fact::UnixGid => push_right(out, facts.gid.into(), 1, b' '),
    }
}

/// What this account may do with the entry, in the letters of section 7.5.5. Nothing is promised that
/// `files/` would refuse.
fn push_perm(out: &mut Vec<u8>, kind: Kind, permissions: Permissions, place: Place) {
    use Permission::{Append, ChangeDirectory, Delete, List, MakeDirectory, Rename, Retrieve, Store};
    let directory = kind == Kind::Directory;
    let file = kind == Kind::File;
    let named = place != Place::Home;
    for (letter, applies, needed) in [
        (b'a', file, Append),
        (b'c', directory, Store),
        (b'd', named, Delete),
        (b'e', directory, ChangeDirectory),
        (b'f', named, Rename),
        (b'l', directory, List),
        (b'm', directory, MakeDirectory),
        (b'p', directory, Delete),
        (b'r', file, Retrieve),
        (b'w', file, Store),
    ] {
        if applies && permissions.contains(needed) {
            out.push(letter);
        }
    }
}

/// `YYYYMMDDHHMMSS`, in UTC whatever the other listings show (section 2.3).
fn push_time(out: &mut Vec<u8>, modified: i64) {
    let time = civil(modified, &TimeZone::UTC);
    push_right(out, time.year().max(0).unsigned_abs().into(), 4, b'0');
    for part in [time.month(), time.day(), time.hour(), time.minute(), time.second()] {
        push_right(out, part.unsigned_abs().into(), 2, b'0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_FACT: &[u8] = b"type;perm;size;modify;unique;unix.mode;unix.uid;unix.gid;";

    fn line(name: &[u8], facts: &Facts, set: FactSet, letters: &str, place: Place) -> String {
        let mut out = Vec::new();
        write_line(&mut out, name, facts, set, letters.parse().unwrap(), place);
        String::from_utf8(out).unwrap()
    }

    fn perm(kind: Kind, letters: &str, place: Place) -> String {
        let line = line(b"", &Facts::sample(kind), FactSet::chosen(b"perm"), letters, place);
        line.trim_start_matches("perm=").trim_end_matches("; \r\n").to_owned()
    }

    #[test]
    fn lines_tell_the_chosen_facts() {
        let facts = Facts::sample(Kind::File);
        assert_eq!(
            line(b" a;b=c ", &facts, FactSet::default(), "elr", Place::Inside),
            "type=file;perm=r;size=4096;modify=20251102112200;  a;b=c \r\n"
        );
        assert_eq!(
            line(b"x", &facts, FactSet::chosen(EVERY_FACT), "elr", Place::Inside),
            "type=file;perm=r;size=4096;modify=20251102112200;unique=801gbeef;unix.mode=0644;unix.uid=1000;unix.gid=1001; x\r\n"
        );
        assert_eq!(line(b"x", &facts, FactSet::chosen(b""), "elr", Place::Inside), " x\r\n");
    }

    #[test]
    fn types() {
        for (kind, want) in [
            (Kind::File, "type=file; x\r\n"),
            (Kind::Directory, "type=dir; x\r\n"),
            (Kind::Link, "type=OS.unix=symlink; x\r\n"),
            (Kind::Other, "type=OS.unix=special; x\r\n"),
        ] {
            assert_eq!(line(b"x", &Facts::sample(kind), FactSet::chosen(b"type"), "elr", Place::Inside), want);
        }
    }

    #[test]
    fn a_link_is_told_as_one_whatever_it_leads_to() {
        for kind in [Kind::File, Kind::Directory, Kind::Link, Kind::Other] {
            let line = line(b"x", &Facts::sample(kind), FactSet::chosen(b"type;unique"), "elr", Place::Link);
            assert_eq!(line, "type=OS.unix=symlink;unique=801gbeef; x\r\n");
        }
        assert_eq!(perm(Kind::Directory, "elradfmwMT", Place::Link), "cdeflmp");
    }

    #[test]
    fn the_perm_fact_is_true() {
        let all = "elradfmwMT";
        assert_eq!(perm(Kind::File, all, Place::Inside), "adfrw");
        assert_eq!(perm(Kind::Directory, all, Place::Inside), "cdeflmp");
        assert_eq!(perm(Kind::Directory, all, Place::Home), "celmp");
        assert_eq!(perm(Kind::Link, all, Place::Inside), "df");
        assert_eq!(perm(Kind::Other, all, Place::Inside), "df");
        for (letter, file, directory) in [
            ("e", "", "e"),
            ("l", "", "l"),
            ("r", "r", ""),
            ("a", "a", ""),
            ("d", "d", "dp"),
            ("f", "f", "f"),
            ("m", "", "m"),
            ("w", "w", "c"),
            ("M", "", ""),
            ("T", "", ""),
        ] {
            assert_eq!(perm(Kind::File, letter, Place::Inside), file, "{letter}");
            assert_eq!(perm(Kind::Directory, letter, Place::Inside), directory, "{letter}");
        }
    }

    #[test]
    fn times_are_utc_and_have_fourteen_digits() {
        for (modified, want) in [
            (0, "19700101000000"),
            (951_827_696, "20000229123456"),
            (-1, "19691231235959"),
            (i64::MAX, "99991230220000"),
            (i64::MIN, "00000102015959"),
        ] {
            let mut out = Vec::new();
            push_time(&mut out, modified);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn choosing_facts() {
        let default = FactSet::default();
        assert_eq!(default.to_string(), "type;perm;size;modify;");
        assert_eq!(default.feature(), "MLST type*;perm*;size*;modify*;unique;unix.mode;unix.uid;unix.gid;");
        for (argument, want) in [
            (&b"size;type;"[..], "type;size;"),
            (b"SIZE;Unix.Mode", "size;unix.mode;"),
            (b"create;media-type;size;size;;", "size;"),
            (b"", ""),
            (b"nonsense \xff", ""),
            (EVERY_FACT, "type;perm;size;modify;unique;unix.mode;unix.uid;unix.gid;"),
        ] {
            assert_eq!(FactSet::chosen(argument).to_string(), want);
        }
        assert_eq!(
            FactSet::chosen(b"unique").feature(),
            "MLST type;perm;size;modify;unique*;unix.mode;unix.uid;unix.gid;"
        );
    }
}
