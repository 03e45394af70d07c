//! Who somebody is: a name and a password checked against the roster, off the reactor and a few at a time.
//!
//! A name that nobody has costs what a name of the roster costs (RFC 2577 section 7, CVE-2004-1602): the password is
//! checked against the secret of an account chosen by that name, and the answer thrown away. Always the same account,
//! so that asking twice tells nothing; and any account, so that in a roster of several kinds of hash the unknown
//! names are spread over the kinds as the known ones are.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use super::account::Account;
use super::roster::Roster;
use crate::blocking::hard_work;
use crate::turns::{Bounds, Turns, Whose};

/// Checks names and passwords. Clones share the bound on hashing.
#[derive(Debug, Clone)]
pub struct Authenticator {
    roster: Arc<Roster>,
    /// Accounts with a secret, any of which stands in for an unknown name.
    stand_ins: Arc<[Arc<Account>]>,
    choice: RandomState,
    hashing: Hashing,
}

/// How much may be hashed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many processors hashes may keep busy.
    pub processors: usize,
    /// How much memory they may take together, in KiB.
    pub memory: usize,
}

/// A hash keeps a processor busy and may take much memory. A place is a KiB: each hash holds as many as it takes, and no
/// fewer than a processor's part of them.
#[derive(Debug, Clone)]
struct Hashing {
    room: Room,
    turns: Turns,
}

impl Hashing {
    fn new(room: Room) -> Self {
        let places = room.memory.max(room.processors);
        // No more wait than there are sessions, which have a limit of their own.
        Self { room, turns: Turns::new(Bounds { places, share: places, waiting: usize::MAX }) }
    }

    fn places(&self, account: &Account) -> usize {
        account.hash_memory().max(self.room.memory.div_ceil(self.room.processors.max(1)))
    }
}

/// Why nobody was logged in: for the log only. A client learns that it failed, and in the same time whatever it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The user is known and this is not the password.
    WrongPassword,
    /// Nobody has this name.
    UnknownUser,
    /// The user may not come from this address, whatever the password.
    NotFromHere,
    /// Anonymous was asked for and is not enabled.
    AnonymousDisabled,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongPassword => "wrong password",
            Self::UnknownUser => "no such user",
            Self::NotFromHere => "not from this address (from=)",
            Self::AnonymousDisabled => "anonymous is not enabled",
        })
    }
}

impl Authenticator {
    /// For this roster; hashes as many passwords at a time as there is room for, and one at least.
    #[must_use]
    pub fn new(roster: Arc<Roster>, room: Room) -> Self {
        let stand_ins = roster.accounts().filter(|account| account.secret.is_some()).cloned().collect();
        Self { roster, stand_ins, choice: RandomState::new(), hashing: Hashing::new(room) }
    }

