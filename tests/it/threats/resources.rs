//! Resources, the process, and its surroundings: T63 to T77.
//!
//! T64 is shown by `tests/container/peers.rs`, T65 by `proxy/forged.rs`, T66 beside the tables in `src/limits/` and
//! `src/observe/`, T69 by `src/server/control/tests.rs`, T73 and T74 by `.ci/run`, T75 by `tests/container/`, T76 by
//! dialogues, T77 by `architecture.rs`.

mod crowds;
mod floods;
mod names;
