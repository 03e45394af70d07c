//! Other protocols' first words. A browser made to send a request to an FTP port carries an attacker's commands in its
//! headers or body; such a session ends at the first foreign line (the ALPACA attacks, 2021).

/// Whether a line is HTTP's or SMTP's rather than FTP's.
#[must_use]
pub fn is_foreign(verb: &[u8]) -> bool {
    const HTTP: [&[u8]; 9] = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"PATCH", b"TRACE", b"DELETE"];
    const OTHERS: [&[u8]; 3] = [b"EHLO", b"HELO", b"HOST:"];
    HTTP.contains(&verb) || OTHERS.contains(&verb)
}

#[cfg(test)]
mod tests {
    use super::is_foreign;

    #[test]
    fn ftp_is_not_foreign_and_http_is() {
        for verb in
            ["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "PATCH", "TRACE", "DELETE", "EHLO", "HELO", "HOST:"]
        {
            assert!(is_foreign(verb.as_bytes()), "{verb}");
        }
        for verb in ["HOST", "DELE", "OPTS", "USER", "RETR", "", "GETX"] {
            assert!(!is_foreign(verb.as_bytes()), "{verb}");
        }
    }
}
