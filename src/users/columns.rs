//! One line of users.conf as values: blanks or tabs between, double quotes around what holds any of them.

/// The values of a line, one after the other.
pub(super) struct Columns<'a> {
    rest: &'a [u8],
}

/// Why the bytes at hand are no value. Nothing of the line is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadValue {
    /// The line ends before all columns were read.
    Missing,
    /// The line ends before the closing quote.
    Unterminated,
    /// A backslash in quotes before anything but a quote or a backslash.
    Escape,
    /// Something follows the closing quote without a blank.
    Glued,
    /// A value that begins with `#`: meant as a comment, or as a password that lacks its quotes.
    Hash,
    /// Past the fourth column, something without `=`.
    NotAPair,
}

impl<'a> Columns<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// The next value; `None` at the end of the line.
    pub(super) fn value(&mut self) -> Option<Result<Vec<u8>, BadValue>> {
        self.skip_blanks();
        match self.rest {
            [] => None,
            [b'#', ..] => Some(Err(BadValue::Hash)),
            _ => Some(self.quoted_or_bare()),
        }
    }

    /// The next `key=value`; `None` at the end of the line.
    pub(super) fn pair(&mut self) -> Option<Result<(&'a str, Vec<u8>), BadValue>> {
        self.skip_blanks();
        match self.rest {
            [] => None,
            [b'#', ..] => Some(Err(BadValue::Hash)),
            _ => Some(self.key().and_then(|key| Ok((key, self.quoted_or_bare()?)))),
        }
    }

    fn skip_blanks(&mut self) {
        self.take_while(is_blank);
    }

    /// Up to and with the `=`. Only words in letters pass, since a key may be shown and a stray password must not be.
    fn key(&mut self) -> Result<&'a str, BadValue> {
        let word = self.take_while(|byte| byte.is_ascii_lowercase() || byte == b'_');
        match (str::from_utf8(word), self.rest) {
            (Ok(key), [b'=', rest @ ..]) if !key.is_empty() => {
                self.rest = rest;
                Ok(key)
            }
            _ => Err(BadValue::NotAPair),
        }
    }

    fn quoted_or_bare(&mut self) -> Result<Vec<u8>, BadValue> {
        match self.rest {
            [b'"', rest @ ..] => {
                self.rest = rest;
                self.quoted()
            }
            _ => Ok(self.take_while(|byte| !is_blank(byte)).to_vec()),
        }
    }

    /// The rest of a value whose opening quote was taken.
    fn quoted(&mut self) -> Result<Vec<u8>, BadValue> {
        let mut value = Vec::new();
        let mut bytes = self.rest.iter().copied();
        loop {
            match bytes.next().ok_or(BadValue::Unterminated)? {
                b'"' => break,
                b'\\' => match bytes.next() {
                    Some(escaped @ (b'"' | b'\\')) => value.push(escaped),
                    _ => return Err(BadValue::Escape),
                },
                byte => value.push(byte),
            }
        }
        self.rest = &self.rest[self.rest.len() - bytes.len()..];
        if self.rest.first().is_none_or(|&byte| is_blank(byte)) { Ok(value) } else { Err(BadValue::Glued) }
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !wanted(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

impl BadValue {
    /// The sentence for the operator.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "expected at least four columns: name, password, permissions, home",
            Self::Unterminated => "a double quote is opened and not closed",
            Self::Escape => "within double quotes a backslash stands before a quote or a backslash only: write `\\\\`",
            Self::Glued => "after a closing double quote a blank is expected: write a quote within quotes as `\\\"`",
            Self::Hash => {
                "a value that begins with `#` stands in double quotes, and a comment stands on a line of its own"
            }
            Self::NotAPair => {
                "expected key=value after the first four columns: a value with blanks stands in double quotes"
            }
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The value in double quotes, as an operator would write it.
    pub(in crate::users) fn quoted(value: &[u8]) -> Vec<u8> {
        let mut written = vec![b'"'];
        for &byte in value {
            if matches!(byte, b'"' | b'\\') {
                written.push(b'\\');
            }
            written.push(byte);
        }
        written.push(b'"');
        written
    }

    fn values(line: &str) -> Result<Vec<String>, BadValue> {
        let mut columns = Columns::of(line.as_bytes());
        std::iter::from_fn(|| columns.value())
            .map(|value| value.map(|bytes| String::from_utf8(bytes).unwrap()))
            .collect()
    }

    fn pairs(line: &str) -> Result<Vec<(String, String)>, BadValue> {
        let mut columns = Columns::of(line.as_bytes());
        std::iter::from_fn(|| columns.pair())
            .map(|pair| pair.map(|(key, value)| (key.to_owned(), String::from_utf8(value).unwrap())))
            .collect()
    }

    #[test]
    fn values_stand_between_blanks_or_in_quotes() {
        for (line, want) in [
            ("", &[][..]),
            (" \t ", &[]),
            ("a b", &["a", "b"]),
            ("\ta \t b\t", &["a", "b"]),
            (r#""a b" c"#, &["a b", "c"]),
            (r#""" c"#, &["", "c"]),
            (r##""# \" \\" c"##, &[r#"# " \"#, "c"]),
            (r#"a"b c\"#, &[r#"a"b"#, r"c\"]),
            ("a#b", &["a#b"]),
            ("a=\"b c\"", &["a=\"b", "c\""]),
        ] {
            assert_eq!(values(line).unwrap(), want, "{line}");
        }
    }

    #[test]
    fn what_is_no_value() {
        for (line, want) in [
            (r#"a "b c"#, BadValue::Unterminated),
            (r#"""#, BadValue::Unterminated),
            (r#""a\"#, BadValue::Escape),
            (r#""a\n""#, BadValue::Escape),
            (r#""a"b"#, BadValue::Glued),
            (r#""a""b""#, BadValue::Glued),
            ("a # comment", BadValue::Hash),
        ] {
            assert_eq!(values(line), Err(want), "{line}");
        }
    }

    #[test]
    fn pairs_may_have_quoted_values() {
        let want = [("a", "1"), ("b_c", "two words"), ("d", ""), ("e", "x=y")];
        let want: Vec<_> = want.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(pairs(r#" a=1 b_c="two words" d=  e=x=y"#).unwrap(), want);
        for (line, want) in [
            ("a", BadValue::NotAPair),
            ("=a", BadValue::NotAPair),
            ("a =1", BadValue::NotAPair),
            ("a-b=1", BadValue::NotAPair),
            (r#""a=b""#, BadValue::NotAPair),
            ("# a=1", BadValue::Hash),
            (r#"a="1"#, BadValue::Unterminated),
        ] {
            assert_eq!(pairs(line), Err(want), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_value_reads_back_from_quotes(first: Vec<u8>, second: Vec<u8>) {
            let line = [quoted(&first), quoted(&second)].join(&b'\t');
            let mut columns = Columns::of(&line);
            prop_assert_eq!(columns.value(), Some(Ok(first)));
            prop_assert_eq!(columns.value(), Some(Ok(second)));
            prop_assert_eq!(columns.value(), None);
        }
    }
}
