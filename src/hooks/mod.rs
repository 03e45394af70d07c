//! Events: whoever is to be told that a file has arrived, or of another change, is told.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `teller` | what a session has to tell |
//! | `event` | what is told, as JSON |
//! | `spool` | where events wait, on disk, until their receivers have them |
//! | `losses` | events that there was no room for |
//! | `order` | which events wait for which |
//! | `deliver` | the events of the spool on their way, for each receiver by itself |
//! | `lane` | which of the events of one receiver goes next, and when |
//! | `webhook` | one event by HTTP |
//! | `trust` | whom `https://` receivers must be known to |
//! | `command` | one event to a program |
//!
//! A session adds a line to the spool before it says that something is done, and that is all it has to do with it.

mod command;
mod deliver;
mod event;
mod lane;
mod losses;
mod order;
mod spool;
mod teller;
mod trust;
mod webhook;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use event::Kind;
pub use lane::AT_ONCE;
pub use teller::{Teller, Who};
pub use trust::Trust;

use crate::settings::{Hook, Secret, Settings};
use spool::{Limits, Spool};

/// Who is told of what, and the spool. Nothing is opened, and nothing costs anything, where nobody is told of anything.
#[derive(Debug, Clone, Default)]
pub struct Hooks(Option<Arc<Rules>>);

/// What the settings say of it.
#[derive(Debug)]
struct Rules {
    told: Vec<Told>,
    secret: Secret,
    timeout: Option<Duration>,
    retry: Duration,
    limits: Limits,
    trust: Option<Trust>,
    spool: Arc<Spool>,
}

/// Who is told of one kind of event.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    kind: Kind,
    setting: &'static str,
    hook: Hook,
}

impl Hooks {
    /// What the settings ask for, with the spool of those `before`: it is opened when somebody is to be told for the first
    /// time, and stays open, for what sessions that are there still have to tell.
    ///
    /// # Errors
    /// The spool cannot be opened: names the setting and the directory.
    pub fn new(settings: &Settings, trust: Option<Trust>, before: Option<&Self>) -> Result<Self, String> {
        let open_already = before.and_then(|before| before.0.as_ref()).map(|rules| Arc::clone(&rules.spool));
        let kinds = [Kind::Upload, Kind::Delete, Kind::Rmdir, Kind::Rename, Kind::Mkdir, Kind::Login];
        let told = kinds.map(|kind| {
            let (setting, hook) = kind.hook(settings);
            Told { kind, setting, hook: hook.clone() }
        });
        let is_anybody_told = told.iter().any(|told| told.hook.is_somebody());
        let spool = match open_already {
            Some(spool) => spool,
            None if is_anybody_told => Arc::new(open(&settings.hook_spool)?),
            None => return Ok(Self(None)),
        };
        Ok(Self(Some(Arc::new(Rules {
            told: told.into(),
            secret: settings.hook_secret.clone(),
            timeout: settings.hook_timeout.limit(),
            retry: settings.hook_retry.limit().unwrap_or(Duration::from_secs(1)),
            limits: Limits { bytes: settings.hook_spool_size.limit(), fsync: settings.upload_fsync },
            trust,
            spool,
        }))))
    }

    /// Whoever tells of a kind of event in a session of this one.
    #[must_use]
    pub fn teller(&self, kind: Kind, who: impl FnOnce() -> Who) -> Teller {
        let rules = self.0.as_ref().filter(|rules| rules.hook(kind).is_somebody());
        Teller::new(kind, rules.map(|rules| (Arc::clone(rules), who())))
    }

    /// Whether events are delivered in the same way by both.
    #[must_use]
    pub fn deliver_as(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(own), Some(other)) => own.deliver_as(other),
            _ => false,
        }
    }
}

impl Rules {
    fn told(&self, kind: Kind) -> Option<&Told> {
        self.told.iter().find(|told| told.kind == kind)
    }

    fn hook(&self, kind: Kind) -> &Hook {
        self.told(kind).map_or(&Hook::Nobody, |told| &told.hook)
    }

    fn deliver_as(&self, other: &Self) -> bool {
        self.told == other.told
            && self.secret == other.secret
            && (self.timeout, self.retry) == (other.timeout, other.retry)
            && self.trust == other.trust
            && Arc::ptr_eq(&self.spool, &other.spool)
    }
}

/// Whether anybody is told of anything.
#[must_use]
pub fn is_anybody_told(settings: &Settings) -> bool {
    all(settings).iter().any(|(_, hook)| hook.is_somebody())
}

/// Whether somebody is told by HTTP over TLS.
#[must_use]
pub fn is_trust_needed(settings: &Settings) -> bool {
    all(settings).iter().any(|(_, hook)| matches!(hook, Hook::Web(address) if address.secure))
}

/// Who is told of what, and where it waits; nothing if nobody is told of anything.
#[must_use]
pub fn in_words(settings: &Settings) -> Vec<String> {
    let told = all(settings).into_iter().filter(|(_, hook)| hook.is_somebody());
    let mut lines: Vec<String> = told.map(|(setting, hook)| format!("{setting}: {}", deliver::shown(hook))).collect();
    if !lines.is_empty() {
        let most =
            settings.hook_spool_size.limit().map_or("no limit".to_owned(), |_| settings.hook_spool_size.to_string());
        lines.push(format!("spool {}, {most}", settings.hook_spool.display()));
    }
    lines
}

/// Who is told of what, by the name of its setting.
#[must_use]
pub fn all(settings: &Settings) -> [(&'static str, &Hook); 5] {
    [Kind::Upload, Kind::Delete, Kind::Rename, Kind::Mkdir, Kind::Login].map(|kind| kind.hook(settings))
}

fn open(directory: &Path) -> Result<Spool, String> {
    Spool::open(directory).map_err(|error| {
        format!(
            "hook_spool: {} cannot be used: {error}; expected a directory of this server's own",
            directory.display()
        )
    })
}