    /// For this roster, with what does not go by the roster as it was `before`: the turns at hashing, unless there is
    /// another amount of room.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        let hashing = if self.hashing.room == before.hashing.room { before.hashing.clone() } else { self.hashing };
        Self { choice: before.choice.clone(), hashing, ..self }
    }

    /// All who may log in.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The account of this name, if the password is right and the user may come from `peer`. Hashing waits for a turn of
    /// `whose`.
    ///
    /// # Errors
    /// [`Failure`] says why not.
    pub async fn authenticate(
        &self,
        name: &[u8],
        password: &[u8],
        peer: IpAddr,
        whose: &Whose,
    ) -> Result<Arc<Account>, Failure> {
        let known = self.roster.find(name);
        let right = match known.or_else(|| self.stand_in(name)) {
            Some(account) => self.verify(account, password, whose).await,
            None => false,
        };
        match known {
            Some(account) if !account.may_come_from(peer) => Err(Failure::NotFromHere),
            Some(account) if right => Ok(Arc::clone(account)),
            Some(_) => Err(Failure::WrongPassword),
            None if matches!(name, b"anonymous" | b"ftp") => Err(Failure::AnonymousDisabled),
            None => Err(Failure::UnknownUser),
        }
    }

    /// The account of this name, if one of the names in a client's certificate stands for its password and the user may
    /// come from `peer`.
    #[must_use]
    pub fn certified(&self, name: &[u8], shown: &[String], peer: IpAddr) -> Option<Arc<Account>> {
        let account = self.roster.find(name)?;
        let wanted = account.certificate.as_ref()?;
        (shown.contains(wanted) && account.may_come_from(peer)).then(|| Arc::clone(account))
    }

    fn stand_in(&self, name: &[u8]) -> Option<&Arc<Account>> {
        let choices = u64::try_from(self.stand_ins.len()).ok()?;
        let index = self.choice.hash_one(name).checked_rem(choices)?;
        self.stand_ins.get(usize::try_from(index).ok()?)
    }

    async fn verify(&self, account: &Arc<Account>, password: &[u8], whose: &Whose) -> bool {
        match &account.secret {
            None => true,
            Some(secret) if secret.is_plain() => secret.verify(password),
            Some(secret) => {
                let Ok(turn) = self.hashing.turns.take(whose, self.hashing.places(account)).await else {
                    return false;
                };
                let (secret, password) = (secret.clone(), password.to_vec());
                // The turn goes along: a client that leaves does not free it while its hash is still being made.
                let hashed = hard_work(move || {
                    let right = secret.verify(&password);
                    drop(turn);
                    right
                });
                hashed.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use super::*;
    use crate::settings::Permissions;
    use crate::turns::Group;
    use crate::users::Secret;

    /// `secret`, in few rounds.
    const HASH: &str = "$5$rounds=1000$salt$CCvcOM6b7TEJDPb37Aec/9UpOg4QhPNAxPpL9ZzjTB7";
    const HERE: &str = "10.0.0.1";

    fn user(name: &str, secret: &str) -> Account {
        Account::new(name, Secret::parse(secret.as_bytes()).unwrap(), Permissions::ALL, "/".into())
    }

    /// For two hashes.
    const ROOM: Room = Room { processors: 2, memory: 100 * 1024 };

    fn authenticator(accounts: impl IntoIterator<Item = Account>) -> Authenticator {
        Authenticator::new(Arc::new(Roster::new(accounts)), ROOM)
    }

    fn whose(peer: IpAddr, name: &str) -> Whose {
        Whose { group: Group::Address(peer), user: Some(name.into()) }
    }

    async fn attempt(authenticator: &Authenticator, name: &str, password: &str, peer: &str) -> Result<String, Failure> {
        let peer = peer.parse().unwrap();
        let whose = whose(peer, name);
        let found = authenticator.authenticate(name.as_bytes(), password.as_bytes(), peer, &whose).await;
        found.map(|account| account.name.clone())
    }

    #[tokio::test]
    async fn the_right_password_from_the_right_place_finds_the_account() {
        use Failure::{NotFromHere, UnknownUser, WrongPassword};
        let bound = Account { from: "10.0.0.0/24,2001:db8::/32".parse().ok(), ..user("bound", HASH) };
        let authenticator = authenticator([user("plain", "secret"), user("hashed", HASH), bound]);
        for (name, password, peer, want) in [
            ("plain", "secret", HERE, Ok("plain".to_owned())),
            ("plain", "Secret", HERE, Err(WrongPassword)),
            ("plain", "", HERE, Err(WrongPassword)),
            ("hashed", "secret", HERE, Ok("hashed".to_owned())),
            ("hashed", "secret ", HERE, Err(WrongPassword)),
            ("hashed", "", HERE, Err(WrongPassword)),
            ("hashed", HASH, HERE, Err(WrongPassword)),
            ("bound", "secret", HERE, Ok("bound".to_owned())),
            ("bound", "secret", "::ffff:10.0.0.9", Ok("bound".to_owned())),
            ("bound", "secret", "2001:db8::1", Ok("bound".to_owned())),
            ("bound", "wrong", HERE, Err(WrongPassword)),
            ("bound", "secret", "10.0.1.1", Err(NotFromHere)),
            ("bound", "wrong", "10.0.1.1", Err(NotFromHere)),
            ("nobody", "secret", HERE, Err(UnknownUser)),
            ("PLAIN", "secret", HERE, Err(UnknownUser)),
            ("", "", HERE, Err(UnknownUser)),
        ] {
            assert_eq!(attempt(&authenticator, name, password, peer).await, want, "{name} {password} {peer}");
        }
    }

    #[tokio::test]
    async fn anonymous_takes_any_password_if_it_is_enabled() {
        let enabled = authenticator([Account::anonymous(Permissions::READ_ONLY, "/".into())]);
        for (name, password) in [("anonymous", "me@example.org"), ("anonymous", ""), ("ftp", "x")] {
            assert_eq!(attempt(&enabled, name, password, HERE).await.as_deref(), Ok("anonymous"));
        }
        assert_eq!(attempt(&enabled, "alice", "", HERE).await, Err(Failure::UnknownUser));
        let disabled = authenticator([user("alice", "secret")]);
        for name in ["anonymous", "ftp"] {
            assert_eq!(attempt(&disabled, name, "secret", HERE).await, Err(Failure::AnonymousDisabled));
        }
    }

    #[tokio::test]
    async fn no_unknown_name_is_let_in_by_its_stand_in() {
        let authenticator = authenticator([user("plain", "secret"), user("hashed", HASH)]);
        for index in 0..32 {
            let name = format!("unknown{index}");
            assert_eq!(attempt(&authenticator, &name, "secret", HERE).await, Err(Failure::UnknownUser));
        }
    }

    #[test]
    fn a_name_has_one_stand_in_and_all_accounts_stand_in() {
        let authenticator = authenticator(["a", "b", "c"].map(|name| user(name, "x")));
        let chosen = |index: usize| authenticator.stand_in(format!("unknown{index}").as_bytes()).unwrap().name.clone();
        assert_eq!(chosen(7), chosen(7));
        let all: std::collections::BTreeSet<_> = (0..1000).map(chosen).collect();
        assert_eq!(all.len(), 3);
    }

    /// Whether the log-in waits for its turn to hash while all turns are taken.
    async fn waits_for_a_turn(authenticator: &Authenticator, name: &str) -> bool {
        let turns = &authenticator.hashing.turns;
        let taken = turns.take(&whose("192.0.2.9".parse().unwrap(), "other"), turns.free()).await.unwrap();
        let mut login = pin!(attempt(authenticator, name, "wrong", HERE));
        let first = std::future::poll_fn(|context| Poll::Ready(login.as_mut().poll(context))).await;
        drop(taken);
        match first {
            Poll::Ready(result) => {
                assert!(result.is_err());
                false
            }
            Poll::Pending => {
                assert!(login.await.is_err());
                true
            }
        }
    }

    /// T14, T17.
    #[tokio::test]
    async fn hashes_wait_for_their_turn_and_unknown_names_take_the_same_way() {
        let hashed = authenticator([user("alice", HASH)]);
        assert!(waits_for_a_turn(&hashed, "alice").await);
        assert!(waits_for_a_turn(&hashed, "nobody").await);
        assert!(waits_for_a_turn(&hashed, "anonymous").await);
        let plain = authenticator([user("alice", "secret")]);
        assert!(!waits_for_a_turn(&plain, "alice").await);
        assert!(!waits_for_a_turn(&plain, "nobody").await);
    }

    #[tokio::test]
    async fn a_place_that_does_not_fit_costs_as_much() {
        let bound = Account { from: "192.0.2.0/24".parse().ok(), ..user("bound", HASH) };
        assert!(waits_for_a_turn(&authenticator([bound]), "bound").await);
    }

    /// argon2id of 64 MiB.
    const LARGE: &str = "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$iJLZzAt/0zAjLPl3Xt1OE8/GZoODsb0XeqLJqOgZGBs";

    #[tokio::test]
    async fn hashes_have_the_memory_that_is_there_and_the_processors() {
        let alice = user("alice", LARGE);
        assert_eq!(alice.hash_memory(), 64 * 1024);
        let places = |processors, memory| Hashing::new(Room { processors, memory }).places(&alice);
        assert_eq!(places(4, 256 * 1024), 64 * 1024, "four processors, four of them fit");
        assert_eq!(places(64, 128 * 1024), 64 * 1024, "two fit, whatever the processors");
        assert_eq!(places(2, 1024 * 1024), 512 * 1024, "sixteen fit, two processors");
        // More than there is: one at a time, alone.
        let tight = Authenticator::new(Arc::new(Roster::new([alice])), Room { processors: 64, memory: 1024 });
        assert!(waits_for_a_turn(&tight, "alice").await);
    }

    /// T17: with a crowd of guesses from one address waiting, another one's log-in is the next.
    #[tokio::test]
    async fn one_address_does_not_hold_up_the_log_ins_of_another() {
        let authenticator = authenticator([user("alice", HASH)]);
        let turns = &authenticator.hashing.turns;
        let (guesser, other) = (whose("192.0.2.9".parse().unwrap(), "alice"), "192.0.2.1");
        let all = turns.take(&guesser, turns.free()).await.unwrap();
        let mut crowd: Vec<_> = (0..100).map(|_| Box::pin(turns.take(&guesser, ROOM.memory))).collect();
        for asked in &mut crowd {
            assert!(std::future::poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await.is_pending());
        }
        let mut login = pin!(attempt(&authenticator, "alice", "secret", other));
        assert!(std::future::poll_fn(|context| Poll::Ready(login.as_mut().poll(context))).await.is_pending());
        drop(all);
        assert_eq!(login.await.as_deref(), Ok("alice"), "nobody of the crowd has looked at its turn");
    }
}
