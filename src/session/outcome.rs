//! What the command loop does after a command. One outcome, so one final reply.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::data::Progress;
use crate::protocol::Reply;

/// What comes of a command.
pub enum Outcome {
    /// A reply, and the next command.
    Say(Reply),
    /// Work that takes its time, while ABOR, STAT, NOOP and QUIT are heard.
    Work(Box<Task>),
    /// A reply, and the end of the session once work under way is done.
    Close(Reply),
}

/// Work that takes its time: a transfer, or a sum over a file.
pub struct Task {
    /// Said before it begins: 150.
    pub opening: Option<Reply>,
    /// How far it has come.
    pub progress: Arc<Progress>,
    /// Cancelled to end it early; it still gives its reply then.
    pub stop: CancellationToken,
    /// The work itself, which ends in its reply.
    pub work: Pin<Box<dyn Future<Output = Reply> + Send>>,
}
