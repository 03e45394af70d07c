//! Who the process is for the kernel: root gives its rights up once the port is bound (`run_as`).

use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};

use crate::settings::Identity;

/// Becomes somebody else, for good. Nothing is done where nobody is named, or where it is the one we are.
///
/// # Errors
/// What is wrong, in words: only root can become somebody else.
pub fn run_as(identity: Identity) -> Result<(), String> {
    let Some((uid, gid)) = identity.wanted() else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let (own_uid, own_gid) = (geteuid(), getegid());
    if (own_uid, own_gid) == (uid, gid) {
        return Ok(());
    }
    // The groups of root go first, while there is still the right to drop them. All three of each number, so that
    // there is no way back.
    setgroups(&[]).and_then(|()| setresgid(gid, gid, gid)).and_then(|()| setresuid(uid, uid, uid)).map_err(|error| {
        format!(
            "run_as: {own_uid}:{own_gid} cannot become {uid}:{gid} ({}): start as root with the capabilities SETUID \
             and SETGID, or leave run_as out",
            error.desc()
        )
    })
}
