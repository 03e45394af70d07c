//! The command loop: one line, one command, one final reply. Nobody else writes to the control connection.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::task::coop::consume_budget;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use super::connection::Connection;
use super::panics::caught;
use super::wire::Wire;
use crate::commands;
use crate::data::DataPlan;
use crate::limits::{LAST_LOOK, Seat};
use crate::observe::events;
use crate::protocol::foreign::is_foreign;
use crate::protocol::{Argument, Decoded, Reply, replies};
use crate::session::{Conversation, Ending, Ends, Moved, Outcome, Phase, Protection, Session, Stop};
use crate::tls::Tls;

/// Bad commands in a row that end a session: it is not FTP that is spoken here.
const BAD_COMMANDS: u32 = 10;

/// How long the last reply may take to leave. It waits only for a client that has not read the ones before it.
const PARTING: Duration = Duration::from_secs(1);

/// One session, from greeting to parting.
pub(super) struct Control<S> {
    pub(super) connection: Connection<S>,
    pub(super) conversation: Conversation,
    seat: Seat,
    pub(super) stop: Stop,
    greeting: Greeting,
    /// A line that came during a transfer and waits for its end.
    pub(super) held: Option<Vec<u8>>,
    bad_commands: u32,
    heard: u64,
    /// Whether the log has told of its beginning, and so tells of what becomes of it; none before the beginning.
    is_told: Option<bool>,
    last_activity: Instant,
}

/// What comes first on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The banner.
    Banner,
    /// A TLS handshake, and the banner after it: implicit FTPS.
    Tls,
}

/// What there is a time for while no command comes.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// `login_timeout`.
    LogIn,
    /// `data_connect_timeout`.
    DataConnection,
    /// `idle_timeout`.
    Idleness,
}

/// Whether the loop goes on.
pub(super) type Step = Result<(), Ending>;

impl<S: Wire> Control<S> {
    pub(super) fn new(stream: S, session: Session, seat: Seat, stop: Stop) -> Self {
        Self {
            connection: Connection::new(stream),
            conversation: Conversation { session, phase: Phase::greeted() },
            seat,
            stop,
            greeting: Greeting::Banner,
            held: None,
            bad_commands: 0,
            heard: 0,
            is_told: None,
            last_activity: Instant::now(),
        }
    }

    /// The same with something else first.
    pub(super) fn greeted_by(self, greeting: Greeting) -> Self {
        Self { greeting, ..self }
    }

    /// Holds the conversation, and logs how it ended.
    pub(super) async fn converse(mut self) -> Ending {
        // Each of the functions that hand it on would have room for it.
        let ending = how_it_ended(Box::pin(self.run())).await;
        Box::pin(self.part(ending)).await
    }

    async fn part(self, ending: Ending) -> Ending {
        let Self { mut connection, conversation, seat, heard, is_told, .. } = self;
        let Session { id, ref live, .. } = conversation.session;
        let live = live.entry();
        // A session that is ended alone is told so in all the places where the server's end is told.
        let ending = match (ending, live.ends()) {
            (Ending::Shutdown, Some(Ends::Kicked)) => Ending::Kicked,
            (Ending::Shutdown, Some(Ends::Banned)) => Ending::Banned,
            (ending, _) => ending,
        };
        if matches!(ending, Ending::Panicked) {
            events::session_panicked(id, live.peer().ip());
        }
        // The place among the user's sessions and the passive port are free before the client hears that the session is
        // over: it may be back sooner than this task goes on. The seat is free when the socket is closed, or for a newcomer
        // who finds no other.
        drop(conversation);
        let leaving = seat.leave();
        if let Some(parting) = ending.parting() {
            events::reply(id, parting.code().number(), parting.first_line());
            // The client may be gone already, which is no news.
            let _ = timeout(PARTING, connection.say(&parting)).await;
        }
        match leaving {
            Some(leaving) => leaving.close(connection.close()).await,
            None => connection.close().await,
        }
        if heard == 0 && matches!(ending, Ending::Left | Ending::Lost(_)) {
            events::probe(live.peer());
        } else if is_told.unwrap_or_else(|| events::tells_end_without_beginning(live.peer().ip())) {
            let Moved { uploaded, downloaded } = live.moved();
            events::session_closed(id, &ending, live.began().elapsed(), uploaded, downloaded);
        }
        ending
    }

