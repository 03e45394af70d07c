//! The events of the spool on their way, for each receiver by itself.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::event::Event;
use super::lane::{Lane, News};
use super::order::Touch;
use super::spool::Entry;
use super::{Hooks, Rules, command, webhook};
use crate::blocking::off_reactor;
use crate::observe::events::hooks;
use crate::settings::Hook;

/// An event as it is sent.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) event: Event,
    pub(super) body: Vec<u8>,
}

/// Everything that is under way, and that waits.
struct Dispatch {
    rules: Arc<Rules>,
    receivers: Vec<Receiver>,
    running: JoinSet<Outcome>,
    /// What each of the running ones delivers.
    parcels: HashMap<Id, (usize, u64, Arc<[Touch]>)>,
    touches: HashMap<u64, Arc<[Touch]>>,
    /// The last event that was taken from the spool.
    taken: u64,
}

struct Receiver {
    hook: Hook,
    /// The settings that name it.
    settings: String,
    lane: Lane,
}

#[derive(Debug)]
enum Outcome {
    Delivered,
    Failed(String),
    /// There is nothing to deliver any more: somebody has removed it, or it was delivered while a reload broke off the rest.
    Gone {
        is_lost: bool,
    },
}

impl Hooks {
    /// Delivers the events of the spool until told to stop. What is under way then is broken off, and delivered again by
    /// whoever delivers next.
    pub async fn deliver(&self, stop: &CancellationToken) {
        let Some(rules) = &self.0 else {
            stop.cancelled().await;
            return;
        };
        let mut dispatch = Dispatch::new(Arc::clone(rules));
        tokio::select! {
            () = stop.cancelled() => {}
            () = dispatch.go_on() => {}
        }
        dispatch.running.shutdown().await;
    }
}

impl Dispatch {
    fn new(rules: Arc<Rules>) -> Self {
        let mut receivers: Vec<Receiver> = Vec::new();
        for told in rules.told.iter().filter(|told| told.hook.is_somebody()) {
            match receivers.iter_mut().find(|receiver| receiver.hook == told.hook) {
                Some(receiver) if receiver.settings.split(' ').any(|setting| setting == told.setting) => {}
                Some(receiver) => receiver.settings.extend([" ", told.setting]),
                None => receivers.push(Receiver {
                    hook: told.hook.clone(),
                    settings: told.setting.to_owned(),
                    lane: Lane::new(rules.retry),
                }),
            }
        }
        Self { rules, receivers, running: JoinSet::new(), parcels: HashMap::new(), touches: HashMap::new(), taken: 0 }
    }

    async fn go_on(&mut self) {
        loop {
            // Before looking, so that what is added meanwhile is looked for again.
            let rules = Arc::clone(&self.rules);
            let added = rules.spool.added.notified();
            self.take().await;
            self.begin();
            let wake = self.receivers.iter().filter_map(|receiver| receiver.lane.wake()).min();
            tokio::select! {
                () = added => {}
                Some(over) = self.running.join_next_with_id() => self.over(over).await,
                () = until(wake) => {}
            }
        }
    }

    /// Takes what is new in the spool.
    async fn take(&mut self) {
        let mut unwanted = Vec::new();
        // A disk that does not answer is waited for elsewhere.
        let (rules, taken) = (Arc::clone(&self.rules), self.taken);
        for (number, Entry { kind, touches, .. }) in off_reactor(move || rules.spool.after(taken)).await {
            self.taken = number;
            let hook = self.rules.hook(kind);
            match self.receivers.iter_mut().find(|receiver| receiver.hook == *hook) {
                Some(receiver) => {
                    receiver.lane.add(number, &touches);
                    self.touches.insert(number, touches);
                }
                None => unwanted.push(number),
            }
        }
        if unwanted.is_empty() {
            return;
        }
        // The setting was emptied meanwhile.
        hooks::unwanted(unwanted.len());
        let rules = Arc::clone(&self.rules);
        off_reactor(move || {
            for number in unwanted {
                rules.spool.over(number);
            }
        })
        .await;
    }

    /// Begins what may go now.
    fn begin(&mut self) {
        let now = Instant::now();
        for (place, receiver) in self.receivers.iter_mut().enumerate() {
            while let Some(number) = receiver.lane.next(now) {
                let touches = self.touches.get(&number).map_or_else(|| [].into(), Arc::clone);
                let task = self.running.spawn(deliver(Arc::clone(&self.rules), receiver.hook.clone(), number));
                self.parcels.insert(task.id(), (place, number, touches));
            }
        }
    }

    async fn over(&mut self, over: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match over {
            Ok(over) => over,
            Err(error) => (error.id(), Outcome::Failed("an error in the server, see `panicked`".to_owned())),
        };
        let Some((place, number, touches)) = self.parcels.remove(&id) else { return };
        let Some(Receiver { hook, settings, lane }) = self.receivers.get_mut(place) else { return };
        let now = Instant::now();
        match outcome {
            Outcome::Delivered => {
                self.touches.remove(&number);
                if let News::Up(after) = lane.delivered(number, &touches, now) {
                    hooks::up(settings, &shown(hook), after);
                }
            }
            Outcome::Gone { is_lost } => {
                self.touches.remove(&number);
                lane.over(number, &touches);
                if is_lost {
                    hooks::unwanted(1);
                }
            }
            Outcome::Failed(why) => {
                hooks::failed();
                if lane.failed(number, now, jitter()) == News::Down {
                    hooks::down(settings, &shown(hook), &why);
                }
            }
        }
    }
}

/// One event on its way to its receiver, and out of the spool when it is there.
async fn deliver(rules: Arc<Rules>, hook: Hook, number: u64) -> Outcome {
    let from = Arc::clone(&rules);
    let body = match off_reactor(move || from.spool.read(number)).await {
        Ok(Some(body)) => body,
        Ok(None) => return gone(rules, number).await,
        Err(error) => return Outcome::Failed(format!("the spool cannot be read: {error}")),
    };
    let Ok(event) = serde_json::from_slice(&body) else { return gone(rules, number).await };
    let parcel = Parcel { event, body };
    let sending = async {
        match &hook {
            Hook::Web(address) => webhook::post(address, rules.trust.as_ref(), &rules.secret, &parcel).await,
            Hook::Command(line) => command::run(line, &parcel).await,
            Hook::Nobody | Hook::WithPassword => Ok(()),
        }
    };
    let sent = match rules.timeout {
        Some(limit) => timeout(limit, sending).await.unwrap_or_else(|_| Err(webhook::too_slow(limit))),
        None => sending.await,
    };
    match sent {
        Ok(()) => {
            hooks::delivered();
            off_reactor(move || rules.spool.over(number)).await;
            Outcome::Delivered
        }
        Err(why) => Outcome::Failed(why),
    }
}

async fn gone(rules: Arc<Rules>, number: u64) -> Outcome {
    Outcome::Gone { is_lost: off_reactor(move || rules.spool.over(number)).await }
}

/// As the log names it: what follows the host, or the program, may be a secret.
pub(super) fn shown(hook: &Hook) -> String {
    match hook {
        Hook::Web(address) => format!("{}://{}", if address.secure { "https" } else { "http" }, webhook::host(address)),
        Hook::Command(line) => line.words.first().cloned().unwrap_or_default(),
        Hook::Nobody | Hook::WithPassword => String::new(),
    }
}

/// From 0 to 1.
fn jitter() -> f64 {
    let mut random = [0; 4];
    // Without randomness all wait as long.
    let _ = getrandom::fill(&mut random);
    f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX)
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}
