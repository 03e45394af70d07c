//! The control channel: T01 to T12.
