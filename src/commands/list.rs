//! Directories as text: LIST, NLST (RFC 959 section 4.1.3), MLSD, MLST (RFC 3659 section 7).

use super::job::Job;
use super::{Command, Feature, Members, Ran, Spec, say};
use crate::data::{Entries, ListForm, Outgoing};
use crate::files::{FileError, Home};
use crate::listing::facts::{self, Place};
use crate::listing::pattern::{self, Pattern};
use crate::listing::unix::{self, ListTimes};
use crate::listing::{Kind, argument, names};
use crate::path::VirtualPath;
use crate::protocol::{Argument, Reply, Syntax, replies};
use crate::session::{Member, Session};

/// A listing in the form of `ls -l`, which every client parses.
pub struct List(Vec<u8>);

impl Command for List {
    const SPEC: &'static Spec = &Spec { verb: "LIST", syntax: "[<SP> path]", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.bytes().to_vec()))
    }
}

impl Members for List {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let job = Job::new(member, "LIST");
        let form = unix_form(session);
        let listed =
            find_entries(session, member, self.0, |found| Ok((Outgoing::listing(found.entries, form)?, found.path)));
        let (listing, path) = listed.await?;
        job.list(session, member, listing, path)
    }
}

/// The names alone. Those that a pattern in another directory found carry that directory, so that each can be fetched.
pub struct Nlst(Vec<u8>);

impl Command for Nlst {
    const SPEC: &'static Spec = &Spec { verb: "NLST", syntax: "[<SP> path]", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.bytes().to_vec()))
    }
}

impl Members for Nlst {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let job = Job::new(member, "NLST");
        let encoding = session.encoding;
        let listed = find_entries(session, member, self.0, move |found| {
            let prefix = found.prefix;
            let form: ListForm = Box::new(move |out, entry| {
                out.extend_from_slice(&prefix);
                names::write_line(out, &encoding.encode(&entry.name));
            });
            Ok((Outgoing::listing(found.entries, form)?, found.path))
        });
        let (listing, path) = listed.await?;
        job.list(session, member, listing, path)
    }
}

/// The facts of all entries of a directory, for programs.
pub struct Mlsd(Option<Vec<u8>>);

impl Command for Mlsd {
    const SPEC: &'static Spec = &Spec { verb: "MLSD", syntax: "[<SP> path]", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.optional_name()))
    }
}

impl Members for Mlsd {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let job = Job::new(member, "MLSD");
        let path = member.path_or_here(session, self.0.as_deref())?;
        let asked = path.clone();
        let (set, permissions, encoding) = (session.facts, member.account.permissions, session.encoding);
        let form: ListForm = Box::new(move |out, entry| {
            let place = if entry.link.is_some() { Place::Link } else { Place::Inside };
            facts::write_line(out, &encoding.encode(&entry.name), &entry.facts, set, permissions, place);
        });
        let listing = member
            .ask(session, move |home| match home.facts(&asked)?.kind {
                Kind::Directory => Outgoing::listing(Box::new(home.list(&asked)?), form).map(Some),
                _ => Ok(None),
            })
            .await?
            .ok_or_else(replies::mlsd_of_no_directory)?;
        job.list(session, member, listing, path)
    }
}

/// The facts of one name, on the control connection.
pub struct Mlst(Option<Vec<u8>>);

impl Command for Mlst {
    const SPEC: &'static Spec = &Spec {
        verb: "MLST",
        syntax: "[<SP> path]",
        features: &[Feature::Chosen(|session| Some(session.facts.feature())), Feature::Fixed("TVFS")],
        ..Spec::ANY_BYTES
    };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.optional_name()))
    }
}

impl Members for Mlst {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let path = member.path_or_here(session, self.0.as_deref())?;
        let place = if path.is_root() { Place::Home } else { Place::Inside };
        let found = member.facts(session, path.clone()).await?;
        let name = session.encoding.encode(path.as_bytes());
        let mut line = Vec::new();
        facts::write_line(&mut line, &name, &found, session.facts, member.account.permissions, place);
        line.truncate(line.len() - b"\r\n".len());
        say(replies::facts(&name, line))
    }
}

