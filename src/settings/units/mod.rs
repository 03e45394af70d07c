//! The types of settings: each is read from text once, so a held value is a valid value.

mod address;
mod choice;
mod encoding;
mod hook;
mod identity;
mod masquerade;
mod number;
mod permission;
mod ports;
mod rate;
mod secret;
mod size;
mod slice;
mod span;

pub use address::{Cidrs, ListenAddresses, ListenSockets};
pub use choice::{
    CloseNotify, LogFormat, LogLevel, LogRotation, ProxyProtocol, SessionReuse, TlsMode, TlsVersion, UploadMode,
};
pub use encoding::Encoding;
pub use hook::{CommandLine, Hook, WebAddress};
pub use identity::Identity;
pub use masquerade::{Masquerade, MasqueradeMap, MasqueradeRule, MasqueradeTo, MasqueradeWhen};
pub use number::{Count, Octal};
pub use permission::{Permission, Permissions, UnknownLetter};
pub use ports::PortRange;
pub use rate::Rate;
pub use secret::Secret;
pub use size::Size;
pub use slice::Slice;
pub use span::Span;

/// The leading digits of a text as a number, and the text after them.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// For every unit: whatever reads, is written in a form that reads as the same again; and no text makes it panic.
#[cfg(test)]
macro_rules! reads_back {
    ($type:ty, $pattern:literal) => {
        proptest::proptest! {
            #[test]
            fn what_is_written_reads_back(text in $pattern) {
                let value: $type = text.parse().unwrap();
                proptest::prop_assert_eq!(value.to_string().parse::<$type>().unwrap(), value);
            }

            #[test]
            fn any_text_is_a_value_or_an_error(text in ".{0,40}|[0-9a-fikmsGMK*.:,/= -]{0,20}") {
                if let Ok(value) = text.parse::<$type>() {
                    proptest::prop_assert_eq!(value.to_string().parse::<$type>().unwrap(), value);
                }
            }
        }
    };
}
#[cfg(test)]
use reads_back;
