//! What is wrong with the settings: where, what was found, what was expected. All of it at once.

use std::fmt;

use super::load::Loaded;
use super::spot::Spot;

/// One thing that keeps the server from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting it is about, if it is one.
    pub setting: Option<&'static str>,
    /// The file and key, the variable or the flag.
    pub place: String,
    /// What was found and what was expected; never a secret.
    pub complaint: String,
    /// Where that is in the settings file.
    pub spot: Option<Spot>,
}

impl Problem {
    /// A problem that is no single setting's.
    #[must_use]
    pub fn new(place: impl Into<String>, complaint: impl Into<String>) -> Self {
        Self { setting: None, place: place.into(), complaint: complaint.into(), spot: None }
    }

    /// A problem of one setting.
    pub(super) fn of(setting: &'static str, place: impl Into<String>, complaint: impl Into<String>) -> Self {
        Self { setting: Some(setting), ..Self::new(place, complaint) }
    }

    /// Finds its spot in the settings file of that name, if it is there.
    pub(super) fn find(&mut self, file: &str, text: &str) {
        let key = self.place.strip_prefix(file).and_then(|rest| rest.strip_prefix(": "));
        self.spot = key.and_then(|key| Spot::of(key, text));
    }

    /// A name that no setting has. Its value is not shown: it may be a password under a mistyped name.
    pub(super) fn unknown(place: String, nearest: &str) -> Self {
        Self::new(place, format!("there is no such setting, did you mean {nearest}?"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.complaint)
    }
}

/// Why the settings are no settings: every problem that one run can find, at least one.
#[derive(Debug)]
pub struct Problems {
    /// All problems, in the order of the layers.
    pub list: Vec<Problem>,
    /// What could be read, the rest at its default: enough to look for more problems (in users.conf), not to serve.
    pub partial: Box<Loaded>,
}

/// A problem a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Which of `names` is most like `word`.
pub(super) fn nearest(word: &str, names: impl Iterator<Item = String>) -> String {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let likeness = |name: &String| strsim::normalized_damerau_levenshtein(&word, &name.to_ascii_lowercase());
    names.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default()
}
