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
    /// One that ends with this one, or before it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { drain: self.drain.child_token(), halt: self.halt.child_token() }
    }

    /// Both steps at once.
    pub fn now(&self) {
        self.halt.cancel();
        self.drain.cancel();
    }
}
