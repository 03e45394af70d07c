//! TLS: T24 to T33, and the TLS halves of T10, T12, T22 and T35.

mod control;
mod data;
mod handshake;
mod resumption;
