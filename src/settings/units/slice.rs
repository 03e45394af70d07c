//! A server's own part of the passive ports, where several servers share one range.

use std::fmt;

use super::super::value::unit;
use super::PortRange;

/// The part with this number of equally large parts, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    index: u16,
    count: u16,
}

unit!(Slice, Text, "a part such as 0/3, the first of three (ftp-0/3, with the name of a pod, is the same)");

impl Slice {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The ports of this part; none if there are fewer ports than parts. What cannot be shared out is left over.
    #[must_use]
    pub fn of(self, range: PortRange) -> Option<PortRange> {
        let size = u16::try_from(range.len() / usize::from(self.count)).ok().filter(|&size| size > 0)?;
        let first = range.first().checked_add(self.index.checked_mul(size)?)?;
        PortRange::new(first, first.checked_add(size - 1)?)
    }

    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::WHOLE);
        }
        let (index, count) = text.split_once('/')?;
        // A StatefulSet's pods are called by its name and a number.
        let index = index.rsplit('-').next()?.trim().parse().ok()?;
        let count = count.trim().parse().ok()?;
        (index < count).then_some(Self { index, count })
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::WHOLE { Ok(()) } else { write!(f, "{}/{}", self.index, self.count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(Slice, "(ftp-)?[0-2]/[3-9]");

    fn slice(text: &str, range: &str) -> Option<String> {
        let slice: Slice = text.parse().unwrap();
        slice.of(range.parse().unwrap()).map(|range| range.to_string())
    }

    #[test]
    fn parts_are_equal_and_do_not_overlap() {
        for (text, range, want) in [
            ("", "30000-30029", Some("30000-30029")),
            ("0/3", "30000-30029", Some("30000-30009")),
            ("longshore-1/3", "30000-30029", Some("30010-30019")),
            ("my-ftp-2/3", "30000-30029", Some("30020-30029")),
            ("2/3", "30000-30030", Some("30020-30029")),
            ("1/2", "65534-65535", Some("65535")),
            ("0/3", "30000-30001", None),
        ] {
            assert_eq!(slice(text, range).as_deref(), want, "{text} of {range}");
        }
    }

    #[test]
    fn what_is_no_part() {
        for text in ["3/3", "0/0", "1", "/3", "ftp/3", "-1/3x", "0/70000"] {
            assert!(text.parse::<Slice>().is_err(), "{text}");
        }
    }
}
