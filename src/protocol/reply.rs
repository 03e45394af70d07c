//! One answer on the control connection: a code and its text, RFC 959 section 4.2.

use std::borrow::Cow;

/// A three-digit reply code. Only the constants exist, so no number stands elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(u16);

/// A reply of one line or of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    first: Cow<'static, [u8]>,
    rest: Option<Rest>,
}

/// The lines after the first, and the last, which carries the code again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    middle: Vec<Vec<u8>>,
    indent: &'static [u8],
    last: Cow<'static, [u8]>,
}

/// What a line between the first and the last begins with, lest it be taken for the last (RFC 959 section 4.2).
const INDENT: &[u8] = b" ";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        #[allow(missing_docs, reason = "a code's meaning is RFC 959 section 4.2.1; its name repeats it in a word")]
        impl Code { $($(#[$doc])* pub const $name: Self = Self($number);)* }
    };
}

codes! {
    OPENING_DATA = 150;
    OKAY = 200;
    SUPERFLUOUS = 202;
    STATUS = 211;
    FILE_STATUS = 213;
    HELP = 214;
    SYSTEM = 215;
    READY = 220;
    CLOSING_CONTROL = 221;
    NO_TRANSFER = 225;
    CLOSING_DATA = 226;
    PASSIVE = 227;
    EXTENDED_PASSIVE = 229;
    LOGGED_IN = 230;
    FILE_OKAY = 250;
    CREATED = 257;
    /// RFC 2228 section 5: logged in by what the security exchange told.
    AUTHORIZED = 232;
    /// RFC 2228 section 5.
    SECURITY_ACCEPTED = 234;
    NEED_PASSWORD = 331;
    PENDING = 350;
    UNAVAILABLE = 421;
    NO_DATA_CONNECTION = 425;
    DATA_ABORTED = 426;
    FILE_BUSY = 450;
    LOCAL_ERROR = 451;
    NO_SPACE = 452;
    UNKNOWN_COMMAND = 500;
    BAD_ARGUMENT = 501;
    NOT_IMPLEMENTED = 502;
    BAD_SEQUENCE = 503;
    BAD_PARAMETER = 504;
    /// RFC 4217 section 9.
    PROTECTION_NEEDED = 521;
    /// RFC 2428 section 2; RFC 4217 section 10 for TLS.
    BAD_PROTOCOL = 522;
    NOT_LOGGED_IN = 530;
    /// RFC 2228 section 5.
    DENIED_BY_POLICY = 534;
    /// RFC 2228 section 5.
    PROTECTION_UNKNOWN = 536;
    FILE_UNAVAILABLE = 550;
    OVER_ALLOCATION = 552;
    BAD_NAME = 553;
    /// RFC 1123 section 4.1.3.4.
    BAD_RESTART = 554;
}

impl Code {
    /// The number, for the log and the tests.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    fn digits(self) -> [u8; 3] {
        [100, 10, 1].map(|place| b'0' + u8::try_from(self.0 / place % 10).unwrap_or_default())
    }

    /// Whether the command failed: 4xx and 5xx.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self.0 >= 400
    }
}

impl Reply {
    /// A reply of one line. Line ends within become blanks: no text may forge a line.
    #[must_use]
    pub fn new(code: Code, text: impl Into<Vec<u8>>) -> Self {
        Self { code, first: one_line(Cow::Owned(text.into())), rest: None }
    }

    /// A reply of one fixed line.
    #[must_use]
    pub fn fixed(code: Code, text: &'static str) -> Self {
        Self { code, first: Cow::Borrowed(text.as_bytes()), rest: None }
    }

    /// A reply of several lines: the first and the last carry the code; those between begin with a blank, as
    /// RFC 959 asks of lines that might begin with digits.
    #[must_use]
    pub fn lines(code: Code, first: impl Into<Vec<u8>>, middle: Vec<Vec<u8>>, last: &'static str) -> Self {
        Self::several(code, first.into().into(), middle, INDENT, last.as_bytes().into())
    }

    /// Like [`Reply::lines`], without the blank: lines of LIST never begin with digits, and clients read them by columns.
    #[must_use]
    pub fn listing(code: Code, first: impl Into<Vec<u8>>, middle: Vec<Vec<u8>>, last: &'static str) -> Self {
        Self::several(code, first.into().into(), middle, b"", last.as_bytes().into())
    }

    /// A text of an operator's, of one line or of several.
    #[must_use]
    pub fn text(code: Code, text: &str) -> Self {
        let mut lines: Vec<&str> = text.lines().collect();
        let last = lines.pop().unwrap_or_default().as_bytes().to_vec();
        if lines.is_empty() {
            return Self::new(code, last);
        }
        let first = lines.remove(0).as_bytes().to_vec();
        let middle = lines.into_iter().map(|line| line.as_bytes().to_vec()).collect();
        Self::several(code, first.into(), middle, INDENT, last.into())
    }

    fn several(
        code: Code,
        first: Cow<'static, [u8]>,
        middle: Vec<Vec<u8>>,
        indent: &'static [u8],
        last: Cow<'static, [u8]>,
    ) -> Self {
        let middle = middle.into_iter().map(|line| one_line(Cow::Owned(line)).into_owned()).collect();
        Self { code, first: one_line(first), rest: Some(Rest { middle, indent, last: one_line(last) }) }
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// Whether it says that there is no such command (500).
    #[must_use]
    pub fn is_unknown_command(&self) -> bool {
        self.code == Code::UNKNOWN_COMMAND
    }

    /// The text of its first line, for the log.
    #[must_use]
    pub fn first_line(&self) -> &[u8] {
        &self.first
    }

    /// Appends the bytes that go on the wire.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Some(rest) = &self.rest else { return self.encode_line(b" ", &self.first, out) };
        self.encode_line(b"-", &self.first, out);
        for text in &rest.middle {
            out.extend_from_slice(rest.indent);
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
        self.encode_line(b" ", &rest.last, out);
    }

    fn encode_line(&self, separator: &[u8], text: &[u8], out: &mut Vec<u8>) {
        let code = self.code.digits();
        out.reserve(code.len() + separator.len() + text.len() + 2);
        out.extend_from_slice(&code);
        out.extend_from_slice(separator);
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }
}

fn one_line(text: Cow<'static, [u8]>) -> Cow<'static, [u8]> {
    if text.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        let clean = text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
        Cow::Owned(clean.collect())
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn forms_of_a_reply() {
        assert_eq!(encoded(&Reply::fixed(Code::OKAY, "Done.")), "200 Done.\r\n");
        let status = Reply::lines(Code::STATUS, "Status:", vec![b"226 a".to_vec(), b"b\r\n226 c".to_vec()], "End.");
        assert_eq!(encoded(&status), "211-Status:\r\n 226 a\r\n b  226 c\r\n211 End.\r\n");
        assert_eq!(encoded(&Reply::text(Code::READY, "")), "220 \r\n");
        assert_eq!(encoded(&Reply::text(Code::READY, "one")), "220 one\r\n");
        assert_eq!(encoded(&Reply::text(Code::READY, "one\ntwo\n220 three")), "220-one\r\n two\r\n220 220 three\r\n");
    }

    #[test]
    fn no_text_forges_a_line() {
        assert_eq!(encoded(&Reply::new(Code::OKAY, b"a\r\n226 b\n".to_vec())), "200 a  226 b \r\n");
    }
}
