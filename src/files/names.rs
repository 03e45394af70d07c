//! One change of a name at a time: to look at what a name stands for and to act on it is one step for all sessions.
//!
//! The lock of a name is held while files are published, removed or renamed, and never while a client is waited for. Other
//! processes do not know it; where they may interfere the kernel is asked to compare (`renameat2`).

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// A name in a directory, whichever path leads there: device, inode, name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    device: u64,
    inode: u64,
    name: OsString,
}

impl Key {
    pub(super) fn new(device: u64, inode: u64, name: &OsStr) -> Self {
        Self { device, inode, name: name.to_owned() }
    }
}

/// The names that change now.
type Shard = Mutex<HashMap<Key, Arc<Mutex<()>>>>;

/// So many that sessions seldom meet at one.
const SHARDS: usize = 64;

static SHARDED: LazyLock<(RandomState, Vec<Shard>)> =
    LazyLock::new(|| (RandomState::new(), (0..SHARDS).map(|_| Shard::default()).collect()));

/// Does `work` while no other thread does any for one of these names. Blocks.
pub(super) fn alone<T, const N: usize>(mut keys: [Key; N], work: impl FnOnce() -> T) -> T {
    // In one order for all, so that no two wait for each other; and nobody for itself.
    keys.sort();
    let mut last = None;
    let held: Vec<Held> = keys
        .into_iter()
        .filter(|key| last.replace(key.clone()).as_ref() != Some(key))
        .map(|key| Held { lock: lock_of(&key), key })
        .collect();
    let _guards: Vec<MutexGuard<'_, ()>> = held.iter().map(|held| locked(&held.lock)).collect();
    work()
}

/// A place in the table, given back when dropped.
struct Held {
    key: Key,
    lock: Arc<Mutex<()>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut shard = locked(shard_of(&self.key));
        // The table's and this one: nobody else waits for it.
        if Arc::strong_count(&self.lock) == 2 {
            shard.remove(&self.key);
        }
    }
}

fn lock_of(key: &Key) -> Arc<Mutex<()>> {
    let mut shard = locked(shard_of(key));
    Arc::clone(shard.entry(key.clone()).or_default())
}

fn shard_of(key: &Key) -> &'static Shard {
    let (hasher, shards) = &*SHARDED;
    let number = usize::try_from(hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
    &shards[number]
}

/// A panic while it was held left nothing half done: the lock guards no data.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    fn key(name: &str) -> Key {
        Key::new(u64::MAX, 1, OsStr::new(name))
    }

    fn is_listed(key: &Key) -> bool {
        locked(shard_of(key)).contains_key(key)
    }

    #[test]
    fn one_at_a_time_for_each_name_and_nothing_is_left() {
        let (at_work, done) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for number in 0..8 {
                let (at_work, done) = (&at_work, &done);
                scope.spawn(move || {
                    for _ in 0..500 {
                        let other = key(["b", "c"][number % 2]);
                        let pair = if number % 3 == 0 { [key("a"), other] } else { [other, key("a")] };
                        alone(pair, || {
                            assert_eq!(at_work.fetch_add(1, Ordering::SeqCst), 0);
                            thread::yield_now();
                            at_work.fetch_sub(1, Ordering::SeqCst);
                            done.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 4000);
        assert!(!["a", "b", "c"].iter().any(|name| is_listed(&key(name))));
    }

    #[test]
    fn a_name_twice_is_one_name() {
        assert!(alone([key("twice"), key("twice")], || is_listed(&key("twice"))));
        assert!(!is_listed(&key("twice")));
    }

    #[test]
    fn other_names_do_not_wait() {
        alone([key("held")], || {
            thread::scope(|scope| scope.spawn(|| alone([key("other")], || ())).join().unwrap());
        });
    }
}
