//! What has bitten FTP servers, and what comes of it here. The numbers (T01 …) are those of the threat catalogue that
//! this server was built against; a test elsewhere that shows the same names its number too.

mod control;
mod data;
mod files;
mod listings;
mod login;
mod resources;
mod tls;
