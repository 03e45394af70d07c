//! The program as an operator runs it: starting, refusing to start, ending, and the subcommands.

mod files;
mod signals;
mod start;
mod subcommands;
