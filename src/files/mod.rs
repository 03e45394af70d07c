//! The only code that touches served files.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `home` | [`Home`]: a directory handle, and what its owner may do beneath it |
//! | `reach` | whether homes are there at all |
//! | `look` | what is there: change directory, facts, listings, free space |
//! | `manage` | changing names and attributes: make, remove, rename, mode, time |
//! | `retrieval` | a file on its way to a client |
//! | `upload` | a file on its way from a client |
//! | `place` | where a name really stands: the open directory, and the name in it |
//! | `names` | one change of a name at a time |
//! | `partial` | the hidden file of an upload that is not whole yet |
//! | `seen` | which file a name stood for, and how that is kept beside a partial |
//! | `sweep` | removes those that were never gone on with |
//! | `quota` | how many bytes a home has, and who may add to them |
//! | `walk` | all that lies beneath a directory |
//! | `digest` | checksums of a file, or of a part of one |
//! | `at_once` | what can be told without waiting for a disk |
//! | `stream` | a directory, entry by entry |
//! | `jail` | how names are opened so that none leads out, and none blocks |
//! | `error` | every way in which this can fail |
//!
//! All of it but `at_once` blocks, and so runs where [`blocking`](crate::blocking) has it run.

mod at_once;
mod digest;
mod error;
mod home;
mod jail;
mod look;
mod manage;
mod names;
mod partial;
mod place;
mod quota;
mod reach;
mod retrieval;
mod seen;
mod stream;
mod sweep;
#[cfg(test)]
mod tests;
mod upload;
mod walk;

pub use digest::{Algorithm, Digest, Summing};
pub use error::FileError;
pub use home::{Home, Modes, Uploads, create_home};
pub use jail::openat2_denied;
pub use quota::Quotas;
pub use reach::reach_home;
pub use retrieval::Retrieval;
pub use stream::DirectoryStream;
pub use sweep::sweep;
pub use upload::{PendingUpload, Placement, UNIQUE_PREFIX, Upload};
