//! One integration binary: the server on the wire, from outside.

mod architecture;
mod dialogue;
mod harness;
mod settings;
