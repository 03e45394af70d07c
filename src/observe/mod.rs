//! Being seen: the log, the transfer log, figures, the screen at start. Nothing here ever receives a password.

pub mod events;
mod exposition;
mod floods;
mod gathered;
mod log;
mod losses;
mod metrics;
mod panics;
mod rotated;
mod screen;
mod transfer;
mod transfer_log;

use std::fmt;
use std::path::PathBuf;

pub use events::{Change, SessionId};
pub use exposition::{Standing, exposition};
pub use log::{LogGuard, LogSettings, init};
pub use panics::log_panics;
pub use screen::{StartScreen, UserLine};
pub use transfer::{Transfer, What};
pub use transfer_log::TransferLog;

/// Why there is no log.
#[derive(Debug)]
pub enum LogError {
    /// A file cannot be written.
    Unwritable {
        /// The setting that asked for the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A log is there already; there is one in a process.
    Twice,
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritable { setting, path, reason } => {
                write!(f, "{setting}: {} cannot be written: {reason}", path.display())
            }
            Self::Twice => f.write_str("the log was set up twice"),
        }
    }
}

impl std::error::Error for LogError {}
