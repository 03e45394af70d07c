//! Settings, users and certificates read anew while the server runs: on SIGHUP, and when files change.

mod certificates;
mod files;
mod settings;
mod storms;
mod users;

use std::net::SocketAddr;

use nix::sys::signal::Signal;

use crate::binary::Running;
use crate::wire::Client;

/// What the log says when all that was read anew is in force.
const RELOADED: &str = "settings and users read anew";
/// What it says when nothing is, and why.
const REFUSED: &str = "not reloaded, all that is in force is kept";

/// Puts a file in its place in one step, as careful programs do.
pub(crate) fn put(server: &Running, name: &str, text: impl AsRef<[u8]>) {
    let new = server.folder().join("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, server.folder().join(name)).unwrap();
}

/// Sends SIGHUP; returns what the log says once it was obeyed.
#[track_caller]
pub(crate) fn hang_up(server: &mut Running) -> String {
    server.signal(Signal::SIGHUP);
    server.wait_for_line("\"because\":\"SIGHUP\"")
}

/// Sends SIGHUP, and this is in a complaint.
#[track_caller]
pub(crate) fn hang_up_in_vain(server: &mut Running, part: &str) {
    server.signal(Signal::SIGHUP);
    let line = server.wait_for_line(part);
    assert!(line.contains(REFUSED) && line.contains("ERROR"), "{line}");
}

/// Whether a new session of this user begins by this password.
fn gets_in(server: SocketAddr, user: &str, password: &str) -> bool {
    let mut client = Client::connect(server);
    client.expect("220");
    client.ask(&format!("USER {user}"), "331");
    client.say(&format!("PASS {password}")).starts_with("230")
}
