//! Patterns on one name: `*`, `?`, `[a-z]`, `[!x]`, matched in bounded time.
//!
//! Only the last component of a path may hold one, so no pattern walks a tree. Matching keeps one place to come back to,
//! never a stack of them: at most pattern × name steps, where the recursive matchers of other servers took exponential
//! time (CVE-2005-0256, CVE-2011-0762). As in a shell, case counts, a leading dot must be given, and a `[` that is never
//! closed stands for itself. There is no escape: a name that holds these characters is found by asking for the name first.

use crate::path::MAX_COMPONENT;

/// A pattern, ready to be compared with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Exactly(u8),
    AnyByte,
    AnyRun,
    /// One bit for each byte that fits.
    OneOf([u64; 4]),
}

/// Whether `name` would be read as a pattern.
#[must_use]
pub fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

impl Pattern {
    /// Reads a pattern. `None` if it is over [`MAX_COMPONENT`] bytes, longer than any name.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_COMPONENT {
            return None;
        }
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'*' if tokens.last() == Some(&Token::AnyRun) => {}
                b'*' => tokens.push(Token::AnyRun),
                b'?' => tokens.push(Token::AnyByte),
                b'[' => match read_class(after) {
                    Some((class, after)) => {
                        tokens.push(Token::OneOf(class));
                        rest = after;
                    }
                    None => tokens.push(Token::Exactly(b'[')),
                },
                _ => tokens.push(Token::Exactly(byte)),
            }
        }
        Some(Self(tokens))
    }

    /// Whether the whole of `name` fits.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        self.compare(name, || {})
    }

    /// Tells each step it takes.
    fn compare(&self, name: &[u8], mut step: impl FnMut()) -> bool {
        let tokens = &self.0;
        if name.first() == Some(&b'.') && tokens.first() != Some(&Token::Exactly(b'.')) {
            return false;
        }
        let (mut token, mut byte) = (0, 0);
        // Where to go on if what follows the last `*` does not fit: that `*` then takes one byte more.
        let mut resume = None;
        while byte < name.len() {
            step();
            match tokens.get(token) {
                Some(Token::AnyRun) => {
                    token += 1;
                    resume = Some((token, byte));
                }
                Some(one) if one.fits(name[byte]) => {
                    token += 1;
                    byte += 1;
                }
                _ => {
                    let Some((after_run, taken)) = resume else { return false };
                    (token, byte) = (after_run, taken + 1);
                    resume = Some((token, byte));
                }
            }
        }
        tokens[token..].iter().all(|rest| *rest == Token::AnyRun)
    }
}

impl Token {
    fn fits(self, byte: u8) -> bool {
        match self {
            Self::Exactly(wanted) => byte == wanted,
            Self::AnyByte => true,
            Self::AnyRun => false,
            Self::OneOf(class) => class[usize::from(byte / 64)] & (1 << (byte % 64)) != 0,
        }
    }
}

/// Reads what follows `[` up to its `]`, which is a member if it comes first; `None` if there is no end.
fn read_class(text: &[u8]) -> Option<([u64; 4], &[u8])> {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let members = &text[usize::from(negated)..];
    let end = 1 + members.get(1..)?.iter().position(|&byte| byte == b']')?;
    let (mut members, after) = (&members[..end], &members[end + 1..]);
    let mut class = [0; 4];
    while let Some((&first, rest)) = members.split_first() {
        let (last, rest) = match rest {
            [b'-', last, rest @ ..] => (*last, rest),
            _ => (first, rest),
        };
        members = rest;
        for byte in first..=last {
            class[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
    }
    if negated {
        class = class.map(|bits: u64| !bits);
    }
    Some((class, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern.as_bytes()).unwrap().matches(name.as_bytes())
    }

    #[test]
    fn names_that_fit() {
        for (pattern, names) in [
            ("*", "a ab a.txt -x"),
            ("*.txt", "a.txt a.b.txt -.txt"),
            ("a*b*c", "abc axbxc abbbc abcbc"),
            ("?", "a b *"),
            ("[a-c]x", "ax bx cx"),
            ("[!a-c]x", "dx Ax -x"),
            ("[^a]", "b"),
            ("[]]", "]"),
            ("[!]]", "a"),
            ("[a-]", "a -"),
            ("[", "["),
            ("a[b", "a[b"),
            ("[]", "[]"),
            ("[!", "[!"),
            (".*", ".a .."),
            ("**a**", "a bab"),
            ("", ""),
        ] {
            for name in names.split(' ') {
                assert!(matches(pattern, name), "{pattern:?} {name:?}");
            }
        }
    }

    #[test]
    fn names_that_do_not() {
        for (pattern, names) in [
            ("*", ".hidden .."),
            ("?hidden", ".hidden"),
            ("[.]hidden", ".hidden"),
            ("[!a]hidden", ".hidden"),
            ("*.txt", "a.TXT a.txt.gz txt"),
            ("a*b*c", "ab abcd cba"),
            ("?", "ab"),
            ("[a-c]x", "dx x aax"),
            ("[!a]", "a ab"),
            ("[c-a]", "a b c"),
            ("a", "b A aa"),
        ] {
            for name in names.split(' ') {
                assert!(!matches(pattern, name), "{pattern:?} {name:?}");
            }
        }
        assert!(!matches("?", ""));
    }

    #[test]
    fn what_is_read_as_a_pattern() {
        assert!([&b"*.txt"[..], b"a?", b"[x"].into_iter().all(is_pattern));
        assert!(!is_pattern(b"plain-name]{1}"));
        assert!(Pattern::new(&[b'*'; MAX_COMPONENT]).is_some());
        assert_eq!(Pattern::new(&[b'*'; MAX_COMPONENT + 1]), None);
    }

    /// T58, CVE-2005-0256: no pattern makes more steps than pattern and name are long, multiplied. Exponential matching
    /// would not end within the age of the universe.
    #[test]
    fn many_stars_take_few_steps() {
        let name = [b'a'; MAX_COMPONENT];
        let stars = |part: &str| part.repeat(250 / part.len());
        for text in ["a*", "*a", "a*a*", "*", "*?", "[a-z]*", "*aaaaaaaaab", "a?*", "*[!b]"].map(stars) {
            for text in [format!("{text}b"), format!("*{text}b"), text] {
                let mut steps = 0;
                let pattern = Pattern::new(text.as_bytes()).unwrap();
                pattern.compare(&name, || steps += 1);
                assert!(steps <= (text.len() + 1) * (name.len() + 1), "{text}: {steps} steps");
                assert!(steps > 0);
            }
        }
    }

    /// The definition, by recursion: slow, and plainly right.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if by_definition(rest, name) => true,
            (Some((b'*', _)), Some((_, shorter))) => by_definition(pattern, shorter),
            (Some((b'?', rest)), Some((_, shorter))) => by_definition(rest, shorter),
            (Some((wanted, rest)), Some((found, shorter))) => wanted == found && by_definition(rest, shorter),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_follows_the_definition(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &name), by_definition(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn any_bytes_are_some_pattern(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let pattern = Pattern::new(&text).unwrap();
            prop_assert!(is_pattern(&text) || pattern.matches(&text));
        }
    }
}
