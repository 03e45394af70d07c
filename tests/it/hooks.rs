//! Events: `on_upload` and the like, told to receivers and commands of the tests' own.

mod commands;
mod delivery;
mod documents;
mod kills;
mod kinds;
pub(crate) mod lines;
mod receiver;
mod spool;
mod web;

use std::net::SocketAddr;

use crate::binary::{Running, Setup};
use crate::http::figures::Figures;
use crate::http::serve;
use crate::wire::{Client, wait_until};

const SECRET: &str = "the key of the tests";

/// A server that tells this address of everything, and tries again soon.
fn telling(url: &str) -> Setup {
    let setup = Setup::new();
    let spool = setup.path("spool").display().to_string();
    ["UPLOAD", "DELETE", "RENAME", "MKDIR", "LOGIN"]
        .iter()
        .fold(setup, |setup, what| setup.variable(&format!("FTP_ON_{what}"), url))
        .variable("FTP_HOOK_SPOOL", &spool)
        .variable("FTP_HOOK_SECRET", SECRET)
        .variable("FTP_HOOK_RETRY", "50ms")
}

/// The same of uploads only.
fn telling_of_uploads(url: &str) -> Setup {
    ["DELETE", "RENAME", "MKDIR", "LOGIN"]
        .iter()
        .fold(telling(url), |setup, what| setup.variable(&format!("FTP_ON_{what}"), ""))
}

/// All that was to be told has been.
#[track_caller]
fn wait_until_told(http: SocketAddr) {
    wait_until_pending(http, 0);
}

/// So many events wait: a receiver has the others a moment before the server counts that.
#[track_caller]
fn wait_until_pending(http: SocketAddr, count: u32) {
    let is_so = || Figures::of(http).get("longshore_events_pending") == f64::from(count);
    wait_until(&format!("{count} events are pending"), is_so);
}

fn start(setup: Setup) -> (Running, SocketAddr) {
    serve(setup)
}

fn bob(server: &Running) -> Client {
    Client::login(server.address, "bob")
}
