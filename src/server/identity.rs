//! Who the process is for the kernel: root gives its rights up once the port is bound (`run_as`).

use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};

use crate::settings::Identity;

/// Becomes somebody else, for good. Nothing is done where nobody is named, or where it is the one we are.
///
/// # Errors
/// What is wrong, in words: only root can become somebody else.
pub fn run_as(identity: Identity) -> Result<(), String> {
    let Some((uid, gid)) = identity.wanted() else { return Ok(()) };
    if geteuid() == Uid::from_raw(uid) {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    // The groups of root go first, while there is still the right to drop them.
    setgroups(&[])
        .and_then(|()| setgid(gid))
        .and_then(|()| setuid(uid))
        .map_err(|error| format!("run_as: cannot become {uid}:{gid}, as which only root can: {}", error.desc()))
}
