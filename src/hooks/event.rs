//! What is told of an event, as JSON.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::order::Touch;
use crate::settings::{Hook, Settings};

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file has arrived whole.
    Upload,
    /// A file is gone.
    Delete,
    /// An empty directory is gone.
    Rmdir,
    /// A file or directory has another name.
    Rename,
    /// There is a new directory.
    Mkdir,
    /// A user has logged in.
    Login,
}

impl Kind {
    /// As it stands in the JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Delete => "delete",
            Self::Rmdir => "rmdir",
            Self::Rename => "rename",
            Self::Mkdir => "mkdir",
            Self::Login => "login",
        }
    }

    /// Who is told of it, and the setting that says so.
    pub(super) fn hook(self, settings: &Settings) -> (&'static str, &Hook) {
        match self {
            Self::Upload => ("on_upload", &settings.on_upload),
            Self::Delete | Self::Rmdir => ("on_delete", &settings.on_delete),
            Self::Rename => ("on_rename", &settings.on_rename),
            Self::Mkdir => ("on_mkdir", &settings.on_mkdir),
            Self::Login => ("on_login", &settings.on_login),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is told of an event. Each name stands as text; one that is no UTF-8 stands, besides, in `…_bytes`, with `%` and two
/// digits for each byte that no URL may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    /// The same at each attempt, and another one for each event.
    pub(super) id: String,
    /// When it was noted, in UTC.
    pub(super) time: String,
    pub(super) event: Kind,
    pub(super) user: String,
    pub(super) peer: IpAddr,
    /// The number of the session in the log.
    pub(super) session: u64,
    /// Whether the control connection was encrypted.
    pub(super) tls: bool,
    /// As the client sees it.
    #[serde(flatten, with = "name_path")]
    pub(super) path: Option<Name>,
    /// The path before, of a rename.
    #[serde(flatten, with = "name_from")]
    pub(super) from: Option<Name>,
    /// The real path on this machine.
    #[serde(flatten, with = "name_file")]
    pub(super) file: Option<Name>,
    #[serde(flatten, with = "name_from_file")]
    pub(super) from_file: Option<Name>,
    /// Bytes that the file has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    /// Bytes that came over the data connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) transferred: Option<u64>,
}

/// A name on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(Vec<u8>);

impl Name {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_owned())
    }

    pub(super) fn of(path: &Path) -> Self {
        Self::new(path.as_os_str().as_bytes())
    }

    pub(super) fn as_os(&self) -> OsString {
        OsString::from_vec(self.0.clone())
    }
}

/// The two fields that a name is.
macro_rules! name_fields {
    ($module:ident: $plain:literal, $bytes:literal) => {
        mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            use super::{Name, decoded, encoded};

            #[derive(Serialize, Deserialize)]
            struct Fields {
                #[serde(rename = $plain, default, skip_serializing_if = "Option::is_none")]
                plain: Option<String>,
                #[serde(rename = $bytes, default, skip_serializing_if = "Option::is_none")]
                bytes: Option<String>,
            }

            pub(super) fn serialize<S: Serializer>(name: &Option<Name>, serializer: S) -> Result<S::Ok, S::Error> {
                let fields = match name {
                    None => Fields { plain: None, bytes: None },
                    Some(Name(bytes)) => match std::str::from_utf8(bytes) {
                        Ok(text) => Fields { plain: Some(text.to_owned()), bytes: None },
                        Err(_) => Fields {
                            plain: Some(String::from_utf8_lossy(bytes).into_owned()),
                            bytes: Some(encoded(bytes)),
                        },
                    },
                };
                fields.serialize(serializer)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Name>, D::Error> {
                let Fields { plain, bytes } = Fields::deserialize(deserializer)?;
                Ok(bytes.map(|bytes| decoded(&bytes)).or(plain.map(String::into_bytes)).map(Name))
            }
        }
    };
}

name_fields!(name_path: "path", "path_bytes");
name_fields!(name_from: "from", "from_bytes");
name_fields!(name_file: "file", "file_bytes");
name_fields!(name_from_file: "from_file", "from_file_bytes");

/// As in a URL (RFC 3986 section 2.1), slashes as they are.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.extend(["%".to_owned(), format!("{byte:02X}")]);
        }
    }
    text
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

impl Event {
    /// The line of the spool that it becomes, which is also what is sent, less the line feed.
    ///
    /// # Errors
    /// None that a test has found: there is nothing in it that JSON cannot say.
    pub(super) fn line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// What it says of which files, for those that come later to wait.
    pub(super) fn touches(&self) -> Box<[Touch]> {
        let names = [&self.file, &self.from_file];
        Touch::of(names.into_iter().flatten().map(|name| &*name.0))
    }
}

/// Now, as the wall clock has it.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// To the millisecond, RFC 3339.
pub(super) fn written(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(path: &[u8]) -> Event {
        Event {
            id: "f".repeat(32),
            time: written("2026-11-21T10:15:30.1234Z".parse().unwrap()),
            event: Kind::Upload,
            user: "bob".to_owned(),
            peer: "192.0.2.1".parse().unwrap(),
            session: 17,
            tls: true,
            path: Some(Name::new(path)),
            from: None,
            file: Some(Name::new(&[b"/srv/ftp/bob", path].concat())),
            from_file: None,
            size: Some(5),
            transferred: Some(5),
        }
    }

    #[test]
    fn a_line_has_all_and_nothing_that_is_not_there() {
        let line = String::from_utf8(event(b"/a \"b\"\n").line().unwrap()).unwrap();
        let want = "{\"id\":\"ffffffffffffffffffffffffffffffff\",\"time\":\"2026-11-21T10:15:30.123Z\",\"event\":\"upload\",\
                    \"user\":\"bob\",\"peer\":\"192.0.2.1\",\"session\":17,\"tls\":true,\"path\":\"/a \\\"b\\\"\\n\",\
                    \"file\":\"/srv/ftp/bob/a \\\"b\\\"\\n\",\"size\":5,\"transferred\":5}\n";
        assert_eq!(line, want);
    }

    #[test]
    fn a_name_that_is_no_text_is_told_twice() {
        let told = event(b"/\xff%a b");
        let line = String::from_utf8(told.line().unwrap()).unwrap();
        assert!(line.contains("\"path\":\"/\u{fffd}%a b\",\"path_bytes\":\"/%FF%25a%20b\""), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), told);
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(path in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40), rename: bool) {
            let mut told = event(&path);
            if rename {
                told.event = Kind::Rename;
                told.from = Some(Name::new(&path));
                told.from_file = told.file.clone();
                told.size = None;
            }
            let line = told.line().unwrap();
            proptest::prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            proptest::prop_assert_eq!(serde_json::from_slice::<Event>(&line).unwrap(), told);
        }
    }
}
