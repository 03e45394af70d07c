//! Open files: how many sessions there are enough for, each at its busiest.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::accept::{LINGERING, SUCCEEDING};
use crate::settings::{Hook, Settings};
use crate::{hooks, http, operator};

/// What a session holds at most, which is during an upload: the control connection, the data connection, the home, the
/// directory of the file, and the file. A passive port is closed before the data connection is used.
const OF_A_SESSION: u64 = 5;
/// The log, the transfer log, the listeners and the runtime; a home that is walked, files that are read again at a reload.
const OF_THE_SERVER: u64 = 64;
/// Connections of `longshore status` and the like.
const OF_THE_DESK: u64 = operator::AT_ONCE as u64;
/// Connections to `http_listen`.
const OF_HTTP: u64 = http::MOST as u64;
/// Events of one receiver that are told at a time, each with a file of the spool and a connection, or three pipes.
const OF_A_HOOK: u64 = hooks::AT_ONCE as u64 * 4;

/// How many open files are needed, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reckoning {
    /// By all that is no session.
    apart: u64,
    available: u64,
}

/// The sessions that these settings allow: `max_cons`, or fewer where the limit of open files is too low for so many.
/// `None` is any number.
pub(super) fn sessions(settings: &Settings) -> Option<u32> {
    let most = settings.max_cons.limit()?;
    Some(most.min(Reckoning::of(settings).sessions()))
}

/// Raises the limit of open files as far as the kernel lets the process. Says if it is too low for `max_cons` sessions.
pub(super) fn raise_limit(settings: &Settings) -> Option<String> {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // What fails here is told below: the limit is lower.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
    let (wanted, reckoning) = (settings.max_cons.limit()?, Reckoning::of(settings));
    let sessions = reckoning.sessions();
    (sessions < wanted).then(|| {
        format!(
            "max_cons: {wanted} sessions may need {} open files, and the process may have {}: only {sessions} sessions \
             are served at a time; raise the limit (ulimit -n, LimitNOFILE=, nofile), or lower max_cons",
            reckoning.apart + u64::from(wanted) * OF_A_SESSION,
            reckoning.available,
        )
    })
}

impl Reckoning {
    fn of(settings: &Settings) -> Self {
        let http = if settings.http_listen.iter().next().is_some() { OF_HTTP } else { 0 };
        let hooks = hooks::all(settings).into_iter().filter(|(_, hook)| **hook != Hook::Nobody).count() as u64;
        let apart =
            OF_THE_SERVER + OF_THE_DESK + (LINGERING + SUCCEEDING) as u64 + http + hooks.saturating_mul(OF_A_HOOK);
        // The soft limit is raised to the other one at start.
        let available = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, most)| most);
        Self { apart, available }
    }

    /// One at least: a server that turns everybody away helps nobody to find out why.
    fn sessions(self) -> u32 {
        let sessions = self.available.saturating_sub(self.apart) / OF_A_SESSION;
        u32::try_from(sessions).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_has_enough_for_an_upload_beside_all_else() {
        let sessions = |available| Reckoning { apart: 208, available }.sessions();
        assert_eq!(sessions(208 + 50), 10);
        assert_eq!(sessions(208 + 54), 10);
        assert_eq!(sessions(208 + 55), 11);
        assert_eq!(sessions(64), 1);
        assert_eq!(sessions(u64::MAX), u32::MAX);
    }

    #[test]
    fn what_is_on_is_reckoned() {
        let mut settings = Settings::default();
        let base = Reckoning::of(&settings).apart;
        settings.set("http_listen", "127.0.0.1:8080").unwrap();
        assert_eq!(Reckoning::of(&settings).apart, base + OF_HTTP);
        settings.set("on_login", "/bin/true").unwrap();
        assert_eq!(Reckoning::of(&settings).apart, base + OF_HTTP + OF_A_HOOK);
        assert_eq!(settings.set("max_cons", "0").map(|()| sessions(&settings)), Ok(None));
    }
}
