//! An absolute, clean name inside a user's home: what a client's path becomes before anything is done with it.
//!
//! `..` and `.` are resolved in words, as a client means them, so `/a/../b` is `/b` even where `/a` is a link.
//! That the name stays inside the home on disk as well is the kernel's work, in `files/`.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest name of one file or directory, in bytes (`NAME_MAX` of every Linux file system).
pub const MAX_COMPONENT: usize = 255;
/// The longest whole path, in bytes (`PATH_MAX`, less the terminating NUL).
pub const MAX_PATH: usize = 4095;

/// How the names begin that are the server's own, in any case of letters: uploads that are not whole yet. Clients neither
/// see nor say them.
pub const RESERVED_PREFIX: &[u8] = b".longshore-";

/// Whether one component of a path is a name of the server's own.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    name.get(..RESERVED_PREFIX.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(RESERVED_PREFIX))
}

/// Whether a character of a name moves the cursor of a terminal, or has what stands around it read in another order: the
/// controls of ASCII and of ISO 6429 (U+0080 to U+009F), separators of lines, and what embeds, overrides or isolates a
/// direction of writing. No log and no screen passes these on.
#[must_use]
pub fn is_misleading(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether bytes hold a control character: one of ASCII, or one of ISO 6429 in UTF-8, also between bytes that are none. The
/// numbers 0x80 to 0x9F as bytes of their own are letters of GBK and others, and are no control characters here.
#[must_use]
pub fn has_control(name: &[u8]) -> bool {
    name.utf8_chunks().any(|chunk| chunk.valid().contains(char::is_control))
}

/// An absolute path inside a home: begins with `/`, no `.` or `..`, no doubled or trailing slash. Bytes, not text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VirtualPath(Vec<u8>);

/// Why bytes from a client are no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// NUL, CR or LF: such a name could forge reply lines, or end early in the kernel.
    ForbiddenByte,
    /// A component is over [`MAX_COMPONENT`] bytes.
    ComponentTooLong,
    /// The whole is over [`MAX_PATH`] bytes.
    TooLong,
    /// A component is one of the server's own names ([`RESERVED_PREFIX`]).
    Reserved,
}

impl VirtualPath {
    /// The home itself, `/`.
    #[must_use]
    pub fn root() -> Self {
        Self(b"/".to_vec())
    }

    /// The path that `name` means when said from `self`: absolute if it begins with `/`, else relative.
    /// Going up from the root stays there, as in any shell.
    ///
    /// # Errors
    /// [`BadName`] says why the bytes are no path; nothing was looked up.
    pub fn join(&self, name: &[u8]) -> Result<Self, BadName> {
        if name.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            return Err(BadName::ForbiddenByte);
        }
        let mut joined = if name.first() == Some(&b'/') { Self::root() } else { self.clone() };
        for component in name.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => joined.pop(),
                _ if component.len() > MAX_COMPONENT => return Err(BadName::ComponentTooLong),
                _ if is_reserved(component) => return Err(BadName::Reserved),
                _ => joined.push(component),
            }
        }
        if joined.0.len() > MAX_PATH { Err(BadName::TooLong) } else { Ok(joined) }
    }

    /// The bytes as a client sees them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the home itself, which is never removed or renamed.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == b"/"
    }

    /// The directory that holds this name; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        let mut parent = self.clone();
        parent.pop();
        parent
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        self.0.rsplit(|&byte| byte == b'/').next().filter(|name| !name.is_empty())
    }

    /// The same path as the kernel is asked for it: relative to the home's directory handle, `.` for the root.
    #[must_use]
    pub fn beneath_home(&self) -> &Path {
        let relative = if self.is_root() { b"." } else { &self.0[1..] };
        Path::new(OsStr::from_bytes(relative))
    }

    fn push(&mut self, component: &[u8]) {
        if !self.is_root() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(component);
    }

    fn pop(&mut self) {
        let slash = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.0.truncate(slash.max(1));
    }
}

