//! Names on disk: MKD, RMD, DELE, RNFR, RNTO (RFC 959 section 4.1.3).

use super::{Command, Members, Ran, Spec, say};
use crate::hooks::Kind;
use crate::observe::events::{self, Change};
use crate::protocol::{Argument, Syntax, replies};
use crate::session::{Member, Session};

/// Make a directory.
pub struct Mkd(Vec<u8>);

impl Command for Mkd {
    const SPEC: &'static Spec = &Spec { verb: "MKD", aliases: &["XMKD"], syntax: "<SP> path", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Mkd {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let path = member.path(session, &self.0)?;
        let teller = session.teller(Kind::Mkdir, &member.account);
        let made = member.ask(session, |home| home.make_directory(&path).map(|()| teller.tell(path))).await?;
        events::changed(session.id, &member.account, session.peer().ip(), &made, Change::DirectoryMade);
        say(replies::directory_created(&session.encoding.encode(made.as_bytes())))
    }
}

/// Remove an empty directory.
pub struct Rmd(Vec<u8>);

impl Command for Rmd {
    const SPEC: &'static Spec = &Spec { verb: "RMD", aliases: &["XRMD"], syntax: "<SP> path", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Rmd {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let path = member.path(session, &self.0)?;
        let teller = session.teller(Kind::Rmdir, &member.account);
        let removed = member.ask(session, |home| home.remove_directory(&path).map(|()| teller.tell(path))).await?;
        events::changed(session.id, &member.account, session.peer().ip(), &removed, Change::DirectoryRemoved);
        say(replies::directory_removed())
    }
}

/// Delete a file.
pub struct Dele(Vec<u8>);

impl Command for Dele {
    const SPEC: &'static Spec = &Spec { verb: "DELE", syntax: "<SP> path", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Dele {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let path = member.path(session, &self.0)?;
        let teller = session.teller(Kind::Delete, &member.account);
        let removed = member.ask(session, |home| home.delete(&path).map(|()| teller.tell(path))).await?;
        events::changed(session.id, &member.account, session.peer().ip(), &removed, Change::Deleted);
        say(replies::file_removed())
    }
}

/// Rename from: the name that RNTO will change.
pub struct Rnfr(Vec<u8>);

impl Command for Rnfr {
    const SPEC: &'static Spec = &Spec { verb: "RNFR", syntax: "<SP> path", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Rnfr {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        member.rename_from = None;
        let path = member.path(session, &self.0)?;
        member.rename_from = Some(member.ask(session, |home| home.rename_source_exists(&path).map(|()| path)).await?);
        say(replies::ready_for_destination())
    }

    fn forget(member: &mut Member) {
        member.rename_from = None;
    }
}

/// Rename to. A file that has the name already is replaced, as rename(2) does.
pub struct Rnto(Vec<u8>);

impl Command for Rnto {
    const SPEC: &'static Spec = &Spec { verb: "RNTO", syntax: "<SP> path", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Rnto {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let from = member.rename_from.take().ok_or_else(replies::rename_from_first)?;
        let to = member.path(session, &self.0)?;
        let teller = session.teller(Kind::Rename, &member.account);
        let (from, to) =
            member.ask(session, |home| home.rename(&from, &to).map(|()| teller.tell_renamed(from, to))).await?;
        events::changed(session.id, &member.account, session.peer().ip(), &from, Change::RenamedTo(&to));
        say(replies::renamed())
    }
}
