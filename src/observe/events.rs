//! What is logged: one function per event, so that each name is spelled once.
//!
//! An event of a session begins with `session=id`, in text and in JSON. Texts that clients send are recorded as
//! strings, which both forms escape: no client can forge a line. What anybody can bring about is not told without end,
//! see `floods.rs`.

pub mod hooks;
mod repeated;

pub use repeated::{keep_telling_floods, tell_all_floods};

use std::borrow::Cow;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tracing::{debug, error, info, trace, warn};

use super::Transfer;
use super::floods::{Cause, Repeated};
use super::metrics::{self, Ended};
use crate::limits::{AddressKey, Refusal};
use crate::path::{VirtualPath, is_misleading};
use crate::protocol::{Reply, replies};
use crate::users::{Account, RosterChanges};
use repeated::{is_told, is_told_of};

/// The number of a session in the log, counted from the start of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub u64);

/// Complaints that are told of one reload.
const REASONS: usize = 20;

/// What a command other than a transfer did to a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// A file is gone.
    Deleted,
    /// There is a new directory.
    DirectoryMade,
    /// A directory is gone.
    DirectoryRemoved,
    /// It has another name.
    RenamedTo(&'a VirtualPath),
    /// It has other mode bits.
    ModeSet(u32),
    /// It has another time of modification, in seconds since 1970.
    TimeSet(i64),
}

impl Change<'_> {
    fn message(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::DirectoryMade => "directory made",
            Self::DirectoryRemoved => "directory removed",
            Self::RenamedTo(_) => "renamed",
            Self::ModeSet(_) => "mode set",
            Self::TimeSet(_) => "time set",
        }
    }
}

/// A line of the start screen.
pub fn start_screen(line: &str) {
    info!(message = line);
}

/// The server was asked to end.
pub fn stopping(signal: &str, sessions: u32) {
    info!(message = "stopping", signal, sessions);
}

/// So many more lines of a log were lost.
pub fn log_lines_lost(log: &str, lines: usize) {
    metrics::log_lines_dropped(lines);
    warn!(message = "log lines lost", log, lines);
}

/// Something that an operator should look at, found at start.
pub fn warning(warning: &str) {
    warn!(message = warning);
}

/// Uploads that broke more than a day ago were removed from a home.
pub fn swept(home: &std::path::Path, count: u64) {
    info!(message = "old uploads removed", home = %home.display(), count);
}

/// A connection could not be accepted.
pub fn accept_failed(error: &std::io::Error) {
    if !is_told(Repeated::AcceptFailed, Cause::Nobody) {
        return;
    }
    warn!(message = "accepting a connection failed", error = error.to_string());
}

/// The host name of masquerade_address has an address, or another one than before.
pub fn masquerade_resolved(name: &str, address: Ipv4Addr, before: Option<Ipv4Addr>) {
    let before = before.map(|address| address.to_string());
    info!(message = "masquerade_address resolved", name, %address, before);
}

/// The host name of masquerade_address could not be resolved; the last answer, if any, stays in force.
pub fn masquerade_unresolved(name: &str, why: &str, kept: Option<Ipv4Addr>) {
    let kept = kept.map(|address| address.to_string());
    warn!(message = "masquerade_address not resolved", name, why, kept);
}

/// A proxy's connection was closed: what it began with is no header.
pub fn proxy_refused(proxy: SocketAddr, why: &std::io::Error) {
    if !is_told_of(Repeated::ProxyRefused, proxy.ip()) {
        return;
    }
    warn!(message = "connection of a proxy refused", proxy = %canonical(proxy), why = why.to_string());
}

/// Somebody who is no proxy was turned away, as only proxies may connect.
pub fn not_a_proxy(peer: SocketAddr) {
    metrics::met_limit("proxy_from");
    if !is_told_of(Repeated::Refused, peer.ip()) {
        return;
    }
    info!(message = "connection refused", peer = %canonical(peer), why = "not one of proxy_from");
}

/// A connection was turned away at the door.
pub fn refused(peer: SocketAddr, why: Refusal) {
    metrics::refused(why);
    if !is_told_of(Repeated::Refused, peer.ip()) {
        return;
    }
    info!(message = "connection refused", peer = %canonical(peer), why = %why);
}

/// A connection was closed by its client before a byte was sent, as port scans and health checks do.
pub fn probe(peer: SocketAddr) {
    metrics::probe();
    debug!(message = "probed", peer = %canonical(peer));
}

