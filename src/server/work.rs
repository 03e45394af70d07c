//! Work under way: a transfer or its like runs, and the control connection is heard meanwhile.
//!
//! ABOR, STAT, NOOP and QUIT act at once. The first other line is held and nothing more is read: behind a queue of
//! lines an ABOR would overtake the commands it was sent after.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::control::{Control, Step};
use super::wire::Wire;
use crate::commands::{self, DuringWork};
use crate::data::Presence;
use crate::observe::events;
use crate::protocol::{Argument, Decoded, Reply, replies};
use crate::session::{Ending, IfClientLeaves, Outcome, Task};

/// How long nothing may move for a client that has closed its side of the control connection.
const PATIENCE_WITH_THE_SILENT: Duration = Duration::from_secs(30);

/// How the control connection stands while work is under way.
enum Hearing {
    /// It is listened to.
    On,
    /// ABOR: the work is stopped, and 226 follows its reply.
    Aborted,
    /// QUIT: the work goes on, and this is said after it.
    Quitting(Reply),
    /// The client has said all it will. It may still read, for as long as bytes move.
    HalfClosed {
        /// How many had moved,
        moved: u64,
        /// and when that is looked at again.
        look_again: Instant,
    },
    /// The session is over once the work is.
    Over(Ending),
}

/// What the control connection tells while work is under way.
enum News {
    /// A line, the end, or an error.
    Heard(io::Result<Option<Decoded>>),
    /// A reset, where it is not listened to any more.
    Reset,
}

impl<S: Wire> Control<S> {
    /// Runs the work to its reply.
    pub(super) async fn work(&mut self, task: Task) -> Step {
        let Task { opening, progress, stop, if_client_leaves, beacon, mut work } = task;
        let opened = match &opening {
            Some(opening) => self.say(opening).await,
            None => self.flush().await,
        };
        let (mut hearing, mut is_reset) = (opened.map_or_else(Hearing::Over, |()| Hearing::On), false);
        let tell_work = |hearing: &Hearing| match hearing {
            Hearing::On | Hearing::Quitting(_) => {}
            Hearing::HalfClosed { .. } => beacon.tell(Presence::Left),
            Hearing::Over(Ending::Left) if if_client_leaves == IfClientLeaves::Decide => beacon.tell(Presence::Left),
            Hearing::Over(Ending::Lost(_)) if if_client_leaves == IfClientLeaves::Decide => beacon.tell(Presence::Lost),
            Hearing::Aborted | Hearing::Over(_) => stop.cancel(),
        };
        tell_work(&hearing);
        self.conversation.session.live.begin_work(&progress, &stop);
        let reply = loop {
            let is_heard = matches!(hearing, Hearing::On) && self.held.is_none();
            tokio::select! {
                biased;
                reply = &mut work => break reply,
                () = self.stop.halt.cancelled(), if !stop.is_cancelled() => stop.cancel(),
                news = news(&mut self.connection, is_heard), if !is_reset => match news {
                    News::Heard(heard) => {
                        hearing = match heard {
                            Ok(Some(decoded)) => self.interrupt(decoded).await.unwrap_or_else(Hearing::Over),
                            Ok(None) if if_client_leaves == IfClientLeaves::Finish => half_closed(progress.bytes()),
                            Ok(None) => Hearing::Over(Ending::Left),
                            Err(error) => Hearing::Over(Ending::Lost(error)),
                        };
                        tell_work(&hearing);
                    }
                    News::Reset => {
                        is_reset = true;
                        if !matches!(hearing, Hearing::Over(Ending::Lost(_))) {
                            beacon.tell(Presence::Gone);
                        }
                        if if_client_leaves == IfClientLeaves::Stop {
                            stop.cancel();
                        }
                    }
                },
                () = next_look(&hearing) => {
                    hearing = match hearing {
                        Hearing::HalfClosed { moved, .. } if progress.bytes() > moved => half_closed(progress.bytes()),
                        _ => {
                            stop.cancel();
                            Hearing::Over(Ending::Left)
                        }
                    }
                }
            }
        };
        self.conversation.session.live.end_work();
        if matches!(hearing, Hearing::On) && self.held.is_none() {
            hearing = self.last_word().await;
        }
        self.conclude(&reply, hearing).await
    }

