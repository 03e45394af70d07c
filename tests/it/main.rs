//! One integration binary: the server on the wire, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, helpers too")]

mod architecture;
mod authority;
mod binary;
mod clients;
mod dialogue;
mod documents;
mod exposure;
mod faults;
mod harness;
mod hooks;
mod http;
mod interleavings;
mod kubernetes;
mod limits;
mod logs;
mod namespaces;
mod nat;
mod network;
mod permissions;
mod process;
mod proxy;
mod reload;
mod settings;
mod status;
mod threats;
mod timeouts;
mod tls_side;
mod uploads;
mod verbs;
mod wire;
