//! What each target does with an input, without a fuzzer: it panics where something is wrong. The fuzz targets run
//! these, and so does `cargo test` on every kept input.

mod arguments;
mod line;
mod listing;
mod paths;
mod proxy;
mod session;
mod settings;
mod users_conf;

/// A target: its name, which its files are kept under, and what it does with an input.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: [Target; 8] = [
    ("line", line::run),
    ("arguments", arguments::run),
    ("paths", paths::run),
    ("users_conf", users_conf::run),
    ("settings", settings::run),
    ("proxy", proxy::run),
    ("listing", listing::run),
    ("session", session::run),
];

/// What must not come out where it is not wanted. The second half cannot be part of a name or a key, which hold no
/// control bytes.
const CANARY: &str = "KANARIEN\u{2}VOGEL";
/// Enough of it to know it by, however the rest is escaped.
const CANARY_HEAD: &str = "KANARIEN";

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// A number that the input gives for whatever a target wants one for; zeros follow its end.
fn take_u64(input: &mut &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let count = input.len().min(bytes.len());
    bytes[..count].copy_from_slice(&input[..count]);
    *input = &input[count..];
    u64::from_le_bytes(bytes)
}
