//! What is logged of events that others are told of, and of those who are told.

use std::fmt::Display;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use tracing::{error, info, warn};

use super::repeated::is_told_of;
use super::{seconds, text};
use crate::observe::floods::Repeated;
use crate::observe::metrics::{self, Ended};

/// One more waits in the spool: a file has arrived, or whatever `kind` says.
pub fn added(kind: &'static str) {
    metrics::event_added(kind);
}

/// So many more and so many fewer wait.
pub fn pending(more: usize, fewer: usize) {
    metrics::events_pending(more, fewer);
}

/// At start: so many are still to be delivered.
pub fn found(spool: &Path, count: usize) {
    info!(message = "events found in the spool", spool = %spool.display(), count);
}

/// At start: so many lines are no events.
pub fn damaged(spool: &Path, lines: usize) {
    metrics::events_dropped(lines);
    error!(message = "damaged lines in the spool", spool = %spool.display(), lines);
}

/// One is lost; [`lost`] tells of it, or of many together.
pub fn not_kept() {
    metrics::events_dropped(1);
}

/// So many were not kept, the last one for this reason: nobody will be told of them.
pub fn lost(count: u64, why: &dyn Display) {
    error!(message = "events lost", count, why = why.to_string());
}

/// Those that come now are kept; so many were not.
pub fn kept_again(lost: u64) {
    warn!(message = "events are kept again", lost);
}

/// Nobody is to be told of so many that were in the spool: the setting is empty now, or somebody has removed them.
pub fn unwanted(count: usize) {
    metrics::events_dropped(count);
    warn!(message = "events dropped, nobody is to be told of them", count);
}

/// One has reached its receiver.
pub fn delivered() {
    metrics::event_delivered(Ended::Well);
}

/// An attempt failed, and there will be another.
pub fn failed() {
    metrics::event_delivered(Ended::Badly);
}

/// The receiver that these settings name is tried with one event at a time from now on.
pub fn down(settings: &str, receiver: &str, why: &str) {
    warn!(message = "receiver of events failed", settings, receiver, why = &*text(why.as_bytes()));
}

/// It takes events again.
pub fn up(settings: &str, receiver: &str, after: Duration) {
    info!(message = "receiver of events is well again", settings, receiver, seconds = seconds(after));
}

/// A command has written this, the beginning of it at least. `guest` is where the client is if it is an anonymous one.
pub fn said(program: &str, id: &str, guest: Option<IpAddr>, output: &[u8]) {
    if guest.is_some_and(|guest| !is_told_of(Repeated::HookSaid, guest)) {
        return;
    }
    info!(message = "command of an event said", program, id, output = text(output).trim_end());
}
