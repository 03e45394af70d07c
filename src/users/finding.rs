//! Something to tell the operator about the users: where it stands and what it is, never a password.

use std::fmt;

/// One problem or one warning. Its sentence never holds a password, nor any part of a line that may hold one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where to look.
    pub place: Place,
    /// What was found and what is expected.
    pub sentence: String,
}

/// A line of a text, or a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the operator named it, or the setting.
    pub source: String,
    /// The line of that text, counted from 1; `None` for a setting.
    pub line: Option<usize>,
}

impl Place {
    pub(super) fn line(source: &str, line: usize) -> Self {
        Self { source: source.to_owned(), line: Some(line) }
    }

    pub(super) fn setting(name: &str) -> Self {
        Self { source: name.to_owned(), line: None }
    }

    pub(super) fn finding(self, sentence: impl fmt::Display) -> Finding {
        Finding { place: self, sentence: sentence.to_string() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.sentence)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.source),
            None => f.write_str(&self.source),
        }
    }
}
