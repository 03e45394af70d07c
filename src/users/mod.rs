//! Who may log in and what they may do: users.conf, passwords, permissions, and the roster of all of them.
//!
//! Nothing here reads a file or opens a socket: the caller brings the text of users.conf, and [`Roster::assemble`]
//! makes accounts of it, or says everything that is wrong with it.

mod account;
mod authenticator;
mod columns;
mod finding;
mod key;
mod password;
mod roster;
mod user_name;
mod users_conf;

pub use account::Account;
pub use authenticator::{Authenticator, Failure, Room};
pub use finding::{Finding, Place};
pub use password::{BadSecret, Secret, Unhashable, hash_password};
pub use roster::{AnonymousUser, Roster, RosterChanges, RosterSources, SingleUser, UsersText};
