//! Settings: a value that reads is written as something that reads as the same, and no complaint tells a secret.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use longshore::settings::{FIELDS, Loaded, Problems, Settings, cli, load, render_check};
use tempfile::TempDir;

use super::{CANARY, CANARY_HEAD, contains};

/// Parts the variables of the environment from the settings file.
const SEPARATOR: &[u8] = b"\n---\n";

type Variables = Vec<(OsString, OsString)>;

/// Reads the file of a folder, and the variables, without any flag.
type Reader = Box<dyn Fn(Variables, &Path) -> Result<Loaded, Problems>>;

thread_local! {
    static READER: (TempDir, Reader) = {
        let flags = cli::command().get_matches_from(["longshore"]);
        let reader = move |variables, folder: &Path| load(&flags, variables, folder);
        (tempfile::tempdir().expect("a folder"), Box::new(reader))
    };
}

/// A value for every setting; or variables, one a line, and a settings file.
pub(super) fn run(input: &[u8]) {
    match input.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        Some(at) => layers(&input[..at], &input[at + SEPARATOR.len()..]),
        None => value(&String::from_utf8_lossy(input)),
    }
}

fn value(text: &str) {
    let (mut settings, mut again) = (Settings::default(), Settings::default());
    let taken: Vec<bool> = FIELDS.iter().map(|field| settings.set(field.name, text).is_ok()).collect();
    for ((field, written), taken) in FIELDS.iter().zip(settings.texts()).zip(taken) {
        if field.secret {
            assert!(written.bytes().all(|byte| byte == b'*'), "{} is shown", field.name);
        }
        if taken {
            let written = if field.secret { text } else { &written };
            again.set(field.name, written).unwrap_or_else(|why| panic!("{text:?} became {written:?}: {why}"));
        }
    }
    for ((field, first), second) in FIELDS.iter().zip(settings.texts()).zip(again.texts()) {
        assert_eq!(first, second, "{}", field.name);
    }
    assert!(settings == again, "{text:?} is written as something else");
}

fn layers(environment: &[u8], file: &[u8]) {
    if contains(environment, CANARY_HEAD.as_bytes()) || contains(file, CANARY_HEAD.as_bytes()) {
        return;
    }
    let mut variables: Variables = environment.split(|&byte| byte == b'\n').filter_map(variable).collect();
    // The one thing that may be told nowhere.
    variables.push(("FTP_PASS".into(), CANARY.into()));
    let told = match read(variables, file) {
        Ok(loaded) => {
            let shown = render_check(&loaded);
            same_again(&loaded, &shown);
            [loaded.warnings, loaded.notes, vec![shown]].concat()
        }
        Err((problems, _)) => problems,
    };
    for line in told {
        assert!(!line.contains(CANARY_HEAD), "the password is told: {line}");
    }
}

/// `NAME=value`, but for those that name files: what they hold is not the input's.
fn variable(line: &[u8]) -> Option<(OsString, OsString)> {
    let equals = line.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (&line[..equals], &line[equals + 1..]);
    if name.ends_with(b"_FILE") || matches!(name, b"FTP_CONFIG" | b"FTP_PASS") || line.contains(&0) {
        return None;
    }
    Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
}

/// What `check` shows is a settings file that says the same, but for what it does not show.
fn same_again(loaded: &Loaded, shown: &str) {
    let is_shown = |row: &&str| {
        let name = row.split(' ').next().unwrap_or_default();
        name != "config" && FIELDS.iter().any(|field| field.name == name && !field.secret)
    };
    let file = shown.lines().filter(is_shown).collect::<Vec<_>>().join("\n");
    // Without the password other settings may not be enough to serve by. They are read all the same.
    let again = match read(Vec::new(), file.as_bytes()) {
        Ok(again) => again,
        Err((_, partial)) => *partial,
    };
    let hide = |settings: &Settings| {
        let mut settings = settings.clone();
        for field in FIELDS.iter().filter(|field| field.secret || field.name == "config") {
            settings.set(field.name, field.default).expect("every default reads");
        }
        settings
    };
    let (first, second) = (hide(&loaded.settings), hide(&again.settings));
    assert!(first == second, "{:#?}\nis not\n{:#?}", first.texts(), second.texts());
}

fn read(mut variables: Variables, file: &[u8]) -> Result<Loaded, (Vec<String>, Box<Loaded>)> {
    READER.with(|(folder, read)| {
        std::fs::write(folder.path().join("settings.toml"), file).expect("a file");
        variables.push(("FTP_CONFIG".into(), "settings.toml".into()));
        read(variables, folder.path())
            .map_err(|problems| (problems.list.iter().map(ToString::to_string).collect(), problems.partial))
    })
}
