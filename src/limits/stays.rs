//! Stays: how many sessions of one user there are.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::lock;
use super::tally::Tally;

/// The users who are in. Clones share them.
#[derive(Debug, Clone)]
pub struct Stays(Arc<Mutex<Tally<Arc<str>>>>);

/// One session of a user, over when dropped.
#[derive(Debug)]
#[must_use = "a stay is over as soon as it is dropped"]
pub struct Stay {
    stays: Stays,
    name: Arc<str>,
}

/// The user has as many sessions as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManySessions;

impl Stays {
    /// Nobody is in.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Tally::new())))
    }

    /// Begins a session of the user `name`, who may have `limit` of them (`None`: any number). The limit comes with
    /// each call, as an account may have its own; counted and compared in one step.
    ///
    /// # Errors
    /// [`TooManySessions`]; nothing was counted.
    pub fn sign_in(&self, name: &str, limit: Option<u32>) -> Result<Stay, TooManySessions> {
        let mut stays = lock(&self.0);
        if limit.is_some_and(|limit| stays.count(name) >= limit) {
            return Err(TooManySessions);
        }
        let name = Arc::from(name);
        stays.add(Arc::clone(&name));
        Ok(Stay { stays: self.clone(), name })
    }

    /// Sessions of this user now.
    #[must_use]
    pub fn count(&self, name: &str) -> u32 {
        lock(&self.0).count(name)
    }
}

impl Default for Stays {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        lock(&self.stays.0).remove(&self.name);
    }
}

impl fmt::Display for TooManySessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the user has as many sessions as may be")
    }
}

impl std::error::Error for TooManySessions {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_full_at_the_limit_and_others_are_not() {
        let stays = Stays::new();
        let _one = stays.sign_in("bob", Some(3)).unwrap();
        let two = stays.sign_in("bob", Some(3)).unwrap();
        let _three = stays.sign_in("bob", Some(3)).unwrap();
        assert_eq!(stays.sign_in("bob", Some(3)).unwrap_err(), TooManySessions);
        let _alice = stays.sign_in("alice", Some(1)).unwrap();
        drop(two);
        assert_eq!(stays.count("bob"), 2);
        let _again = stays.sign_in("bob", Some(3)).unwrap();
        assert_eq!(stays.sign_in("bob", Some(3)).unwrap_err(), TooManySessions);
    }

    /// T66: no memory of those who are gone.
    #[test]
    fn no_limit_is_no_limit_and_nobody_is_remembered() {
        let stays = Stays::new();
        let many: Vec<_> = (0..1000).map(|_| stays.sign_in("bob", None).unwrap()).collect();
        assert_eq!(stays.count("bob"), 1000);
        drop(many);
        assert_eq!(lock(&stays.0).keys(), 0);
    }
}