    async fn run(&mut self) -> Step {
        let drain = self.stop.drain.clone();
        let (mut drained, mut clock) = (pin!(drain.cancelled()), pin!(None));
        if self.greeting == Greeting::Tls {
            Box::pin(self.secure()).await?;
        }
        let banner = replies::welcome(&self.conversation.session.service.settings.welcome_msg);
        self.say(&banner).await?;
        loop {
            let decoded = match self.held.take() {
                Some(line) => Decoded::Line(line),
                None => self.hear(drained.as_mut(), clock.as_mut()).await?,
            };
            self.note_heard();
            // Whoever sends one command behind the other without waiting gives others their turn too.
            consume_budget().await;
            match decoded {
                // On the heap as long as it lasts: a session that waits holds no room for it.
                Decoded::Line(line) => Box::pin(self.obey(&line)).await?,
                Decoded::TooLong => self.answer(replies::line_too_long()).await?,
                Decoded::TlsHello => return Err(Ending::NotFtp),
            }
            self.last_activity = Instant::now();
            let Conversation { session, phase } = &self.conversation;
            session.live.rest(self.last_activity, phase.account());
        }
    }

    /// A session begins with the first that is heard. Whoever says nothing is a probe, and there are many.
    fn note_heard(&mut self) {
        if self.heard == 0 {
            let session = &self.conversation.session;
            let sessions = session.service.seats.taken();
            self.is_told = Some(events::session_opened(session.id, session.peer(), session.local(), sessions));
        }
        self.heard += 1;
    }

    /// Begins to speak TLS.
    async fn secure(&mut self) -> Step {
        let shield = self.conversation.session.service.tls.as_ref().map(Tls::shield);
        let shield = shield.ok_or_else(|| Ending::Handshake(io::ErrorKind::Unsupported.into()))?;
        // A handshake is a part of the log-in, and ends when the time for that does.
        let login_deadline = self.login_deadline();
        let handshake = tokio::select! {
            biased;
            () = self.stop.drain.cancelled() => return Err(Ending::Shutdown),
            () = until(login_deadline) => Err(io::ErrorKind::TimedOut.into()),
            handshake = self.connection.secure(&shield) => handshake,
        };
        // Whoever connects and leaves is a probe here as well.
        let left = |error: &io::Error| self.heard == 0 && error.kind() == io::ErrorKind::UnexpectedEof;
        let secured = handshake.map_err(|error| if left(&error) { Ending::Left } else { Ending::Handshake(error) })?;
        self.note_heard();
        let session = &mut self.conversation.session;
        if self.is_told == Some(true) {
            events::secured(session.id, &secured.parameters, secured.client_names());
        }
        session.live.secured(secured.version);
        session.protection = Protection::begun(secured, self.greeting == Greeting::Tls);
        Ok(())
    }

    /// Waits for a line, as long as the timeouts allow.
    async fn hear(
        &mut self,
        mut drained: Pin<&mut impl Future<Output = ()>>,
        mut clock: Pin<&mut Option<Sleep>>,
    ) -> Result<Decoded, Ending> {
        loop {
            let login_deadline = self.login_deadline();
            // What is here already needs no wait.
            if login_deadline.is_none_or(|deadline| Instant::now() < deadline)
                && !self.stop.drain.is_cancelled()
                && let Some(decoded) = self.connection.decode_ahead()
            {
                return Ok(decoded);
            }
            let limits = [
                (login_deadline, Limit::LogIn),
                (self.plan_deadline(), Limit::DataConnection),
                (self.idle_deadline(), Limit::Idleness),
            ];
            let first =
                limits.into_iter().filter_map(|(deadline, limit)| Some((deadline?, limit))).min_by_key(|first| first.0);
            tokio::select! {
                biased;
                () = drained.as_mut() => return Err(Ending::Shutdown),
                // Before the lines, or whoever never stops sending them would have no time limit.
                limit = reached(first, clock.as_mut()) => match limit {
                    Limit::LogIn => return Err(Ending::TimedOut),
                    Limit::DataConnection => self.forget_plan(),
                    Limit::Idleness => return self.last_look().await,
                },
                heard = self.connection.next() => return heard?.ok_or(Ending::Left),
                () = welcome(&mut self.conversation.phase) => {}
            }
        }
    }

    /// Whoever spoke while the process stood still was not idle.
    async fn last_look(&mut self) -> Result<Decoded, Ending> {
        match timeout(LAST_LOOK, self.connection.next()).await {
            Ok(heard) => heard?.ok_or(Ending::Left),
            Err(_) => Err(Ending::TimedOut),
        }
    }

