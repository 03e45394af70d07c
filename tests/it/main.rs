//! One integration binary: the server on the wire, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, helpers too")]

mod architecture;
mod dialogue;
mod harness;
mod settings;
