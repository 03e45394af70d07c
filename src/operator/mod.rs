//! `longshore status`, `kick` and `reload`: what the operator asks of the running server, over a Unix socket.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `wire` | what is asked, what is answered, and where |
//! | `desk` | the server's side |
//! | `errand` | the side of the commands |
//! | `table` | sessions as a table |
//! | `screen` | the same on a terminal, again and again |
//!
//! The socket is an abstract one of Linux: it has a name and no file, so it works on a read-only file system, and is gone
//! with the server. Anybody of the network namespace may connect to such a socket, or take the name before the server does.
//! So each side looks who the other one is, as the kernel says: the server answers root and its own user, and the commands
//! believe root and that user, unless its number stands for many.

mod desk;
mod errand;
mod peer;
mod screen;
mod table;
mod wire;

pub use desk::{AT_ONCE, Desk, Reception, ReloadOrder};
pub use errand::{kick, print_status, reload};
pub use table::{human, table};
pub use wire::{Answer, Request};
