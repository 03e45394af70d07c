//! Steps on the disk: what is there before, and what must be there after.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::player::{Player, Step};
use super::text::{show, unescape};

impl Player {
    pub(super) fn path(&self, path: &str) -> PathBuf {
        use std::os::unix::ffi::OsStringExt;
        let path = std::ffi::OsString::from_vec(unescape(path.trim_start_matches('/')));
        self.server.folder().join(path)
    }

    pub(super) fn make_file(&self, rest: &str) -> Step {
        let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
        std::fs::write(self.path(path), unescape(text)).map_err(|e| e.to_string())
    }

    pub(super) fn make_blob(&self, rest: &str) -> Step {
        let (path, size) = rest.split_once(' ').ok_or("blob needs a path and a size")?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(self.path(path));
        let size = size.parse().map_err(|_| "blob needs a size")?;
        file.and_then(|file| file.set_len(size)).map_err(|e| e.to_string())
    }

    pub(super) fn set_age(&self, rest: &str) -> Step {
        let (path, seconds) = rest.split_once(' ').ok_or("age needs a path and a time")?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.parse().map_err(|_| "age needs a time")?);
        let file = std::fs::File::open(self.path(path));
        file.and_then(|file| file.set_modified(time)).map_err(|e| e.to_string())
    }

    pub(super) fn check_modified(&self, rest: &str) -> Step {
        let (path, seconds) = rest.split_once(' ').ok_or("modified needs a path and a time")?;
        let found = std::fs::metadata(self.path(path)).and_then(|found| found.modified()).map_err(|e| e.to_string())?;
        let found = found.duration_since(SystemTime::UNIX_EPOCH).map_err(|e| e.to_string())?.as_secs().to_string();
        if found == seconds { Ok(()) } else { Err(format!("it is {found}")) }
    }

    pub(super) fn check_entries(&self, rest: &str) -> Step {
        let mut words = rest.split(' ');
        let folder = self.path(words.next().unwrap_or_default());
        let entries = std::fs::read_dir(folder).map_err(|e| e.to_string())?;
        let mut found: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        found.sort();
        if found == words.collect::<Vec<_>>() { Ok(()) } else { Err(format!("it holds {found:?}")) }
    }

    pub(super) fn check_content(&self, rest: &str) -> Step {
        let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let content = std::fs::read(self.path(path)).map_err(|e| e.to_string())?;
        if content == unescape(text) { Ok(()) } else { Err(format!("it is: {}", show(&content))) }
    }

    pub(super) fn check_mode(&self, rest: &str) -> Step {
        let (path, mode) = rest.split_once(' ').ok_or("mode needs a path and a mode")?;
        let found = std::fs::metadata(self.path(path)).map_err(|e| e.to_string())?.permissions().mode() & 0o7777;
        if format!("{found:o}") == mode { Ok(()) } else { Err(format!("it is {found:o}")) }
    }
}
