//! What a user may do, in pyftpdlib's letters: `elr` reads, `adfmwMT` writes.

use std::fmt;
use std::str::FromStr;

/// One thing a user may do, under one letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// `e`: change directory.
    ChangeDirectory,
    /// `l`: list files, and ask their size and time.
    List,
    /// `r`: download.
    Retrieve,
    /// `a`: add to a file that exists.
    Append,
    /// `d`: delete files and directories.
    Delete,
    /// `f`: rename.
    Rename,
    /// `m`: make directories.
    MakeDirectory,
    /// `w`: upload.
    Store,
    /// `M`: change the mode of a file.
    ChangeMode,
    /// `T`: change the time of a file.
    SetTime,
}

/// A set of [`Permission`]s. Written as its letters, the empty set as `-`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permissions(u16);

/// A letter that stands for no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLetter(pub char);

impl Permission {
    /// All of them, in the order they are written.
    pub const ALL: [Self; 10] = [
        Self::ChangeDirectory,
        Self::List,
        Self::Retrieve,
        Self::Append,
        Self::Delete,
        Self::Rename,
        Self::MakeDirectory,
        Self::Store,
        Self::ChangeMode,
        Self::SetTime,
    ];

    /// The letter that stands for it in settings and users.conf.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::ChangeDirectory => 'e',
            Self::List => 'l',
            Self::Retrieve => 'r',
            Self::Append => 'a',
            Self::Delete => 'd',
            Self::Rename => 'f',
            Self::MakeDirectory => 'm',
            Self::Store => 'w',
            Self::ChangeMode => 'M',
            Self::SetTime => 'T',
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Permissions {
    /// Nothing is allowed but to log in.
    pub const NONE: Self = Self(0);
    /// `elradfmwMT`: everything.
    pub const ALL: Self = Self::of(&Permission::ALL);
    /// `elr`: look around and download, the default for anonymous.
    pub const READ_ONLY: Self = Self::of(&[Permission::ChangeDirectory, Permission::List, Permission::Retrieve]);

    /// The set of just these.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut rest = permissions;
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    /// Whether this is allowed.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether anything is allowed that changes files: one of `adfmwMT`.
    #[must_use]
    pub const fn has_write(self) -> bool {
        self.0 & !Self::READ_ONLY.0 != 0
    }

    /// Whether the content of files may be read: `r`.
    #[must_use]
    pub const fn has_read(self) -> bool {
        self.contains(Permission::Retrieve)
    }

    /// Those that are allowed, in the order they are written.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |&permission| self.contains(permission))
    }
}

impl FromStr for Permissions {
    type Err = UnknownLetter;

    /// Letters in any order, also repeated; none, or `-`, is the empty set.
    fn from_str(letters: &str) -> Result<Self, UnknownLetter> {
        if letters == "-" {
            return Ok(Self::NONE);
        }
        letters.chars().try_fold(Self::NONE, |allowed, letter| {
            let known = Permission::ALL.into_iter().find(|permission| permission.letter() == letter);
            known.map(|permission| Self(allowed.0 | permission.bit())).ok_or(UnknownLetter(letter))
        })
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: String = self.iter().map(Permission::letter).collect();
        f.pad(if letters.is_empty() { "-" } else { &letters })
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permissions({self})")
    }
}

impl fmt::Display for UnknownLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown permission letter `{}`, expected letters of {}", self.0.escape_default(), Permissions::ALL)
    }
}

impl std::error::Error for UnknownLetter {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn letters_are_read_in_any_order_and_written_in_one() {
        for (text, written) in [
            ("elr", "elr"),
            ("rle", "elr"),
            ("eeell", "el"),
            ("TMwmfdarle", "elradfmwMT"),
            ("m", "m"),
            ("M", "M"),
            ("-", "-"),
            ("", "-"),
        ] {
            assert_eq!(text.parse::<Permissions>().unwrap().to_string(), written, "{text:?}");
        }
        assert_eq!(Permissions::ALL.to_string(), "elradfmwMT");
        assert_eq!("elr".parse(), Ok(Permissions::READ_ONLY));
    }

    #[test]
    fn an_unknown_letter_is_named() {
        for (text, letter) in [("elx", 'x'), ("E", 'E'), ("el r", ' '), ("e-", '-'), ("--", '-'), ("elé", 'é')] {
            assert_eq!(text.parse::<Permissions>(), Err(UnknownLetter(letter)), "{text:?}");
        }
        assert!(UnknownLetter('x').to_string().contains("`x`"));
        assert!(UnknownLetter('\x1b').to_string().chars().all(|shown| !shown.is_control()));
    }

    #[test]
    fn writing_is_any_letter_but_the_three_that_read() {
        for permission in Permission::ALL {
            let writes = !"elr".contains(permission.letter());
            assert_eq!(Permissions::of(&[permission]).has_write(), writes, "{permission:?}");
        }
        assert!(!Permissions::NONE.has_write());
        assert!(!Permissions::READ_ONLY.has_write());
    }

    proptest! {
        #[test]
        fn every_set_reads_back_as_it_is_written(bits in 0_u16..1 << 10) {
            let set = Permissions(bits);
            prop_assert_eq!(set.to_string().parse(), Ok(set));
            for permission in Permission::ALL {
                prop_assert_eq!(set.contains(permission), set.to_string().contains(permission.letter()));
            }
        }
    }
}
