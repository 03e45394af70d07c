//! The server itself: FEAT, OPTS (RFC 2389; UTF8: RFC 2640), HELP, STAT, SYST, NOOP (RFC 959 section 4.1.3).

use super::{Anyone, Command, DuringWork, Feature, Ran, Spec, TABLE, find, list, say};
use crate::data::DataPlan;
use crate::files::Algorithm;
use crate::listing::facts::FactSet;
use crate::protocol::{Argument, Syntax, replies};
use crate::session::{Conversation, Member, Phase, Representation, Session};
use crate::settings::Encoding;

/// The features beyond RFC 959.
pub struct Feat;

impl Command for Feat {
    const SPEC: &'static Spec = &Spec { verb: "FEAT", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.none().map(|()| Self)
    }
}

impl Anyone for Feat {
    async fn run(self, Conversation { session, .. }: &mut Conversation) -> Ran {
        let features = TABLE.iter().flat_map(|entry| entry.spec.features);
        let mut lines: Vec<Vec<u8>> = features
            .filter_map(|feature| match feature {
                Feature::Fixed(text) => Some((*text).as_bytes().to_vec()),
                Feature::Chosen(tell) => tell(session).map(String::into_bytes),
            })
            .collect();
        lines.sort();
        say(replies::features(lines))
    }
}

/// A choice for a command that has one.
pub enum Opts {
    /// File names are UTF-8 from now on, or the operator's `encoding`.
    Utf8(bool),
    /// The facts of MLSD and MLST.
    Mlst(FactSet),
    /// The algorithm of HASH; `None` asks which it is.
    Hash(Option<Algorithm>),
    /// For a command that has no options.
    Unknown,
}

impl Command for Opts {
    const SPEC: &'static Spec = &Spec {
        verb: "OPTS",
        syntax: "<SP> command [<SP> option]",
        features: &[Feature::Chosen(|session| session.encoding.is_utf8().then(|| "UTF8".to_owned()))],
        ..Spec::BASIC
    };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        let (command, option) = Argument::split(argument.some()?);
        let word = option.word().unwrap_or_default();
        match (command.as_slice(), word.as_slice()) {
            // UTF8 NLST is what a draft before RFC 2640 had; old clients still say it.
            (b"UTF8" | b"UTF-8", b"" | b"ON" | b"NLST") => Ok(Self::Utf8(true)),
            (b"UTF8" | b"UTF-8", b"OFF") => Ok(Self::Utf8(false)),
            (b"MLST", _) => Ok(Self::Mlst(FactSet::chosen(option.bytes()))),
            (b"HASH", b"") => Ok(Self::Hash(None)),
            (b"HASH", name) => {
                let algorithm = Algorithm::named(name).ok_or(Syntax::Malformed("unknown algorithm"))?;
                Ok(Self::Hash(Some(algorithm)))
            }
            _ => Ok(Self::Unknown),
        }
    }
}

impl Anyone for Opts {
    async fn run(self, Conversation { session, .. }: &mut Conversation) -> Ran {
        say(match self {
            Self::Utf8(true) => {
                session.encoding = Encoding::UTF8;
                replies::utf8_on()
            }
            Self::Utf8(false) => {
                session.encoding = session.service.settings.encoding;
                replies::utf8_off()
            }
            Self::Mlst(facts) => {
                session.facts = facts;
                replies::facts_chosen(&facts.to_string())
            }
            Self::Hash(algorithm) => {
                session.algorithm = algorithm.unwrap_or(session.algorithm);
                replies::algorithm_chosen(session.algorithm.name())
            }
            Self::Unknown => replies::no_such_option(),
        })
    }
}

/// The commands there are, or the form of one.
pub struct Help(Option<Vec<u8>>);

impl Command for Help {
    const SPEC: &'static Spec = &Spec { verb: "HELP", syntax: "[<SP> command]", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.word().ok()))
    }
}

