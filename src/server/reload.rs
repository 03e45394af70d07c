//! Settings, users and certificates read anew, on SIGHUP and when their files have changed.
//!
//! All is read and looked at as at start, and put in force together for the sessions that begin then, or not at all.
//! Sessions that are there keep the service they began with, to their end. What is counted is counted across both.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use super::Slot;
use super::panics::caught;
use super::prepare::{Complaints, Prepared, exposures, prepare_after};
use super::start::{build_service_after, fit_out};
use super::watch::changed;
use crate::blocking::off_reactor;
use crate::hooks;
use crate::observe::{TransferLog, events};
use crate::operator::ReloadOrder;
use crate::session::Service;
use crate::settings::{Hook, Loaded, Looks, Problems, Settings};
use crate::tls::{Certificate, Tls};
use crate::users::RosterChanges;

/// How often a certificate that is due is replaced at most.
const AT_MOST_EVERY: Duration = Duration::from_secs(60 * 60);

/// Loads the settings as at start, from this directory: flags and environment are the same, the files may not be.
type Load = dyn Fn(&Path) -> Result<Loaded, Problems> + Send + Sync;

/// What is needed to read everything anew, and what was told when it was read.
#[derive(Clone)]
pub struct Reloader {
    load: Arc<Load>,
    current_directory: PathBuf,
    /// The files as they were when what is in force was read.
    in_force: Looks,
    warnings: BTreeSet<String>,
}

/// What will be in force, and how that is other than before.
struct Renewal {
    service: Service,
    looks: Looks,
    settings: Vec<&'static str>,
    need_restart: Vec<&'static str>,
    users: RosterChanges,
    certificate: Option<Certificate>,
    warnings: Vec<String>,
}

impl Reloader {
    /// For a server that was `prepared` by what `load` gave from `current_directory`, with these warnings told.
    #[must_use]
    pub fn new(
        prepared: &Prepared,
        warnings: &[String],
        current_directory: PathBuf,
        load: impl Fn(&Path) -> Result<Loaded, Problems> + Send + Sync + 'static,
    ) -> Self {
        let (in_force, warnings) = (prepared.loaded.looks.clone(), warnings.iter().cloned().collect());
        Self { load: Arc::new(load), current_directory, in_force, warnings }
    }

    /// Reads all anew when it is `asked` to, or when the files have changed, one time after the other and for ever. A panic
    /// leaves all that is in force as it is.
    pub(super) async fn keep_fresh(
        mut self,
        slot: &Slot,
        asked: &Notify,
        mut orders: Receiver<ReloadOrder>,
    ) -> Infallible {
        loop {
            if let Ok(never) = caught(self.follow(slot, asked, &mut orders)).await {
                return never;
            }
        }
    }

    async fn follow(&mut self, slot: &Slot, asked: &Notify, orders: &mut Receiver<ReloadOrder>) -> Infallible {
        // As they were when they were read last, for good or not: what is bad is complained about once.
        let mut read = self.in_force.clone();
        loop {
            let (because, answer) = tokio::select! {
                () = asked.notified() => ("SIGHUP".to_owned(), None),
                () = changed(&read) => ("changed files".to_owned(), None),
                () = until_due(slot) => ("the end of the certificate that was made".to_owned(), None),
                Some(ReloadOrder { because, answer }) = orders.recv() => (because, Some(answer)),
            };
            let (reloader, old) = (self.clone(), Arc::clone(&slot.borrow()));
            read = match off_reactor(move || reloader.renew(&old)).await {
                Ok(renewal) => {
                    let words = renewal.in_words();
                    let looks = self.put_in_force(renewal, slot, &because);
                    // Whoever gave the order may have gone.
                    let _ = answer.map(|answer| answer.send(Ok(words)));
                    looks
                }
                Err(complaints) => {
                    let lines = complaints.lines();
                    events::reload_refused(&lines);
                    let _ = answer.map(|answer| answer.send(Err(lines)));
                    complaints.looks
                }
            };
        }
    }

    fn put_in_force(&mut self, renewal: Renewal, slot: &Slot, because: &str) -> Looks {
        slot.send_replace(Arc::new(renewal.service));
        events::reloaded(because, &renewal.settings.join(" "), renewal.users);
        renewal.certificate.iter().for_each(|certificate| events::certificate_reloaded(&certificate.to_string()));
        renewal.need_restart.iter().for_each(|setting| events::needs_restart(setting));
        let new = |warning: &&String| !self.warnings.contains(*warning);
        renewal.warnings.iter().filter(new).for_each(|warning| events::warning(warning));
        self.warnings = renewal.warnings.into_iter().collect();
        self.in_force = renewal.looks;
        self.in_force.clone()
    }

