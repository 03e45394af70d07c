//! The files that rule the server: what it reads to know what to do, runs, and keeps.

use std::path::{Path, PathBuf};

use crate::hooks;
use crate::settings::{Hook, Loaded, TlsMode};

/// What a client could do with such a file that must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    /// To change it, or to put another one in its place.
    Change,
    /// To read it, too: it is a secret.
    Read,
    /// Whatever a client may do there.
    Any,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RulingFile {
    /// The setting that names it, as problems say it: with its file, its variable or its flag.
    pub(super) setting: String,
    /// What it is, with an article.
    pub(super) kind: &'static str,
    /// Absolute. There may be links in it, and the file need not be there yet.
    pub(super) path: PathBuf,
    pub(super) harm: Harm,
    /// Whether the server reads it, or runs it. It writes the others itself.
    pub(super) is_input: bool,
}

impl RulingFile {
    /// Whether the server runs it, and does not read it.
    pub(super) fn is_program(&self) -> bool {
        self.kind == PROGRAM
    }
}

const PROGRAM: &str = "a program";

/// Those that are in force by these settings; relative paths are meant from `current_directory`.
pub(super) fn ruling_files(loaded: &Loaded, current_directory: &Path) -> Vec<RulingFile> {
    let settings = &loaded.settings;
    let input = |setting: String, kind, path: &Path, harm| RulingFile {
        setting,
        kind,
        path: current_directory.join(path),
        harm,
        is_input: true,
    };
    let mut files = Vec::new();
    if let Some(file) = &loaded.settings_file {
        let harm = if file.holds_secret { Harm::Read } else { Harm::Change };
        files.push(input(loaded.place("config"), "a settings file", &file.path, harm));
    }
    if let Some(path) = settings.users_file.as_deref().filter(|_| loaded.reads_users_file()) {
        files.push(input(loaded.place("users_file"), "a users file", path, Harm::Read));
    }
    let secrets = loaded.secret_files.iter();
    files.extend(
        secrets.map(|(variable, path)| input(variable.clone(), "a file of a password or key", path, Harm::Read)),
    );
    if settings.tls != TlsMode::Off {
        let named = [
            ("tls_cert", "a certificate", &settings.tls_cert, Harm::Change),
            ("tls_key", "a key", &settings.tls_key, Harm::Read),
            ("tls_client_ca", "a file of authorities", &settings.tls_client_ca, Harm::Change),
        ];
        for (name, kind, path, harm) in named {
            files.extend(path.as_deref().map(|path| input(loaded.place(name), kind, path, harm)));
        }
    }
    if let Some(path) = settings.hook_ca.as_deref().filter(|_| hooks::is_trust_needed(settings)) {
        files.push(input(loaded.place("hook_ca"), "a file of authorities", path, Harm::Change));
    }
    for (name, hook) in hooks::all(settings) {
        for program in programs(hook) {
            files.push(input(loaded.place(name), PROGRAM, &program, Harm::Change));
        }
    }
    let own =
        |name, kind, path: &Path, harm| RulingFile { is_input: false, ..input(loaded.place(name), kind, path, harm) };
    if hooks::is_anybody_told(settings) {
        files.push(own("hook_spool", "a directory", &settings.hook_spool, Harm::Any));
    }
    let log = settings.logging_name.as_deref().filter(|_| settings.enable_logging);
    files.extend(log.map(|path| own("logging_name", "a log", path, Harm::Change)));
    files.extend(settings.transfer_log.as_deref().map(|path| own("transfer_log", "a log", path, Harm::Change)));
    files
}

/// The program of a command, and every other file that is named in its words: scripts that it runs, most of all.
fn programs(hook: &Hook) -> Vec<PathBuf> {
    let Hook::Command(command) = hook else { return Vec::new() };
    let Some((program, arguments)) = command.words.split_first() else { return Vec::new() };
    // A word may be a line for a shell.
    let parts = |word: &str| -> Vec<PathBuf> {
        let between = |c: char| c.is_whitespace() || "'\"`$(){};&|<>=".contains(c);
        let absolute = word.split(between).filter(|part| part.starts_with('/'));
        absolute.map(PathBuf::from).filter(|path| path.is_file()).collect()
    };
    let mut files: Vec<PathBuf> = arguments.iter().flat_map(|word| parts(word)).collect();
    files.extend(arguments.iter().map(PathBuf::from).filter(|path| path.is_absolute() && path.is_file()));
    files.push(PathBuf::from(program));
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_command_are_its_program_and_those_in_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let [script, other, spaced] = ["script", "other", "a b"].map(|name| folder.path().join(name));
        for file in [&script, &other, &spaced] {
            std::fs::write(file, "").unwrap();
        }
        let [script_, other_, spaced_] = [&script, &other, &spaced].map(|path| path.display().to_string());
        let none = folder.path().join("none").display().to_string();
        for (line, want) in [
            (none.clone(), vec![PathBuf::from(&none)]),
            (format!("/bin/sh {script_} /tmp {none}"), vec![PathBuf::from("/bin/sh"), script.clone()]),
            (format!("/bin/sh '{spaced_}'"), vec![PathBuf::from("/bin/sh"), spaced.clone()]),
            (
                format!("/bin/sh -c 'x={script_}; . {other_}; {none}'"),
                vec![PathBuf::from("/bin/sh"), other.clone(), script.clone()],
            ),
        ] {
            assert_eq!(programs(&line.parse().unwrap()), want, "{line}");
        }
        assert_eq!(programs(&"https://example.org/bin/sh".parse().unwrap()), Vec::<PathBuf>::new());
    }
}
