//! TYPE A: lines end in CR LF on the wire and in LF on disk (RFC 959 section 3.1.1.1), across the borders of chunks.

/// Disk to wire: LF becomes CR LF; a CR LF that stands on disk is sent as it is.
#[derive(Debug, Default)]
pub struct ToWire {
    after_cr: bool,
}

/// Wire to disk: CR LF becomes LF; a CR with something else behind it stays.
#[derive(Debug, Default)]
pub struct FromWire {
    held_cr: bool,
}

impl ToWire {
    /// Appends the converted `chunk` to `out`.
    pub fn convert(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for piece in chunk.split_inclusive(|&byte| byte == b'\n') {
            if let Some(line) = piece.strip_suffix(b"\n") {
                let has_cr = line.last().map_or(self.after_cr, |&byte| byte == b'\r');
                out.extend_from_slice(line);
                out.extend_from_slice(if has_cr { b"\n" } else { b"\r\n" });
                self.after_cr = false;
            } else {
                out.extend_from_slice(piece);
                self.after_cr = piece.last() == Some(&b'\r');
            }
        }
    }
}

impl FromWire {
    /// Appends the converted `chunk` to `out`. A CR at its end is held until what follows is known.
    pub fn convert(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for (index, piece) in chunk.split(|&byte| byte == b'\r').enumerate() {
            if index > 0 {
                self.release(out);
                self.held_cr = true;
            }
            if let Some(&first) = piece.first() {
                if first == b'\n' {
                    self.held_cr = false;
                }
                self.release(out);
                out.extend_from_slice(piece);
            }
        }
    }

    /// The end of the stream: a CR that was held belongs to the file.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.release(out);
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.held_cr) {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to_wire(bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut converter, mut out) = (ToWire::default(), Vec::new());
        bytes.chunks(size).for_each(|chunk| converter.convert(chunk, &mut out));
        out
    }

    fn from_wire(bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut converter, mut out) = (FromWire::default(), Vec::new());
        bytes.chunks(size).for_each(|chunk| converter.convert(chunk, &mut out));
        converter.finish(&mut out);
        out
    }

    #[test]
    fn line_ends_are_converted_across_every_border() {
        for (disk, wire) in [
            (&b"a\nb\n"[..], &b"a\r\nb\r\n"[..]),
            (b"\n\n", b"\r\n\r\n"),
            (b"", b""),
            (b"a", b"a"),
            (b"a\rb", b"a\rb"),
            (b"a\r", b"a\r"),
        ] {
            for size in 1..=wire.len().max(1) {
                assert_eq!(to_wire(disk, size), wire, "{disk:?} by {size}");
                assert_eq!(from_wire(wire, size), disk, "{wire:?} by {size}");
            }
        }
    }

    #[test]
    fn a_file_that_has_crlf_is_sent_as_it_is() {
        for size in 1..=8 {
            assert_eq!(to_wire(b"a\r\nb\n\r\n", size), b"a\r\nb\r\n\r\n");
            assert_eq!(from_wire(b"a\r\r\nb\r", size), b"a\r\nb\r");
        }
    }

    proptest! {
        #[test]
        fn text_survives_the_round_trip(text in "[ab\n]{0,80}", size in 1usize..9) {
            prop_assert_eq!(from_wire(&to_wire(text.as_bytes(), size), size), text.as_bytes());
        }

        /// T44: CR LF on every edge of what comes at once.
        #[test]
        fn the_border_never_matters(bytes in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..60),
                                    size in 1usize..9) {
            prop_assert_eq!(to_wire(&bytes, size), to_wire(&bytes, 1000));
            prop_assert_eq!(from_wire(&bytes, size), from_wire(&bytes, 1000));
        }
    }
}
