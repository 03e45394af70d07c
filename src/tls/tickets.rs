//! What a TLS session is resumed by, good for one FTP session only.

use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::server::{ProducesTickets, StoresServerSessions};

/// Tickets that carry the mark of their session, under keys that all sessions share and that change by the hour. A
/// handshake that resumes by such a ticket is made by whoever made the one on the control connection; so it is in TLS
/// 1.2 and in 1.3, and a ticket may be used many times, as clients do with a data connection for each file.
#[derive(Debug)]
pub(super) struct OwnTickets {
    keys: Arc<dyn ProducesTickets>,
    mark: [u8; 16],
}

impl OwnTickets {
    /// For one session.
    pub(super) fn new(keys: &Arc<dyn ProducesTickets>) -> Option<Self> {
        let mut mark = [0; 16];
        getrandom::fill(&mut mark).ok()?;
        Some(Self { keys: Arc::clone(keys), mark })
    }
}

impl ProducesTickets for OwnTickets {
    fn enabled(&self) -> bool {
        self.keys.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.keys.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.encrypt(&[&self.mark, plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.keys.decrypt(cipher)?;
        // What is compared has been authenticated, so nothing can be learned from how long it takes.
        plain.strip_prefix(&self.mark).map(<[u8]>::to_vec)
    }
}

/// The TLS session of the control connection, for clients of TLS 1.2 that do without tickets, as curl does.
#[derive(Debug, Default)]
pub(super) struct OwnSession(OnceLock<(Vec<u8>, Vec<u8>)>);

impl StoresServerSessions for OwnSession {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        // The first is the control connection's; where that came with a ticket and reuse is not required, anybody's.
        self.0.set((key, value)).is_ok()
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get().filter(|(known, _)| known == key).map(|(_, value)| value.clone())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::crypto::aws_lc_rs::Ticketer;

    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_own_session_and_many_times() {
        let keys = Ticketer::new().unwrap();
        let (own, other) = (OwnTickets::new(&keys).unwrap(), OwnTickets::new(&keys).unwrap());
        let ticket = own.encrypt(b"secrets").unwrap();
        for _ in 0..3 {
            assert_eq!(own.decrypt(&ticket).as_deref(), Some(&b"secrets"[..]));
        }
        assert_eq!(other.decrypt(&ticket), None);
        let foreign = keys.encrypt(b"secrets").unwrap();
        assert_eq!(own.decrypt(&foreign), None);
    }
    /// F54: a session may last longer than the keys. Its old tickets are none then: the data connection makes a handshake of
    /// its own, which is 522 where it may not.
    #[test]
    fn a_ticket_outlives_no_keys() {
        let session = OwnTickets::new(&Ticketer::new().unwrap()).unwrap();
        let ticket = session.encrypt(b"secrets").unwrap();
        let later = OwnTickets { keys: Ticketer::new().unwrap(), mark: session.mark };
        assert_eq!(later.decrypt(&ticket), None);
    }
}
