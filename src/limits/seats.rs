//! Seats: how many control sessions there are, in all and from one address.
//!
//! A seat is taken as long as the socket of its session is open, also while the session only waits for the client to read
//! the last reply. Such a session gives its seat to a newcomer who finds no other: it closes its socket, and the newcomer
//! is served when that is done.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::tally::Tally;
use super::{AddressKey, lock, networks, one_address};
use crate::settings::Cidrs;

/// The seats of one server. Clones share them.
#[derive(Debug, Clone)]
pub struct Seats {
    max_cons: Option<u32>,
    max_per_ip: Option<u32>,
    trusted: Cidrs,
    taken: Arc<Mutex<Taken>>,
}

/// One session's place, given back when dropped.
#[derive(Debug)]
#[must_use = "a seat is free again as soon as it is dropped"]
pub struct Seat {
    taken: Arc<Mutex<Taken>>,
    /// None once the session leaves.
    ip: Option<IpAddr>,
}

/// The seat of a session that is over and has yet to close its socket, given back when dropped.
#[derive(Debug)]
#[must_use = "the seat is free again as soon as it is dropped"]
pub struct Leaving {
    taken: Arc<Mutex<Taken>>,
    number: u64,
    claimed: oneshot::Receiver<Claim>,
}

/// The seat of a session whose socket is still open.
#[derive(Debug)]
pub struct Soon {
    seat: Seat,
    closed: oneshot::Receiver<Never>,
}

/// Held by the session that leaves, and dropped when its socket is closed.
type Claim = oneshot::Sender<Never>;

#[derive(Debug)]
enum Never {}

/// Why a connection is turned away at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `max_cons` sessions are there.
    ServerFull,
    /// `max_per_ip` sessions from this address are there, or as many as its IPv6 network may have.
    AddressFull,
    /// The address failed too often to log in, see [`Tries`](super::Tries).
    Banned,
}

impl Seats {
    /// `None` is no limit. Peers in `trusted` are exempt from `max_per_ip`, as many clients stand behind one of them.
    #[must_use]
    pub fn new(max_cons: Option<u32>, max_per_ip: Option<u32>, trusted: Cidrs) -> Self {
        let taken =
            Arc::new(Mutex::new(Taken { total: 0, by_address: Tally::new(), leaving: BTreeMap::new(), last: 0 }));
        Self { max_cons, max_per_ip, trusted, taken }
    }

    /// These limits, for the seats of `before`: whoever has one there counts here, and keeps it.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self { taken: Arc::clone(&before.taken), ..self }
    }

    /// Takes a seat for a peer; counted and compared in one step, so the limits are exact.
    ///
    /// # Errors
    /// [`Refusal::ServerFull`] or [`Refusal::AddressFull`]; nothing was taken.
    pub fn admit(&self, ip: IpAddr) -> Result<Seat, Refusal> {
        let mut taken = lock(&self.taken);
        self.refusal(&taken, ip).map_or(Ok(()), Err)?;
        Ok(self.take(&mut taken, ip))
    }

    /// Takes the seat of the session that has been leaving for longest, of those whose seat makes room for this peer. It
    /// is counted as the peer's from now on; the session is asked to close its socket.
    #[must_use]
    pub fn succeed(&self, ip: IpAddr) -> Option<Soon> {
        let mut taken = lock(&self.taken);
        let full: Vec<AddressKey> = self.full_networks(&taken, ip).collect();
        let makes_room = |leaver: &Leaver| full.iter().all(|&full| networks(leaver.ip).any(|(own, _)| own == full));
        let number = *taken.leaving.iter().find(|(_, leaver)| makes_room(leaver))?.0;
        let leaver = taken.leaving.remove(&number)?;
        taken.free(leaver.ip);
        if self.refusal(&taken, ip).is_some() {
            // Even without this one: the limits are lower than they were.
            taken.count(leaver.ip);
            taken.leaving.insert(number, leaver);
            return None;
        }
        let (claim, closed) = oneshot::channel();
        // A session that has closed its socket meanwhile drops the claim at once.
        let _ = leaver.claim.send(claim);
        Some(Soon { seat: self.take(&mut taken, ip), closed })
    }

    fn refusal(&self, taken: &Taken, ip: IpAddr) -> Option<Refusal> {
        if self.max_cons.is_some_and(|max| taken.total >= max) {
            return Some(Refusal::ServerFull);
        }
        self.full_networks(taken, ip).next().map(|_| Refusal::AddressFull)
    }

    /// Those of the peer's address and networks that have as many sessions as they may.
    fn full_networks(&self, taken: &Taken, ip: IpAddr) -> impl Iterator<Item = AddressKey> {
        let max_per_ip = self.max_per_ip.filter(|_| !self.trusted.contains(ip));
        let limits = max_per_ip
            .into_iter()
            .flat_map(move |max| networks(ip).map(move |(network, times)| (network, max.saturating_mul(times))));
        limits.filter(|(network, most)| taken.by_address.count(network) >= *most).map(|(network, _)| network)
    }

    fn take(&self, taken: &mut Taken, ip: IpAddr) -> Seat {
        taken.count(ip);
        Seat { taken: Arc::clone(&self.taken), ip: Some(ip) }
    }

    /// Sessions there are now.
    #[must_use]
    pub fn taken(&self) -> u32 {
        lock(&self.taken).total
    }

    /// Sessions there are now from what counts as the same address as `ip`.
    #[must_use]
    pub fn taken_from(&self, ip: IpAddr) -> u32 {
        lock(&self.taken).by_address.count(&one_address(ip))
    }
}