impl fmt::Display for VirtualPath {
    /// For the log: misleading characters escaped, bytes that are no UTF-8 replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in String::from_utf8_lossy(&self.0).chars() {
            if is_misleading(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                fmt::Write::write_char(f, character)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtualPath({self})")
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForbiddenByte => "a name may not contain NUL, CR or LF",
            Self::ComponentTooLong => "a name may have at most 255 bytes",
            Self::TooLong => "a path may have at most 4095 bytes",
            Self::Reserved => "names that begin with `.longshore-` are the server's own",
        })
    }
}

impl std::error::Error for BadName {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn join(from: &str, name: &str) -> String {
        let from = VirtualPath::root().join(from.as_bytes()).unwrap();
        from.join(name.as_bytes()).unwrap().to_string()
    }

    #[test]
    fn names_are_resolved_in_words() {
        for (from, name, want) in [
            ("/", "", "/"),
            ("/a", "", "/a"),
            ("/a", "b", "/a/b"),
            ("/a", "/b", "/b"),
            ("/a/b", "..", "/a"),
            ("/", "../../..", "/"),
            ("/a", "../../etc/passwd", "/etc/passwd"),
            ("/a", "./b//c/.", "/a/b/c"),
            ("/a", "//", "/"),
            ("/", "...", "/..."),
            ("/", "..\\x", "/..\\x"),
            ("/", "~", "/~"),
            ("/", "%2e%2e", "/%2e%2e"),
            ("/", "-la", "/-la"),
            ("/", " two  blanks ", "/ two  blanks "),
        ] {
            assert_eq!(join(from, name), want, "{name:?} from {from:?}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let root = VirtualPath::root();
        for name in [&b"a\0b"[..], b"a\rb", b"a\nb"] {
            assert_eq!(root.join(name), Err(BadName::ForbiddenByte), "{name:?}");
        }
        assert!(root.join(&[b'x'; MAX_COMPONENT]).is_ok());
        assert_eq!(root.join(&[b'x'; MAX_COMPONENT + 1]), Err(BadName::ComponentTooLong));
        for name in [&b".longshore-x"[..], b".LongShore-", b"a/.longshore-x/b", b".longshore-x/.."] {
            assert_eq!(root.join(name), Err(BadName::Reserved), "{name:?}");
        }
        assert!(root.join(b".longshore").is_ok() && root.join(b"x.longshore-").is_ok());
        let deep = "/d".repeat(MAX_PATH / 2);
        assert!(root.join(deep.as_bytes()).is_ok());
        assert_eq!(root.join(format!("{deep}/e").as_bytes()), Err(BadName::TooLong));
    }

    #[test]
    fn parts_of_a_path() {
        let path = VirtualPath::root().join(b"/a/b").unwrap();
        assert_eq!(path.file_name(), Some(&b"b"[..]));
        assert_eq!(path.parent().as_bytes(), b"/a");
        assert_eq!(path.parent().parent().parent().as_bytes(), b"/");
        assert_eq!(VirtualPath::root().file_name(), None);
        assert_eq!(path.beneath_home(), Path::new("a/b"));
        assert_eq!(VirtualPath::root().beneath_home(), Path::new("."));
    }

    proptest! {
        #[test]
        fn any_path_is_absolute_and_clean(steps in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
            let mut path = VirtualPath::root();
            for step in &steps {
                if let Ok(next) = path.join(step) {
                    path = next;
                }
            }
            prop_assert!(path.as_bytes().starts_with(b"/"));
            prop_assert!(path.is_root() || !path.as_bytes().ends_with(b"/"));
            for component in path.as_bytes()[1..].split(|&byte| byte == b'/') {
                prop_assert!(path.is_root() || !matches!(component, b"" | b"." | b".."));
            }
            prop_assert_eq!(&VirtualPath::root().join(path.as_bytes()).unwrap(), &path);
        }
    }
}
