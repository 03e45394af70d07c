//! Reads all layers, default < file < environment < flags, and finds every problem in one run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use figment::Figment;
use figment::providers::{Format, Toml};
use figment::value::Dict;

use super::field::{Field, extract};
use super::layers::{Layer, origins};
use super::looks::Looks;
use super::overrule::openings;
use super::problem::{Problem, Problems, nearest};
use super::share::Share;
use super::table::{FIELDS, Settings};
use super::{cli, cross};

/// Settings in force, and how they came to be.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Where each has its value from, by name.
    pub origins: BTreeMap<&'static str, Origin>,
    /// The folder that `-d` and `-w` share. Then the inline user's home is its directory.
    pub share: Option<Share>,
    /// What an operator should look at.
    pub warnings: Vec<String>,
    /// What an operator may want to know.
    pub notes: Vec<String>,
    /// The files that were read.
    pub looks: Looks,
    /// Which of the files that nobody named may be read.
    pub unnamed: Unnamed,
    /// The settings file, if one was read.
    pub settings_file: Option<SettingsFile>,
    /// The files that secrets were read from, each with the variable that names it.
    pub secret_files: Vec<(String, PathBuf)>,
    /// Where the settings file was not named: what the rest of the layers say without it, and nothing else. The file does not
    /// decide whether it lies in a home.
    pub bare: Option<Box<Loaded>>,
}

/// A settings file that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFile {
    /// As it was named, so maybe relative.
    pub path: PathBuf,
    /// Whether a variable or a flag names it.
    pub is_named: bool,
    /// Whether a password, a token or a key is in it.
    pub holds_secret: bool,
}

/// The files that are read without being named: the settings file and the users file at their default places.
///
/// That is decided once, at start. A file that comes to be there later may be a client's, so it is read by nobody until
/// the operator names it, or starts the server again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unnamed {
    /// The settings file was there.
    pub settings: bool,
    /// The users file was there.
    pub users: bool,
}

/// Where a setting has its value from. Shown as `default`, the file's path, `FTP_MAX_CONS` or `--max-cons`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// The settings file.
    File(PathBuf),
    /// This variable or flag.
    Given(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Given(place) => f.write_str(place),
        }
    }
}

/// Reads the settings. Relative files are looked for in `current_directory`; besides the settings file and the files
/// that hold secrets, nothing is opened.
///
/// # Errors
/// Every problem that can be found without looking further (at users.conf, at the network); none of the values of
/// secrets is in it.
pub fn load(
    flags: &ArgMatches,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    current_directory: &Path,
) -> Result<Loaded, Problems> {
    load_after(None, flags, environment, current_directory)
}

/// The same for a server that runs: of the files that nobody named, those are read that were in force at its start.
///
/// # Errors
/// As [`load`].
pub fn load_again(
    unnamed: Unnamed,
    flags: &ArgMatches,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    current_directory: &Path,
) -> Result<Loaded, Problems> {
    load_after(Some(unnamed), flags, environment, current_directory)
}