impl Seat {
    /// The session is over; a newcomer may have its seat as soon as its socket is closed. `None` if it was left before.
    #[must_use]
    pub fn leave(mut self) -> Option<Leaving> {
        let ip = self.ip.take()?;
        let (claim, claimed) = oneshot::channel();
        let mut taken = lock(&self.taken);
        taken.last += 1;
        let number = taken.last;
        taken.leaving.insert(number, Leaver { ip, claim });
        Some(Leaving { taken: Arc::clone(&self.taken), number, claimed })
    }
}

impl Leaving {
    /// Closes the socket, which `closing` owns, when that is done or when a newcomer wants the seat.
    pub async fn close(mut self, closing: impl Future<Output = ()>) {
        // Whichever ends first, the socket goes with `closing` before the newcomer hears of it.
        let claim = tokio::select! {
            biased;
            () = closing => None,
            claim = &mut self.claimed => claim.ok(),
        };
        drop(claim);
    }
}

impl Soon {
    /// Waits until the socket of the session that had the seat is closed.
    pub async fn seat(self) -> Seat {
        let Self { seat, closed } = self;
        // Nothing is ever sent.
        let _ = closed.await;
        seat
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(ip) = self.ip {
            lock(&self.taken).free(ip);
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        // Not there any more: the seat is a newcomer's.
        if let Some(leaver) = taken.leaving.remove(&self.number) {
            taken.free(leaver.ip);
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerFull => "max_cons sessions are there",
            Self::AddressFull => "max_per_ip sessions from this address are there",
            Self::Banned => "banned after failed log-ins (ban_after)",
        })
    }
}

impl std::error::Error for Refusal {}

#[derive(Debug)]
struct Taken {
    total: u32,
    by_address: Tally<AddressKey>,
    /// Those of them whose sessions are over, the first to leave first.
    leaving: BTreeMap<u64, Leaver>,
    last: u64,
}

#[derive(Debug)]
struct Leaver {
    ip: IpAddr,
    claim: oneshot::Sender<Claim>,
}

impl Taken {
    fn count(&mut self, ip: IpAddr) {
        self.total += 1;
        networks(ip).for_each(|(network, _)| self.by_address.add(network));
    }

