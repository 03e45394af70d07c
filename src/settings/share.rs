//! `longshore -w -d .`: one folder shared at once, as `python -m pyftpdlib` does.

use std::path::{Path, PathBuf};

use super::layers::Layer;
use super::table::Settings;

/// A folder to share without any file of settings or users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The folder, absolute: home of `anonymous`, or of the inline user, if one is named.
    pub directory: PathBuf,
    /// Whether clients may write (`-w`).
    pub writable: bool,
}

impl Share {
    /// What `-d` and `-w` ask for; a relative folder is meant from `current_directory`.
    pub(super) fn new(directory: Option<&str>, writable: bool, current_directory: &Path) -> Option<Self> {
        if directory.is_none() && !writable {
            return None;
        }
        let directory = current_directory.join(directory.unwrap_or("."));
        // Without the `.` of `-d .`, which would be shown to the operator.
        Some(Self { directory: directory.components().collect(), writable })
    }

    /// What a share takes for granted, so below all that was said: no users file unless one is named.
    pub(super) fn beneath(&self) -> Layer {
        Layer::default().with("users_file", "", self.flag())
    }

    /// What a share says itself. A user's home is [`directory`](Self::directory), which no setting can say.
    pub(super) fn above(&self, user: &str) -> Layer {
        let perm = if self.writable { "elradfmwMT" } else { "elr" };
        let flag = self.flag();
        if user.is_empty() {
            Layer::default()
                .with("enable_anonymous", "on", flag)
                .with("anonymous_path", self.directory.to_string_lossy(), flag)
                .with("anonymous_perm", perm, flag)
        } else {
            Layer::default().with("perm", perm, flag)
        }
    }

    /// Who may do what, in a line.
    #[must_use]
    pub fn describe(&self, settings: &Settings) -> String {
        let (name, permissions, home, hint) = if settings.user.is_empty() {
            ("anonymous", settings.anonymous_perm, &settings.anonymous_path, " (pass -u and -P for a password)")
        } else {
            (settings.user.as_str(), settings.perm, &self.directory, "")
        };
        let verbs = if permissions.has_write() { "may read, and write," } else { "may read" };
        format!("{name} {verbs} in {}{hint}", home.display())
    }

    /// What is told of a settings file at the default place, which is not read.
    pub(super) fn leaves_out(&self, file: &Path) -> String {
        let file = file.display();
        format!(
            "{file} is not read, as {} shares a folder without it; to have it read, name it by --config",
            self.flag()
        )
    }

    fn flag(&self) -> &'static str {
        if self.writable { "-w" } else { "-d" }
    }
}