    /// What came together with the end of the work: a client that drops the data connection and says ABOR means one
    /// thing by both.
    async fn last_word(&mut self) -> Hearing {
        let heard = tokio::select! {
            biased;
            heard = self.connection.next() => heard,
            () = std::future::ready(()) => return Hearing::On,
        };
        match heard {
            Ok(Some(Decoded::Line(line))) if is_abort(&line) => Hearing::Aborted,
            // Anything else comes after the reply.
            Ok(Some(Decoded::Line(line))) => {
                self.held = Some(line);
                Hearing::On
            }
            Ok(Some(decoded)) => self.interrupt(decoded).await.unwrap_or_else(Hearing::Over),
            Ok(None) => Hearing::Over(Ending::Left),
            Err(error) => Hearing::Over(Ending::Lost(error)),
        }
    }

    /// A line during the work.
    async fn interrupt(&mut self, decoded: Decoded) -> Result<Hearing, Ending> {
        let line = match decoded {
            Decoded::Line(line) => line,
            Decoded::TooLong => {
                self.answer(replies::line_too_long()).await?;
                self.flush().await?;
                return Ok(Hearing::On);
            }
            Decoded::TlsHello => return Err(Ending::NotFtp),
        };
        if is_abort(&line) {
            return Ok(Hearing::Aborted);
        }
        let (verb, argument) = Argument::split(&line);
        match commands::find(&verb) {
            Some(entry) if entry.spec.during_work != DuringWork::Waits => {
                match entry.run(&mut self.conversation, argument).await {
                    Outcome::Say(reply) => self.say(&reply).await?,
                    Outcome::Close(parting) => return Ok(Hearing::Quitting(parting)),
                    // No command that is heard during work begins anything.
                    Outcome::Work(_) | Outcome::Secure(_) => {}
                }
            }
            _ => self.held = Some(line),
        }
        Ok(Hearing::On)
    }

    /// Says how the work ended, if there is somebody to hear it.
    async fn conclude(&mut self, reply: &Reply, hearing: Hearing) -> Step {
        if let Hearing::Over(ending @ Ending::Lost(_)) = hearing {
            return Err(ending);
        }
        self.say(reply).await?;
        match hearing {
            Hearing::On => Ok(()),
            Hearing::Aborted => {
                let done = replies::abort_done();
                events::answered("ABOR", &done);
                self.say(&done).await
            }
            Hearing::Quitting(parting) => Err(Ending::Closed(parting)),
            Hearing::HalfClosed { .. } => Err(Ending::Left),
            Hearing::Over(ending) => Err(ending),
        }
    }
}

/// What the control connection tells next. May be dropped while it waits: nothing is lost.
async fn news<S: Wire>(connection: &mut Connection<S>, is_heard: bool) -> News {
    if is_heard {
        return News::Heard(connection.next().await);
    }
    connection.reset().await;
    News::Reset
}

fn is_abort(line: &[u8]) -> bool {
    let (verb, argument) = Argument::split(line);
    let entry = commands::find(&verb);
    entry.is_some_and(|entry| entry.spec.during_work == DuringWork::Aborts) && argument.none().is_ok()
}

fn half_closed(moved: u64) -> Hearing {
    Hearing::HalfClosed { moved, look_again: Instant::now() + PATIENCE_WITH_THE_SILENT }
}

async fn next_look(hearing: &Hearing) {
    match hearing {
        Hearing::HalfClosed { look_again, .. } => sleep_until(*look_again).await,
        _ => std::future::pending().await,
    }
}
