//! Coverage-guided fuzzing of longshore, by cargo-fuzz and so by a nightly toolchain.
//!
//! ```sh
//! fuzz/run-all 1200                                  # all for 20 minutes each, two at a time, and a table at the end
//! fuzz/run-all 600 line                              # one of them
//! cargo +nightly fuzz run --sanitizer none line FILE # one input
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
//! every file of `corpus/` and `regressions/`, with a stable toolchain. The server may not have `unsafe` code, so the
//! sanitizers, which look for what only that can do, are left out.
//!
//! What they learn goes to `target/corpora/`. `corpus/TARGET/`, which is in the repository, is kept small:
//! `fuzz/run-all keep` takes over the few files that cover most of what is new. What a fuzzer found goes to
//! `regressions/TARGET/`, under a name that says what it was, and stays. `ftp.dict` holds the words of FTP,
//! `settings.dict` those of settings and users.conf.

mod bodies;

/// Runs what a target does with an input.
///
/// # Panics
/// If something is wrong with the server, or there is no such target.
pub fn run(target: &str, input: &[u8]) {
    let body = bodies::TARGETS.iter().find(|(name, _)| *name == target);
    body.unwrap_or_else(|| panic!("no target {target}")).1(input);
}
