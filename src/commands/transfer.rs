//! Files over the data connection: RETR, STOR, APPE, STOU, REST, ALLO, ABOR (RFC 959 section 4.1.3; REST in stream
//! mode: RFC 3659 section 5).

use super::job::Job;
use super::{Command, DuringWork, Feature, Members, Ran, Spec, say};
use crate::data::Outgoing;
use crate::files::{Home, Placement};
use crate::protocol::argument::parse_number;
use crate::protocol::{Argument, Reply, Syntax, replies};
use crate::session::{Member, Representation, Session};

/// Retrieve a file, from where REST said.
pub struct Retr(Vec<u8>);

impl Command for Retr {
    const SPEC: &'static Spec = &Spec { verb: "RETR", syntax: "<SP> path", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Retr {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let job = Job::new(member, "RETR");
        let offset = restart_position(member)?.unwrap_or(0);
        let path = member.path(session, &self.0)?;
        let ascii = member.representation == Representation::Ascii;
        let at_once = if ascii { None } else { Outgoing::file_at_once(&member.home, &path, offset) };
        let (outgoing, path) = match at_once {
            Some(outgoing) => (outgoing, path),
            None => {
                let opened = move |home: &Home| Ok((Outgoing::file(home.retrieve(&path, offset)?, ascii)?, path));
                member.ask(session, opened).await?
            }
        };
        job.download(session, member, outgoing, path, offset)
    }
}

/// Store a file, in place of one of that name or, after REST, from a position in it.
pub struct Stor(Vec<u8>);

impl Command for Stor {
    const SPEC: &'static Spec = &Spec { verb: "STOR", syntax: "<SP> path", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Stor {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let job = Job::new(member, "STOR");
        let placement = restart_position(member)?.map_or(Placement::Replace, Placement::At);
        store(job, session, member, &self.0, placement).await
    }
}

/// Append to a file, or store a new one.
pub struct Appe(Vec<u8>);

impl Command for Appe {
    const SPEC: &'static Spec = &Spec { verb: "APPE", syntax: "<SP> path", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Appe {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let job = Job::new(member, "APPE");
        refuse_restart(member)?;
        store(job, session, member, &self.0, Placement::Append).await
    }
}

/// Store under a name that no file has, and tell it. What the client gives becomes the name's beginning.
pub struct Stou(Option<Vec<u8>>);

impl Command for Stou {
    const SPEC: &'static Spec = &Spec { verb: "STOU", syntax: "[<SP> path]", ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.optional_name()))
    }
}

impl Members for Stou {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let job = Job::new(member, "STOU");
        refuse_restart(member)?;
        let wish = member.path(session, self.0.as_deref().unwrap_or(b"ftpd"))?;
        let upload = member.ask(session, move |home| home.store_unique(&wish)).await?;
        let name = session.encoding.encode(upload.path().file_name().unwrap_or_default()).into_owned();
        job.upload(session, member, upload, replies::opening_unique(&name))
    }
}

/// Where in the file the next RETR or STOR begins, in bytes.
pub struct Rest(u64);

impl Command for Rest {
    const SPEC: &'static Spec =
        &Spec { verb: "REST", syntax: "<SP> position", features: &[Feature::Fixed("REST STREAM")], ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.number().map(Self)
    }
}

impl Members for Rest {
    async fn run(self, _: &mut Session, member: &mut Member) -> Ran {
        member.restart = None;
        if member.representation == Representation::Ascii && self.0 > 0 {
            return say(replies::no_restart_in_ascii());
        }
        member.restart = Some(self.0);
        say(replies::restarting_at(self.0))
    }

    fn forget(member: &mut Member) {
        member.restart = None;
    }
}

/// Allocate room, in bytes. Nothing is set aside, but what cannot fit, whatever file it replaces, is said so at once.
pub struct Allo(u64);

impl Command for Allo {
    const SPEC: &'static Spec = &Spec { verb: "ALLO", syntax: "<SP> bytes [<SP> R <SP> bytes]", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        let mut words = argument.some()?.trim_ascii().split(|&byte| byte == b' ');
        let bytes = parse_number(words.next().unwrap_or_default())?;
        match (words.next(), words.next().map(parse_number), words.next()) {
            (None, None, None) | (Some(b"R" | b"r"), Some(Ok(_)), None) => Ok(Self(bytes)),
            _ => Err(Syntax::Malformed("expected a number of bytes")),
        }
    }
}

impl Members for Allo {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let most = member.ask(session, Home::largest_upload).await?;
        say(if self.0 > most { replies::allocation_too_large() } else { replies::no_allocation_needed() })
    }
}

/// Abort what is arranged or under way.
pub struct Abor;

impl Command for Abor {
    const SPEC: &'static Spec = &Spec { verb: "ABOR", during_work: DuringWork::Aborts, ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.none().map(|()| Self)
    }
}

impl Members for Abor {
    async fn run(self, _: &mut Session, member: &mut Member) -> Ran {
        // While work is under way the command loop stops it before it comes here.
        let plan = std::mem::take(&mut member.plan);
        say(if plan.is_none() { replies::nothing_to_abort() } else { replies::abort_plan() })
    }
}

/// REST's position, once. One that is not at the beginning does not go with TYPE A.
fn restart_position(member: &mut Member) -> Result<Option<u64>, Reply> {
    match member.restart.take() {
        None | Some(0) => Ok(None),
        Some(_) if member.representation == Representation::Ascii => Err(replies::no_restart_in_ascii()),
        position => Ok(position),
    }
}

fn refuse_restart(member: &mut Member) -> Result<(), Reply> {
    match restart_position(member)? {
        Some(_) => Err(replies::restart_pending()),
        None => Ok(()),
    }
}

async fn store(job: Job, session: &Session, member: &mut Member, name: &[u8], placement: Placement) -> Ran {
    let path = member.path(session, name)?;
    let at_once = if placement == Placement::Replace { member.home.store_at_once(&path) } else { None };
    let upload = match at_once {
        Some(upload) => upload,
        None => member.ask(session, move |home| home.store(&path, placement)).await?,
    };
    job.upload(session, member, upload, replies::opening_data())
}