/// A session has begun; `sessions` are there now. Whether that was told, as its end is then told too.
pub fn session_opened(session: SessionId, peer: SocketAddr, local: SocketAddr, sessions: u32) -> bool {
    metrics::session_opened();
    if !is_told_of(Repeated::SessionOpened, peer.ip()) {
        return false;
    }
    info!(
        session = session.0,
        message = "session opened",
        peer = %canonical(peer),
        local = %canonical(local),
        sessions
    );
    true
}

/// The control connection speaks TLS from here on; `names` are those of the client's certificate.
pub fn secured(session: SessionId, parameters: &str, names: &[String]) {
    let certificate = (!names.is_empty()).then(|| names.join(" "));
    info!(session = session.0, message = "TLS begun", parameters, certificate);
}

/// Settings and users were read anew, and are in force for sessions that begin now: the names of the settings that changed,
/// and how many users did.
pub fn reloaded(because: &str, settings: &str, RosterChanges { added, removed, changed }: RosterChanges) {
    metrics::reloaded(Ended::Well);
    info!(
        message = "settings and users read anew",
        because,
        settings,
        users_added = added,
        users_removed = removed,
        users_changed = changed
    );
}

/// The settings, users and certificate that were read anew will not do, for these reasons, of which the first so many are
/// told: a damaged file may have something wrong in each line. The line of the file, which stands below a reason, is not.
pub fn reload_refused(reasons: &[String]) {
    metrics::reloaded(Ended::Badly);
    let tell = |why: &str| error!(message = "not reloaded, all that is in force is kept", why);
    let sentences = reasons.iter().map(|reason| reason.lines().next().unwrap_or_default());
    sentences.take(REASONS).for_each(tell);
    if let Some(more) = reasons.len().checked_sub(REASONS).filter(|more| *more > 0) {
        tell(&format!("{more} complaints more, see `longshore check`"));
    }
}

/// A setting that was changed is read at start only.
pub fn needs_restart(setting: &str) {
    warn!(message = "needs a restart, until then the value in force is kept", setting);
}

/// New sessions see another certificate than before.
pub fn certificate_reloaded(certificate: &str) {
    info!(message = "certificate read anew", certificate);
}

/// A user has logged in.
pub fn logged_in(session: SessionId, account: &Account, peer: IpAddr) {
    metrics::login(Ended::Well);
    if account.anonymous && !is_told_of(Repeated::LoggedIn, peer) {
        return;
    }
    info!(session = session.0, user = account.name, message = "logged in", peer = %peer.to_canonical());
}

/// A log-in failed. Only the name of an account that exists is told: what was typed as a name may be a password.
pub fn login_failed(session: SessionId, account: Option<&str>, peer: IpAddr) {
    metrics::login(Ended::Badly);
    if !is_told_of(Repeated::LoginFailed, peer) {
        return;
    }
    info!(session = session.0, user = account, message = "log-in failed", peer = %peer.to_canonical());
}

/// An address is turned away from now on.
pub fn banned(address: AddressKey, ban_time: Duration) {
    metrics::banned();
    warn!(message = "banned", %address, seconds = ban_time.as_secs());
}

/// A user has logged out, or was flushed by REIN or USER.
pub fn logged_out(session: SessionId, account: &Account, peer: IpAddr) {
    if account.anonymous && !is_told_of(Repeated::LoggedOut, peer) {
        return;
    }
    info!(session = session.0, user = account.name, message = "logged out");
}

/// A transfer is over.
pub fn transferred(session: SessionId, transfer: &Transfer<'_>) {
    metrics::transferred(transfer);
    if transfer.anonymous && !is_told_of(Repeated::Transferred(transfer.verb), transfer.peer) {
        return;
    }
    let result = if transfer.failure.is_none() { "done" } else { "failed" };
    info!(
        session = session.0,
        user = transfer.user,
        message = format_args!("{} {result}", transfer.verb),
        path = &*text(transfer.path.as_bytes()),
        direction = %transfer.direction,
        bytes = transfer.bytes,
        seconds = seconds(transfer.took),
        why = transfer.failure
    );
}

/// A command changed something.
pub fn changed(session: SessionId, account: &Account, peer: IpAddr, path: &VirtualPath, change: Change<'_>) {
    if account.anonymous && !is_told_of(Repeated::Changed(change.message()), peer) {
        return;
    }
    let path = text(path.as_bytes());
    let (session, user, path) = (session.0, &*account.name, &*path);
    match change {
        Change::Deleted => info!(session, user, message = "deleted", path),
        Change::DirectoryMade => info!(session, user, message = "directory made", path),
        Change::DirectoryRemoved => info!(session, user, message = "directory removed", path),
        Change::RenamedTo(to) => info!(session, user, message = "renamed", path, to = &*text(to.as_bytes())),
        Change::ModeSet(mode) => info!(session, user, message = "mode set", path, mode = %format_args!("{mode:03o}")),
        Change::TimeSet(time) => info!(session, user, message = "time set", path, time),
    }
}

