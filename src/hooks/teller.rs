//! What a session has to tell.

use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use super::Rules;
use super::event::{Event, Kind, Name, now, written};
use crate::observe::SessionId;
use crate::path::VirtualPath;

/// Tells of one event, before its client hears of it. Costs nothing where nobody is told.
pub struct Teller(Kind, Option<Box<(Arc<Rules>, Who)>>);

/// Whose doing an event is.
#[derive(Debug, Clone)]
pub struct Who {
    /// The user.
    pub user: String,
    /// The user's home on this machine.
    pub home: PathBuf,
    /// The client.
    pub peer: IpAddr,
    /// The session.
    pub session: SessionId,
    /// Whether its control connection is encrypted.
    pub tls: bool,
}

impl Teller {
    pub(super) fn new(kind: Kind, whom: Option<(Arc<Rules>, Who)>) -> Self {
        Self(kind, whom.map(Box::new))
    }

    /// Whether anybody is told.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.1.is_some()
    }

    /// This file or directory is gone, or new. Blocks for a moment, as all of these do, and gives back what it tells of.
    #[must_use]
    pub fn tell(self, path: VirtualPath) -> VirtualPath {
        self.add(|event, who| {
            event.path = Some(Name::new(path.as_bytes()));
            event.file = Some(real(who, &path));
        });
        path
    }

    /// It has another name now.
    #[must_use]
    pub fn tell_renamed(self, from: VirtualPath, to: VirtualPath) -> (VirtualPath, VirtualPath) {
        self.add(|event, who| {
            event.path = Some(Name::new(to.as_bytes()));
            event.from = Some(Name::new(from.as_bytes()));
            event.file = Some(real(who, &to));
            event.from_file = Some(real(who, &from));
        });
        (from, to)
    }

    /// The file has arrived whole: `size` are its bytes, `transferred` those of the data connection.
    pub fn tell_uploaded(self, path: &VirtualPath, size: u64, transferred: u64) {
        self.add(|event, who| {
            event.path = Some(Name::new(path.as_bytes()));
            event.file = Some(real(who, path));
            event.size = Some(size);
            event.transferred = Some(transferred);
        });
    }

    /// The user has logged in.
    pub fn tell_logged_in(self) {
        self.add(|_, _| {});
    }

    fn add(self, fill: impl FnOnce(&mut Event, &Who)) {
        let Self(kind, Some(whom)) = self else { return };
        // An error in here is not the session's; the log has its place.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let (rules, who) = *whom;
            let mut event = Event {
                id: random_id(),
                time: written(now()),
                event: kind,
                user: who.user.clone(),
                peer: who.peer.to_canonical(),
                session: who.session.0,
                tls: who.tls,
                path: None,
                from: None,
                file: None,
                from_file: None,
                size: None,
                transferred: None,
            };
            fill(&mut event, &who);
            rules.spool.add(&event, rules.limits);
        }));
    }
}

fn real(who: &Who, path: &VirtualPath) -> Name {
    Name::of(&if path.is_root() { who.home.clone() } else { who.home.join(path.beneath_home()) })
}

/// 128 bits: no two events of any server have the same.
fn random_id() -> String {
    let mut random = [0; 16];
    if getrandom::fill(&mut random).is_err() {
        // The kernel has randomness from its start on; where it has none, the clock is better than nothing.
        random = now().as_nanosecond().to_be_bytes();
    }
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Teller({}, {})", self.0, if self.is_heard() { "heard" } else { "not heard" })
    }
}
