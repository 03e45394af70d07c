//! The current directory: CWD, CDUP, PWD (RFC 959 section 4.1.1), with the X-commands of RFC 775.

use super::{Command, Members, Ran, Spec, say};
use crate::files::{FileError, Home};
use crate::path::VirtualPath;
use crate::protocol::{Argument, Syntax, replies};
use crate::session::{Member, Session};

/// Change working directory. Without a path it stays.
pub struct Cwd(Vec<u8>);

impl Command for Cwd {
    const SPEC: &'static Spec = &Spec { verb: "CWD", aliases: &["XCWD"], syntax: "[<SP> path]", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.bytes().to_vec()))
    }
}

impl Members for Cwd {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let path = member.path(session, &self.0)?;
        let in_home = below_tilde(&self.0).map(|rest| member.path(session, &[b"/", rest].concat())).transpose()?;
        member.directory = match member.home.change_directory_at_once(&path) {
            Some(()) => path,
            None => member.ask(session, |home| change_directory(home, path, in_home)).await?,
        };
        say(replies::directory_changed(&session.encoding.encode(member.directory.as_bytes())))
    }
}

/// What stands behind `~` or `~/`, which people and tools write for the home.
fn below_tilde(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(b"~").filter(|rest| matches!(rest, [] | [b'/', ..]))
}

/// Changes to `path` or, where a tilde began it and nothing has that name, to the one that was meant.
fn change_directory(home: &Home, path: VirtualPath, in_home: Option<VirtualPath>) -> Result<VirtualPath, FileError> {
    match (home.change_directory(&path), in_home) {
        (Err(FileError::NotFound), Some(in_home)) => home.change_directory(&in_home).map(|()| in_home),
        (changed, _) => changed.map(|()| path),
    }
}

/// Change to the parent directory; the home's is the home.
pub struct Cdup;

impl Command for Cdup {
    const SPEC: &'static Spec = &Spec { verb: "CDUP", aliases: &["XCUP"], ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.none().map(|()| Self)
    }
}

impl Members for Cdup {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        Cwd(b"..".to_vec()).run(session, member).await
    }
}

/// Print working directory.
pub struct Pwd;

impl Command for Pwd {
    const SPEC: &'static Spec = &Spec { verb: "PWD", aliases: &["XPWD"], ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.none().map(|()| Self)
    }
}

impl Members for Pwd {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        say(replies::current_directory(&session.encoding.encode(member.directory.as_bytes())))
    }
}

/// Structure mount: there is one file system here.
pub struct Smnt;

impl Command for Smnt {
    const SPEC: &'static Spec = &Spec { verb: "SMNT", syntax: "<SP> path", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.some().map(|_| Self)
    }
}

impl Members for Smnt {
    async fn run(self, _: &mut Session, _: &mut Member) -> Ran {
        say(replies::not_implemented())
    }
}
