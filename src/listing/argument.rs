//! The path in what follows LIST and NLST, behind the options that clients add as if they spoke to `ls`.
//!
//! Options change nothing: names with a leading dot are always listed, `.` and `..` and subdirectories never. So
//! `-a`, `-la` and `-R` are read and forgotten, as `ls` and other servers do even where a file is called so: that file is
//! reached by `./-la`, or after `--`. A word with a letter that is unknown begins a name if there is one, and is an option
//! like the others if there is none.

const KNOWN_LETTERS: &[u8] = b"aAcCdFgGhlLnopqrRsStTu1";

/// What `argument` may name.
#[derive(Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The path; empty if there are options only, and the current directory is meant.
    pub path: &'a [u8],
    /// The path behind all words that look like options, where `path` begins with one that has unknown letters: it is meant
    /// if nothing is called `path`.
    pub otherwise: Option<&'a [u8]>,
}

/// Reads what follows LIST, NLST or STAT.
#[must_use]
pub fn read(argument: &[u8]) -> Named<'_> {
    let (path, is_maybe_option) = without_options(argument, |letter| KNOWN_LETTERS.contains(letter));
    Named { path, otherwise: is_maybe_option.then(|| without_options(path, |_| true).0) }
}

/// What follows the options that have such letters only, and whether it begins like another.
fn without_options(argument: &[u8], is_letter: impl Fn(&u8) -> bool) -> (&[u8], bool) {
    let mut rest = argument;
    while rest.first() == Some(&b'-') {
        let (word, after) = split_word(rest);
        if word == b"--" {
            return (after, false);
        }
        if word.len() < 2 || !word[1..].iter().all(&is_letter) {
            return (rest, word.len() > 1);
        }
        rest = after;
    }
    (rest, false)
}

fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_forgotten_and_paths_kept() {
        for (argument, path, otherwise) in [
            ("", "", None),
            ("-a", "", None),
            ("-la", "", None),
            ("-al ", "", None),
            ("-l -a", "", None),
            ("-la dir", "dir", None),
            ("-l  -a   two  blanks ", "two  blanks ", None),
            (" leading blank", " leading blank", None),
            ("dir -la", "dir -la", None),
            ("-aLlR /x", "/x", None),
            ("./-a", "./-a", None),
            ("--", "", None),
            ("-- -a", "-a", None),
            ("-a -- -b c", "-b c", None),
            ("-", "-", None),
            ("-l - x", "- x", None),
            ("-x-ray.txt", "-x-ray.txt", Some("")),
            ("-l -x-ray.txt", "-x-ray.txt", Some("")),
            ("-w999999999999", "-w999999999999", Some("")),
            ("-laZ dir", "-laZ dir", Some("dir")),
            ("-Z -l -Y two words", "-Z -l -Y two words", Some("two words")),
            ("-Z -- -Y", "-Z -- -Y", Some("-Y")),
            ("--help", "--help", Some("")),
            ("--all dir", "--all dir", Some("dir")),
        ] {
            let want = Named { path: path.as_bytes(), otherwise: otherwise.map(str::as_bytes) };
            assert_eq!(read(argument.as_bytes()), want, "{argument:?}");
        }
        let long = format!("-{}", "l".repeat(4000));
        assert_eq!(read(long.as_bytes()).path, b"");
        let unknown = format!("-{}Z", "l".repeat(4000));
        assert_eq!(read(unknown.as_bytes()), Named { path: unknown.as_bytes(), otherwise: Some(b"") });
    }
}
