//! One row of the table of settings, and the macro that makes a struct and a list of all rows.

use figment::Figment;
use figment::error::Kind;

use super::problem::Problem;
use super::table::FIELDS;
use super::value::{Form, Read, Value};

/// What is known of a setting besides its type.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its key in the file; variable and flag follow from it.
    pub name: &'static str,
    /// Its default, as an operator would write it.
    pub default: &'static str,
    /// What it means, in one line.
    pub doc: &'static str,
    /// What TOML may write for it.
    pub form: Form,
    /// Whether its value is never shown.
    pub secret: bool,
    /// Whether it is read at start only, and so keeps its value until a restart.
    pub at_start: bool,
}

impl Field {
    /// The setting of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.name == name)
    }

    /// What it means, and whether a change of it waits for a restart.
    #[must_use]
    pub fn meaning(&self) -> String {
        format!("{}{}", self.doc, if self.at_start { " A change needs a restart." } else { "" })
    }

    /// Its environment variable, `FTP_MAX_CONS`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("FTP_{}", self.name.to_ascii_uppercase())
    }

    /// Its flag without the dashes, `max-cons`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

/// Makes `Settings` and `FIELDS` of rows `/// meaning`, `name: Type = "default",`; `at start` before the comma is for
/// those that are read then only.
macro_rules! settings {
    ($(#[doc = $doc:literal] $name:ident: $type:ty = $default:literal $(at $start:ident)?,)+) => {
        /// Everything an operator may change, read and valid.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $(#[doc = $doc] pub $name: $type,)+
        }

        /// Every setting, in the order of the table.
        pub static FIELDS: &[$crate::settings::field::Field] = &[$($crate::settings::field::Field {
            name: stringify!($name),
            default: $default,
            doc: $doc.trim_ascii(),
            form: <$type as $crate::settings::value::Value>::FORM,
            secret: <$type as $crate::settings::value::Value>::SECRET,
            at_start: !concat!($(stringify!($start))?).is_empty(),
        }),+];

        impl Settings {
            /// Every value as text, in the order of [`FIELDS`]; stars for secrets.
            #[must_use]
            pub fn texts(&self) -> Vec<String> {
                vec![$($crate::settings::value::Value::write(&self.$name)),+]
            }

            /// Changes one setting by its name, from text as an operator would write it.
            ///
            /// # Errors
            /// There is no such setting, or the text is no value of it.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), $crate::settings::Problem> {
                let refused = |expected: &str| $crate::settings::Problem::new(name, format!("expected {expected}"));
                match name {
                    $(stringify!($name) => self.$name = <$type as $crate::settings::Value>::read(text)
                        .ok_or_else(|| refused(<$type as $crate::settings::Value>::EXPECTED))?,)+
                    _ => return Err($crate::settings::Problem::new(name, "there is no such setting")),
                }
                Ok(())
            }

            /// The settings that have another value there.
            #[must_use]
            pub fn differing(&self, other: &Self) -> Vec<&'static $crate::settings::field::Field> {
                let differ = [$(self.$name != other.$name),+];
                FIELDS.iter().zip(differ).filter_map(|(field, differs)| differs.then_some(field)).collect()
            }

            /// Takes over the values of those that are read at start only.
            pub fn keep_those_read_at_start(&mut self, old: &Self) {
                $($( let $start = &old.$name; self.$name.clone_from($start); )?)+
            }

            /// Reads every field by itself, so that no problem hides another. A field with one keeps its default.
            pub(super) fn read(layers: &figment::Figment) -> (Self, Vec<$crate::settings::problem::Problem>) {
                let mut problems = Vec::new();
                let mut default = Self::default();
                $(match $crate::settings::field::extract(layers, stringify!($name)) {
                    Ok(value) => default.$name = value,
                    Err(problem) => problems.push(problem),
                })+
                (default, problems)
            }
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $crate::settings::field::from_default($default)),+ }
            }
        }
    };
}
pub(super) use settings;

/// The value of one field, by the uppermost layer that has it.
pub(super) fn extract<T: Value>(layers: &Figment, name: &'static str) -> Result<T, Problem> {
    let error = match layers.extract_inner::<Read<T>>(name) {
        Ok(Read(value)) => return Ok(value),
        Err(error) => error,
    };
    let found = match error.kind {
        _ if T::SECRET => "a value that is not shown".to_owned(),
        Kind::InvalidValue(actual, _) | Kind::InvalidType(actual, _) => actual.to_string(),
        kind => kind.to_string(),
    };
    let place = error
        .metadata
        .map_or_else(|| name.to_owned(), |from| from.interpolate(&error.profile.unwrap_or_default(), &[name]));
    Err(Problem::of(name, place, format!("found {found}, expected {}", T::EXPECTED)))
}

/// The value that a default text stands for.
#[expect(clippy::expect_used, reason = "the texts are constants, and a test reads each")]
pub(super) fn from_default<T: Value>(text: &str) -> T {
    T::read(text).expect("every default reads")
}
