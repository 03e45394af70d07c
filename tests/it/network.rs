//! Data connections: which ports and addresses they come from and go to, and who may have them.

mod active;
mod addresses;
mod ends;
mod leaving;
mod range;
mod refused;
mod share;
mod strangers;
