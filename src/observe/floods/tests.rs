//! What is told, what is counted, and who hides whom.

use super::*;
use crate::limits::one_address;

fn numbered(number: u32) -> Cause {
    Cause::Peer(IpAddr::from(number.to_be_bytes()))
}

fn at(address: &str) -> Cause {
    Cause::Peer(address.parse().unwrap())
}

fn by(number: u32) -> By {
    By::Network(one_address(IpAddr::from(number.to_be_bytes())))
}

/// How many of these are told.
fn told(floods: &mut Floods, what: Repeated, cause: Cause, times: usize, now: Instant) -> usize {
    (0..times).filter(|_| floods.count(what, cause, now).0).count()
}

/// T71: the first are told one by one, the rest as an exact number.
#[test]
fn the_first_are_told_and_the_rest_are_counted() {
    let (mut floods, now) = (Floods::default(), Instant::now());
    assert_eq!(told(&mut floods, Repeated::Refused, numbered(1), 10, now), 10);
    assert_eq!(told(&mut floods, Repeated::Refused, numbered(1), 412, now), 0);
    // Another address, and another event of this one, are new.
    assert_eq!(told(&mut floods, Repeated::Refused, numbered(2), 3, now), 3);
    assert_eq!(told(&mut floods, Repeated::Stranger, numbered(1), 3, now), 3);
    assert_eq!(floods.over(now + WINDOW - Duration::from_millis(1)), []);
    let more = Summary { what: Repeated::Refused, by: by(1), more: 412 };
    assert_eq!(floods.over(now + WINDOW), [more]);
    assert_eq!(floods.0.len(), 0);
    assert_eq!(told(&mut floods, Repeated::Refused, numbered(1), 11, now + WINDOW), 10);
    assert_eq!(floods.all(), [Summary { more: 1, ..more }]);
    assert_eq!(floods.all(), []);
}

#[test]
fn what_goes_on_is_told_of_each_window() {
    let (mut floods, now) = (Floods::default(), Instant::now());
    told(&mut floods, Repeated::AcceptFailed, Cause::Nobody, 600, now);
    let before = Summary { what: Repeated::AcceptFailed, by: By::Others, more: 599 };
    assert_eq!(floods.count(Repeated::AcceptFailed, Cause::Nobody, now + WINDOW), (true, vec![before]));
    assert_eq!(floods.count(Repeated::AcceptFailed, Cause::Nobody, now + WINDOW), (false, vec![]));
}

/// T66, T71: from however many addresses, the table and what is told are bounded, and nothing goes uncounted.
#[test]
fn a_full_table_counts_newcomers_together() {
    let (mut floods, now) = (Floods::default(), Instant::now());
    let newcomers = 100_000;
    let all = u32::try_from(MAX_COUNTED).unwrap() + newcomers;
    let told = (0..all).filter(|&number| floods.count(Repeated::Refused, numbered(number), now).0).count();
    assert_eq!(told, MAX_COUNTED + 10);
    assert_eq!(floods.0[&Repeated::Refused].by.len(), MAX_COUNTED + 1);
    let more = u64::from(newcomers) - 10;
    assert_eq!(floods.over(now + WINDOW), [Summary { what: Repeated::Refused, by: By::Others, more }]);
    assert!(floods.0.is_empty());
}

/// Nobody's failed log-ins are hidden by others, however many these are, and none is without its address.
#[test]
fn failed_log_ins_keep_their_address_in_a_full_table() {
    let (mut floods, now) = (Floods::default(), Instant::now());
    let all = 3 * u32::try_from(MAX_COUNTED).unwrap();
    let (mut told, mut summaries) = (0, Vec::new());
    for number in 0..all {
        for _ in 0..12 {
            let (is_told, over) = floods.count(Repeated::LoginFailed, numbered(number), now);
            told += u64::from(is_told);
            summaries.extend(over);
        }
        assert!(floods.0[&Repeated::LoginFailed].by.len() <= MAX_COUNTED);
    }
    summaries.extend(floods.all());
    assert_eq!(told, u64::from(all) * 10);
    assert_eq!(summaries.len(), all as usize);
    assert!(summaries.iter().all(|summary| summary.more == 2 && summary.by != By::Others));
}

/// A kind that is full of addresses leaves the others their room.
#[test]
fn one_kind_takes_no_room_of_another() {
    let (mut floods, now) = (Floods::default(), Instant::now());
    for number in 0..2 * u32::try_from(MAX_COUNTED).unwrap() {
        floods.count(Repeated::Failed, numbered(number), now);
    }
    assert_eq!(told(&mut floods, Repeated::Stranger, numbered(7_000_000), 11, now), 10);
    assert_eq!(floods.all().iter().filter(|summary| summary.by == By::Others).count(), 1);
}

/// Who has a /56 or a /48 has as many /64s as it likes, and is told of some times as often as one, not without end.
#[test]
fn ipv6_networks_are_counted_too() {
    let (mut floods, now) = (Floods::default(), Instant::now());
    let each = |floods: &mut Floods, addresses: &mut dyn Iterator<Item = String>| {
        addresses.map(|address| told(floods, Repeated::LoginFailed, at(&address), 100, now)).sum::<usize>()
    };
    // One /64, the whole of its /56, the whole of its /48.
    assert_eq!(each(&mut floods, &mut (0..100).map(|host| format!("2001:db8::{host:x}"))), 10);
    assert_eq!(each(&mut floods, &mut (1..256).map(|net| format!("2001:db8:0:{net:x}::1"))), 30);
    assert_eq!(each(&mut floods, &mut (256..8192).map(|net| format!("2001:db8:0:{net:x}::1"))), 120);
    // A neighbour's network is told.
    assert_eq!(told(&mut floods, Repeated::LoginFailed, at("2001:db8:1::1"), 11, now), 10);
    let summaries = floods.all();
    let more: u64 = summaries.iter().map(|summary| summary.more).sum();
    assert_eq!(more, (100 + 255 + 7936) * 100 - 160 + 1);
    let names: Vec<String> = summaries.iter().map(|summary| summary.by.to_string()).collect();
    for name in ["2001:db8::/64", "2001:db8::/56", "2001:db8::/48", "2001:db8:1::/64"] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
}
