//! Who is connected: a newcomer always gets in, at the cost of whoever has stood there longest without a request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::limits::{AddressKey, one_address};

/// Connections in all.
pub const MOST: usize = 64;

/// The connections, those that came first at the front. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowd(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    all: Vec<Place>,
    /// How many came so far.
    came: u64,
}

#[derive(Debug)]
struct Place {
    number: u64,
    address: AddressKey,
    /// Whether its request has come, so that it will be over soon.
    has_asked: bool,
    leave: CancellationToken,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    crowd: Crowd,
    number: u64,
    /// Cancelled when somebody else needs the place.
    pub(super) leave: CancellationToken,
}

impl Crowd {
    /// Lets a connection in. Where all places are taken, one of the address that has most has to leave: the first that has
    /// not asked yet, if there is one. So no address loses a place while another has more.
    pub(super) fn enter(&self, ip: IpAddr) -> Ticket {
        let address = one_address(ip);
        let mut crowd = self.lock();
        crowd.came += 1;
        let (number, places) = (crowd.came, &mut crowd.all);
        if let Some(from) = largest(places).filter(|_| places.len() >= MOST) {
            let first = |asked| places.iter().position(|place| place.address == from && place.has_asked == asked);
            if let Some(out) = first(false).or_else(|| first(true)) {
                places.remove(out).leave.cancel();
            }
        }
        let leave = CancellationToken::new();
        places.push(Place { number, address, has_asked: false, leave: leave.clone() });
        Ticket { crowd: self.clone(), number, leave }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The request has come.
    pub(super) fn asks(&self) {
        let mut crowd = self.crowd.lock();
        crowd.all.iter_mut().filter(|place| place.number == self.number).for_each(|place| place.has_asked = true);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.crowd.lock().all.retain(|place| place.number != self.number);
    }
}

/// The address with most places; of several the one that came first.
fn largest(places: &[Place]) -> Option<AddressKey> {
    let mut counts: HashMap<AddressKey, usize> = HashMap::new();
    places.iter().for_each(|place| *counts.entry(place.address).or_default() += 1);
    places.iter().rev().map(|place| place.address).max_by_key(|address| counts.get(address).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(crowd: &Crowd, last: u8) -> Ticket {
        crowd.enter(IpAddr::from([192, 0, 2, last]))
    }

    fn gone(tickets: &[Ticket]) -> Vec<usize> {
        tickets.iter().enumerate().filter(|(_, ticket)| ticket.leave.is_cancelled()).map(|(place, _)| place).collect()
    }

    #[test]
    fn one_who_has_asked_stays_while_another_has_not() {
        let crowd = Crowd::default();
        let own: Vec<_> = (0..MOST).map(|_| enter(&crowd, 1)).collect();
        own[0].asks();
        let next = enter(&crowd, 1);
        assert_eq!(gone(&own), [1]);
        own.iter().chain([&next]).for_each(Ticket::asks);
        let last = enter(&crowd, 1);
        assert_eq!(gone(&own), [0, 1]);
        drop((own, next, last));
        assert!(crowd.lock().all.is_empty());
    }

    #[test]
    fn where_all_is_full_the_address_with_most_makes_room() {
        let crowd = Crowd::default();
        let few: Vec<_> = (0..4).map(|_| enter(&crowd, 9)).collect();
        let many: Vec<Vec<_>> = (0..4).map(|address| (0..15).map(|_| enter(&crowd, address)).collect()).collect();
        assert_eq!(crowd.lock().all.len(), MOST);
        let newcomer = enter(&crowd, 10);
        assert!(gone(&few).is_empty() && !newcomer.leave.is_cancelled());
        assert_eq!(many.iter().map(|own| gone(own).len()).sum::<usize>(), 1);
        assert_eq!(crowd.lock().all.len(), MOST);
    }

    #[test]
    fn where_each_address_has_one_the_first_makes_room() {
        let crowd = Crowd::default();
        let all: Vec<_> = (0..u8::try_from(MOST).unwrap()).map(|address| enter(&crowd, address)).collect();
        let _newcomer = enter(&crowd, 200);
        assert_eq!(gone(&all), [0]);
    }
}
