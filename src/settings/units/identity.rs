//! Who the process is to become.

use std::fmt;

use super::super::value::unit;

/// A user and a group by their numbers, for a container has no names; or nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity(Option<(u32, u32)>);

unit!(Identity, Text, "uid:gid in numbers, such as 1000:1000, neither of them 0");

impl Identity {
    /// The user and the group to become.
    #[must_use]
    pub const fn wanted(self) -> Option<(u32, u32)> {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(None));
        }
        let (uid, gid) = text.split_once(':')?;
        let number = |text: &str| text.parse().ok().filter(|&number| number != 0 && number != u32::MAX);
        Some(Self(Some((number(uid)?, number(gid)?))))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |(uid, gid)| write!(f, "{uid}:{gid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(Identity, "([1-9][0-9]{0,4}:[1-9][0-9]{0,4})?");

    #[test]
    fn numbers_only_and_never_root() {
        assert_eq!("1000:100".parse::<Identity>().unwrap().wanted(), Some((1000, 100)));
        assert_eq!("".parse::<Identity>().unwrap().wanted(), None);
        for text in ["ftp:ftp", "1000", "0:0", "1000:0", "0:1000", ":", "1:2:3", "4294967295:1", "-1:1"] {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }
}
