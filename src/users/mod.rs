//! Who may log in and what they may do: users.conf, passwords, permissions, and the roster of all of them.
//!
//! Nothing here reads a file or opens a socket: the caller brings the text of users.conf, and [`Roster::assemble`]
//! makes accounts of it, or says everything that is wrong with it.

mod permission;

pub use permission::{Permission, Permissions, UnknownLetter};
