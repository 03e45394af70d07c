//! Fair turns at what only a few can use at once: hashing, digests, threads for blocking work.
//!
//! A free place is taken at the cost of one lock. Where none is free, the next place goes to the address that holds
//! least, then to the one that was served least, and in the same way among the users of that address. However much one
//! client asks for, another one waits for the end of one turn and not for all that was asked before.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

/// What the shortest turn counts as, in microseconds.
const SHORTEST: u64 = 1000;
/// How many are remembered that neither hold a place nor wait. Beyond that all of them are forgotten.
const REMEMBERED: usize = 1024;

/// Who asks for a turn: places are shared by group first, then among the users of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Whose {
    /// What counts as one client.
    pub group: Group,
    /// The user, or the name that was given at log-in; none before it.
    pub user: Option<Arc<str>>,
}

/// What counts as one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Group {
    /// An IPv4 address, or the first address of an IPv6 network.
    Address(IpAddr),
    /// A user who comes from a trusted peer, which many clients share.
    User(Arc<str>),
    /// A session from a trusted peer before its log-in.
    Session(u64),
}

/// How much there is, and how much of it one group may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Places in all.
    pub places: usize,
    /// Places that one group may hold, even where others are free.
    pub share: usize,
    /// Turns that one group may wait for.
    pub waiting: usize,
}

/// A fixed number of places. Clones share them.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Mutex<Queue>>);

/// One or more places, given back when dropped.
#[derive(Debug)]
#[must_use = "the places are free again as soon as it is dropped"]
pub struct Turn {
    turns: Turns,
    whose: Whose,
    places: usize,
    since: Instant,
}

/// The group waits for as many turns as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyWait;

impl Turns {
    /// All places are free. A share of 0 places, or of more than there are, counts as 1 or as all of them.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let places = bounds.places.max(1);
        let bounds = Bounds { places, share: bounds.share.clamp(1, places), ..bounds };
        let (groups, users) = (HashMap::new(), HashMap::new());
        Self(Arc::new(Mutex::new(Queue { bounds, free: places, waiting: 0, floor: 0, asked: 0, groups, users })))
    }

    /// Waits for `places` at once, or for as many as one group may hold if that is less. Dropping the future ends the
    /// wait and loses no place.
    ///
    /// # Errors
    /// [`TooManyWait`] at once; nothing waits.
    pub async fn take(&self, whose: &Whose, places: usize) -> Result<Turn, TooManyWait> {
        let (grant, granted) = oneshot::channel();
        let _waiting = {
            let mut queue = self.lock();
            let places = places.clamp(1, queue.bounds.share);
            if queue.is_free(&whose.group, places) {
                queue.hold(whose, places);
                return Ok(self.turn(whose.clone(), places));
            }
            let number = queue.wait(whose, places, grant)?;
            // Dropped before `granted`, after the lock: what is granted meanwhile gives itself back.
            Waiting { turns: self, whose, number }
        };
        // The sender lives in the queue until it grants.
        granted.await.map_err(|_| TooManyWait)
    }

    /// Places that nobody holds.
    #[must_use]
    pub fn free(&self) -> usize {
        self.lock().free
    }

    fn turn(&self, whose: Whose, places: usize) -> Turn {
        Turn { turns: self.clone(), whose, places, since: Instant::now() }
    }

    /// Changes the queue, then hands out what is free.
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut grants = Vec::new();
        {
            let mut queue = self.lock();
            change(&mut queue);
            while let Some((whose, ask)) = queue.next() {
                queue.hold(&whose, ask.places);
                grants.push((ask.grant, self.turn(whose, ask.places)));
            }
        }
        // A turn that nobody waits for any more takes the lock to give itself back.
        grants.into_iter().for_each(|(grant, turn)| drop(grant.send(turn)));
    }

    /// The numbers are whole after each change, so a panic elsewhere does not end the service.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let took = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX).max(SHORTEST);
        self.turns.change(|queue| queue.give_back(&self.whose, self.places, took));
    }
}

/// A wait that ends when dropped.
struct Waiting<'a> {
    turns: &'a Turns,
    whose: &'a Whose,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.turns.change(|queue| queue.leave(self.whose, self.number));
    }
}

#[derive(Debug)]
struct Queue {
    bounds: Bounds,
    free: usize,
    /// Asks of all groups.
    waiting: usize,
    /// What the group that was granted last had been served, at most: a newcomer counts as served so much, so that
    /// nobody gains by going and coming back.
    floor: u64,
    /// Numbers the asks.
    asked: u64,
    groups: HashMap<Group, Served>,
    users: HashMap<Whose, User>,
}

/// What somebody holds and had.
#[derive(Debug, Default)]
struct Served {
    held: usize,
    waiting: usize,
    /// Microseconds times places, from a floor on.
    served: u64,
    /// Of a group, as that of the queue: for its users.
    floor: u64,
}

#[derive(Debug, Default)]
struct User {
    sum: Served,
    asks: VecDeque<Ask>,
}

#[derive(Debug)]
struct Ask {
    number: u64,
    places: usize,
    grant: oneshot::Sender<Turn>,
}

