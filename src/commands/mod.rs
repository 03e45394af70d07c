//! The commands, one page per family. To learn FTP, read these; to add a command, write it on its page and name it in
//! [`TABLE`]: FEAT, HELP, the 501 and the 530 follow from its [`Spec`].

pub mod about;
pub mod facts;
mod job;
pub mod link;
pub mod list;
pub mod login;
pub mod manage;
pub mod navigate;
pub mod secure;
pub mod site;
pub mod transfer;

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;

use crate::observe::events;
use crate::protocol::{Argument, Reply, Syntax, replies};
use crate::session::{Conversation, Member, Outcome, Phase, Session, Task};

/// What is known of a command before it is said.
pub struct Spec {
    /// The verb, in capitals.
    pub verb: &'static str,
    /// Other verbs for the same (RFC 775's X-commands).
    pub aliases: &'static [&'static str],
    /// What follows the verb, for HELP.
    pub syntax: &'static str,
    /// Its lines in FEAT (RFC 2389).
    pub features: &'static [Feature],
    /// What it does while a transfer is under way.
    pub during_work: DuringWork,
    /// Whether its argument is nobody's business, not even the log's.
    pub secret: bool,
    /// Whether control bytes may stand in its argument: a password and the name of a file that is there are bytes.
    pub any_bytes: bool,
}

/// What becomes of a command that comes while a transfer is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuringWork {
    /// It waits for the end.
    Waits,
    /// It acts at once.
    Heard,
    /// It ends the transfer.
    Aborts,
}

/// A line of FEAT.
pub enum Feature {
    /// The same for everybody.
    Fixed(&'static str),
    /// One that tells what this session has chosen, or none.
    Chosen(fn(&Session) -> Option<String>),
}

/// What comes of running a command: an outcome, or a refusal on the way to it.
pub type Ran = Result<Outcome, Reply>;

/// A verb with its parsed argument.
pub trait Command: Sized + Send + 'static {
    /// What is known of it beforehand.
    const SPEC: &'static Spec;

    /// Reads the argument; nothing is looked up.
    ///
    /// # Errors
    /// [`Syntax`], which becomes a 501.
    fn parse(argument: Argument<'_>) -> Result<Self, Syntax>;
}

/// A command that anybody may give.
pub trait Anyone: Command {
    /// Does it.
    fn run(self, conversation: &mut Conversation) -> impl Future<Output = Ran> + Send;
}

/// A command that needs a log-in: it is given the [`Member`] that only a log-in makes.
pub trait Members: Command {
    /// Does it.
    fn run(self, session: &mut Session, member: &mut Member) -> impl Future<Output = Ran> + Send;

    /// Forgets what an earlier command of the kind arranged, when this one was no good: a client that is refused
    /// must not find the old arrangement in force.
    fn forget(_: &mut Member) {}
}

/// A command of the table: its spec, and the way in.
pub struct Entry {
    /// What is known of it beforehand.
    pub spec: &'static Spec,
    enter: for<'a> fn(&'a mut Conversation, Argument<'_>) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Every command there is.
pub static TABLE: &[Entry] = &[
    // secure
    Entry::anyone::<secure::Auth>(),
    Entry::anyone::<secure::Pbsz>(),
    Entry::anyone::<secure::Prot>(),
    Entry::anyone::<secure::Ccc>(),
    // login
    Entry::anyone::<login::User>(),
    Entry::anyone::<login::Pass>(),
    Entry::anyone::<login::Acct>(),
    Entry::anyone::<login::Host>(),
    Entry::anyone::<login::Clnt>(),
    Entry::anyone::<login::Rein>(),
    Entry::anyone::<login::Quit>(),
    // navigate
    Entry::members::<navigate::Cwd>(),
    Entry::members::<navigate::Cdup>(),
    Entry::members::<navigate::Pwd>(),
    Entry::members::<navigate::Smnt>(),
    // link
    Entry::members::<link::Type>(),
    Entry::members::<link::Mode>(),
    Entry::members::<link::Stru>(),
    Entry::members::<link::Pasv>(),
    Entry::members::<link::Epsv>(),
    Entry::members::<link::Port>(),
    Entry::members::<link::Eprt>(),
    Entry::members::<link::Pret>(),
    // transfer
    Entry::members::<transfer::Retr>(),
    Entry::members::<transfer::Stor>(),
    Entry::members::<transfer::Appe>(),
    Entry::members::<transfer::Stou>(),
    Entry::members::<transfer::Rest>(),
    Entry::members::<transfer::Allo>(),
    Entry::members::<transfer::Abor>(),
    // list
    Entry::members::<list::List>(),
    Entry::members::<list::Nlst>(),
    Entry::members::<list::Mlsd>(),
    Entry::members::<list::Mlst>(),
    // manage
    Entry::members::<manage::Mkd>(),
    Entry::members::<manage::Rmd>(),
    Entry::members::<manage::Dele>(),
    Entry::members::<manage::Rnfr>(),
    Entry::members::<manage::Rnto>(),
    // facts
    Entry::members::<facts::Size>(),
    Entry::members::<facts::Mdtm>(),
    Entry::members::<facts::Mfmt>(),
    Entry::members::<facts::Avbl>(),
    Entry::members::<facts::Hash>(),
    Entry::members::<facts::Xcrc>(),
    Entry::members::<facts::Xmd5>(),
    Entry::members::<facts::Xsha1>(),
    Entry::members::<facts::Xsha256>(),
    Entry::members::<facts::Xsha512>(),
    // about
    Entry::anyone::<about::Feat>(),
    Entry::anyone::<about::Opts>(),
    Entry::anyone::<about::Help>(),
    Entry::anyone::<about::Stat>(),
    Entry::anyone::<about::Syst>(),
    Entry::anyone::<about::Noop>(),
    // site
    Entry::members::<site::Site>(),
];

/// The command of a verb, which is in capitals.
#[must_use]
pub fn find(verb: &[u8]) -> Option<&'static Entry> {
    static BY_VERB: LazyLock<Vec<(&[u8], &Entry)>> = LazyLock::new(|| {
        let names = |spec: &'static Spec| std::iter::once(spec.verb).chain(spec.aliases.iter().copied());
        let entries = TABLE.iter().flat_map(|entry| names(entry.spec).map(move |verb| (verb.as_bytes(), entry)));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_unstable_by_key(|(verb, _)| *verb);
        entries
    });
    let place = BY_VERB.binary_search_by_key(&verb, |(verb, _)| verb).ok()?;
    BY_VERB.get(place).map(|(_, entry)| *entry)
}

impl Entry {
    const fn anyone<C: Anyone>() -> Self {
        Self { spec: C::SPEC, enter: enter_anyone::<C> }
    }