    fn free(&mut self, ip: IpAddr) {
        self.total -= 1;
        networks(ip).for_each(|(network, _)| self.by_address.remove(&network));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn seats(max_cons: Option<u32>, max_per_ip: Option<u32>) -> Seats {
        Seats::new(max_cons, max_per_ip, "10.0.0.0/8".parse().unwrap())
    }

    #[test]
    fn the_server_is_full_at_max_cons_and_not_before() {
        let seats = seats(Some(3), None);
        let two = [seats.admit(ip("192.0.2.1")).unwrap(), seats.admit(ip("192.0.2.2")).unwrap()];
        let third = seats.admit(ip("192.0.2.3")).unwrap();
        assert_eq!(seats.admit(ip("192.0.2.4")).unwrap_err(), Refusal::ServerFull);
        assert_eq!(seats.taken(), 3);
        drop(third);
        let again = seats.admit(ip("192.0.2.4")).unwrap();
        assert_eq!(seats.taken(), 3);
        drop((two, again));
        assert_eq!(seats.taken(), 0);
    }

    #[test]
    fn an_address_is_full_at_max_per_ip_and_others_are_not() {
        let seats = seats(None, Some(2));
        let first = seats.admit(ip("2001:db8::1")).unwrap();
        let _second = seats.admit(ip("2001:db8::2")).unwrap();
        assert_eq!(seats.admit(ip("2001:db8::3")).unwrap_err(), Refusal::AddressFull);
        assert_eq!(seats.taken_from(ip("2001:db8::9")), 2);
        let _other = seats.admit(ip("2001:db8:0:1::1")).unwrap();
        drop(first);
        let _third = seats.admit(ip("2001:db8::3")).unwrap();
        assert_eq!(seats.admit(ip("2001:db8::1")).unwrap_err(), Refusal::AddressFull);
    }

    /// A site with a /48 has 65,536 networks of 64 bits, and is not so many clients.
    #[test]
    fn a_site_is_full_at_some_times_the_limit_of_an_address() {
        let seats = seats(None, Some(2));
        let admit = |site: u128, network: u128| {
            let bits = (0x2001_0db8_u128 << 96) | site << 80 | network << 64 | 1;
            seats.admit(std::net::Ipv6Addr::from_bits(bits).into())
        };
        let mut all: Vec<Seat> = (0..8).map(|network| admit(1, network).unwrap()).collect();
        assert_eq!(admit(1, 255).unwrap_err(), Refusal::AddressFull, "its /56 has eight");
        all.extend(
            (1..4)
                .flat_map(|part| (0..8).map(move |network| part * 256 + network))
                .map(|network| admit(1, network).unwrap()),
        );
        assert_eq!(admit(1, 65_535).unwrap_err(), Refusal::AddressFull, "its /48 has 32");
        all.push(admit(2, 0).unwrap());
        drop(all.remove(0));
        let _again = admit(1, 65_535).unwrap();
        all.clear();
    }

    #[test]
    fn a_trusted_peer_is_exempt_from_the_limit_of_an_address_only() {
        let seats = seats(Some(3), Some(1));
        let all: Vec<_> = (0..3).map(|_| seats.admit(ip("::ffff:10.1.2.3")).unwrap()).collect();
        assert_eq!(seats.admit(ip("10.1.2.3")).unwrap_err(), Refusal::ServerFull);
        assert_eq!(all.len(), 3);
    }

    /// T66: no memory of those who are gone.
    #[test]
    fn nothing_is_remembered_of_an_address_that_left() {
        let seats = seats(None, Some(1));
        for last in 0..=255 {
            let _ = seats.admit(IpAddr::from([192, 0, 2, last])).unwrap();
            let _ = seats.admit(ip(&format!("2001:db8:{last:x}::1"))).unwrap();
        }
        assert_eq!(lock(&seats.taken).by_address.keys(), 0);
    }

    /// F47.
    #[test]
    fn other_limits_count_those_who_are_there() {
        let before = seats(Some(3), None);
        let mut all: Vec<_> = (0..3).map(|_| before.admit(ip("192.0.2.1")).unwrap()).collect();
        let lower = seats(Some(2), Some(1)).after(&before);
        assert_eq!(lower.admit(ip("192.0.2.2")).unwrap_err(), Refusal::ServerFull);
        all.truncate(1);
        assert_eq!(lower.admit(ip("192.0.2.1")).unwrap_err(), Refusal::AddressFull);
        let _other = lower.admit(ip("192.0.2.2")).unwrap();
        assert_eq!((lower.taken(), before.taken()), (2, 2));
        all.clear();
        assert_eq!(lower.taken(), 1);
    }

    /// Whether a future is done as soon as it is asked.
    async fn is_done<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
        let mut future = Some(future);
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(future.take().is_some_and(|future| future.poll(context).is_ready()))
        })
        .await
    }

    /// A socket that is open as long as this is there.
    async fn held(socket: Arc<()>) {
        std::future::pending::<()>().await;
        drop(socket);
    }

    #[tokio::test]
    async fn who_leaves_keeps_the_seat_until_the_socket_is_closed() {
        let seats = seats(Some(1), None);
        let leaving = seats.admit(ip("192.0.2.1")).unwrap().leave().unwrap();
        assert_eq!(seats.admit(ip("192.0.2.2")).unwrap_err(), Refusal::ServerFull);
        leaving.close(std::future::ready(())).await;
        assert_eq!(seats.taken(), 0);
        let _seat = seats.admit(ip("192.0.2.2")).unwrap();
        assert!(seats.succeed(ip("192.0.2.3")).is_none(), "nobody leaves");
    }

    #[tokio::test]
    async fn a_newcomer_has_the_seat_when_the_socket_is_closed_and_not_before() {
        let seats = seats(Some(1), None);
        let socket = Arc::new(());
        let mut closing =
            Box::pin(seats.admit(ip("192.0.2.1")).unwrap().leave().unwrap().close(held(Arc::clone(&socket))));
        assert!(!is_done(closing.as_mut()).await);
        let mut soon = Box::pin(seats.succeed(ip("192.0.2.2")).unwrap().seat());
        assert!(seats.succeed(ip("192.0.2.3")).is_none(), "one seat, one newcomer");
        assert!(!is_done(soon.as_mut()).await);
        assert_eq!((Arc::strong_count(&socket), seats.taken()), (2, 1));
        closing.await;
        assert_eq!(Arc::strong_count(&socket), 1);
        let seat = soon.await;
        assert_eq!((seats.taken_from(ip("192.0.2.1")), seats.taken_from(ip("192.0.2.2"))), (0, 1));
        drop(seat);
        assert_eq!(seats.taken(), 0);
    }

    #[tokio::test]
    async fn the_seat_that_makes_room_is_taken_and_of_those_the_first() {
        let seats = seats(Some(3), Some(2));
        let leave = |from| seats.admit(ip(from)).unwrap().leave().unwrap();
        let (mut other, mut first, second) = (leave("192.0.2.9"), leave("192.0.2.1"), leave("192.0.2.1"));
        // The address is full, so it is one of its own that goes.
        let _third = seats.succeed(ip("192.0.2.1")).unwrap();
        assert!((&mut first.claimed).await.is_ok());
        assert_eq!((seats.taken(), seats.taken_from(ip("192.0.2.1"))), (3, 2));
        let _fourth = seats.succeed(ip("192.0.2.8")).unwrap();
        assert!((&mut other.claimed).await.is_ok());
        assert_eq!((seats.taken(), seats.taken_from(ip("192.0.2.9"))), (3, 0));
        drop(second);
        assert_eq!((seats.taken(), lock(&seats.taken).leaving.len()), (2, 0));
    }

    /// A neighbour in the same /48 that leaves makes no room in a /64 that is full; the session behind it does.
    #[tokio::test]
    async fn of_a_site_the_session_goes_whose_network_is_full() {
        let seats = seats(None, Some(1));
        let leave = |from| seats.admit(ip(from)).unwrap().leave().unwrap();
        let (neighbour, mut own) = (leave("2001:db8:1:100::1"), leave("2001:db8:1:200::1"));
        let _seat = seats.succeed(ip("2001:db8:1:200::2")).unwrap();
        assert!((&mut own.claimed).await.is_ok());
        assert!(lock(&seats.taken).leaving.contains_key(&neighbour.number));
    }

    #[tokio::test]
    async fn nobody_goes_for_a_newcomer_who_finds_no_room_anyway() {
        let before = seats(Some(3), None);
        let _staying = [before.admit(ip("192.0.2.1")).unwrap(), before.admit(ip("192.0.2.1")).unwrap()];
        let leaving = before.admit(ip("192.0.2.1")).unwrap().leave().unwrap();
        let lower = seats(Some(2), None).after(&before);
        assert!(lower.succeed(ip("192.0.2.2")).is_none());
        assert_eq!(lower.taken(), 3);
        drop(leaving);
        assert_eq!(lower.taken(), 2);
    }

    #[test]
    fn no_more_than_the_limit_get_in_at_once() {
        let seats = seats(Some(100), None);
        let admit_many = || (0..50).filter_map(|_| seats.admit(ip("192.0.2.1")).ok()).collect::<Vec<_>>();
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(admit_many)).collect();
            let taken: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            taken.iter().map(Vec::len).sum()
        });
        assert_eq!(admitted, 100);
        assert_eq!(seats.taken(), 0);
    }
}
