//! Bytes of the control connection into lines: RFC 959 section 5.3, with the Telnet commands taken out that stand before a
//! verb, as ABOR, STAT and QUIT have them (section 4.1.3).
//!
//! Within a line nothing is taken out, and no byte 255 is taken for two: FileZilla, curl, Windows' ftp and most others send
//! names as they are, of which lftp alone doubles that byte, unless its `ftp:use-telnet-iac` is off. Replies and listings
//! have names as they are too.

use std::ops::RangeInclusive;

/// The longest line that is understood, in bytes without its end. A path of the longest kind fits.
pub const MAX_LINE: usize = 4096;

/// The bytes of Telnet's commands, the 255 that goes before each among them (RFC 854).
const TELNET: RangeInclusive<u8> = 240..=255;
/// WILL, WON'T, DO and DON'T, which an option follows.
const WITH_OPTION: RangeInclusive<u8> = 251..=254;
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
    /// WILL, WON'T, DO or DON'T came before the line; the next byte is its option.
    option_follows: bool,
    overlong: bool,
    begun: bool,
}

impl LineDecoder {
    /// Whether a line has begun and not ended.
    #[must_use]
    pub fn is_within_line(&self) -> bool {
        !self.line.is_empty() || self.overlong || self.option_follows
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
            match byte {
                b'\n' => return Some(self.end_line()),
                // No option is a letter: a verb begins here, whose Telnet command lost its end as urgent data.
                _ if std::mem::take(&mut self.option_follows) && !byte.is_ascii_alphabetic() => {}
                _ if self.is_telnet(byte) => self.option_follows = WITH_OPTION.contains(&byte),
                _ => self.keep(byte),
            }
        }
        None
    }

    /// Whether a byte is Telnet's. Before a verb, which is made of letters, each of its bytes is, in whatever order they
    /// come: urgent data may take one out of its place. Within a line a byte is the client's, as names hold any.
    fn is_telnet(&self, byte: u8) -> bool {
        self.line.is_empty() && !self.overlong && TELNET.contains(&byte)
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
        self.option_follows = false;
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
            (b"\xff\xf4\xf2ABOR\r\n".to_vec(), vec![line(b"ABOR")]),
            (b"\xf4\xffABOR\r\n\xffSTAT\r\n\xf4QUIT\r\n".to_vec(), vec![line(b"ABOR"), line(b"STAT"), line(b"QUIT")]),
            (b"\xff\xfb\x01NOOP\r\n".to_vec(), vec![line(b"NOOP")]),
            (b"\xff\xfd\xffNOOP\r\n".to_vec(), vec![line(b"NOOP")]),
            (b"\xff\xfbNOOP\r\n\xff\xfe\r\nNOOP\r\n".to_vec(), vec![line(b"NOOP"), line(b""), line(b"NOOP")]),
            (b"NO\xff\xf1OP\r\n".to_vec(), vec![line(b"NO\xff\xf1OP")]),
            (b"RETR \xff\xff\xf4\xfb\r\n".to_vec(), vec![line(b"RETR \xff\xff\xf4\xfb")]),
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
        fn telnet_before_a_verb_is_read_over_and_none_in_a_name(
            before in prop::collection::vec(240u8..=250, 0..6),
            name in prop::collection::vec(any::<u8>().prop_filter("no end", |byte| !matches!(byte, b'\r' | b'\n' | 0)), 0..40),
            size in 1usize..8
        ) {
            let said = [b"DELE ", name.as_slice()].concat();
            let bytes = [&before, said.as_slice(), b"\r\n"].concat();
            prop_assert_eq!(decode_in_chunks(&bytes, size), vec![line(&said)]);
        }

        #[test]
        fn the_cut_of_the_segments_never_matters(bytes in prop::collection::vec(
            prop_oneof![Just(b'\n'), Just(b'\r'), Just(255u8), Just(244u8), any::<u8>()], 0..200), size in 1usize..20) {
            prop_assert_eq!(decode_in_chunks(&bytes, size), decode_in_chunks(&bytes, bytes.len().max(1)));
        }
    }
}
