//! Who is told of an event: an address for HTTP, or a program.

use std::fmt;

use super::super::value::unit;

/// Who is told of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Hook {
    /// Nobody.
    #[default]
    Nobody,
    /// Whoever answers a POST there.
    Web(WebAddress),
    /// A program.
    Command(CommandLine),
    /// An address with a name or a password before the host, which is refused: it would be shown.
    WithPassword,
}

unit!(
    Hook,
    Text,
    "an address that begins with http:// or https://, a command that begins with the absolute path of a program and has its \
     quotes in pairs, or nothing"
);

/// Where to POST.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WebAddress {
    /// Whether over TLS.
    pub secure: bool,
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The one that is given, or that of the scheme.
    pub port: u16,
    /// Path and query, from the first slash.
    pub target: String,
    text: String,
}

/// A program and its arguments; no shell takes part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommandLine {
    /// The program by its absolute path, and its arguments. Never empty.
    pub words: Vec<String>,
    text: String,
}

impl Hook {
    /// Whether there is somebody.
    #[must_use]
    pub fn is_somebody(&self) -> bool {
        *self != Self::Nobody
    }

    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Nobody);
        }
        if text.contains('\0') {
            return None;
        }
        if text.starts_with('/') {
            let words = words(text)?;
            return Some(Self::Command(CommandLine { words, text: text.to_owned() }));
        }
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // Before anything else of it is judged, lest it be shown in a complaint.
        if authority.contains('@') {
            return Some(Self::WithPassword);
        }
        web_address(scheme, text).map(Self::Web)
    }
}

fn web_address(scheme: &str, text: &str) -> Option<WebAddress> {
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let uri: hyper::Uri = text.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    // Port 0, and one that is no number, are not heard of.
    let after_host = uri.authority()?.as_str().rsplit_once(']').map_or(uri.authority()?.as_str(), |(_, rest)| rest);
    let port = match (uri.port_u16(), after_host.contains(':')) {
        (Some(0), _) | (None, true) => return None,
        (Some(port), _) => port,
        (None, false) => {
            if secure {
                443
            } else {
                80
            }
        }
    };
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    (!host.is_empty()).then(|| WebAddress { secure, host, port, target, text: text.to_owned() })
}

/// Words with blanks between. Quotes of either kind keep blanks together; `\` makes the next character an ordinary one,
/// but not within single quotes. `None` if a quote, or what follows a `\`, is missing.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        within => word.push(within),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => word.push(characters.next()?),
                        within => word.push(within),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => Ok(()),
            Self::Web(WebAddress { text, .. }) | Self::Command(CommandLine { text, .. }) => f.write_str(text),
            Self::WithPassword => f.write_str("http://********@"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(
        Hook,
        "https?://[a-z]{1,8}(\\.[a-z]{2})?(:[1-9][0-9]{1,3})?(/[a-z/?=]{0,9})?|/bin/[a-z]{1,5}( [a-z]{0,4}){0,3}"
    );

    fn web(text: &str) -> (bool, String, u16, String) {
        match text.parse() {
            Ok(Hook::Web(WebAddress { secure, host, port, target, .. })) => (secure, host, port, target),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn addresses() {
        for (text, secure, host, port, target) in [
            ("http://example.org", false, "example.org", 80, "/"),
            ("HTTPS://example.org/a/b?c=d", true, "example.org", 443, "/a/b?c=d"),
            ("http://192.0.2.1:8080/x", false, "192.0.2.1", 8080, "/x"),
            ("https://[2001:db8::1]:8443", true, "2001:db8::1", 8443, "/"),
            ("http://[::1]/", false, "::1", 80, "/"),
            ("http://host?q=@", false, "host", 80, "/?q=@"),
        ] {
            assert_eq!(web(text), (secure, host.to_owned(), port, target.to_owned()), "{text}");
        }
    }

    #[test]
    fn commands() {
        for (text, words) in [
            ("/bin/true", &["/bin/true"][..]),
            ("  /bin/echo  a\tb ", &["/bin/echo", "a", "b"]),
            ("/bin/echo 'a  b' \"c 'd' \\\"e\\\"\" f\\ g", &["/bin/echo", "a  b", "c 'd' \"e\"", "f g"]),
            ("/bin/echo '' x''y $HOME *", &["/bin/echo", "", "xy", "$HOME", "*"]),
            ("'/a b'/c", &[]),
            ("/a' 'b/c", &["/a b/c"]),
        ] {
            match text.parse() {
                Ok(Hook::Command(CommandLine { words: read, .. })) => assert_eq!(read, words, "{text}"),
                other => assert!(words.is_empty() && other.is_err(), "{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_nobody() {
        for text in [
            "true",
            "./run",
            "ftp://host/",
            "http://",
            "http:///x",
            "http://host:0/",
            "http://host:99999/",
            "http://host:/",
            "http://a b/",
            "/bin/echo 'x",
            "/bin/echo \\",
            "/bin/echo \"x\\",
            "//",
            "/bin/echo\0",
        ] {
            assert!(text.parse::<Hook>().is_err() || text == "//", "{text}");
        }
        assert_eq!("".parse(), Ok(Hook::Nobody));
    }

    #[test]
    fn a_password_is_not_shown() {
        for text in ["http://bob:hunter2@host/", "https://hunter2@host:x", "ftp://a:hunter2@"] {
            let hook: Hook = text.parse().unwrap();
            assert_eq!(hook, Hook::WithPassword, "{text}");
            assert!(!format!("{hook} {hook:?}").contains("hunter2"), "{text}");
        }
    }
}