    const fn members<C: Members>() -> Self {
        Self { spec: C::SPEC, enter: enter_members::<C> }
    }

    /// Runs the command: the argument is checked first (501), then the log-in (530), then the rest.
    pub async fn run(&self, conversation: &mut Conversation, argument: Argument<'_>) -> Outcome {
        counted((self.enter)(conversation, argument).await, self.spec.verb)
    }
}

impl Spec {
    /// One more to fill in.
    const BASIC: Self = Self {
        verb: "",
        aliases: &[],
        syntax: "",
        features: &[],
        during_work: DuringWork::Waits,
        secret: false,
        any_bytes: false,
    };
    /// One more to fill in, whose argument is a password or holds the name of a file.
    const ANY_BYTES: Self = Self { any_bytes: true, ..Self::BASIC };
}

fn parse<C: Command>(argument: Argument<'_>) -> Result<C, Syntax> {
    if C::SPEC.any_bytes {
        argument.without_line_ends()?;
    } else {
        argument.without_control_bytes()?;
    }
    C::parse(argument)
}

fn enter_anyone<'a, C: Anyone>(conversation: &'a mut Conversation, argument: Argument<'_>) -> Running<'a> {
    let parsed = parse::<C>(argument);
    Box::pin(async move {
        match parsed {
            Ok(command) => command.run(conversation).await.unwrap_or_else(Outcome::Say),
            Err(syntax) => Outcome::Say(replies::syntax_error(syntax)),
        }
    })
}

fn enter_members<'a, C: Members>(conversation: &'a mut Conversation, argument: Argument<'_>) -> Running<'a> {
    let parsed = parse::<C>(argument);
    Box::pin(async move {
        let Conversation { session, phase } = conversation;
        match (parsed, phase) {
            (Ok(command), Phase::LoggedIn(member)) => command.run(session, member).await.unwrap_or_else(Outcome::Say),
            (Ok(_), Phase::Greeted { .. }) => Outcome::Say(replies::log_in_first()),
            (Err(syntax), phase) => {
                if let Phase::LoggedIn(member) = phase {
                    C::forget(member);
                }
                Outcome::Say(replies::syntax_error(syntax))
            }
        }
    })
}

/// Has the last reply of a command counted; that of work comes at its end.
fn counted(outcome: Outcome, verb: &'static str) -> Outcome {
    match outcome {
        Outcome::Say(ref reply) | Outcome::Secure(ref reply) | Outcome::Close(ref reply) => {
            events::answered(verb, reply);
            outcome
        }
        Outcome::Work(task) => {
            let Task { opening, progress, stop, if_client_leaves, beacon, work } = *task;
            let work = Box::pin(async move {
                let reply = work.await;
                events::answered(verb, &reply);
                reply
            });
            Outcome::Work(Box::new(Task { opening, progress, stop, if_client_leaves, beacon, work }))
        }
    }
}

fn say(reply: Reply) -> Ran {
    Ok(Outcome::Say(reply))
}