fn load_after(
    at_start: Option<Unnamed>,
    flags: &ArgMatches,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    current_directory: &Path,
) -> Result<Loaded, Problems> {
    let mut variables = super::environment::sort(environment);
    let mut problems = std::mem::take(&mut variables.problems);

    let mut by_variable = Layer::default();
    for (field, value) in variables.given {
        by_variable = by_variable.with(field.name, value, field.variable());
    }
    let mut looks = Looks::default();
    let mut secret_files = Vec::new();
    for (field, variable, path) in variables.secret_files {
        secret_files.push((variable.clone(), path.clone()));
        match read_secret(&current_directory.join(&path), &mut looks) {
            Ok(secret) => by_variable = by_variable.with(field.name, secret, variable),
            Err(complaint) => {
                problems.push(Problem::of(field.name, variable, format!("{}: {complaint}", path.display())));
            }
        }
    }
    let mut by_flag = Layer::default();
    for (field, value) in cli::given(flags) {
        by_flag = by_flag.with(field.name, value, format!("--{}", field.flag()));
    }

    let share = cli::share(flags, current_directory);
    let unnamed = at_start.unwrap_or_else(|| Unnamed::at_start(share.as_ref(), current_directory));
    let (by_file, file) = file_layer(&by_variable, &by_flag, current_directory, &mut looks, unnamed);
    problems.splice(0..0, file.problems);

    let alone = Figment::from(Layer::defaults()).merge(&by_file);
    let is_unnamed = file.found.as_ref().is_some_and(|found| !found.is_named);
    let bare = is_unnamed.then(|| {
        let layers = join(share.as_ref(), &Layer::default(), &by_variable, &by_flag);
        Box::new(Loaded { origins: origins(&layers), unnamed, ..Loaded::from(Settings::read(&layers).0) })
    });
    let layers = join(share.as_ref(), &by_file, &by_variable, &by_flag);
    let (settings, mut value_problems) = Settings::read(&layers);
    problems.append(&mut value_problems);
    let mut loaded = Loaded {
        settings,
        origins: origins(&layers),
        share,
        warnings: variables.warnings,
        notes: variables.note.into_iter().collect(),
        looks,
        unnamed,
        settings_file: file.found,
        secret_files,
        bare,
    };
    match (file.ignored, &loaded.share) {
        (Some(path), Some(share)) => loaded.notes.push(share.leaves_out(&path)),
        (Some(path), None) => loaded.warnings.push(Unnamed::came_later("config", &path)),
        (None, _) => {}
    }
    let broken: Vec<_> = problems.iter().filter_map(|problem| problem.setting).collect();
    let mut findings = cross::among_themselves(&loaded, &broken);
    problems.append(&mut findings.problems);
    problems.iter_mut().for_each(|problem| problem.find(&file.name, &file.text));
    loaded.warnings.append(&mut findings.warnings);
    if let Some(file) = &loaded.settings_file {
        let opened = openings(&loaded, &file.path, &Settings::read(&alone).0, &origins(&alone));
        loaded.warnings.extend(opened);
    }
    if problems.is_empty() { Ok(loaded) } else { Err(Problems { list: problems, partial: Box::new(loaded) }) }
}

impl Unnamed {
    /// Those that are there. A shared folder is served without any: they would lie where clients write.
    fn at_start(share: Option<&Share>, current_directory: &Path) -> Self {
        let defaults = Settings::default();
        let is_there = |path: &Path| Looks::is_there(&current_directory.join(path));
        let users = defaults.users_file.as_deref().is_some_and(is_there);
        Self { settings: share.is_none() && is_there(&defaults.config), users }
    }

    /// What an operator is told of such a file that was not there at start.
    #[must_use]
    pub fn came_later(setting: &str, path: &Path) -> String {
        let path = path.display();
        format!(
            "{setting} (default): {path} was not there when the server started, so it is not read; to have it read, start \
             the server again, or name the file by --{}",
            setting.replace('_', "-")
        )
    }
}

/// The environment of this process, for [`load`].
#[expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]
pub fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// Settings that came from nowhere.
impl From<Settings> for Loaded {
    fn from(settings: Settings) -> Self {
        Self {
            settings,
            origins: BTreeMap::new(),
            share: None,
            warnings: Vec::new(),
            notes: Vec::new(),
            looks: Looks::default(),
            unnamed: Unnamed { settings: true, users: true },
            settings_file: None,
            secret_files: Vec::new(),
            bare: None,
        }
    }
}

impl Loaded {
    /// Whether the users file is read: it is named, or was there at start.
    #[must_use]
    pub fn reads_users_file(&self) -> bool {
        self.unnamed.users || self.origins.get("users_file") != Some(&Origin::Default)
    }

    /// How a problem names one of these settings: by file and key, variable or flag.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        match self.origins.get(name) {
            None | Some(Origin::Default) => format!("{name} (default)"),
            Some(Origin::File(path)) => format!("{}: {name}", path.display()),
            Some(Origin::Given(place)) => place.clone(),
        }
    }
}

/// A settings file as it was found.
#[derive(Default)]
struct FoundFile {
    /// As problems name it.
    name: String,
    text: String,
    problems: Vec<Problem>,
    found: Option<SettingsFile>,
    /// One that is there, and is not read because nobody named it.
    ignored: Option<PathBuf>,
}

impl FoundFile {
    fn bad(problem: Problem) -> Self {
        Self { problems: vec![problem], ..Self::default() }
    }
}

