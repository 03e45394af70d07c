//! Times as RFC 3659 section 2.3 spells them: `YYYYMMDDHHMMSS`, with an optional fraction, always UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads a time into seconds since 1970. A fraction is read and dropped: file times are kept in seconds here.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<i64> {
    let (whole, fraction) = match bytes.iter().position(|&byte| byte == b'.') {
        Some(dot) => (&bytes[..dot], &bytes[dot + 1..]),
        None => (bytes, &b"0"[..]),
    };
    let all_digits = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if whole.len() != 14 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let number = |from: usize, to: usize| {
        whole[from..to].iter().fold(0i16, |value, &digit| value * 10 + i16::from(digit - b'0'))
    };
    let small = |from: usize| i8::try_from(number(from, from + 2)).ok();
    // A leap second, which POSIX time does not have, is the second before it.
    let second = small(12)?;
    let second = if second == 60 { 59 } else { second };
    let civil = DateTime::new(number(0, 4), small(4)?, small(6)?, small(8)?, small(10)?, second, 0).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Writes seconds since 1970; a time beyond the year 9999 or before 0 is written as 1970's first second.
#[must_use]
pub fn format(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC);
    let time = if (0..=9999).contains(&time.year()) { time } else { Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC) };
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_fourteen_digits() {
        for (text, want) in [
            ("19700101000000", Some(0)),
            ("20020717210715", Some(1_026_940_035)),
            ("20020717210715.999", Some(1_026_940_035)),
            ("20240229000000", Some(1_709_164_800)),
            ("20161231235960", Some(1_483_228_799)),
            ("19691231235959", Some(-1)),
            ("20230229000000", None),
            ("20231301000000", None),
            ("2023010100000", None),
            ("202301010000000", None),
            ("20230101000000.", None),
            ("20230101000000.x", None),
            ("2023-01-01T0000", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn a_time_outside_four_digits_of_year_does_not_break_the_line() {
        assert_eq!(format(i64::MAX), "19700101000000");
        assert_eq!(format(i64::MIN), "19700101000000");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0i64..253_402_300_799) {
            prop_assert_eq!(parse(format(seconds).as_bytes()), Some(seconds));
        }
    }
}
