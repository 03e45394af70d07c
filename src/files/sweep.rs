//! Removes uploads that broke and were never gone on with.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::partial::{is_nobodys, remove_idle};
use super::quota::Quotas;
use super::seen;
use super::walk::Walk;
use crate::path::is_reserved;

/// How long a partial is kept for its user.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long one that is nobody's is left alone: its writer may not have locked it yet.
const SPARED_FOR: Duration = Duration::from_secs(10 * 60);

/// Removes the partials of the home at `path`, a path of this machine, that are older than a day and not being written.
/// Tells how many.
///
/// # Errors
/// A directory could not be read; the rest was swept all the same.
pub fn sweep(path: &Path, quotas: &Quotas) -> io::Result<u64> {
    let root = match Dir::open_ambient_dir(path, ambient_authority()) {
        Ok(root) => root,
        // A home that nobody has entered yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let ledger = quotas.ledger(&root)?;
    // Files are dated by the wall clock: where it jumps, some go early or late, and none that is being written.
    let now = SystemTime::now();
    let (mut removed, mut failed) = (0, None);
    for found in Walk::of(&root)? {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        let name = &found.name;
        if !is_reserved(name.as_bytes()) {
            continue;
        }
        match seen::remove_stray(&found.directory, name) {
            Ok(false) => {}
            Ok(true) => continue,
            Err(error) => {
                failed = Some(io::Error::other(error));
                continue;
            }
        }
        let Ok(metadata) = found.directory.symlink_metadata(name) else { continue };
        let age = metadata.modified().ok().and_then(|modified| now.duration_since(modified.into_std()).ok());
        let most = if is_nobodys(name.as_bytes()) { SPARED_FOR } else { KEPT_FOR };
        if !metadata.is_file() || age.is_none_or(|age| age < most) {
            continue;
        }
        match remove_idle(&found.directory, name) {
            Ok(Some(size)) => {
                ledger.give_back(size);
                removed += 1;
            }
            Ok(None) => {}
            Err(error) => failed = Some(io::Error::other(error)),
        }
    }
    failed.map_or(Ok(removed), Err)
}