/// The settings file that variables and flags name, or the default one.
fn file_layer(
    by_variable: &Layer,
    by_flag: &Layer,
    current_directory: &Path,
    looks: &mut Looks,
    unnamed: Unnamed,
) -> (Layer, FoundFile) {
    let naming = Figment::from(Layer::defaults()).merge(by_variable).merge(by_flag);
    // A name that does not even read is found again, and told, with all other values.
    let Ok(path) = extract::<PathBuf>(&naming, "config") else { return Default::default() };
    let origin = origins(&naming).remove("config").unwrap_or(Origin::Default);
    let absolute = current_directory.join(&path);
    if origin == Origin::Default && !unnamed.settings {
        let ignored = Looks::is_there(&absolute).then_some(path);
        return (Layer::default(), FoundFile { ignored, ..FoundFile::default() });
    }
    let text = match looks.read(&absolute) {
        Ok(text) => text,
        // Gone since the start: the reload misses it, if there was something in it.
        Err(error) if error.kind() == ErrorKind::NotFound && origin == Origin::Default => return Default::default(),
        Err(error) => {
            let complaint =
                format!("found {}, which cannot be read ({error}), expected a settings file", path.display());
            let problem = Problem::of("config", place_of_config(&origin), complaint);
            return (Layer::default(), FoundFile::bad(problem));
        }
    };
    match toml(&text) {
        Ok((text, values)) => {
            let holds_secret = values.keys().any(|key| Field::named(key).is_none_or(|field| field.secret));
            let (layer, problems) = known_keys(&path, values);
            let name = path.display().to_string();
            let found = Some(SettingsFile { path, is_named: origin != Origin::Default, holds_secret });
            (layer, FoundFile { name, text: text.to_owned(), problems, found, ignored: None })
        }
        Err((line, complaint)) => {
            let place = format!("{}, line {line}", path.display());
            (Layer::default(), FoundFile::bad(Problem::new(place, format!("found no TOML, {complaint}"))))
        }
    }
}

fn place_of_config(origin: &Origin) -> String {
    match origin {
        Origin::Given(place) => place.clone(),
        _ => "config (default)".to_owned(),
    }
}

/// The text of a file, its keys and values; or the line that is no TOML, and why. The line itself is not shown, unlike in the
/// parser's own message: it may hold a password.
fn toml(bytes: &[u8]) -> Result<(&str, Dict), (usize, String)> {
    let line = |at: usize| 1 + bytes[..at.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count();
    let text = std::str::from_utf8(bytes)
        .map_err(|error| (line(error.valid_up_to()), "expected UTF-8 throughout".to_owned()))?;
    let values = Toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (line(at), error.message().lines().collect::<Vec<_>>().join(", "))
    })?;
    Ok((text, values))
}

/// Takes out the keys that are no settings, each a problem.
fn known_keys(path: &Path, mut values: Dict) -> (Layer, Vec<Problem>) {
    let mut problems = Vec::new();
    values.retain(|key, _| {
        let place = format!("{}: {key}", path.display());
        match Field::named(key) {
            Some(field) if field.name == "config" => problems.push(Problem::new(
                place,
                "found in the settings file itself, expected only as FTP_CONFIG or --config",
            )),
            Some(_) => return true,
            None => {
                let names = FIELDS.iter().map(|field| field.name.to_owned()).filter(|name| name != "config");
                problems.push(Problem::unknown(place, &nearest(key, names)));
            }
        }
        false
    });
    (Layer::file(path, values), problems)
}

/// What a secret's file holds, less one newline at the end, which every editor adds.
fn read_secret(path: &Path, looks: &mut Looks) -> Result<String, String> {
    let bytes = looks.read(path).map_err(|error| format!("cannot be read ({error})"))?;
    let text = String::from_utf8(bytes).map_err(|_| "found bytes that are not UTF-8, expected text".to_owned())?;
    let trimmed = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
    Ok(trimmed.unwrap_or(&text).to_owned())
}

fn join(share: Option<&Share>, by_file: &Layer, by_variable: &Layer, by_flag: &Layer) -> Figment {
    let defaults = Figment::from(Layer::defaults());
    let Some(share) = share else { return defaults.merge(by_file).merge(by_variable).merge(by_flag) };
    let given = defaults.merge(share.beneath()).merge(by_file).merge(by_variable);
    let user: String = extract(&given.clone().merge(by_flag), "user").unwrap_or_default();
    given.merge(share.above(&user)).merge(by_flag)
}
