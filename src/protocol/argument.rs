//! What follows the verb, before a command reads it: RFC 959 section 5.3.2.

use std::fmt;

/// The bytes after `VERB `: everything, blanks at either end included, for they may belong to a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument<'a>(&'a [u8]);

/// Why an argument is none (each is a 501).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// The command needs one and there is none.
    Missing,
    /// The command takes none and there is one.
    Unexpected,
    /// It is not of the command's form; the text says what is.
    Malformed(&'static str),
}

impl<'a> Argument<'a> {
    /// Splits a line into its verb, in capitals, and its argument.
    #[must_use]
    pub fn split(line: &'a [u8]) -> (Vec<u8>, Self) {
        let verb_length = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
        let argument = line.get(verb_length + 1..).unwrap_or_default();
        (line[..verb_length].to_ascii_uppercase(), Self(argument))
    }

    /// An argument made of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes, which may be none.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// For a command whose argument may hold any other byte: a name with these could forge lines, or end early.
    ///
    /// # Errors
    /// [`Syntax::Malformed`] where there is NUL or CR; LF ends the line before it comes here.
    pub fn without_line_ends(self) -> Result<(), Syntax> {
        self.without(|byte| matches!(byte, 0 | b'\r' | b'\n'), "expected no NUL, CR or LF")
    }

    /// For a command whose argument is text.
    ///
    /// # Errors
    /// [`Syntax::Malformed`] where there is a control byte.
    pub fn without_control_bytes(self) -> Result<(), Syntax> {
        self.without(u8::is_ascii_control, "expected no control bytes")
    }

    fn without(self, forbidden: impl Fn(&u8) -> bool, wrong: &'static str) -> Result<(), Syntax> {
        if self.0.iter().any(forbidden) { Err(Syntax::Malformed(wrong)) } else { Ok(()) }
    }

    /// For a command that takes no argument. Blanks do not count.
    ///
    /// # Errors
    /// [`Syntax::Unexpected`] where there is one.
    pub fn none(self) -> Result<(), Syntax> {
        if self.0.iter().all(|&byte| byte == b' ') { Ok(()) } else { Err(Syntax::Unexpected) }
    }

    /// For a command that needs an argument.
    ///
    /// # Errors
    /// [`Syntax::Missing`] where there is none.
    pub fn some(self) -> Result<&'a [u8], Syntax> {
        if self.0.is_empty() { Err(Syntax::Missing) } else { Ok(self.0) }
    }

    /// A name of a file or a user, as it came: blanks may belong to it.
    ///
    /// # Errors
    /// [`Syntax::Missing`] where there is none.
    pub fn name(self) -> Result<Vec<u8>, Syntax> {
        self.some().map(<[u8]>::to_vec)
    }

    /// A name that may be left out.
    #[must_use]
    pub fn optional_name(self) -> Option<Vec<u8>> {
        self.name().ok()
    }

    /// A word that is no file name: blanks at the ends do not count, letters become capitals.
    ///
    /// # Errors
    /// [`Syntax::Missing`] where there is none.
    pub fn word(self) -> Result<Vec<u8>, Syntax> {
        Ok(self.some()?.trim_ascii().to_ascii_uppercase())
    }

    /// A count of bytes: digits only, at most 2^63-1, for more than that is no place in a file.
    ///
    /// # Errors
    /// [`Syntax::Missing`] or [`Syntax::Malformed`].
    pub fn number(self) -> Result<u64, Syntax> {
        parse_number(self.some()?.trim_ascii())
    }
}

/// Digits only, at most 2^63-1.
///
/// # Errors
/// [`Syntax::Malformed`] for anything else.
pub fn parse_number(digits: &[u8]) -> Result<u64, Syntax> {
    const WRONG: Syntax = Syntax::Malformed("expected a number from 0 to 9223372036854775807");
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(WRONG);
    }
    let number: u64 = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(WRONG)?;
    if i64::try_from(number).is_ok() { Ok(number) } else { Err(WRONG) }
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "command needs an argument",
            Self::Unexpected => "command does not accept arguments",
            Self::Malformed(expected) => expected,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_verb_and_all_the_rest() {
        for (line, verb, argument) in [
            ("NOOP", "NOOP", ""),
            ("retr a b ", "RETR", "a b "),
            ("RETR  a", "RETR", " a"),
            ("CWD ", "CWD", ""),
            ("", "", ""),
            (" X", "", "X"),
        ] {
            let (found, rest) = Argument::split(line.as_bytes());
            assert_eq!((found.as_slice(), rest.bytes()), (verb.as_bytes(), argument.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn numbers_are_digits_that_a_file_can_have() {
        for (text, want) in [
            ("0", Some(0)),
            ("007", Some(7)),
            (" 12 ", Some(12)),
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372036854775808", None),
            ("18446744073709551616", None),
            ("1000000000000000000000000000000", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("0x10", None),
            ("1 2", None),
            ("", None),
            (" ", None),
        ] {
            assert_eq!(Argument::new(text.as_bytes()).number().ok(), want, "{text:?}");
        }
    }

    #[test]
    fn wants_of_a_command() {
        assert_eq!(Argument::new(b"").none(), Ok(()));
        assert_eq!(Argument::new(b"  ").none(), Ok(()));
        assert_eq!(Argument::new(b"x").none(), Err(Syntax::Unexpected));
        assert_eq!(Argument::new(b"").some(), Err(Syntax::Missing));
        assert_eq!(Argument::new(b" ").some(), Ok(&b" "[..]));
        assert_eq!(Argument::new(b" a n ").word(), Ok(b"A N".to_vec()));
    }

    #[test]
    fn bytes_that_may_stand_in_an_argument() {
        for byte in 0..=u8::MAX {
            let text = [b'a', byte, b'b'];
            let control = byte < 0x20 || byte == 0x7F;
            assert_eq!(Argument::new(&text).without_control_bytes().is_err(), control, "{byte:#x}");
            let line_end = b"\0\r\n".contains(&byte);
            assert_eq!(Argument::new(&text).without_line_ends().is_err(), line_end, "{byte:#x}");
        }
    }
}
