//! The program as an operator runs it: starting, refusing to start, ending, and the subcommands.

mod files;
mod health;
mod identity;
mod ownership;
mod shutdown;
mod signals;
mod start;
mod subcommands;
