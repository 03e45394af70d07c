//! The range of ports for passive data connections.

use std::fmt;

use super::super::value::unit;

/// Ports from `first` to `last`, both included; never empty, never port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

unit!(PortRange, List, "an inclusive range of ports such as 30000-30009 (or 30000,30009), or one port");

#[expect(clippy::len_without_is_empty, reason = "a range has at least one port")]
impl PortRange {
    /// The range from `first` to `last`, both included; none if that is empty or has port 0.
    #[must_use]
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first == 0 || first > last { None } else { Some(Self { first, last }) }
    }

    /// The lowest port.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port, which belongs to the range.
    #[must_use]
    pub const fn last(self) -> u16 {
        self.last
    }

    /// How many ports there are, at least one.
    #[must_use]
    pub fn len(self) -> usize {
        self.iter().len()
    }

    /// Whether `port` belongs to the range.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Every port, upwards.
    pub fn iter(self) -> impl ExactSizeIterator<Item = u16> + Clone {
        self.first..=self.last
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once(['-', ',']).unwrap_or((text, text));
        Self::new(first.trim().parse().ok()?, last.trim().parse().ok()?)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(PortRange, "[1-2][0-9]{3} ?[-,] ?[3-9][0-9]{3}");

    #[test]
    fn spellings() {
        for (text, first, last) in [
            ("30000-30009", 30000, 30009),
            ("2000,2200", 2000, 2200),
            ("2000, 2200", 2000, 2200),
            ("3000", 3000, 3000),
            ("65535-65535", 65535, 65535),
        ] {
            assert_eq!(text.parse::<PortRange>().ok(), PortRange::new(first, last), "{text}");
        }
        for text in ["", "0-5", "5-4", "1,2,3", "1-2-3", "70000", "a-b", "-5", "5-"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_port_belongs_to_it() {
        let range: PortRange = "30000-30009".parse().unwrap();
        assert_eq!(range.len(), 10);
        assert_eq!(range.iter().last(), Some(30009));
        assert!(range.contains(30009) && !range.contains(30010) && !range.contains(29999));
        assert_eq!(PortRange::new(1, u16::MAX).unwrap().len(), 65535);
    }
}
