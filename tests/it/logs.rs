//! Logs: lines that can be read by machines, forged by nobody, and never hold a password.

mod files;
mod lines;
pub(crate) mod schema;
mod secrets;
mod tools;
