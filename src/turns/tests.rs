use super::*;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

type Asked = Pin<Box<dyn Future<Output = Result<Turn, TooManyWait>>>>;

fn client(last: u8) -> Whose {
    Whose { group: Group::Address(Ipv4Addr::new(192, 0, 2, last).into()), user: None }
}

fn user(last: u8, name: &str) -> Whose {
    Whose { user: Some(name.into()), ..client(last) }
}

fn turns(places: usize, share: usize) -> Turns {
    Turns::new(Bounds { places, share, waiting: 1000 })
}

/// An ask that has been looked at once, so that it has its place in the queue.
fn ask(turns: &Turns, whose: &Whose, places: usize) -> Asked {
    let (turns, whose) = (turns.clone(), whose.clone());
    Box::pin(async move { turns.take(&whose, places).await })
}

fn poll(asked: &mut Asked) -> Option<Result<Turn, TooManyWait>> {
    match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

fn take(turns: &Turns, whose: &Whose) -> Turn {
    poll(&mut ask(turns, whose, 1)).expect("a place is free").unwrap()
}

/// As many asks that wait.
fn wait(turns: &Turns, whose: &Whose, count: usize) -> Vec<Asked> {
    let mut all: Vec<_> = (0..count).map(|_| ask(turns, whose, 1)).collect();
    assert!(all.iter_mut().all(|asked| poll(asked).is_none()));
    all
}

fn is_forgotten(turns: &Turns) -> bool {
    let queue = turns.lock();
    queue.users.is_empty() && queue.groups.is_empty() && queue.waiting == 0 && queue.free == queue.bounds.places
}

#[test]
fn the_next_place_goes_to_another_address_however_many_one_asks_for() {
    let turns = turns(1, 1);
    let first = take(&turns, &client(1));
    let mut crowd = wait(&turns, &client(1), 100);
    let mut other = wait(&turns, &client(2), 1);
    drop(first);
    assert!(crowd.iter_mut().all(|asked| poll(asked).is_none()));
    let turn = poll(&mut other[0]).expect("next").unwrap();
    drop(turn);
    assert_eq!(crowd.iter_mut().filter_map(poll).count(), 100, "each turn ends as soon as it is looked at");
    assert!(is_forgotten(&turns));
}

#[test]
fn users_of_one_address_take_turns_as_well() {
    let turns = turns(1, 1);
    let first = take(&turns, &user(1, "a"));
    let mut crowd = wait(&turns, &user(1, "a"), 100);
    let mut other = wait(&turns, &user(1, "b"), 1);
    drop(first);
    assert!(crowd.iter_mut().all(|asked| poll(asked).is_none()));
    assert!(poll(&mut other[0]).is_some());
}

#[test]
fn many_users_of_one_address_are_one_address() {
    let turns = turns(1, 1);
    let first = take(&turns, &user(1, "a"));
    let mut crowd: Vec<_> = (0..100).flat_map(|number| wait(&turns, &user(1, &format!("u{number}")), 1)).collect();
    let mut other = wait(&turns, &user(2, "b"), 1);
    drop(first);
    assert!(crowd.iter_mut().all(|asked| poll(asked).is_none()));
    assert!(poll(&mut other[0]).is_some());
}

#[test]
fn an_address_holds_its_share_and_no_more_while_places_are_free() {
    let turns = turns(4, 3);
    let held: Vec<_> = (0..3).map(|_| take(&turns, &client(1))).collect();
    let mut more = wait(&turns, &client(1), 2);
    assert_eq!(turns.free(), 1);
    let other = take(&turns, &client(2));
    drop(held);
    assert!(more.iter_mut().all(|asked| poll(asked).is_some()));
    drop((more, other));
    assert!(is_forgotten(&turns));
}

/// One who goes and comes back between two turns is served no more often than one who stays.
#[test]
fn nobody_gains_by_coming_back() {
    let turns = turns(1, 1);
    let mut turn = take(&turns, &client(1));
    let mut patient = wait(&turns, &client(9), 2);
    let mut served = 0;
    for round in 0..100_u8 {
        let mut asked = wait(&turns, &client(10 + round % 3), 1).remove(0);
        drop(turn);
        match patient.first_mut().and_then(poll) {
            Some(next) => {
                served += 1;
                drop(patient.remove(0));
                turn = next.unwrap();
            }
            None => turn = poll(&mut asked).expect("the only other one").unwrap(),
        }
    }
    assert_eq!(served, 2);
}

#[test]
fn an_ask_for_much_is_not_overtaken_without_end() {
    let turns = turns(4, 4);
    let (one, two) = (take(&turns, &client(1)), take(&turns, &client(2)));
    let mut large = ask(&turns, &client(3), 4);
    assert!(poll(&mut large).is_none());
    let mut small = wait(&turns, &client(4), 1);
    drop(one);
    assert!(poll(&mut small[0]).is_none());
    drop(two);
    drop(poll(&mut large).expect("all are free").unwrap());
    assert!(poll(&mut small[0]).is_some());
    assert!(is_forgotten(&turns));
}

#[test]
fn more_than_there_is_is_all_there_is() {
    let turns = turns(4, 3);
    assert!(poll(&mut ask(&turns, &client(1), 100)).is_some());
    assert_eq!(turns.free(), 4);
}

#[test]
fn waiting_is_bounded_by_address() {
    let turns = Turns::new(Bounds { places: 1, share: 1, waiting: 2 });
    let held = take(&turns, &client(1));
    let waiting = wait(&turns, &client(1), 2);
    assert_eq!(poll(&mut ask(&turns, &client(1), 1)).unwrap().unwrap_err(), TooManyWait);
    let other = wait(&turns, &client(2), 1);
    drop(waiting);
    let again = wait(&turns, &client(1), 2);
    drop((held, other, again));
    assert!(is_forgotten(&turns));
}

#[test]
fn a_place_that_was_granted_to_one_who_left_is_given_on() {
    let turns = turns(1, 1);
    let held = take(&turns, &client(1));
    let (left, mut next) = (wait(&turns, &client(2), 1), wait(&turns, &client(3), 1));
    drop(held);
    assert!(poll(&mut next[0]).is_none(), "it was granted to the one who came first");
    drop(left);
    assert!(poll(&mut next[0]).is_some());
    assert!(is_forgotten(&turns));
}

proptest! {
    /// Whatever is asked, granted, cancelled and given back: places are neither lost nor made, no share is exceeded,
    /// nobody waits for what is free, and nothing is remembered at the end.
    #[test]
    fn places_are_neither_lost_nor_made(
        places in 1..5_usize,
        share in 1..5_usize,
        steps in prop::collection::vec((0..4_u8, 0..3_u8, 1..4_usize, any::<prop::sample::Index>()), 1..200),
    ) {
        let share = share.min(places);
        let turns = turns(places, share);
        let mut asked: Vec<(u8, Asked)> = Vec::new();
        let mut held: Vec<(u8, Turn)> = Vec::new();
        for (what, who, count, pick) in steps {
            match what {
                0 | 1 => asked.push((who, ask(&turns, &client(who), count))),
                2 if !asked.is_empty() => drop(asked.swap_remove(pick.index(asked.len()))),
                3 if !held.is_empty() => drop(held.swap_remove(pick.index(held.len()))),
                _ => {}
            }
            let mut waiting = Vec::new();
            for (who, mut one) in asked {
                match poll(&mut one) {
                    Some(turn) => held.push((who, turn.unwrap())),
                    None => waiting.push((who, one)),
                }
            }
            asked = waiting;
            let in_use: usize = held.iter().map(|(_, turn)| turn.places).sum();
            prop_assert_eq!(in_use + turns.free(), places);
            for who in 0..3 {
                let own = |held: &(u8, Turn)| if held.0 == who { held.1.places } else { 0 };
                prop_assert!(held.iter().map(own).sum::<usize>() <= share);
            }
            prop_assert!(in_use > 0 || asked.is_empty());
        }
        drop((asked, held));
        prop_assert!(is_forgotten(&turns));
    }
}
