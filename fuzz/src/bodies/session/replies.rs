//! Replies out of bytes, by the rules of RFC 959 section 4.2 and no laxer.

/// One reply.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) code: u16,
    /// The text of its first line.
    pub(super) text: Vec<u8>,
}

impl Said {
    /// Whether another reply follows for the same command.
    pub(super) fn is_preliminary(&self) -> bool {
        self.code < 200
    }
}

/// Takes a whole reply off the front of `bytes`; `None` if it has not come whole.
pub(super) fn take(bytes: &mut Vec<u8>) -> Option<Said> {
    let mut at = 0;
    let (code, first, several) = {
        let line = line(bytes, &mut at)?;
        let several = match line.get(3) {
            Some(b' ') => false,
            Some(b'-') => true,
            _ => panic!("no reply: {}", line.escape_ascii()),
        };
        (code(line).unwrap_or_else(|| panic!("no reply: {}", line.escape_ascii())), line[4..].to_vec(), several)
    };
    if several {
        loop {
            let line = line(bytes, &mut at)?;
            if self::code(line) == Some(code) && line.get(3) == Some(&b' ') {
                break;
            }
            assert!(self::code(line).is_none(), "may be taken for the last line: {}", line.escape_ascii());
        }
    }
    bytes.drain(..at);
    Some(Said { code, text: first })
}

fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let end = *at + bytes[*at..].iter().position(|&byte| byte == b'\n')?;
    let line = bytes[*at..end].strip_suffix(b"\r").expect("a line of a reply ends in CR LF");
    assert!(!line.contains(&b'\r'), "a CR within a reply: {}", line.escape_ascii());
    *at = end + 1;
    Some(line)
}

fn code(line: &[u8]) -> Option<u16> {
    let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let code = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (100..600).contains(&code).then_some(code)
}

/// The port that 227 and 229 tell.
pub(super) fn passive_port(said: &Said) -> Option<u16> {
    let text = String::from_utf8_lossy(&said.text).into_owned();
    let within = text.split_once('(')?.1.split_once(')')?.0.to_owned();
    match said.code {
        227 => {
            let numbers: Vec<u16> = within.split(',').map(|number| number.parse().expect("a number")).collect();
            assert_eq!(numbers.len(), 6, "{text}");
            Some(numbers[4] * 256 + numbers[5])
        }
        229 => Some(within.trim_matches('|').parse().expect("a port")),
        _ => None,
    }
}
