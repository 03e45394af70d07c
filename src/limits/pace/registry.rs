//! The rates of a server, made when first shared and forgotten when nobody shares them any more.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

use super::limiter::{Limiter, OF_MANY, OF_ONE};
use super::{Direction, Pace};
use crate::limits::{AddressKey, lock, one_address};
use crate::settings::Cidrs;

/// The shared rates of a server, in bytes per second; `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PaceSettings {
    /// From clients to the server.
    pub upload: SharedRates,
    /// From the server to clients.
    pub download: SharedRates,
    /// Peers exempt from the rates of an address, as many clients stand behind one of them.
    pub trusted: Cidrs,
}

/// Rates that transfers of one direction share, in bytes per second; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SharedRates {
    /// All transfers of a user.
    pub per_user: Option<NonZeroU64>,
    /// All transfers of an address, see [`one_address`].
    pub per_ip: Option<NonZeroU64>,
    /// All transfers.
    pub total: Option<NonZeroU64>,
}

/// Makes the pace of each transfer. Clones share the rates; other rates need another `Paces`.
#[derive(Debug, Clone)]
pub struct Paces(Arc<Registry>);

impl Paces {
    /// With nothing under way.
    #[must_use]
    pub fn new(settings: &PaceSettings) -> Self {
        Self(Arc::new(Registry { settings: settings.clone(), shared: Mutex::default() }))
    }

    /// The ones of `before`, if these are no different: what is under way there is part of the rates here. Other rates are
    /// shared by those who come from now on, beside those who share the old ones to the end of their transfers.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        if self.0.settings == before.0.settings { before.clone() } else { self }
    }

    /// The pace of a new transfer of `user` from `ip`: first the rate of its own (`connection`, bytes per second), then
    /// the shared ones, of the user, the address and the server. Every rate begins with nothing saved up.
    #[must_use]
    pub fn chain(&self, direction: Direction, user: &str, ip: IpAddr, connection: Option<NonZeroU64>) -> Pace {
        let settings = &self.0.settings;
        let rates = match direction {
            Direction::Upload => settings.upload,
            Direction::Download => settings.download,
        };
        let per_ip = rates.per_ip.filter(|_| !settings.trusted.contains(ip));
        let own = connection.map(|rate| Link::Own(Box::new(Limiter::new(rate, OF_ONE))));
        let shared = [
            rates.per_user.map(|rate| (Sharer::User(user.into()), rate)),
            per_ip.map(|rate| (Sharer::Address(one_address(ip)), rate)),
            rates.total.map(|rate| (Sharer::Server, rate)),
        ];
        let shared = shared.into_iter().flatten().map(|(sharer, rate)| self.share((direction, sharer), rate));
        Pace::new(own.into_iter().chain(shared).collect())
    }

    fn share(&self, key: Key, rate: NonZeroU64) -> Link {
        let mut shared = lock(&self.0.shared);
        let rate = shared
            .entry(key.clone())
            .or_insert_with(|| SharedRate { limiter: Arc::new(Limiter::new(rate, OF_MANY)), links: 0 });
        rate.links += 1;
        Link::Shared(Share { limiter: Arc::clone(&rate.limiter), key, registry: Arc::clone(&self.0) })
    }

    #[cfg(test)]
    pub(super) fn shared_rates(&self) -> usize {
        lock(&self.0.shared).len()
    }
}

/// One rate in a chain.
#[derive(Debug)]
pub(super) enum Link {
    Own(Box<Limiter>),
    Shared(Share),
}

impl Link {
    pub(super) fn limiter(&self) -> &Limiter {
        match self {
            Self::Own(limiter) => limiter,
            Self::Shared(share) => &share.limiter,
        }
    }
}

/// A transfer's part in a shared rate, given up when dropped.
#[derive(Debug)]
pub(super) struct Share {
    limiter: Arc<Limiter>,
    key: Key,
    registry: Arc<Registry>,
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Entry::Occupied(mut rate) = lock(&self.registry.shared).entry(self.key.clone()) {
            rate.get_mut().links -= 1;
            if rate.get().links == 0 {
                rate.remove();
            }
        }
    }
}

#[derive(Debug)]
struct Registry {
    settings: PaceSettings,
    shared: Mutex<HashMap<Key, SharedRate>>,
}

type Key = (Direction, Sharer);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Sharer {
    User(Arc<str>),
    Address(AddressKey),
    Server,
}

#[derive(Debug)]
struct SharedRate {
    limiter: Arc<Limiter>,
    links: usize,
}
