//! Who the client is: USER, PASS, REIN, QUIT (RFC 959 section 4.1.1), HOST (RFC 7151), CLNT.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Anyone, Command, DuringWork, Feature, Ran, Spec, say};
use crate::blocking::off_reactor;
use crate::data::DataPlan;
use crate::files::{self, Home, Uploads};
use crate::hooks::Kind;
use crate::limits::Stay;
use crate::observe::events;
use crate::path::VirtualPath;
use crate::protocol::{Argument, Reply, Syntax, replies};
use crate::session::{Conversation, Member, NewsItem, Outcome, Phase, Representation, Session, Tried};
use crate::settings::Size;
use crate::users::{Account, Failure};

/// The name. Every name is answered alike; whoever was logged in is not any more.
pub struct User(Vec<u8>);

impl Command for User {
    const SPEC: &'static Spec = &Spec { verb: "USER", syntax: "<SP> name", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Anyone for User {
    async fn run(self, conversation: &mut Conversation) -> Ran {
        let Conversation { session, phase } = conversation;
        session.may_log_in()?;
        if is_banned(session) {
            return Ok(Outcome::Close(replies::banned()));
        }
        let reply = if log_out(session, phase) { replies::account_flushed() } else { replies::send_password() };
        if let Some(account) = certified(session, &self.0) {
            return log_in(conversation, account, replies::authorized).await;
        }
        if let Phase::Greeted { named, .. } = phase {
            *named = Some(self.0);
        }
        say(reply)
    }
}

/// Forgets who is logged in, and what name was given. Tells whether somebody was.
fn log_out(session: &Session, phase: &mut Phase) -> bool {
    let was_logged_in =
        phase.account().inspect(|account| events::logged_out(session.id, account, session.peer().ip())).is_some();
    phase.log_out(session.without_login);
    was_logged_in
}

/// The account of this name, if the client's certificate stands for its password.
fn certified(session: &Session, name: &[u8]) -> Option<Arc<Account>> {
    let shown = session.protection.control.as_ref()?.client_names();
    session.service.authenticator.certified(name, shown, session.peer().ip())
}

/// Lets in whoever has shown that the account is his, and says so by `welcome`.
async fn log_in(conversation: &mut Conversation, account: Arc<Account>, welcome: fn(&str) -> Reply) -> Ran {
    let Conversation { session, phase } = conversation;
    let member = admit(session, &account).await?;
    if let Phase::Greeted { since, .. } = phase {
        // A password that is right earns a new time to log in; anybody can say `anonymous` again and again.
        session.without_login = if account.anonymous { since.elapsed() } else { Duration::ZERO };
    }
    *phase = Phase::LoggedIn(Box::new(member));
    events::logged_in(session.id, &account, session.peer().ip());
    tell(session, Tried::LoggedIn, Some(account.name.clone()), None);
    say(welcome(account.login_msg.as_deref().unwrap_or(&session.service.settings.login_msg)))
}

/// The password.
pub struct Pass(Vec<u8>);

impl Command for Pass {
    const SPEC: &'static Spec = &Spec { verb: "PASS", syntax: "[<SP> password]", secret: true, ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.bytes().to_vec()))
    }
}

impl Anyone for Pass {
    async fn run(self, conversation: &mut Conversation) -> Ran {
        let Conversation { session, phase } = conversation;
        let name = match phase {
            Phase::LoggedIn(_) => return say(replies::already_logged_in()),
            Phase::Greeted { named, .. } => named.take().ok_or_else(replies::user_first)?,
        };
        if is_banned(session) {
            return Ok(Outcome::Close(replies::banned()));
        }
        let asked = Instant::now();
        let service = Arc::clone(&session.service);
        let whose = session.whose(Some(&String::from_utf8_lossy(&name)));
        match service.authenticator.authenticate(&name, &self.0, session.peer().ip(), &whose).await {
            // A guess that was under way when the ban began is no way in.
            Ok(_) if is_banned(session) => Ok(Outcome::Close(replies::banned())),
            Ok(account) => log_in(conversation, account, replies::logged_in).await,
            Err(why) => Ok(refuse(session, &name, why, asked).await),
        }
    }
}

/// Whether the client's address is banned, which it may be since after the session began.
fn is_banned(session: &Session) -> bool {
    session.service.tries.is_banned(session.peer().ip())
}

/// Makes a member of an account.
async fn admit(session: &mut Session, account: &Arc<Account>) -> Result<Member, Reply> {
    let settings = &session.service.settings;
    let limit = account.max_cons.unwrap_or(settings.max_per_user).limit();
    let stay = session.service.stays.sign_in(&account.name, limit).map_err(|_| {
        events::met_limit("max_per_user");
        let why = "too many sessions of this user (max_per_user)";
        events::failed(session.id, session.peer().ip(), "logging in", &why);
        tell(session, Tried::LoginFailed, Some(account.name.clone()), Some(why.to_owned()));
        replies::user_full()
    })?;
    let home = open_home(session, account).await?;
    Ok(member(Arc::clone(account), home, stay))
}

fn member(account: Arc<Account>, home: Home, stay: Stay) -> Member {
    Member {
        account,
        home,
        directory: VirtualPath::root(),
        representation: Representation::default(),
        plan: DataPlan::None,
        epsv_only: false,
        restart: None,
        rename_from: None,
        stay,
    }
}