impl Queue {
    /// Whether `places` can be had at once. Nobody overtakes those who wait for what is free.
    fn is_free(&self, group: &Group, places: usize) -> bool {
        let held = self.groups.get(group).map_or(0, |group| group.held);
        let others_fit = || self.users.iter().any(|(whose, user)| self.has_share(whose, user));
        places <= self.free && held + places <= self.bounds.share && (self.waiting == 0 || !others_fit())
    }

    /// Whether the first ask of this user stays within the share of the group.
    fn has_share(&self, whose: &Whose, user: &User) -> bool {
        let held = self.groups.get(&whose.group).map_or(0, |group| group.held);
        user.asks.front().is_some_and(|ask| held + ask.places <= self.bounds.share)
    }

    fn entries(&mut self, whose: &Whose) -> (&mut Served, &mut User) {
        let floor = self.floor;
        let group = self.groups.entry(whose.group.clone()).or_default();
        group.served = group.served.max(floor);
        let user = self.users.entry(whose.clone()).or_default();
        user.sum.served = user.sum.served.max(group.floor);
        (group, user)
    }

    fn hold(&mut self, whose: &Whose, places: usize) {
        let (group, user) = self.entries(whose);
        (group.held, user.sum.held) = (group.held + places, user.sum.held + places);
        group.floor = group.floor.max(user.sum.served);
        let served = group.served;
        self.floor = self.floor.max(served);
        self.free -= places;
    }

    fn wait(&mut self, whose: &Whose, places: usize, grant: oneshot::Sender<Turn>) -> Result<u64, TooManyWait> {
        if self.groups.get(&whose.group).is_some_and(|group| group.waiting >= self.bounds.waiting) {
            return Err(TooManyWait);
        }
        self.asked += 1;
        let number = self.asked;
        let (group, user) = self.entries(whose);
        (group.waiting, user.sum.waiting) = (group.waiting + 1, user.sum.waiting + 1);
        user.asks.push_back(Ask { number, places, grant });
        self.waiting += 1;
        Ok(number)
    }

    /// Whose turn is next, if there is room for it. One who needs more than is free keeps those behind waiting, or small
    /// asks would go before a large one without end.
    fn next(&mut self) -> Option<(Whose, Ask)> {
        if self.free == 0 || self.waiting == 0 {
            return None;
        }
        let waiting = self.users.iter().filter(|(whose, user)| self.has_share(whose, user));
        let best = waiting.max_by_key(|(whose, user)| {
            let of_group = self.groups.get(&whose.group).map_or((0, 0), |group| (group.held, group.served));
            let number = user.asks.front().map_or(u64::MAX, |ask| ask.number);
            Reverse((of_group, (user.sum.held, user.sum.served), number))
        });
        let (whose, user) = best?;
        if user.asks.front()?.places > self.free {
            return None;
        }
        let whose = whose.clone();
        let (group, user) = self.entries(&whose);
        let ask = user.asks.pop_front()?;
        (group.waiting, user.sum.waiting) = (group.waiting - 1, user.sum.waiting - 1);
        self.waiting -= 1;
        Some((whose, ask))
    }

    fn leave(&mut self, whose: &Whose, number: u64) {
        let Some(user) = self.users.get_mut(whose) else { return };
        let Some(place) = user.asks.iter().position(|ask| ask.number == number) else { return };
        user.asks.remove(place);
        user.sum.waiting -= 1;
        self.waiting -= 1;
        if let Some(group) = self.groups.get_mut(&whose.group) {
            group.waiting -= 1;
        }
        self.forget(whose);
    }

    fn give_back(&mut self, whose: &Whose, places: usize, took: u64) {
        let cost = took.saturating_mul(places as u64);
        let (group, user) = self.entries(whose);
        for sum in [group, &mut user.sum] {
            sum.held -= places;
            sum.served = sum.served.saturating_add(cost);
        }
        self.free += places;
        self.forget(whose);
    }

    /// Forgets what no longer matters: those who would come back to the same, or all if nobody is there.
    fn forget(&mut self, whose: &Whose) {
        if self.free == self.bounds.places && self.waiting == 0 {
            self.users.clear();
            self.groups.clear();
            self.floor = 0;
            return;
        }
        let (floor, of_group) = (self.floor, self.groups.get(&whose.group).map_or(0, |group| group.floor));
        if self.users.get(whose).is_some_and(|user| user.sum.is_idle() && user.sum.served <= of_group) {
            self.users.remove(whose);
        }
        if self.groups.get(&whose.group).is_some_and(|group| group.is_idle() && group.served <= floor) {
            self.groups.remove(&whose.group);
        }
        if self.users.len() > REMEMBERED {
            self.users.retain(|_, user| !user.sum.is_idle());
            self.groups.retain(|_, group| !group.is_idle());
        }
    }
}

impl Served {
    fn is_idle(&self) -> bool {
        self.held == 0 && self.waiting == 0
    }
}

impl fmt::Display for TooManyWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many requests of this client wait for their turn")
    }
}

impl std::error::Error for TooManyWait {}

#[cfg(test)]
mod tests;
