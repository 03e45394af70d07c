//! Which names a user may have: what can be a directory's name, a word in a reply and a word in the log.

use super::account::Account;

/// The longest user name, in bytes: it may become the name of a directory.
const MAX_LENGTH: usize = 255;

/// The name, if it may be one; else what is wrong with it, in words that do not repeat it.
pub(super) fn user_name(name: &[u8]) -> Result<&str, &'static str> {
    let Ok(name) = str::from_utf8(name) else {
        return Err("the user name is not UTF-8");
    };
    match name {
        "" => Err("the user name is empty"),
        "." | ".." => Err("the user name may not be `.` or `..`"),
        Account::ANONYMOUS => Err("the user `anonymous` takes any password and is set by enable_anonymous, not here"),
        _ if name.len() > MAX_LENGTH => Err("the user name is longer than 255 bytes"),
        _ if name.contains('/') => Err("the user name holds a `/`"),
        _ if name.chars().any(char::is_control) => Err("the user name holds a control character"),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_fine() {
        let longest = "x".repeat(MAX_LENGTH);
        for name in ["alice", "ftp", "Anonymous", "bob@example.org", "Jürgen", "two words", "...", "-", &longest] {
            assert_eq!(user_name(name.as_bytes()), Ok(name));
        }
    }

    #[test]
    fn names_that_are_not() {
        let too_long = "x".repeat(MAX_LENGTH + 1);
        for name in ["", ".", "..", "a/../../etc", "/", "a\0b", "a\x1b[2J", "a\x7f", "a\u{85}", "anonymous", &too_long]
        {
            let complaint = user_name(name.as_bytes()).unwrap_err();
            assert!(complaint.starts_with("the user"), "{name:?}: {complaint}");
        }
        assert!(user_name(b"caf\xe9").is_err());
    }
}
