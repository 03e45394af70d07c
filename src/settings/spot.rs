//! Where in the settings file a problem is, drawn: the line, and a mark below the part that is meant.
//!
//! No value of a secret is drawn, nor one under a name that no setting has: it may be a password under a mistyped name.

use std::fmt;
use std::ops::Range;

use toml_edit::ImDocument;

use super::field::Field;

/// The longest line that is drawn, in characters; on longer ones the mark would be out of sight.
const LONGEST: usize = 160;

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Counted from 1.
    line: usize,
    text: String,
    /// What is meant of it, in characters.
    meant: Range<usize>,
}

impl Spot {
    /// The value of this key in the text of a settings file, or the key itself if its value is not to be shown.
    pub(super) fn of(key: &str, text: &str) -> Option<Self> {
        let document = ImDocument::parse(text).ok()?;
        let (key, value) = document.get_key_value(key)?;
        let written = key.span()?;
        let is_shown = Field::named(key.get()).is_some_and(|field| !field.secret);
        // The value of `[table]` has no place of its own. An address may have a password in it.
        let may_be_drawn = |span: &Range<usize>| {
            is_shown && span.start >= written.end && text.get(span.clone()).is_some_and(|value| !value.contains('@'))
        };
        match value.span().filter(may_be_drawn) {
            Some(value) => Self::within(text, value.clone(), value.end),
            None => Self::within(text, written.clone(), written.end),
        }
    }

    /// These bytes, in their line, of which nothing is drawn from `end` on.
    fn within(text: &str, meant: Range<usize>, end: usize) -> Option<Self> {
        let (before, line) = (text.get(..meant.start)?, text.get(..meant.start)?.rfind('\n').map_or(0, |at| at + 1));
        let drawn = text.get(line..end)?.lines().next()?.trim_end();
        let start = before.get(line..)?.chars().count();
        let drawn: String = drawn.chars().map(|drawn| if drawn.is_control() { ' ' } else { drawn }).collect();
        let length = drawn.chars().count();
        let number = 1 + before.matches('\n').count();
        (start < length && length <= LONGEST).then_some(Self { line: number, text: drawn, meant: start..length })
    }
}

/// Three lines, each with a newline before it.
impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, text, meant } = self;
        let number = line.to_string();
        let (blank, width) = ("", number.len());
        let (indent, mark) = (" ".repeat(meant.start), "^".repeat(meant.len()));
        write!(f, "\n {blank:width$} |\n {number} | {text}\n {blank:width$} | {indent}{mark}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(key: &str, text: &str) -> Option<String> {
        Spot::of(key, text).map(|spot| spot.to_string())
    }

    #[test]
    fn the_value_is_marked_in_its_line() {
        assert_eq!(
            drawn("max_cons", "# first\n\nmax_cons = \"many\" # of them\n").as_deref(),
            Some("\n   |\n 3 | max_cons = \"many\"\n   |            ^^^^^^")
        );
        let tenth = format!("{}  port\t=  65536", "\n".repeat(9));
        assert_eq!(drawn("port", &tenth).as_deref(), Some("\n    |\n 10 |   port =  65536\n    |           ^^^^^"));
    }

    #[test]
    fn of_several_lines_the_first_is_marked() {
        let text = "trusted_peers = [\n  \"10.0.0.0/40\",\n]\n";
        assert_eq!(
            drawn("trusted_peers", text).as_deref(),
            Some("\n   |\n 1 | trusted_peers = [\n   |                 ^")
        );
    }

    #[test]
    fn a_key_without_a_value_to_be_shown_is_marked_itself() {
        for (key, text) in [
            ("pass", "pass = 12345"),
            ("users", "users = \"\"\"\nalice 12345 elr x\n\"\"\""),
            ("pas", "pas = \"12345\""),
            ("on_upload", "on_upload = \"https://bob:12345@example.org/\""),
            ("limits", "[limits]\nmax_cons = 12345"),
            ("port", "[port]\ncontrol = 12345"),
        ] {
            let drawn = drawn(key, text).unwrap();
            assert!(drawn.contains('^') && drawn.contains(key) && !drawn.contains("123"), "{drawn}");
        }
    }

    #[test]
    fn nothing_is_drawn_of_what_is_not_there_or_too_long() {
        assert_eq!(drawn("port", "max_cons = 1"), None);
        assert_eq!(drawn("port", "port = "), None);
        assert_eq!(drawn("welcome_msg", &format!("welcome_msg = \"{}\"", "x".repeat(LONGEST))), None);
    }
}
