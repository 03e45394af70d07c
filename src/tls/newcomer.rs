//! Keeps new TLS sessions from being resumed, on connections that have to resume one.
//!
//! A handshake is over, and the tickets for its session are sent, before anybody can say that it should have resumed
//! another. Whoever is refused for that must have nothing in hand to come back with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_rustls::rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert, StoresServerSessions};
use tokio_rustls::rustls::sign::{CertifiedKey, Signer, SigningKey};
use tokio_rustls::rustls::{ServerConfig, SignatureAlgorithm, SignatureScheme};

/// Has the one handshake that `config` is for give out neither a ticket nor the name of a session, unless it resumes one.
///
/// It is told by the key: a server signs whenever a session is new, before it makes tickets, and never to resume one.
pub(super) fn sent_off_with_nothing(config: &mut ServerConfig) {
    let is_new = Arc::new(AtomicBool::new(false));
    config.cert_resolver = Arc::new(Watched { what: Arc::clone(&config.cert_resolver), is_new: Arc::clone(&is_new) });
    config.ticketer = Arc::new(Watched { what: Arc::clone(&config.ticketer), is_new: Arc::clone(&is_new) });
    config.session_storage = Arc::new(Watched { what: Arc::clone(&config.session_storage), is_new });
}

/// A part of a configuration, and whether the handshake was seen to make a new session.
#[derive(Debug)]
struct Watched<T: ?Sized> {
    what: Arc<T>,
    is_new: Arc<AtomicBool>,
}

impl<T: ?Sized> Watched<T> {
    fn is_new(&self) -> bool {
        self.is_new.load(Ordering::Relaxed)
    }
}

impl ResolvesServerCert for Watched<dyn ResolvesServerCert> {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut own = CertifiedKey::clone(&*self.what.resolve(hello)?);
        own.key = Arc::new(Watched { what: own.key, is_new: Arc::clone(&self.is_new) });
        Some(Arc::new(own))
    }
}

impl SigningKey for Watched<dyn SigningKey> {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.is_new.store(true, Ordering::Relaxed);
        self.what.choose_scheme(offered)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.what.algorithm()
    }
}

impl ProducesTickets for Watched<dyn ProducesTickets> {
    fn enabled(&self) -> bool {
        self.what.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.what.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if self.is_new() { None } else { self.what.encrypt(plain) }
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.what.decrypt(cipher)
    }
}

impl StoresServerSessions for Watched<dyn StoresServerSessions> {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        !self.is_new() && self.what.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.what.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.what.take(key)
    }

    fn can_cache(&self) -> bool {
        self.what.can_cache()
    }
}
