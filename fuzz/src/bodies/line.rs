//! The line decoder and the ASCII conversion: how the bytes were cut into segments never matters.

use longshore::protocol::ascii::FromWire;
use longshore::protocol::line::MAX_LINE;
use longshore::protocol::{Decoded, LineDecoder};

/// The first byte says how long the segments are; the rest is what came.
pub(super) fn run(input: &[u8]) {
    let Some((&cut, bytes)) = input.split_first() else { return };
    let size = usize::from(cut) + 1;
    let whole = decode(std::iter::once(bytes));
    assert_eq!(decode(bytes.chunks(size)), whole, "cut by {size}");
    // Segments of unlike sizes, one of them empty.
    let (first, rest) = bytes.split_at(bytes.len().min(usize::from(cut)));
    assert_eq!(decode([first, &[], rest].into_iter()), whole, "cut at {cut}");

    let lines = whole.iter().filter(|decoded| **decoded != Decoded::TlsHello);
    for decoded in lines {
        if let Decoded::Line(line) = decoded {
            assert!(line.len() <= MAX_LINE && !line.contains(&b'\n'));
        }
    }
    assert_eq!(whole, by_definition(bytes));
    assert_eq!(convert(bytes.chunks(size)), convert(std::iter::once(bytes)), "TYPE A cut by {size}");
}

fn decode<'a>(segments: impl Iterator<Item = &'a [u8]>) -> Vec<Decoded> {
    let mut decoder = LineDecoder::default();
    let mut found = Vec::new();
    for segment in segments {
        let mut input = segment;
        while let Some(decoded) = decoder.decode(&mut input) {
            found.push(decoded);
        }
        assert!(input.is_empty(), "bytes were left over without a line");
    }
    found
}

/// What is to come of the bytes.
fn by_definition(bytes: &[u8]) -> Vec<Decoded> {
    let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    lines.pop();
    let decoded = lines
        .into_iter()
        .map(without_telnet)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .map(|line| if line.len() > MAX_LINE { Decoded::TooLong } else { Decoded::Line(line.to_vec()) });
    let hello = bytes.first().filter(|&&byte| byte == 0x16).map(|_| Decoded::TlsHello);
    hello.into_iter().chain(decoded).collect()
}

/// A line from its verb on.
fn without_telnet(mut line: &[u8]) -> &[u8] {
    while let [240..=255, rest @ ..] = line {
        let has_option = matches!(line[0], 251..=254) && rest.first().is_some_and(|byte| !byte.is_ascii_alphabetic());
        line = if has_option { &rest[1..] } else { rest };
    }
    line
}

fn convert<'a>(segments: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut converter = FromWire::default();
    let mut converted = Vec::new();
    for segment in segments {
        converter.convert(segment, &mut converted);
    }
    converter.finish(&mut converted);
    converted
}