    /// Blocks.
    fn renew(&self, old: &Service) -> Result<Renewal, Complaints> {
        let mut prepared =
            prepare_after(old.tls.as_ref(), (self.load)(&self.current_directory), &self.current_directory)?;
        let looks = prepared.loaded.looks.clone();
        let refused = |why: String| Complaints::of(vec![why], looks.clone());
        let certificate = other_certificate(&prepared, old).map_err(refused)?;
        self.nothing_was_emptied(&looks).map_err(refused)?;
        let mut wrong = new_commands(&prepared.loaded, &old.settings);
        let still_at_home = exposures(&prepared.loaded, old.authenticator.roster(), &self.current_directory);
        wrong.extend(
            still_at_home.iter().map(|line| format!("{line}; sessions that are there are at home there still")),
        );
        let need_restart = keep_those_read_at_start(&mut prepared.loaded.settings, &old.settings);
        if !need_restart.is_empty() {
            // The log and the spool stay where they are, and the homes may be others.
            wrong.extend(exposures(&prepared.loaded, &prepared.roster, &self.current_directory));
        }
        if !wrong.is_empty() {
            return Err(Complaints::of(wrong, looks));
        }
        let settings = prepared.loaded.settings.differing(&old.settings);
        let users = prepared.roster.changes_since(old.authenticator.roster());
        let mut warnings = std::mem::take(&mut prepared.warnings);
        warnings.extend(fit_out(&prepared));
        let service = build_service_after(Some(old), prepared).map_err(refused)?;
        let settings = settings.into_iter().map(|field| field.name).collect();
        let service = go_on(service, old);
        Ok(Renewal { service, looks, settings, need_restart, users, certificate, warnings })
    }

    /// A file that is cut off while it is written, or swept away by mistake, is not taken for a wish that nobody may log in,
    /// or that all settings are the default ones.
    fn nothing_was_emptied(&self, looks: &Looks) -> Result<(), String> {
        self.in_force.emptied(looks).map_or(Ok(()), |path| {
            let path = path.display();
            Err(format!("{path}: found nothing, where there was something; expected a comment, if nothing is meant"))
        })
    }
}

impl Renewal {
    /// What is other than before, a sentence each, and what an operator should look at.
    fn in_words(&self) -> Vec<String> {
        let RosterChanges { added, removed, changed } = self.users;
        let settings = if self.settings.is_empty() { "none".to_owned() } else { self.settings.join(" ") };
        let certificate = self.certificate.iter().map(|certificate| format!("certificate: {certificate}"));
        let restart = self.need_restart.iter().map(|name| format!("needs a restart, until then the old value: {name}"));
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}"));
        ["done, for sessions that begin from now on".to_owned(), format!("settings changed: {settings}")]
            .into_iter()
            .chain([format!("users: {added} added, {removed} removed, {changed} changed")])
            .chain(certificate)
            .chain(restart)
            .chain(warnings)
            .collect()
    }
}

/// Waits until the pair that the server made is to be replaced. One that cannot be is tried again by the hour.
async fn until_due(slot: &Slot) {
    let due_in = slot.borrow().tls.as_ref().and_then(Tls::due_in);
    match due_in {
        Some(due_in) => sleep(due_in.max(AT_MOST_EVERY)).await,
        None => pending().await,
    }
}

/// The certificate that is prepared, if it is another one than before.
fn other_certificate(prepared: &Prepared, old: &Service) -> Result<Option<Certificate>, String> {
    let before = old.tls.as_ref().map(Tls::certificate);
    let Some(new) = prepared.tls.as_ref().map(Tls::certificate).filter(|new| before != Some(new)) else {
        return Ok(None);
    };
    match new.invalid_now() {
        Some(why) => Err(format!("{}: {why}", prepared.loaded.place("tls_cert"))),
        None => Ok(Some(new.clone())),
    }
}

/// A line for each command that is not the one that was run before: who may change a file shall not choose the programs of
/// a server that runs.
fn new_commands(loaded: &Loaded, old: &Settings) -> Vec<String> {
    let pairs = hooks::all(&loaded.settings).into_iter().zip(hooks::all(old));
    let lines = pairs.filter_map(|((name, new), (_, before))| match new {
        Hook::Command(command) if new != before => {
            let program = command.words.first()?;
            let place = loaded.place(name);
            Some(format!(
                "{place}: found another command, {program}; which commands are run is decided at start only, so \
                          restart the server to run it"
            ))
        }
        _ => None,
    });
    lines.collect()
}

/// Puts the old values back; the names of those that had others.
fn keep_those_read_at_start(settings: &mut Settings, old: &Settings) -> Vec<&'static str> {
    let differing = settings.differing(old).into_iter().filter(|field| field.at_start);
    let names = differing.map(|field| field.name).collect();
    settings.keep_those_read_at_start(old);
    names
}

/// A new service, with all that goes on from the old one: counts and bans, rates and open ports, answers, turns, the board.
fn go_on(new: Service, old: &Service) -> Service {
    let follow = |log: TransferLog| match &old.transfer_log {
        Some(before) => log.after(before),
        None => log,
    };
    Service {
        authenticator: new.authenticator.after(&old.authenticator),
        seats: new.seats.after(&old.seats),
        stays: old.stays.clone(),
        tries: new.tries.after(&old.tries),
        paces: new.paces.after(&old.paces),
        passive: new.passive.after(&old.passive),
        advertiser: new.advertiser.after(&old.advertiser),
        sums: old.sums.clone(),
        quotas: old.quotas.clone(),
        board: old.board.clone(),
        transfer_log: new.transfer_log.map(follow),
        ..new
    }
}
