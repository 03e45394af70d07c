//! What the command loop does after a command. One outcome, so one final reply.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::data::{Beacon, Progress};
use crate::protocol::Reply;

/// What comes of a command.
pub enum Outcome {
    /// A reply, and the next command.
    Say(Reply),
    /// Work that takes its time, while ABOR, STAT, NOOP and QUIT are heard.
    Work(Box<Task>),
    /// A reply, and TLS from the next byte on.
    Secure(Reply),
    /// A reply, and the end of the session once work under way is done.
    Close(Reply),
}

/// What becomes of work when the client closes the control connection in the midst of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfClientLeaves {
    /// A download goes on, unless the control connection is reset: a script may have closed its side only, and read on.
    Finish,
    /// An upload decides for itself, by what comes on its data connection.
    Decide,
    /// A sum ends: nobody hears it.
    Stop,
}

/// Work that takes its time: a transfer, or a sum over a file.
pub struct Task {
    /// Said before it begins: 150.
    pub opening: Option<Reply>,
    /// How far it has come.
    pub progress: Arc<Progress>,
    /// Cancelled to end it early; it still gives its reply then.
    pub stop: CancellationToken,
    /// Whether it is of any use once the client has closed the control connection.
    pub if_client_leaves: IfClientLeaves,
    /// Tells the work what became of the control connection.
    pub beacon: Beacon,
    /// The work itself, which ends in its reply.
    pub work: Pin<Box<dyn Future<Output = Reply> + Send>>,
}
