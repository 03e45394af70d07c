//! What the type of every setting can do: be read from an operator's text, be written again, and say what it expects.
//!
//! A value travels as text until its own type reads it, so nothing retypes it on the way: a password of `12345` or
//! a umask of `022` stays what it is.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Unexpected, Visitor};

/// A type that a setting may have.
pub trait Value: Sized {
    /// What TOML may write without quotes for it.
    const FORM: Form;
    /// Whether its text is never shown.
    const SECRET: bool = false;
    /// What an operator may write, as the end of a sentence that begins with «expected».
    const EXPECTED: &'static str;

    /// The value that `text` stands for, if any.
    fn read(text: &str) -> Option<Self>;

    /// A text that reads back as this value; stars for a secret.
    fn write(&self) -> String;
}

/// What TOML may write for a value besides a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `true` and `false`, or `1` and `0`.
    Switch,
    /// An integer.
    Number,
    /// Nothing: an unquoted number would be retyped on the way (`0o22` is 18, `1e3` is 1000).
    Text,
    /// An integer, or a list of strings and integers where the text has commas.
    List,
}

/// Why a text is no value: what was expected instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected(pub &'static str);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl std::error::Error for Expected {}

/// Makes a [`Value`] of a type that has `fn parse(&str) -> Option<Self>` and `Display`: also `FromStr` and `Deserialize`.
macro_rules! unit {
    ($type:ty, $form:ident, $expected:literal) => {
        impl $crate::settings::value::Value for $type {
            const FORM: $crate::settings::value::Form = $crate::settings::value::Form::$form;
            const EXPECTED: &'static str = $expected;

            fn read(text: &str) -> Option<Self> {
                Self::parse(text.trim())
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::settings::value::Expected;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <Self as $crate::settings::value::Value>::read(text).ok_or($crate::settings::value::Expected($expected))
            }
        }
    };
}
pub(super) use unit;

/// Serde's way into a [`Value`].
pub(super) struct Read<T>(pub(super) T);

impl<'de, T: Value> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

/// One element of a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element<'a> {
    Text(Cow<'a, str>),
    Number(i64),
}

impl<'de, T: Value> Visitor<'de> for Reader<T> {
    type Value = Read<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Read<T>, E> {
        T::read(text).map(Read).ok_or_else(|| E::invalid_value(Unexpected::Other(&format!("{text:?}")), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Read<T>, E> {
        self.visit_bare(T::FORM != Form::Text, &number.to_string())
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Read<T>, E> {
        self.visit_bare(T::FORM == Form::Switch, &on.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Read<T>, A::Error> {
        if T::FORM != Form::List {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let mut elements = Vec::new();
        while let Some(element) = list
            .next_element()
            .map_err(|_| A::Error::invalid_type(Unexpected::Other("a list of other things"), &self))?
        {
            elements.push(match element {
                Element::Text(text) => text.into_owned(),
                Element::Number(number) => number.to_string(),
            });
        }
        self.visit_str(&elements.join(","))
    }
}

impl<T: Value> Reader<T> {
    fn visit_bare<E: Error>(self, allowed: bool, text: &str) -> Result<Read<T>, E> {
        let value = if allowed { T::read(text) } else { None };
        value.map(Read).ok_or_else(|| E::invalid_type(Unexpected::Other(&format!("{text} without quotes")), &self))
    }
}

impl Value for bool {
    const FORM: Form = Form::Switch;
    const EXPECTED: &'static str = "on or off (also true/false, yes/no, 1/0)";

    fn read(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Some(true),
            "off" | "false" | "no" | "0" => Some(false),
            _ => None,
        }
    }

    fn write(&self) -> String {
        if *self { "on" } else { "off" }.to_owned()
    }
}

impl Value for u16 {
    const FORM: Form = Form::Number;
    const EXPECTED: &'static str = "a port number from 0 to 65535";

    fn read(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    const FORM: Form = Form::Text;
    const EXPECTED: &'static str = "text in quotes";

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn write(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    const FORM: Form = Form::Text;
    const EXPECTED: &'static str = "a path in quotes";

    fn read(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains('\0')).then(|| text.into())
    }

    fn write(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

/// Empty is none.
impl Value for Option<PathBuf> {
    const FORM: Form = Form::Text;
    const EXPECTED: &'static str = "a path in quotes, or nothing between them";

    fn read(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { PathBuf::read(text).map(Some) }
    }

    fn write(&self) -> String {
        self.as_ref().map_or_else(String::new, PathBuf::write)
    }
}

impl Value for crate::settings::Permissions {
    const FORM: Form = Form::Text;
    const EXPECTED: &'static str = "permission letters out of elradfmwMT";

    fn read(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_in_any_case() {
        for (word, on) in [("on", true), ("TRUE", true), ("Yes", true), ("1", true), (" on ", true)]
            .into_iter()
            .chain([("off", false), ("False", false), ("NO", false), ("0", false)])
        {
            assert_eq!(bool::read(word), Some(on), "{word}");
        }
        for word in ["", "maybe", "2", "o n", "tru"] {
            assert_eq!(bool::read(word), None, "{word}");
        }
    }

    #[test]
    fn an_empty_optional_path_is_none_and_an_empty_path_nothing() {
        assert_eq!(Option::<PathBuf>::read(""), Some(None));
        assert_eq!(Option::<PathBuf>::read("a"), Some(Some("a".into())));
        assert_eq!(Option::<PathBuf>::read("a\0"), None);
        assert_eq!(PathBuf::read(""), None);
    }

    #[test]
    fn ports_end_at_65535() {
        assert_eq!(u16::read("65535"), Some(65535));
        assert_eq!(u16::read("65536"), None);
        assert_eq!(u16::read("-1"), None);
    }
}
