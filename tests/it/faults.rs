//! What goes wrong around an FTP server, and what comes of it here. The numbers (F01 …) are those of the catalogue of
//! faults that this server was built against; a test elsewhere that shows the same names its number too.
//!
//! F11 is shown by `src/data/pump/tests.rs`, F12, F13 and F14 by `dialogues/download.txt`, F52 by `network/addresses.rs`.

mod crowd;
mod files;
mod kill;
mod large;
mod names;
mod network;
mod process;
mod volumes;
