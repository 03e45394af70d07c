//! TLS: T24 to T33.
