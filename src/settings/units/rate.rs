//! Bytes per second.

use std::fmt;
use std::num::NonZeroU64;

use super::super::value::unit;
use super::leading_number;

/// A rate in bytes per second; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate(pub u64);

unit!(Rate, Number, "bytes per second such as 300KiB, 300K, 2M or 300 * 1024 (300kB is 300000); 0 is no limit");

impl Rate {
    /// The limit in bytes per second, if there is one.
    #[must_use]
    pub const fn limit(self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0)
    }

    fn parse(text: &str) -> Option<Self> {
        product(text).map(Self)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_bytes(self.0, f)
    }
}

/// A number of bytes with its unit, or a product of such.
pub(super) fn product(text: &str) -> Option<u64> {
    text.split('*').try_fold(1_u64, |product, factor| product.checked_mul(bytes(factor.trim())?))
}

/// The same with the largest unit that keeps it whole.
pub(super) fn write_bytes(bytes: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (unit, size) in [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes != 0 && bytes.is_multiple_of(size) {
            return write!(f, "{}{unit}", bytes / size);
        }
    }
    fmt::Display::fmt(&bytes, f)
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    let size = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(Rate, "[0-9]{1,6} ?([kKMG](i?B)?)?( ?\\* ?[0-9]{1,3})?");

    #[test]
    fn units_and_products() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("300KiB", 307_200),
            ("300K", 307_200),
            ("300 k", 307_200),
            ("300 * 1024", 307_200),
            ("300*1KiB", 307_200),
            ("300kB", 300_000),
            ("300KB", 300_000),
            ("1M", 1 << 20),
            ("1MiB", 1 << 20),
            ("1MB", 1_000_000),
            ("2G", 2 << 30),
            ("2gib", 2 << 30),
            ("7B", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Rate(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate() {
        for text in
            ["", "-1", "1.5M", "K", "fast", "1 2", "1 *", "* 1", "18446744073709551616", "99999999999G", "1KiB/s"]
        {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(Rate(0).limit(), None);
        assert_eq!(Rate(1).limit(), NonZeroU64::new(1));
    }
}