    async fn obey(&mut self, line: &[u8]) -> Step {
        let (verb, argument) = Argument::split(line);
        if verb.is_empty() && argument.bytes().is_empty() {
            return self.answer(replies::unknown_command()).await;
        }
        if is_foreign(&verb) {
            return Err(Ending::NotFtp);
        }
        let id = self.conversation.session.id;
        let Some(entry) = commands::find(&verb) else {
            events::unknown_command(id);
            return self.answer(replies::unknown_command()).await;
        };
        let shown = if entry.spec.secret { None } else { Some(argument.bytes()) };
        events::command(id, entry.spec.verb, shown);
        self.conversation.session.live.begin(entry.spec.verb);
        let login_deadline = self.login_deadline();
        let outcome = tokio::select! {
            biased;
            outcome = entry.run(&mut self.conversation, argument) => outcome,
            // A command that takes its time does not hold up the replies to those before it.
            Err(error) = self.connection.flush() => return Err(Ending::Lost(error)),
            // Where many wait for their passwords to be hashed, nobody waits for longer than he has.
            () = until(login_deadline) => return Err(Ending::TimedOut),
            // A log-in that waits for its refusal, say, does not hold up the end of the server.
            () = self.stop.drain.cancelled() => return Err(Ending::Shutdown),
        };
        match outcome {
            Outcome::Say(reply) => self.answer(reply).await,
            Outcome::Work(task) => self.work(*task).await,
            Outcome::Secure(reply) => {
                self.answer(reply).await?;
                self.flush().await?;
                self.secure().await
            }
            Outcome::Close(reply) => Err(Ending::Closed(reply)),
        }
    }

    /// Sends a final reply, maybe together with those to the lines that are here already, and counts bad commands.
    pub(super) async fn answer(&mut self, reply: Reply) -> Step {
        if reply.is_unknown_command() {
            self.bad_commands += 1;
            if self.bad_commands >= BAD_COMMANDS {
                return Err(Ending::BadCommands);
            }
        } else {
            self.bad_commands = 0;
        }
        self.note_reply(&reply);
        let said = self.connection.answer(&reply);
        until_shutdown(&self.stop, said).await
    }

    /// Sends a reply.
    pub(super) async fn say(&mut self, reply: &Reply) -> Step {
        self.note_reply(reply);
        let said = self.connection.say(reply);
        until_shutdown(&self.stop, said).await
    }

    /// Sends what has not left yet.
    pub(super) async fn flush(&mut self) -> Step {
        let sent = self.connection.flush();
        until_shutdown(&self.stop, sent).await
    }

    fn note_reply(&self, reply: &Reply) {
        events::reply(self.conversation.session.id, reply.code().number(), reply.first_line());
    }

    /// `idle_timeout` after the last command or byte.
    fn idle_deadline(&self) -> Option<Instant> {
        let limit = self.conversation.session.service.settings.idle_timeout.limit()?;
        self.last_activity.checked_add(limit)
    }

    /// `login_timeout` after the greeting, as long as nobody is logged in.
    fn login_deadline(&self) -> Option<Instant> {
        let limit = self.conversation.session.service.settings.login_timeout.limit()?;
        match self.conversation.phase {
            Phase::Greeted { since, .. } => since.checked_add(limit),
            Phase::LoggedIn(_) => None,
        }
    }

    /// When a passive port that was asked for and not used is given back.
    fn plan_deadline(&self) -> Option<Instant> {
        let limit = self.conversation.session.service.settings.data_connect_timeout.limit()?;
        match &self.conversation.phase {
            Phase::LoggedIn(member) => member.plan.waiting_since()?.checked_add(limit),
            Phase::Greeted { .. } => None,
        }
    }

    fn forget_plan(&mut self) {
        if let Phase::LoggedIn(member) = &mut self.conversation.phase {
            member.plan = DataPlan::None;
        }
    }
}

async fn how_it_ended(conversation: impl Future<Output = Step>) -> Ending {
    caught(conversation).await.map_or(Ending::Panicked, |step| step.err().unwrap_or(Ending::Left))
}

/// What is said. A client that does not read does not hold up the end of the server.
async fn until_shutdown(stop: &Stop, said: impl Future<Output = io::Result<()>>) -> Step {
    tokio::select! {
        biased;
        said = said => said.map_err(Ending::Lost),
        () = async { stop.drain.cancelled().await; sleep(PARTING).await } => Err(Ending::Shutdown),
    }
}

/// Lets the client's data connection in, if one is waited for.
async fn welcome(phase: &mut Phase) {
    match phase {
        Phase::LoggedIn(member) => member.plan.welcome().await,
        Phase::Greeted { .. } => std::future::pending().await,
    }
}

/// Waits until a limit is reached. A clock that strikes too early is set anew then and not before, so that a limit that
/// each command puts off costs nothing.
async fn reached(first: Option<(Instant, Limit)>, mut clock: Pin<&mut Option<Sleep>>) -> Limit {
    let Some((deadline, limit)) = first else { return std::future::pending().await };
    if clock.as_ref().as_pin_ref().is_none_or(|clock| deadline < clock.deadline()) {
        clock.set(Some(sleep_until(deadline)));
    }
    while let Some(struck) = clock.as_mut().as_pin_mut() {
        struck.await;
        if Instant::now() >= deadline {
            break;
        }
        clock.set(Some(sleep_until(deadline)));
    }
    limit
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
