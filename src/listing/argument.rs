//! The path in what follows LIST and NLST, behind the options that clients add as if they spoke to `ls`.
//!
//! Options change nothing: names with a leading dot are always listed, `.` and `..` and subdirectories never. So
//! `-a`, `-la` and `-R` are read and forgotten. What is not made of known letters is a path. A file that is itself
//! called like an option is looked for first by the caller, and reached by `./-a`, or after `--`, in any case.

const KNOWN_LETTERS: &[u8] = b"aAcCdFgGhlLnopqrRsStTu1";

/// The path in `argument`; empty if it holds options only, and the current directory is meant.
#[must_use]
pub fn path(argument: &[u8]) -> &[u8] {
    let mut rest = argument;
    while rest.first() == Some(&b'-') {
        let (word, after) = split_word(rest);
        if word == b"--" {
            return after;
        }
        if word.len() < 2 || !word[1..].iter().all(|letter| KNOWN_LETTERS.contains(letter)) {
            break;
        }
        rest = after;
    }
    rest
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
        for (argument, want) in [
            ("", ""),
            ("-a", ""),
            ("-la", ""),
            ("-al ", ""),
            ("-l -a", ""),
            ("-la dir", "dir"),
            ("-l  -a   two  blanks ", "two  blanks "),
            (" leading blank", " leading blank"),
            ("dir -la", "dir -la"),
            ("-aLlR /x", "/x"),
            ("./-a", "./-a"),
            ("-- -a", "-a"),
            ("-a -- -b c", "-b c"),
            ("-", "-"),
            ("-x-ray.txt", "-x-ray.txt"),
            ("-l -x-ray.txt", "-x-ray.txt"),
            ("-w999999999999", "-w999999999999"),
            ("--help", "--help"),
        ] {
            assert_eq!(path(argument.as_bytes()), want.as_bytes(), "{argument:?}");
        }
        let long = format!("-{}", "l".repeat(4000));
        assert_eq!(path(long.as_bytes()), b"");
        let unknown = format!("-{}Z", "l".repeat(4000));
        assert_eq!(path(unknown.as_bytes()), unknown.as_bytes());
    }
}
