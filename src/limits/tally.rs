//! Counts by key; an entry vanishes at zero, so the table is never larger than what it counts.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
pub(super) struct Tally<K>(HashMap<K, u32>);

impl<K: Eq + Hash> Tally<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn count<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> u32
    where
        K: Borrow<Q>,
    {
        self.0.get(key).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, key: K) {
        *self.0.entry(key).or_insert(0) += 1;
    }

    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.0.len()
    }
}
