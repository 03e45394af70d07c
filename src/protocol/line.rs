//! Bytes of the control connection into lines: RFC 959 section 5.3, with the Telnet commands of section 4.1.3.2 taken out.

/// The longest line that is understood, in bytes without its end. A path of the longest kind fits.
pub const MAX_LINE: usize = 4096;

/// "Interpret as command": what follows is Telnet's, not the user's (RFC 854).
const IAC: u8 = 255;
/// The first byte of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What the decoder found.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole line, without its CR LF (or bare LF).
    Line(Vec<u8>),
    /// A line over [`MAX_LINE`] went by; nothing of it was kept.
    TooLong,
    /// The peer's first byte begins a TLS handshake, not FTP.
    TlsHello,
}

/// Splits a stream of bytes into lines, however the bytes were cut into segments. Holds at most [`MAX_LINE`] bytes.
#[derive(Debug, Default)]
pub struct LineDecoder {
    line: Vec<u8>,
    telnet: Telnet,
    overlong: bool,
    begun: bool,
}

/// Where in a Telnet command the last byte left us (RFC 854).
#[derive(Debug, Default, Clone, Copy)]
enum Telnet {
    #[default]
    Text,
    /// An IAC came; the next byte says which command.
    Command,
    /// WILL, WON'T, DO or DON'T came; the next byte is its option.
    Option,
}

impl LineDecoder {
    /// Whether a line has begun and not ended.
    #[must_use]
    pub fn is_within_line(&self) -> bool {
        !self.line.is_empty() || self.overlong || !matches!(self.telnet, Telnet::Text)
    }

    /// Takes bytes off the front of `input` until a line ends or there are no more.
    /// What is left in `input` belongs to the lines after it.
    pub fn decode(&mut self, input: &mut &[u8]) -> Option<Decoded> {
        if !self.begun && !input.is_empty() {
            self.begun = true;
            if input[0] == TLS_HANDSHAKE {
                return Some(Decoded::TlsHello);
            }
        }
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            match (self.telnet, byte) {
                (Telnet::Text, IAC) => self.telnet = Telnet::Command,
                (Telnet::Text, b'\n') => return Some(self.end_line()),
                (Telnet::Text, _) => self.keep(byte),
                (Telnet::Command, IAC) => self.resume_text(&[IAC]),
                (Telnet::Command, 251..=254) => self.telnet = Telnet::Option,
                // Abort Output, Interrupt Process, Data Mark and their like: they go before ABOR, STAT and QUIT.
                (Telnet::Command, 240..=250) | (Telnet::Option, _) => self.telnet = Telnet::Text,
                // No Telnet command at all: a client that does not double the byte 255 in a file name.
                (Telnet::Command, b'\n') => {
                    self.resume_text(&[IAC]);
                    return Some(self.end_line());
                }
                (Telnet::Command, _) => self.resume_text(&[IAC, byte]),
            }
        }
        None
    }

    fn resume_text(&mut self, bytes: &[u8]) {
        self.telnet = Telnet::Text;
        for &byte in bytes {
            self.keep(byte);
        }
    }

    fn keep(&mut self, byte: u8) {
        // One more than the longest line: its CR may still come off.
        if self.line.len() <= MAX_LINE && !self.overlong {
            self.line.push(byte);
        } else {
            self.overlong = true;
            self.line = Vec::new();
        }
    }

    fn end_line(&mut self) -> Decoded {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if std::mem::take(&mut self.overlong) || line.len() > MAX_LINE { Decoded::TooLong } else { Decoded::Line(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_in_chunks(bytes: &[u8], size: usize) -> Vec<Decoded> {
        let mut decoder = LineDecoder::default();
        let mut found = Vec::new();
        for chunk in bytes.chunks(size) {
            let mut input = chunk;
            while let Some(decoded) = decoder.decode(&mut input) {
                found.push(decoded);
            }
            assert!(input.is_empty());
        }
        found
    }

    fn line(text: &[u8]) -> Decoded {
        Decoded::Line(text.to_vec())
    }

    #[test]
    fn lines_come_out_alike_in_every_chunk_size() {
        let mut long = vec![b'A'; MAX_LINE];
        long.extend_from_slice(b"\r\n");
        let mut overlong = vec![b'B'; MAX_LINE + 1];
        overlong.extend_from_slice(b"\r\n");
        for (bytes, want) in [
            (b"USER bob\r\nPASS x y\r\n".to_vec(), vec![line(b"USER bob"), line(b"PASS x y")]),
            (b"NOOP\nNOOP\n".to_vec(), vec![line(b"NOOP"), line(b"NOOP")]),
            (b"\r\n\n".to_vec(), vec![line(b""), line(b"")]),
            (b"a\rb\r\r\n".to_vec(), vec![line(b"a\rb\r")]),
            (b"\xff\xf4\xff\xf2ABOR\r\n".to_vec(), vec![line(b"ABOR")]),
            (b"\xff\xf4\xf2ABOR\r\n".to_vec(), vec![line(b"\xf2ABOR")]),
            (b"\xff\xfb\x01NOOP\r\n".to_vec(), vec![line(b"NOOP")]),
            (b"RETR \xff\xff\r\n".to_vec(), vec![line(b"RETR \xff")]),
            (b"RETR a\xffb\xff\r\n".to_vec(), vec![line(b"RETR a\xffb\xff")]),
            (b"RETR \xff\n".to_vec(), vec![line(b"RETR \xff")]),
            (b"no end".to_vec(), vec![]),
            (long.clone(), vec![line(&long[..MAX_LINE])]),
            ([overlong.as_slice(), b"NOOP\r\n"].concat(), vec![Decoded::TooLong, line(b"NOOP")]),
        ] {
            for size in 1..=bytes.len() {
                assert_eq!(decode_in_chunks(&bytes, size), want, "{:?} by {size}", bytes.escape_ascii().to_string());
            }
        }
    }

    #[test]
    fn an_endless_line_is_not_held() {
        let mut decoder = LineDecoder::default();
        for _ in 0..1000 {
            assert_eq!(decoder.decode(&mut &[b'A'; 65536][..]), None);
        }
        assert!(decoder.line.capacity() <= 2 * MAX_LINE);
        assert_eq!(decoder.decode(&mut &b"\r\n"[..]), Some(Decoded::TooLong));
    }

    #[test]
    fn a_tls_hello_is_known_by_its_first_byte_and_only_there() {
        assert_eq!(LineDecoder::default().decode(&mut &b"\x16\x03\x01"[..]), Some(Decoded::TlsHello));
        assert_eq!(decode_in_chunks(b"A\x16\r\n\x16\r\n", 1), vec![line(b"A\x16"), line(b"\x16")]);
    }

    proptest! {
        #[test]
        fn the_cut_of_the_segments_never_matters(bytes in prop::collection::vec(
            prop_oneof![Just(b'\n'), Just(b'\r'), Just(255u8), Just(244u8), any::<u8>()], 0..200), size in 1usize..20) {
            prop_assert_eq!(decode_in_chunks(&bytes, size), decode_in_chunks(&bytes, bytes.len().max(1)));
        }
    }
}
