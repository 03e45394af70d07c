//! A length of time.

use std::fmt;
use std::time::Duration;

use super::super::value::unit;
use super::leading_number;

/// A length of time, of whole milliseconds; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span(pub Duration);

unit!(Span, Number, "a duration of at most a year such as 5m, 300 (seconds), 1h30m or 500ms; 0 is no limit");

/// So that no sum of a clock and a setting can overflow.
const LONGEST: u64 = 366 * 24 * 60 * 60 * 1000;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The limit, if there is one.
    #[must_use]
    pub const fn limit(self) -> Option<Duration> {
        if self.0.is_zero() { None } else { Some(self.0) }
    }

    fn parse(text: &str) -> Option<Self> {
        let milliseconds = match text.parse::<u64>() {
            Ok(seconds) => seconds.checked_mul(1_000)?,
            Err(_) => parts(text)?,
        };
        (milliseconds <= LONGEST).then(|| Self(Duration::from_millis(milliseconds)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0");
        }
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        for (unit, size) in UNITS {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
            }
            rest %= size;
        }
        Ok(())
    }
}

/// The milliseconds of `1h30m`: numbers with units, added up.
fn parts(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    loop {
        let (number, after) = leading_number(rest)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let (_, size) = UNITS.into_iter().find(|(unit, _)| unit.eq_ignore_ascii_case(name))?;
        total = total.checked_add(number.checked_mul(size)?)?;
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(Span, "[0-9]{1,7}|[0-9]{1,2}h ?[0-9]{1,3} ?m|[0-9]{1,9}ms|[0-9]{1,2}d");

    #[test]
    fn units() {
        for (text, milliseconds) in [
            ("0", 0),
            ("300", 300_000),
            ("5m", 300_000),
            ("3s", 3_000),
            ("1h30m", 5_400_000),
            ("1h 30 M", 5_400_000),
            ("500ms", 500),
            ("1s500ms", 1_500),
            ("2d", 172_800_000),
        ] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(milliseconds))), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in
            ["", "-5", "1.5s", "m", "5x", "5m5", "soon", "1000d", "99999999999999999999", "18446744073709551615"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(Span::from_secs(0).limit(), None);
        assert_eq!(Span::from_secs(5).limit(), Some(Duration::from_secs(5)));
    }
}
