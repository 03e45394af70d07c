//! Who may log in and what they may do: users.conf, passwords, permissions, and the roster of all of them.
//!
//! Nothing here reads a file or opens a socket: the caller brings the text of users.conf, and [`Roster::assemble`]
//! makes accounts of it, or says everything that is wrong with it.

mod password;
mod permission;

pub use password::{BadSecret, Secret, Unhashable, hash_password};
pub use permission::{Permission, Permissions, UnknownLetter};
