//! The program as an operator runs it: starting, refusing to start, ending, and the subcommands.

mod files;
mod health;
pub(crate) mod identity;
mod ownership;
mod shell;
mod shutdown;
mod signals;
mod start;
mod subcommands;
