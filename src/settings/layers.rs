//! Layers of settings for figment: values as they were written, each knowing where.
//!
//! figment's own providers are not used: `Env` types values before the setting does and names the wrong variable,
//! `Serialized` lets flags that were not given overwrite lower layers, and a missing `Toml` file is silently nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider, Source};

use super::load::Origin;
use super::table::FIELDS;

/// One layer.
#[derive(Debug, Default)]
pub(super) struct Layer {
    file: Option<PathBuf>,
    values: Dict,
    /// Where each value was written: a variable, a flag. The file and the defaults need none.
    places: BTreeMap<String, String>,
}

impl Layer {
    /// The defaults.
    pub(super) fn defaults() -> Self {
        FIELDS.iter().fold(Self::default(), |layer, field| layer.with(field.name, field.default, "default"))
    }

    /// The file of that name.
    pub(super) fn file(path: &Path, values: Dict) -> Self {
        Self { file: Some(path.to_owned()), values, places: BTreeMap::new() }
    }

    /// This layer and one value more.
    pub(super) fn with(mut self, name: &str, text: impl Into<String>, place: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), Value::from(text.into()));
        self.places.insert(name.to_owned(), place.into());
        self
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let (file, places) = (self.file.clone(), self.places.clone());
        let metadata = Metadata::named("settings").interpolater(move |_: &Profile, keys: &[&str]| {
            let name = keys.join(".");
            match (&file, places.get(&name)) {
                (Some(path), _) => format!("{}: {name}", path.display()),
                (None, Some(place)) => place.clone(),
                (None, None) => name,
            }
        });
        match &self.file {
            Some(path) => metadata.source(Source::File(path.clone())),
            None => metadata,
        }
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// Where each setting has its value from.
pub(super) fn origins(layers: &Figment) -> BTreeMap<&'static str, Origin> {
    let origin = |name: &'static str| {
        let from = layers.find_metadata(name)?;
        let place = from.interpolate(&Profile::Default, &[name]);
        Some(match (&from.source, place.as_str()) {
            (Some(Source::File(path)), _) => Origin::File(path.clone()),
            (_, "default") => Origin::Default,
            _ => Origin::Given(place),
        })
    };
    FIELDS.iter().map(|field| (field.name, origin(field.name).unwrap_or(Origin::Default))).collect()
}
