//! Bytes on a disk.

use std::fmt;

use super::super::value::unit;
use super::rate::{product, write_bytes};

/// A number of bytes; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size(pub u64);

unit!(Size, Number, "bytes such as 10GiB, 500M or 2 * 1024 (10GB is 10000000000); 0 is no limit");

impl Size {
    /// The limit in bytes, if there is one.
    #[must_use]
    pub fn limit(self) -> Option<u64> {
        (self.0 != 0).then_some(self.0)
    }

    fn parse(text: &str) -> Option<Self> {
        product(text).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_bytes(self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(Size, "[0-9]{1,6} ?([kKMG](i?B)?)?( ?\\* ?[0-9]{1,3})?");

    #[test]
    fn units() {
        assert_eq!("2T".parse(), Ok(Size(2 << 40)));
        assert_eq!(Size(3 << 30).to_string(), "3GiB");
        assert_eq!((Size(0).limit(), Size(5).limit()), (None, Some(5)));
        assert!("much".parse::<Size>().is_err());
    }
}
