//! Bytes as the dialogues write them: escapes, and patterns with `*`.

pub(super) fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        (bytes, rest) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let byte = u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap();
                (pushed(bytes, byte), after)
            }
            (b'\\', [b'r', after @ ..]) => (pushed(bytes, b'\r'), after),
            (b'\\', [b'n', after @ ..]) => (pushed(bytes, b'\n'), after),
            (b'\\', [b't', after @ ..]) => (pushed(bytes, b'\t'), after),
            (b'\\', [b's', after @ ..]) => (pushed(bytes, b' '), after),
            (b'\\', [b'\\', after @ ..]) => (pushed(bytes, b'\\'), after),
            (other, after) => (pushed(bytes, *other), after),
        };
    }
    bytes
}

fn pushed(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

/// Whether `*` in the pattern, standing for anything, makes it the text.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut pieces = pattern.split(|&byte| byte == b'*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.windows(piece.len().max(1)).position(|window| window.starts_with(piece)) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}
