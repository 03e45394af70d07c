//! What is this site's own (RFC 959 section 4.1.3, RFC 1123 section 4.1.2.8): SITE CHMOD, SITE UTIME, SITE HELP.
//! Nothing here runs a program.

use super::{Command, Members, Ran, Spec, say};
use crate::observe::events::{self, Change};
use crate::protocol::{Argument, Syntax, replies, time};
use crate::session::{Member, Session};

/// A SITE command.
pub enum Site {
    /// The permission bits of a file.
    Chmod {
        /// Nine bits at most.
        mode: u32,
        /// Which file.
        name: Vec<u8>,
    },
    /// The time of the last modification, in seconds since 1970.
    Utime {
        /// When.
        when: i64,
        /// Which file.
        name: Vec<u8>,
    },
    /// What there is.
    Help,
    /// None of these.
    Unknown,
}

impl Command for Site {
    const SPEC: &'static Spec =
        &Spec { verb: "SITE", syntax: "<SP> CHMOD | UTIME | HELP", secret: true, ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        let (command, rest) = Argument::split(argument.some()?);
        match command.as_slice() {
            b"CHMOD" => parse_chmod(rest.some()?),
            b"UTIME" => parse_utime(rest.some()?),
            b"HELP" => Ok(Self::Help),
            _ => Ok(Self::Unknown),
        }
    }
}

impl Members for Site {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        match self {
            Self::Chmod { mode, name } => {
                let path = member.path(session, &name)?;
                let set = member.ask(session, move |home| home.set_mode(&path, mode).map(|()| path)).await?;
                events::changed(session.id, &member.account, session.peer().ip(), &set, Change::ModeSet(mode));
                say(replies::mode_changed())
            }
            Self::Utime { when, name } => {
                let path = member.path(session, &name)?;
                let (kept, set) = member.ask(session, move |home| Ok((home.set_modified(&path, when)?, path))).await?;
                events::changed(session.id, &member.account, session.peer().ip(), &set, Change::TimeSet(kept));
                say(replies::time_changed())
            }
            Self::Help => say(replies::help(vec![b"CHMOD   HELP    UTIME".to_vec()])),
            Self::Unknown => say(replies::unknown_site_command()),
        }
    }
}

/// `755 name`; bits beyond the nine, such as set-user-id, are refused.
fn parse_chmod(argument: &[u8]) -> Result<Site, Syntax> {
    const WRONG: Syntax = Syntax::Malformed("expected CHMOD mode path, with a mode from 000 to 777");
    let (mode, name) = split_word(argument).ok_or(WRONG)?;
    if mode.len() > 4 || !mode.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return Err(WRONG);
    }
    let mode = mode.iter().fold(0, |mode, digit| mode * 8 + u32::from(digit - b'0'));
    if mode > 0o777 { Err(WRONG) } else { Ok(Site::Chmod { mode, name: name.to_vec() }) }
}

/// `YYYYMMDDhhmm[ss] name`, or `name atime mtime ctime UTC` with three times as ncftp has it.
fn parse_utime(argument: &[u8]) -> Result<Site, Syntax> {
    if let Some((word, name)) = split_word(argument)
        && let Some(when) = parse_time(word)
    {
        return Ok(Site::Utime { when, name: name.to_vec() });
    }
    let mut words = argument.rsplitn(5, |&byte| byte == b' ');
    let (zone, _, modified, _, name) = (words.next(), words.next(), words.next(), words.next(), words.next());
    match (name, modified.and_then(parse_time)) {
        (Some(name), Some(when)) if !name.is_empty() && zone == Some(b"UTC") => {
            Ok(Site::Utime { when, name: name.to_vec() })
        }
        _ => Err(Syntax::Malformed("expected UTIME YYYYMMDDhhmm[ss] path")),
    }
}

fn parse_time(word: &[u8]) -> Option<i64> {
    if word.len() == 12 { time::parse(&[word, b"00"].concat()) } else { time::parse(word) }
}

fn split_word(argument: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = argument.iter().position(|&byte| byte == b' ')?;
    let name = argument.get(blank + 1..).filter(|name| !name.is_empty())?;
    Some((&argument[..blank], name))
}
