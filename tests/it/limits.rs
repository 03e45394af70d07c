//! Limits at n-1, n and n+1: sessions, failed log-ins, rates.

mod descriptors;
mod logins;
mod rates;
mod sessions;
mod turns;
