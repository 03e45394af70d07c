//! Which events wait for which: none overtakes an earlier one about the same path, about a directory above it, or about
//! what lies below it.
//!
//! An event takes its own path alone and the directories above together with others, each in the order of the events. What
//! is granted is given back when the event is over, and goes to whoever is next. Paths are told apart by their hashes: two
//! that have the same one are kept in order for nothing, and that is all.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What lies deeper counts as the directory at this depth: a client can make paths of two thousand directories.
const DEEPEST: usize = 32;

/// A path that an event takes: its hash, whose last bit is whether it takes it alone. Many may wait, so they are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Touch(u64);

/// The events of one receiver that are not over, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Order {
    paths: HashMap<u64, VecDeque<Turn>>,
    /// How many paths an event still waits for.
    waiting: HashMap<u64, usize>,
}

/// Who takes a path at the same time. The first turn of a path is the one it is.
#[derive(Debug)]
enum Turn {
    Alone(u64),
    Together {
        /// Those who wait for this turn; none once it has come.
        waiting: Vec<u64>,
        /// How many are not over.
        left: usize,
    },
}

impl Touch {
    /// What an event about these paths takes.
    pub(super) fn of<'a>(paths: impl Iterator<Item = &'a [u8]>) -> Box<[Self]> {
        // Two paths of one event may share directories, or be one the directory of the other.
        let mut touched = BTreeMap::new();
        for path in paths {
            let mut hasher = DefaultHasher::new();
            let mut own = None;
            for component in path.split(|byte| *byte == b'/').filter(|component| !component.is_empty()).take(DEEPEST) {
                component.hash(&mut hasher);
                if let Some(above) = own.replace(hasher.clone().finish() & !1) {
                    touched.entry(above).or_insert(false);
                }
            }
            touched.extend(own.map(|own| (own, true)));
        }
        touched.into_iter().map(|(path, alone)| Self(path | u64::from(alone))).collect()
    }

    fn path(self) -> u64 {
        self.0 & !1
    }

    fn alone(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Order {
    /// One more, whose number is above all before. Whether its turn has come.
    pub(super) fn add(&mut self, number: u64, touches: &[Touch]) -> bool {
        let mut missing = 0;
        for touch in touches {
            let turns = self.paths.entry(touch.path()).or_insert_with(|| VecDeque::with_capacity(1));
            let is_first = match (touch.alone(), turns.len(), turns.back_mut()) {
                (false, count, Some(Turn::Together { waiting, left })) => {
                    *left += 1;
                    if count > 1 {
                        waiting.push(number);
                    }
                    count == 1
                }
                (alone, count, _) => {
                    let waiting = if count > 0 { vec![number] } else { Vec::new() };
                    turns.push_back(if alone { Turn::Alone(number) } else { Turn::Together { waiting, left: 1 } });
                    count == 0
                }
            };
            missing += usize::from(!is_first);
        }
        if missing > 0 {
            self.waiting.insert(number, missing);
        }
        missing == 0
    }

    /// One whose turn had come is over: those whose turn has come by that.
    pub(super) fn over(&mut self, touches: &[Touch]) -> Vec<u64> {
        let mut ready = Vec::new();
        for touch in touches {
            let Some(turns) = self.paths.get_mut(&touch.path()) else { continue };
            let is_over = match turns.front_mut() {
                Some(Turn::Together { left, .. }) => {
                    *left -= 1;
                    *left == 0
                }
                _ => true,
            };
            if !is_over {
                continue;
            }
            turns.pop_front();
            let granted = match turns.front_mut() {
                None => {
                    self.paths.remove(&touch.path());
                    continue;
                }
                Some(Turn::Alone(number)) => vec![*number],
                Some(Turn::Together { waiting, .. }) => std::mem::take(waiting),
            };
            for number in granted {
                let Some(missing) = self.waiting.get_mut(&number) else { continue };
                *missing -= 1;
                if *missing == 0 {
                    self.waiting.remove(&number);
                    ready.push(number);
                }
            }
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn touches(paths: &[&str]) -> Box<[Touch]> {
        Touch::of(paths.iter().map(|path| path.as_bytes()))
    }

    /// Whether the second waits for the first.
    fn waits(first: &[&str], second: &[&str]) -> bool {
        let mut order = Order::default();
        assert!(order.add(1, &touches(first)));
        let waits = !order.add(2, &touches(second));
        assert_eq!(order.over(&touches(first)), if waits { vec![2] } else { vec![] });
        assert!(order.over(&touches(second)).is_empty());
        assert!(order.paths.is_empty() && order.waiting.is_empty());
        waits
    }

    #[test]
    fn what_touches_waits() {
        assert!(waits(&["/home/a"], &["/home/a"]));
        assert!(!waits(&["/home/a"], &["/home/b"]));
        assert!(!waits(&["/home/a"], &["/home/ab"]));
        // A directory and what is in it, either way round.
        assert!(waits(&["/home/d"], &["/home/d/e/f"]));
        assert!(waits(&["/home/d/e/f"], &["/home/d"]));
        // A rename is about both of its names.
        assert!(waits(&["/home/a", "/home/b"], &["/home/b"]));
        assert!(waits(&["/home/a"], &["/home/c/x", "/home/a"]));
        assert!(waits(&["/home/d", "/home/e"], &["/home/d/file"]));
        assert!(waits(&["/home/file"], &["/home/file", "/home/d/file"]));
        // Into a directory and out of it, at once.
        assert!(!waits(&["/home/a", "/home/d/a"], &["/home/d/b"]));
        // Deeper than is looked.
        let deep = "/d".repeat(DEEPEST);
        assert!(waits(&[&format!("{deep}/a")], &[&format!("{deep}/b")]));
        assert!(!waits(&[], &[]));
    }

    #[test]
    fn it_is_one_after_the_other() {
        let mut order = Order::default();
        let (file, directory) = (touches(&["/d/f"]), touches(&["/d"]));
        assert!(order.add(1, &file));
        assert!(!order.add(2, &directory));
        assert!(!order.add(3, &file));
        assert!(!order.add(4, &touches(&["/d/g"])));
        assert_eq!(order.over(&file), [2]);
        assert_eq!(order.over(&directory), [3, 4]);
    }

    proptest! {
        /// Against the plain rule: an event waits for every earlier one that is not over and is about the same path, or
        /// about one above or below.
        #[test]
        fn it_is_the_plain_rule(
            plan in prop::collection::vec((prop::collection::vec("(/[ab]){1,3}", 1..3), any::<prop::sample::Index>()), 1..40),
        ) {
            let related = |a: &String, b: &String| {
                a == b || a.starts_with(&format!("{b}/")) || b.starts_with(&format!("{a}/"))
            };
            let mut order = Order::default();
            let mut there: Vec<(u64, Vec<String>)> = Vec::new();
            let mut ready = BTreeSet::new();
            let touched = |paths: &Vec<String>| Touch::of(paths.iter().map(String::as_bytes));
            for (number, (paths, pick)) in plan.into_iter().enumerate() {
                let number = number as u64;
                if order.add(number, &touched(&paths)) {
                    ready.insert(number);
                }
                there.push((number, paths));
                if number % 2 == 1 {
                    let ended = *ready.iter().nth(pick.index(ready.len())).unwrap();
                    ready.remove(&ended);
                    let place = there.iter().position(|(number, _)| *number == ended).unwrap();
                    let (_, paths) = there.remove(place);
                    ready.extend(order.over(&touched(&paths)));
                }
                let want: BTreeSet<u64> = there.iter().enumerate().filter(|(place, (_, paths))| {
                    !there[..*place].iter().any(|(_, earlier)| {
                        earlier.iter().any(|earlier| paths.iter().any(|path| related(path, earlier)))
                    })
                }).map(|(_, (number, _))| *number).collect();
                prop_assert_eq!(&ready, &want);
            }
        }
    }
}
