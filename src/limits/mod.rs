//! How many sessions, how many tries, how many bytes a second.
//!
//! Each limit counts and compares in one step and is given back by dropping a guard. Time is tokio's monotonic
//! clock everywhere: a jump of the wall clock changes no ban and no rate, and tests pause it.

mod address;
mod pace;
mod seats;
mod stays;
mod tally;
mod tries;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use address::{AddressKey, networks, one_address, whose};
pub use pace::{Direction, Pace, PaceSettings, Paces, SharedRates, rate_waits};
pub use seats::{Leaving, Refusal, Seat, Seats, Soon};
pub use stays::{Stay, Stays, TooManySessions};
pub use tries::Tries;

/// What is still waited for after a time limit. A process that stood still, paused say, finds its limits over before it
/// finds what came meanwhile.
pub const LAST_LOOK: Duration = Duration::from_millis(100);

/// A panic elsewhere must not turn every later client away: the counts are whole after each statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
