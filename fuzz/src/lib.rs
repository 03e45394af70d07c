//! Coverage-guided fuzzing of longshore, by cargo-fuzz and so by a nightly toolchain.
//!
//! ```sh
//! cargo +nightly fuzz run --sanitizer none line   # one target, here in fuzz/ or above, until something is found
//! fuzz/run-all 1200                               # all of them for 20 minutes each, two at a time, and a table at the end
//! ```
//!
//! | target | what it holds the server to |
//! | --- | --- |
//! | `line` | lines, and TYPE A, come out alike however the bytes were cut into segments |
//! | `arguments` | addresses, numbers, times and choices of facts read, write and read alike; an echo stays one line |
//! | `paths` | no path leads above the root, and each agrees with its definition |
//! | `users_conf` | an account is sound, and no finding tells a password |
//! | `settings` | a value reads as what it was written from, in all layers; no complaint tells a secret |
//! | `proxy` | no byte behind a PROXY header is taken, and a part of one is none |
//! | `listing` | one line a name, whatever name and facts; patterns match by their definition |
//! | `session` | a whole session: one final reply a command, nothing from outside the home, no counter left up |
//!
//! What a target does stands in `src/bodies/`, without a fuzzer: `cargo test --test fuzz` of the server runs the same on
//! every file of `corpus/` and `regressions/`, with a stable toolchain. The server has no `unsafe` code, so the sanitizers
//! are left out, and the fuzzers are twice as fast.
//!
//! `corpus/TARGET/` is kept small: `cargo +nightly fuzz cmin --sanitizer none TARGET` after a long run, and only what is
//! worth its bytes. What a fuzzer found goes to `regressions/TARGET/`, under a name that says what it was, and stays.
//! `ftp.dict` holds the words of FTP.

mod bodies;

/// Runs what a target does with an input.
///
/// # Panics
/// If something is wrong with the server, or there is no such target.
pub fn run(target: &str, input: &[u8]) {
    let body = bodies::TARGETS.iter().find(|(name, _)| *name == target);
    body.unwrap_or_else(|| panic!("no target {target}")).1(input);
}
