//! What only a container finds: the image, compose.yaml, peers behind a bridge, ownership, life and death on a real
//! Docker engine. Needs root, for the network namespaces of other containers and for files of other owners.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, helpers too")]
#![allow(clippy::print_stdout, reason = "the log of the container of a test that fails")]

#[path = "../it/authority.rs"]
mod authority;
mod compose;
mod engine;
mod environment;
mod faults;
mod hardened;
mod health;
mod image;
mod life;
mod operator;
mod peers;
mod readme;
mod tls;
#[path = "../it/wire.rs"]
#[allow(dead_code, reason = "the client of the other tests, of which these need a part")]
mod wire;
