//! The end of a session, or of all of them, from outside.

use tokio_util::sync::CancellationToken;

/// The end in two steps.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Nobody is let in any more, and whoever is idle is told to go.
    pub drain: CancellationToken,
    /// Transfers that still run are stopped.
    pub halt: CancellationToken,
}

impl Stop {
    /// One of which the first step may come before this one's.
    #[must_use]
    pub fn of_one(&self) -> Self {
        Self { drain: self.drain.child_token(), halt: self.halt.clone() }
    }
}
