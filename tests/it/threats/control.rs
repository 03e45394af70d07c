//! The control channel: T01 to T12.

mod arguments;
mod foreign;
mod lines;
mod order;