async fn open_home(session: &Session, account: &Arc<Account>) -> Result<Home, Reply> {
    let settings = Arc::clone(&session.service.settings);
    let opening = Arc::clone(account);
    let uploads = Uploads {
        mode: settings.upload_mode,
        fsync: settings.upload_fsync,
        keeper: (!account.anonymous).then(|| account.name.clone()),
        quota: account.quota.and_then(Size::limit),
        quotas: session.service.quotas.clone(),
    };
    let teller = session.teller(Kind::Login, account);
    let modes = files::Modes { file: settings.file_mode.0, directory: settings.dir_mode.0 };
    let visited = |home: Home| if account.anonymous { home.for_anybody() } else { home };
    // To tell somebody of it takes a way off the reactor.
    if !teller.is_heard()
        && let Some(home) = Home::open_at_once(&account.home, account.permissions, modes, &uploads)
    {
        return Ok(visited(home));
    }
    let opened = off_reactor(move || {
        let open = || Home::open(&opening.home, opening.permissions, modes, uploads.clone());
        let home = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound && settings.create_homes && !opening.anonymous => {
                files::create_home(&opening.home, modes.directory)?;
                open()
            }
            home => home,
        };
        home.inspect(|_| teller.tell_logged_in())
    });
    opened.await.map(visited).map_err(|why| {
        events::failed(
            session.id,
            session.peer().ip(),
            "opening the home directory",
            &format_args!("{}: {why}", account.home.display()),
        );
        tell(session, Tried::LoginFailed, Some(account.name.clone()), Some("no home directory".to_owned()));
        replies::no_home()
    })
}

/// A refusal comes at a fixed time after the question, so that its cause cannot be told by the clock (RFC 2577
/// section 7); the last one ends the session.
async fn refuse(session: &mut Session, name: &[u8], why: Failure, asked: Instant) -> Outcome {
    let settings = Arc::clone(&session.service.settings);
    session.failed_logins += 1;
    let is_account = matches!(why, Failure::WrongPassword | Failure::NotFromHere);
    let account = is_account.then(|| String::from_utf8_lossy(name));
    events::login_failed(session.id, account.as_deref(), session.peer().ip());
    tell(session, Tried::LoginFailed, account.map(Cow::into_owned), Some(why.to_string()));
    let banned = session.service.tries.failed(session.peer().ip());
    if let Some(network) = banned {
        events::banned(network, settings.ban_time.limit().unwrap_or_default());
        let tries = &session.service.tries;
        session.service.board.end_without_login(session.id, |peer| tries.is_banned(peer.ip()));
    }
    if let Some(delay) = settings.auth_failed_delay.limit() {
        sleep_until(asked + delay).await;
    }
    // A ban that spared the sessions there are would leave each of them its guesses.
    if banned.is_some() || settings.max_login_attempts.limit().is_some_and(|most| session.failed_logins >= most) {
        return Outcome::Close(replies::authentication_failed_for_good());
    }
    Outcome::Say(match why {
        Failure::AnonymousDisabled => replies::no_anonymous(),
        _ => replies::authentication_failed(),
    })
}

fn tell(session: &Session, what: Tried, user: Option<String>, why: Option<String>) {
    session.service.board.tell(NewsItem { what, user, peer: session.peer().ip(), why });
}

/// Account: a second secret, which nobody has here.
pub struct Acct;

impl Command for Acct {
    const SPEC: &'static Spec = &Spec { verb: "ACCT", syntax: "<SP> account", secret: true, ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.some().map(|_| Self)
    }
}

impl Anyone for Acct {
    async fn run(self, _: &mut Conversation) -> Ran {
        say(replies::not_implemented())
    }
}

/// The host name that the client meant; there is one host, whatever its name.
pub struct Host;

impl Command for Host {
    const SPEC: &'static Spec =
        &Spec { verb: "HOST", syntax: "<SP> name", features: &[Feature::Fixed("HOST")], ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.some().map(|_| Self)
    }
}

impl Anyone for Host {
    async fn run(self, conversation: &mut Conversation) -> Ran {
        match conversation.phase {
            Phase::Greeted { named: None, .. } => say(replies::host_accepted()),
            _ => say(replies::host_too_late()),
        }
    }
}

/// The client's own name, which changes nothing.
pub struct Clnt;

impl Command for Clnt {
    const SPEC: &'static Spec =
        &Spec { verb: "CLNT", syntax: "<SP> name", features: &[Feature::Fixed("CLNT")], ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.some().map(|_| Self)
    }
}

impl Anyone for Clnt {
    async fn run(self, _: &mut Conversation) -> Ran {
        say(replies::client_noted())
    }
}

/// Reinitialize: as after the greeting; with TLS, as after the handshake. RFC 4217 section 13 has TLS end here, and the
/// next name and password go in clear: that would be CCC under another name.
pub struct Rein;

impl Command for Rein {
    const SPEC: &'static Spec = &Spec { verb: "REIN", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.none().map(|()| Self)
    }
}

impl Anyone for Rein {
    async fn run(self, Conversation { session, phase }: &mut Conversation) -> Ran {
        log_out(session, phase);
        session.protection.begin_anew();
        say(replies::ready_for_new_user())
    }
}

/// Log out and end the session, after a transfer that is under way.
pub struct Quit;

impl Command for Quit {
    const SPEC: &'static Spec = &Spec { verb: "QUIT", during_work: DuringWork::Heard, ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.none().map(|()| Self)
    }
}

impl Anyone for Quit {
    async fn run(self, Conversation { session, phase }: &mut Conversation) -> Ran {
        let own = match phase {
            Phase::LoggedIn(member) => member.account.quit_msg.as_deref(),
            Phase::Greeted { .. } => None,
        };
        Ok(Outcome::Close(replies::goodbye(own.unwrap_or(&session.service.settings.quit_msg))))
    }
}
