//! Plain numbers: how many, and which mode bits.

use std::fmt;

use super::super::value::unit;

/// How many of something; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count(pub u32);

unit!(Count, Number, "a whole number; 0 is no limit");

impl Count {
    /// The limit, if there is one.
    #[must_use]
    pub const fn limit(self) -> Option<u32> {
        if self.0 == 0 { None } else { Some(self.0) }
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Permission bits of a file or directory, or a mask of them: at most `777`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Octal(pub u32);

unit!(Octal, Text, "octal digits in quotes, from \"000\" to \"777\"");

impl Octal {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let bits = u32::from_str_radix(digits, 8).ok()?;
        (bits <= 0o777).then_some(Self(bits))
    }
}

impl fmt::Display for Octal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(Octal, "0?[0-7]{1,3}");

    #[test]
    fn octal_is_octal() {
        for (text, bits) in [("022", 0o22), ("22", 0o22), ("0o22", 0o22), ("0", 0), ("0777", 0o777)] {
            assert_eq!(text.parse(), Ok(Octal(bits)), "{text}");
        }
        for text in ["", "8", "1777", "rwx", "-1", "0x12"] {
            assert!(text.parse::<Octal>().is_err(), "{text}");
        }
    }

    #[test]
    fn zero_of_a_count_is_no_limit() {
        assert_eq!("0".parse::<Count>().unwrap().limit(), None);
        assert_eq!("5".parse::<Count>().unwrap().limit(), Some(5));
        for text in ["", "-1", "4294967296", "five", "1.0"] {
            assert!(text.parse::<Count>().is_err(), "{text}");
        }
    }
}
