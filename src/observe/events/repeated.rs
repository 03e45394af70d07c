//! What is told a few times, and then how many more there were.

use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::observe::floods::{By, Cause, Floods, Repeated, Summary};

/// One for the process, as the log is.
static FLOODS: LazyLock<Mutex<Floods>> = LazyLock::new(Mutex::default);
/// How late it may be told how often something happened.
const FLOOD_TICK: Duration = Duration::from_secs(5);

/// Tells how often happened what happened too often to be told each time, now and then and for ever.
pub async fn keep_telling_floods() {
    loop {
        sleep(FLOOD_TICK).await;
        let over = floods(|floods| floods.over(Instant::now()));
        over.iter().for_each(more);
    }
}

/// The same for what is still being counted, as the server ends.
pub fn tell_all_floods() {
    floods(Floods::all).iter().for_each(more);
}

/// Whether something that this client can bring about again and again is told this time.
pub(super) fn is_told_of(what: Repeated, peer: IpAddr) -> bool {
    is_told(what, Cause::Peer(peer))
}

/// Whether something that can come about again and again is told this time.
pub(super) fn is_told(what: Repeated, cause: Cause) -> bool {
    let (is_told, over) = floods(|floods| floods.count(what, cause, Instant::now()));
    over.iter().for_each(more);
    is_told
}

pub(super) fn floods<T>(ask: impl FnOnce(&mut Floods) -> T) -> T {
    ask(&mut FLOODS.lock().unwrap_or_else(PoisonError::into_inner))
}

pub(super) fn more(Summary { what, by, more }: &Summary) {
    let like = what.message();
    match (what, by) {
        // For those who ban by the log, which names an address in each line of this.
        (Repeated::LoginFailed, By::Network(_)) => info!(message = "more log-ins failed", peer = %by, more),
        _ if what.is_warning() => warn!(message = "and more like it", more, like, by = by.to_string()),
        _ => info!(message = "and more like it", more, like, by = by.to_string()),
    }
}
