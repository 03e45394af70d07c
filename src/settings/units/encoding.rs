//! How old clients write file names.

use std::borrow::Cow;
use std::fmt;

use super::super::value::unit;

/// The encoding of file names on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Names pass through as bytes, and are UTF-8 by convention (RFC 2640).
    Utf8,
    /// Names are UTF-8 on the disk and this on the wire. ASCII is ASCII in it, so commands can be read.
    Legacy(&'static encoding_rs::Encoding),
}

unit!(Encoding, Text, "an encoding that holds ASCII as it is, such as utf8, latin-1, gbk or shift_jis (not utf-16)");

impl Encoding {
    /// UTF-8, which is also what OPTS UTF8 ON asks for.
    pub const UTF8: Self = Self::Utf8;

    /// Whether names pass through as they are.
    #[must_use]
    pub fn is_utf8(self) -> bool {
        self == Self::Utf8
    }

    /// A name from the wire as it stands on the disk. Bytes that are none of the encoding are taken as they are.
    #[must_use]
    pub fn decode(self, name: &[u8]) -> Cow<'_, [u8]> {
        let Self::Legacy(encoding) = self else { return Cow::Borrowed(name) };
        match encoding.decode_without_bom_handling_and_without_replacement(name) {
            Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
            _ => Cow::Borrowed(name),
        }
    }

    /// A name from the disk as it goes on the wire. What the encoding cannot write goes as it is.
    #[must_use]
    pub fn encode(self, name: &[u8]) -> Cow<'_, [u8]> {
        let (Self::Legacy(encoding), Ok(text)) = (self, std::str::from_utf8(name)) else { return Cow::Borrowed(name) };
        match encoding.encode(text) {
            (bytes, _, false) => bytes,
            (_, _, true) => Cow::Borrowed(name),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        // Python's spelling, and so pyftpdlib's; the WHATWG labels of encoding_rs know `latin1` only.
        let label = if text.eq_ignore_ascii_case("latin-1") { "latin1" } else { text };
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes())?;
        if encoding == encoding_rs::UTF_8 {
            Some(Self::Utf8)
        } else {
            encoding.is_ascii_compatible().then_some(Self::Legacy(encoding))
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf8 => f.write_str("utf8"),
            Self::Legacy(encoding) => f.write_str(&encoding.name().to_ascii_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(Encoding, "utf-?8|gbk|latin-?1|shift_jis|koi8-r|windows-125[0-8]|big5|GB18030");

    #[test]
    fn labels() {
        assert_eq!("utf8".parse(), Ok(Encoding::Utf8));
        assert_eq!("UTF-8".parse(), Ok(Encoding::Utf8));
        assert_eq!("gbk".parse(), Ok(Encoding::Legacy(encoding_rs::GBK)));
        assert_eq!("latin-1".parse(), Ok(Encoding::Legacy(encoding_rs::WINDOWS_1252)));
        for text in ["", "utf-16", "utf-16le", "iso-2022-jp", "replacement", "klingon"] {
            assert!(text.parse::<Encoding>().is_err(), "{text}");
        }
    }
}
