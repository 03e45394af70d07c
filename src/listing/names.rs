//! NLST: one bare name a line (RFC 959, section 4.1.3), so that a client can fetch what it reads.

/// Appends the line of one entry.
pub fn write_line(out: &mut Vec<u8>, name: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_is_written_as_it_is() {
        let mut out = Vec::new();
        super::write_line(&mut out, b" -two  blanks \xff");
        assert_eq!(out, b" -two  blanks \xff\r\n");
    }
}