impl Anyone for Help {
    async fn run(self, _: &mut Conversation) -> Ran {
        const COLUMNS: usize = 8;
        let Some(verb) = self.0 else {
            let mut verbs: Vec<&str> = TABLE.iter().map(|entry| entry.spec.verb).collect();
            verbs.sort_unstable();
            let row = |row: &[&str]| row.iter().map(|verb| format!("{verb:8}")).collect::<String>();
            return say(replies::help(
                verbs.chunks(COLUMNS).map(|verbs| row(verbs).trim_end().as_bytes().to_vec()).collect(),
            ));
        };
        say(match find(&verb) {
            Some(entry) => replies::help_for(format!("Syntax: {} {}", entry.spec.verb, entry.spec.syntax)),
            None => replies::no_help(),
        })
    }
}

/// The state of the session and of a transfer under way; with a path, its listing.
pub struct Stat(Option<Vec<u8>>);

impl Command for Stat {
    const SPEC: &'static Spec =
        &Spec { verb: "STAT", syntax: "[<SP> path]", during_work: DuringWork::Heard, ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.optional_name()))
    }
}

impl Anyone for Stat {
    async fn run(self, Conversation { session, phase }: &mut Conversation) -> Ran {
        match (self.0, phase) {
            (None, phase) => say(replies::status(session_status(session, phase))),
            (Some(path), Phase::LoggedIn(member)) => say(list::path_status(session, member, &path).await?),
            (Some(_), Phase::Greeted { .. }) => say(replies::log_in_first()),
        }
    }
}

/// No address is in it: behind NAT the server's own is that of a network that is none of the client's business.
fn session_status(session: &Session, phase: &Phase) -> Vec<Vec<u8>> {
    let lines = match phase {
        Phase::Greeted { named: None, .. } => vec!["Waiting for username.".to_owned()],
        Phase::Greeted { named: Some(_), .. } => vec!["Waiting for password.".to_owned()],
        Phase::LoggedIn(member) => member_status(session, member),
    };
    lines.into_iter().map(String::into_bytes).collect()
}

fn member_status(session: &Session, member: &Member) -> Vec<String> {
    let representation = match member.representation {
        Representation::Ascii => "ASCII",
        Representation::Image => "Binary",
    };
    let mut lines = vec![
        format!("Logged in as: {}", member.account.name),
        format!("TYPE: {representation}; STRUcture: File; MODE: Stream"),
    ];
    match (&session.live.work(), &member.plan) {
        (Some(progress), _) => lines.extend([
            "Data connection open:".to_owned(),
            format!("Total bytes transferred: {}", progress.bytes()),
            format!("Transfer elapsed time: {} secs", progress.elapsed().as_secs()),
        ]),
        (None, DataPlan::Passive(_)) => lines.push("Passive data channel waiting for connection.".to_owned()),
        (None, DataPlan::Connected { .. }) => lines.push("Data connection open, no transfer yet.".to_owned()),
        (None, DataPlan::Active { .. }) => lines.push("Active data connection arranged.".to_owned()),
        (None, DataPlan::None | DataPlan::Taken) => lines.push("Data connection closed.".to_owned()),
    }
    lines
}

/// The system type, which tells clients how to read LIST.
pub struct Syst;

impl Command for Syst {
    const SPEC: &'static Spec = &Spec { verb: "SYST", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.none().map(|()| Self)
    }
}

impl Anyone for Syst {
    async fn run(self, _: &mut Conversation) -> Ran {
        say(replies::system())
    }
}

/// Nothing, which keeps a session alive.
pub struct Noop;

impl Command for Noop {
    const SPEC: &'static Spec = &Spec { verb: "NOOP", during_work: DuringWork::Heard, ..Spec::BASIC };

    fn parse(_: Argument<'_>) -> Result<Self, Syntax> {
        // Some clients keep alive with an argument; it has never meant anything.
        Ok(Self)
    }
}

impl Anyone for Noop {
    async fn run(self, _: &mut Conversation) -> Ran {
        say(replies::nothing_done())
    }
}
