//! Whether the client is still there on the control connection, as a transfer under way must know: what the client
//! does there decides neither whether its data has come whole nor, once the end of it has come, whether it is kept.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// How long a client that has closed its side of the control connection may take to make the data connection: scripts
/// send all their commands, close that side, and connect to the port that they read of.
const TO_CONNECT: Duration = Duration::from_secs(1);

/// The same once the control connection was reset: a data connection that stood before is found within this time.
const TO_BE_FOUND: Duration = Duration::from_millis(100);

/// How long the next bytes of an upload, or its end, may take once the client has closed its side of the control
/// connection.
const TO_GO_ON: Duration = Duration::from_secs(2);

/// The client's end of the control connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// It is open.
    #[default]
    Here,
    /// The client closed its side in order. It may still read, and end its data connection.
    Left,
    /// The same, and the connection was reset then, which says that the client closed all of it.
    Gone,
    /// The connection was reset without a close before.
    Lost,
}

/// Tells a transfer about its client.
#[derive(Debug, Default)]
pub struct Beacon(watch::Sender<Presence>);

/// What a transfer knows of its client.
#[derive(Debug)]
pub struct Client(watch::Receiver<Presence>);

impl Beacon {
    /// For one transfer.
    #[must_use]
    pub fn client(&self) -> Client {
        Client(self.0.subscribe())
    }

    /// Something happened to the control connection.
    pub fn tell(&self, presence: Presence) {
        self.0.send_replace(presence);
    }
}

impl Client {
    /// Waits until it is clear that nobody will make a data connection any more.
    pub(super) async fn will_not_connect(&mut self) {
        loop {
            let patience = match *self.0.borrow_and_update() {
                Presence::Here => None,
                Presence::Left => Some(TO_CONNECT),
                Presence::Gone | Presence::Lost => Some(TO_BE_FOUND),
            };
            if self.waits(patience).await {
                return;
            }
        }
    }

    /// Waits until an upload whose end has not come will not be whole: for ever, while the client is there.
    pub(super) async fn gives_up(&mut self) {
        loop {
            let patience = match *self.0.borrow_and_update() {
                Presence::Here => None,
                Presence::Left | Presence::Gone => Some(TO_GO_ON),
                Presence::Lost => return,
            };
            if self.waits(patience).await {
                return;
            }
        }
    }

    /// Whether the control connection was reset in the midst of all.
    pub(super) fn is_lost(&self) -> bool {
        *self.0.borrow() == Presence::Lost
    }

    /// Whether the time runs out before there is news.
    async fn waits(&mut self, patience: Option<Duration>) -> bool {
        tokio::select! {
            () = async { sleep(patience.unwrap_or_default()).await }, if patience.is_some() => true,
            Ok(()) = self.0.changed() => false,
            else => std::future::pending().await,
        }
    }
}
