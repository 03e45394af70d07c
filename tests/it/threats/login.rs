//! Logging in: T13 to T23.