/// Somebody else connected to the passive port of a session, and was closed.
pub fn passive_stranger(session: SessionId, stranger: IpAddr, client: IpAddr) {
    if !is_told_of(Repeated::Stranger, stranger) {
        return;
    }
    warn!(
        session = session.0,
        message = "data connection refused: not from the client of this session, nor from trusted_peers",
        stranger = %stranger.to_canonical(),
        client = %client.to_canonical()
    );
}

/// An operator, whose number this is for the kernel, ends a session.
pub fn kicked(session: SessionId, uid: u32) {
    info!(session = session.0, message = "kicked", uid);
}

/// Somebody who is not the operator asked for status and the like, and was turned away.
pub fn not_the_operator(uid: u32) {
    if !is_told(Repeated::NotTheOperator, Cause::Uid(uid)) {
        return;
    }
    warn!(message = "not the operator", uid);
}

/// Somebody asked for the status page with a wrong token.
pub fn page_refused(peer: IpAddr) {
    if !is_told_of(Repeated::PageRefused, peer) {
        return;
    }
    warn!(message = "status page refused", peer = %peer.to_canonical(), why = "wrong token");
}

/// Something failed that the client is told little about.
pub fn failed(session: SessionId, peer: IpAddr, doing: &'static str, error: &dyn Display) {
    if !is_told_of(Repeated::Failed, peer) {
        return;
    }
    warn!(session = session.0, message = "failed", doing, error = error.to_string());
}

/// A client met the limit of this setting, or column of users.conf, which is counted; what comes of it is told elsewhere.
pub fn met_limit(setting: &'static str) {
    metrics::met_limit(setting);
}

/// Something in the program is wrong. `message` is of its source, so nothing of a client's is in it.
pub fn panicked(place: &dyn Display, message: Option<&'static str>) {
    metrics::panicked();
    if !is_told(Repeated::Panicked, Cause::Nobody) {
        return;
    }
    error!(message = "panicked", at = place.to_string(), why = message);
}

/// A session ends because of that.
pub fn session_panicked(session: SessionId, peer: IpAddr) {
    if !is_told_of(Repeated::SessionPanicked, peer) {
        return;
    }
    error!(session = session.0, message = "session ended by a panic");
}

/// Whether the end of a session is told that had no beginning in the log: a handshake that failed, or a client that said
/// nothing in time.
pub fn tells_end_without_beginning(peer: IpAddr) -> bool {
    is_told_of(Repeated::SessionClosed, peer)
}

/// A session is over; bytes are those of its data connections.
pub fn session_closed(session: SessionId, why: &dyn Display, took: Duration, uploaded: u64, downloaded: u64) {
    info!(
        session = session.0,
        message = "session closed",
        why = why.to_string(),
        seconds = seconds(took),
        uploaded,
        downloaded
    );
}

/// A command that is known, with its argument unless that is a secret.
pub fn command(session: SessionId, verb: &'static str, argument: Option<&[u8]>) {
    let argument = argument.map_or(Cow::Borrowed("****"), text);
    debug!(session = session.0, message = "command", verb, argument = &*argument);
}

/// A line that is no known command. It may be a password after a typing error, so nothing of it is shown.
pub fn unknown_command(session: SessionId) {
    metrics::answered("unknown", &replies::unknown_command());
    debug!(session = session.0, message = "unknown command");
}

/// A command had its last reply, which is counted and not told.
pub fn answered(verb: &'static str, reply: &Reply) {
    metrics::answered(verb, reply);
}

/// A reply, without its line ends.
pub fn reply(session: SessionId, code: u16, sentence: &[u8]) {
    trace!(session = session.0, message = "reply", code, text = &*text(sentence));
}

/// An IPv4 client of a dual-stack socket is shown as what it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What a client sent, as text. JSON escapes the control characters below the blank only; DEL and those of ISO 6429,
/// among them one that begins a command to a terminal as ESC [ does, would pass, and so would what turns a name around.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    let is_passed_on = |c: char| is_misleading(c) && c > ' ';
    if text.contains(is_passed_on) { text.replace(is_passed_on, "\u{fffd}").into() } else { text }
}

/// To the millisecond.
fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
