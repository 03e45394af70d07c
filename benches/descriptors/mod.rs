//! How many files this process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::client::Outcome;

/// As many as this, if we may have them, or else as many as we may.
pub(crate) fn raise_limit(wanted: u64) -> Outcome<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = most.max(wanted);
    // Beyond the hard limit it takes root.
    let limit = setrlimit(Resource::RLIMIT_NOFILE, limit, limit).map_or(most, |()| limit);
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit)?;
    Ok(limit)
}
