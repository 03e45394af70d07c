//! The server's side: who may ask, and what is answered.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::peer::is_one_user;
use super::wire::{self, Answer, LONGEST, PATIENCE, RELOAD_PATIENCE, Request};
use crate::observe::events::{self, SessionId};
use crate::session::{Overview, Service};

/// How many questions are answered at once; others wait for their turn.
pub const AT_ONCE: usize = 16;
/// A pause before the next attempt, when descriptors have run out say.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a session may take to go.
const LEAVING: Duration = Duration::from_secs(5);
/// How often it is looked whether it has gone.
const LOOK: Duration = Duration::from_millis(20);

/// Where the operator asks. Bound when the server is who it will be.
#[derive(Debug)]
pub struct Desk {
    listener: UnixListener,
    own: u32,
}

/// The wish that settings and users are read anew, and where to tell what came of it: what has changed, or complaints.
#[derive(Debug)]
pub struct ReloadOrder {
    /// Whose it is, for the log.
    pub because: String,
    /// Who waits for it.
    pub answer: oneshot::Sender<Result<Vec<String>, Vec<String>>>,
}

/// Who answers there.
pub struct Reception {
    in_force: watch::Receiver<Arc<Service>>,
    draining: CancellationToken,
    reloads: mpsc::Sender<ReloadOrder>,
    room: Semaphore,
}

impl Desk {
    /// Opens it for the server that listens on `listening`. Within a runtime.
    ///
    /// # Errors
    /// What is wrong, as a warning: the server does without.
    pub fn open(listening: SocketAddr) -> Result<Self, String> {
        let bind = || {
            let listener = net::UnixListener::bind_addr(&wire::address(listening)?)?;
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        };
        let listener = bind().map_err(|error: io::Error| {
            let name = wire::name(listening);
            format!("`longshore status`, `kick` and `reload` will not work: the Unix socket {name}: {error}")
        })?;
        Ok(Self { listener, own: geteuid().as_raw() })
    }
}

impl Reception {
    /// Tells of the service in force, and, once `draining` is cancelled, that the server ends. Whoever has the other end
    /// of `reloads` reads settings and users anew.
    #[must_use]
    pub fn new(
        in_force: watch::Receiver<Arc<Service>>,
        draining: CancellationToken,
        reloads: mpsc::Sender<ReloadOrder>,
    ) -> Self {
        Self { in_force, draining, reloads, room: Semaphore::new(AT_ONCE) }
    }

    /// Answers for ever.
    pub async fn serve(self: Arc<Self>, desk: Desk) -> Infallible {
        let mut visits = JoinSet::new();
        loop {
            match desk.listener.accept().await {
                Ok((stream, _)) => match admit(&stream, desk.own) {
                    Some(uid) => drop(visits.spawn(Arc::clone(&self).receive(stream, uid))),
                    None => turn_away(&stream),
                },
                Err(error) => {
                    events::accept_failed(&error);
                    sleep(PAUSE).await;
                }
            }
            // Those that are over, by a panic maybe, which the log has told of.
            while visits.try_join_next().is_some() {}
        }
    }

    async fn receive(self: Arc<Self>, stream: UnixStream, uid: u32) {
        let visit = async {
            let _turn = self.room.acquire().await.map_err(io::Error::other)?;
            let (reader, mut writer) = stream.into_split();
            let mut question = String::new();
            let mut reader = BufReader::new(reader.take(LONGEST));
            timeout(PATIENCE, reader.read_line(&mut question)).await??;
            let mut answers = String::new();
            for answer in self.answer(&question, uid).await {
                answers += &wire::line(&answer)?;
            }
            timeout(PATIENCE, writer.write_all(answers.as_bytes())).await?
        };
        // Whoever went away has no use for it.
        let _: io::Result<()> = visit.await;
    }

    async fn answer(&self, question: &str, uid: u32) -> Vec<Answer> {
        match serde_json::from_str(question) {
            Ok(Request::Status) => self.status(),
            Ok(Request::Kick(session)) => match self.kick(SessionId(session), uid).await {
                Ok(said) => vec![Answer::Said(said), Answer::Done],
                Err(why) => vec![Answer::refused(why)],
            },
            Ok(Request::Reload) => self.reload(uid).await,
            Err(_) => {
                let version = env!("CARGO_PKG_VERSION");
                vec![Answer::refused(format!("the server, which is longshore {version}, does not know this question"))]
            }
        }
    }

    fn status(&self) -> Vec<Answer> {
        let service = Arc::clone(&self.in_force.borrow());
        let sessions = service.board.sessions();
        let overview = Overview::of(&service, &sessions, self.draining.is_cancelled());
        let sessions = sessions.into_iter().map(|seen| Answer::Session(Box::new(seen)));
        [Answer::Server(overview)].into_iter().chain(sessions).chain([Answer::Done]).collect()
    }

    /// Ends a session, and waits until its place is free.
    async fn kick(&self, session: SessionId, uid: u32) -> Result<String, String> {
        let board = self.in_force.borrow().board.clone();
        let Some(seen) = board.kick(session) else {
            return Err(format!("there is no session {}", session.0));
        };
        events::kicked(session, uid);
        let gone = async {
            while board.has(session) {
                sleep(LOOK).await;
            }
        };
        if timeout(LEAVING, gone).await.is_err() {
            let seconds = LEAVING.as_secs();
            return Err(format!(
                "session {} was told to end, and has not within {seconds} s: it waits for a disk, or for what it said to be \
                 read",
                session.0
            ));
        }
        let user = seen.user.map(|user| format!(" of {user}")).unwrap_or_default();
        Ok(format!("session {}{user} from {} is ended", session.0, seen.peer))
    }

    async fn reload(&self, uid: u32) -> Vec<Answer> {
        let (answer, told) = oneshot::channel();
        let order = ReloadOrder { because: format!("longshore reload by uid {uid}"), answer };
        let done = async {
            self.reloads.send(order).await.ok()?;
            told.await.ok()
        };
        match timeout(RELOAD_PATIENCE, done).await {
            Ok(Some(Ok(said))) => said.into_iter().map(Answer::Said).chain([Answer::Done]).collect(),
            Ok(Some(Err(complaints))) => vec![Answer::Refused(complaints)],
            Ok(None) => vec![Answer::refused("not reloaded: the server is ending")],
            Err(_) => {
                let seconds = RELOAD_PATIENCE.as_secs();
                vec![Answer::refused(format!("no answer within {seconds} s: see the log for what comes of it"))]
            }
        }
    }
}

/// Who asks, if root or our own user does.
fn admit(stream: &UnixStream, own: u32) -> Option<u32> {
    let uid = stream.peer_cred().ok()?.uid();
    if (uid == own || uid == 0) && is_one_user(uid) {
        return Some(uid);
    }
    events::not_the_operator(uid);
    None
}

/// Says why. There is room for it in a socket that was never used.
fn turn_away(stream: &UnixStream) {
    let uid = geteuid();
    let why = Answer::refused(if is_one_user(uid.as_raw()) {
        format!("only root and the user of the server may ask, which is uid {uid}")
    } else {
        format!(
            "only root may ask: the server runs as uid {uid}, by which the kernel shows every user that the user namespace \
             does not know; run it as another uid (run_as)"
        )
    });
    if let Ok(line) = wire::line(&why) {
        let _ = stream.try_write(line.as_bytes());
    }
}
