//! Longshore, an FTP server appliance, read from the words of the protocol outwards.
//!
//! | tier | module | what it holds |
//! | --- | --- | --- |
//! | words | [`turns`] | fair turns at what only a few can use at once |
//! | words | [`blocking`] | the ways from the reactor to blocking work |
//! | words | [`path`] | an absolute, clean name inside a user's home |
//! | words | [`protocol`] | FTP itself: lines, arguments, replies, addresses, ASCII, time |
//! | policy | [`settings`] | what an operator may change: fields and defaults, layers, units, problems |
//! | policy | [`users`] | who may log in and what they may do |
//! | policy | [`listing`] | directory entries as text: LIST, NLST, MLSD |
//! | things | [`files`] | the only code that touches served files |
//! | things | [`limits`] | how many sessions, how many tries, how many bytes a second |
//! | things | [`observe`] | being seen: the log and the transfer log |
//! | things | [`tls`] | whom clients see, and the tie between a control connection and its data connections |
//! | things | [`hooks`] | events: webhooks and commands that are told of uploads and the like |
//! | wire | [`data`] | the second connection: passive, active, and the copying of bytes |
//! | wire | [`session`] | the states of one conversation |
//! | wire | [`commands`] | one page per family of commands |
//! | wire | [`operator`] | what the operator asks of the running server: status, kick, reload |
//! | wire | [`http`] | probes and figures, for those who look after the server |
//! | wire | [`server`] | sockets into sessions: accept, the command loop, signals |
//!
//! A module uses only modules above it, or of its own tier and named before it;
//! `tests/it/architecture.rs` holds the code to that, and to these:
//!
//! - the modules of the first two tiers touch no socket and no file, but for the settings loader;
//! - served files are touched in `files/` only;
//! - no reply code stands outside `protocol/`;
//! - nobody but the command loop writes to the control connection;
//! - the environment is read in `settings/` only;
//! - no timer goes by the wall clock.

pub mod blocking;
pub mod commands;
pub mod data;
pub mod files;
pub mod hooks;
pub mod http;
pub mod limits;
pub mod listing;
pub mod observe;
pub mod operator;
pub mod path;
pub mod protocol;
pub mod server;
pub mod session;
pub mod settings;
pub mod tls;
pub mod turns;
pub mod users;