/// STAT with a path: LIST's lines on the control connection, at most [`STATUS_LINES`].
pub(super) async fn path_status(session: &Session, member: &Member, argument: &[u8]) -> Result<Reply, Reply> {
    let mut form = unix_form(session);
    let listed = find_entries(session, member, argument.to_vec(), move |found| {
        let mut lines = Vec::new();
        for entry in found.entries {
            if lines.len() == STATUS_LINES {
                return Ok((lines, false, found.path));
            }
            let mut line = Vec::new();
            form(&mut line, &entry?);
            line.truncate(line.len() - b"\r\n".len());
            lines.push(line);
        }
        Ok((lines, true, found.path))
    });
    let (lines, is_all, path) = listed.await?;
    Ok(replies::path_status(&session.encoding.encode(path.as_bytes()), lines, is_all))
}

/// A reply is held in memory while it is sent; a listing of any length has the data connection.
const STATUS_LINES: usize = 1000;

/// What a listing shows.
struct Found {
    entries: Entries,
    /// What was listed, for the log.
    path: VirtualPath,
    /// What a client must put before the names to fetch them: the directory that it named itself, but for the one
    /// that it listed.
    prefix: Vec<u8>,
}

/// The entries that LIST, NLST and STAT mean by a path: those of a directory, the one of a file or, where there is
/// no such name, those that its last component matches as a pattern. What looks like options of `ls` is none
/// of it. What is to become of them is done on the same way off the reactor.
async fn find_entries<T: Send + 'static>(
    session: &Session,
    member: &Member,
    argument: Vec<u8>,
    then: impl FnOnce(Found) -> Result<T, FileError> + Send + 'static,
) -> Result<T, Reply> {
    let argument::Named { path: name, otherwise } = argument::read(&argument);
    let otherwise = match otherwise {
        Some(name) => Some((member.path(session, name)?, name.to_vec())),
        None => None,
    };
    let (path, argument) = match (member.path(session, name), &otherwise) {
        (Ok(path), _) => (path, name.to_vec()),
        // Options may be longer than any name.
        (Err(_), Some(otherwise)) => otherwise.clone(),
        (Err(refusal), None) => return Err(refusal),
    };
    let meant = otherwise.as_ref().map_or(&path, |(path, _)| path);
    let is_search = meant.file_name().is_some_and(pattern::is_pattern);
    let find = move |home: &Home| {
        let (path, argument) = match otherwise.filter(|_| matches!(home.facts(&path), Err(FileError::NotFound))) {
            Some(otherwise) => otherwise,
            None => (path, argument),
        };
        let directory = argument.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        let prefix = argument[..directory].to_vec();
        then(match (home.facts(&path), path.file_name()) {
            (Ok(found), _) if found.kind == Kind::Directory => {
                Found { entries: Box::new(home.list(&path)?), path, prefix: Vec::new() }
            }
            (Ok(_), _) => Found { entries: Box::new(std::iter::once(Ok(home.entry(&path)?))), path, prefix },
            (Err(FileError::NotFound), Some(last)) if pattern::is_pattern(last) => {
                // The pattern is the client's own words, which no reply gives back.
                Found { entries: matching_entries(home, &path, last)?, path: path.parent(), prefix }
            }
            (Err(why), _) => return Err(why),
        })
    };
    // Until the first name fits, all of a large directory may have been read.
    if is_search { member.ask_much(session, find).await } else { member.ask(session, find).await }
}

fn matching_entries(home: &Home, path: &VirtualPath, last: &[u8]) -> Result<Entries, FileError> {
    let pattern = Pattern::new(last).ok_or(FileError::NotFound)?;
    Ok(Box::new(home.list(&path.parent())?.filter(move |entry| match entry {
        Ok(entry) => pattern.matches(&entry.name),
        Err(_) => true,
    })))
}

fn unix_form(session: &Session) -> ListForm {
    let encoding = session.encoding;
    let when = ListTimes { now: jiff::Timestamp::now().as_second(), zone: session.service.zone.clone() };
    Box::new(move |out, entry| {
        let name = encoding.encode(&entry.name);
        match &entry.link {
            Some(link) => {
                let name = [&name, b" -> ".as_slice(), &encoding.encode(&link.target)].concat();
                unix::write_line(out, &name, &link.facts, &when);
            }
            None => unix::write_line(out, &name, &entry.facts, &when),
        }
    })
}
