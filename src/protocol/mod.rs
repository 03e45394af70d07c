//! The words of FTP: what stands on the wire and nothing else. Pure: bytes in, values out.
//!
//! The only module that knows reply codes and their sentences; everybody else says what happened.

pub mod address;
pub mod argument;
pub mod ascii;
pub mod foreign;
pub mod line;
pub mod replies;
pub mod reply;
pub mod time;

pub use argument::{Argument, Syntax};
pub use line::{Decoded, LineDecoder};
pub use reply::{Code, Reply};
