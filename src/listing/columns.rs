//! Numbers in columns, written without a heap allocation: a listing may have a million lines.

/// Appends `value` in decimal, `fill` before it up to `width`.
pub(super) fn push_right(out: &mut Vec<u8>, value: u64, width: usize, fill: u8) {
    let mut digits = [fill; 20];
    let first = write_digits(&mut digits, value, 10);
    out.extend_from_slice(&digits[first.min(digits.len().saturating_sub(width))..]);
}

/// Appends `value` in decimal, blanks after it up to `width`.
pub(super) fn push_left(out: &mut Vec<u8>, value: u64, width: usize) {
    let end = out.len() + width;
    push_right(out, value, 1, b' ');
    out.resize(out.len().max(end), b' ');
}

/// Appends `value` in base 8 or 16, as short as it is.
pub(super) fn push_base(out: &mut Vec<u8>, value: u64, base: u64) {
    let mut digits = [0; 22];
    let first = write_digits(&mut digits, value, base);
    out.extend_from_slice(&digits[first..]);
}

/// Writes `value` to the end of `digits`; returns where it begins.
fn write_digits(digits: &mut [u8], mut value: u64, base: u64) -> usize {
    for place in (0..digits.len()).rev() {
        let [digit, ..] = (value % base).to_le_bytes();
        digits[place] = b"0123456789abcdef"[usize::from(digit)];
        value /= base;
        if value == 0 {
            return place;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn columns_are_those_of_format(value in prop_oneof![any::<u64>(), 0..2000u64], width in 0..21usize) {
            let mut out = b"x".to_vec();
            push_right(&mut out, value, width, b' ');
            out.push(b'|');
            push_right(&mut out, value, width, b'0');
            out.push(b'|');
            push_left(&mut out, value, width);
            out.push(b'|');
            push_base(&mut out, value, 8);
            out.push(b'|');
            push_base(&mut out, value, 16);
            let want = format!("x{value:>width$}|{value:0>width$}|{value:<width$}|{value:o}|{value:x}");
            prop_assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }
}
