//! What a variable or a flag overrules in the settings file, where that opens something: whoever wrote the file may count
//! on what it says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use super::load::{Loaded, Origin};
use super::table::{FIELDS, Settings};
use super::units::{Cidrs, Permissions, ProxyProtocol, SessionReuse, TlsMode, TlsVersion};

/// Whether the second settings let in or allow what the first do not.
type Opens = fn(&Settings, &Settings) -> bool;

/// Every setting that protects something, and when a change of it gives that up.
const OPENINGS: &[(&str, Opens)] = &[
    ("ip", |file, now| {
        let sockets = |settings: &Settings| settings.ip.iter().map(|ip| SocketAddr::new(ip, 0)).collect::<Vec<_>>();
        adds(&sockets(file), &sockets(now))
    }),
    ("tls_listen", |file, now| {
        adds(&file.tls_listen.iter().collect::<Vec<_>>(), &now.tls_listen.iter().collect::<Vec<_>>())
    }),
    ("http_listen", |file, now| {
        adds(&file.http_listen.iter().collect::<Vec<_>>(), &now.http_listen.iter().collect::<Vec<_>>())
    }),
    ("http_token", |file, now| file.http_token != now.http_token),
    ("max_cons", |file, now| is_more(file.max_cons.limit(), now.max_cons.limit())),
    ("max_per_ip", |file, now| is_more(file.max_per_ip.limit(), now.max_per_ip.limit())),
    ("max_per_user", |file, now| is_more(file.max_per_user.limit(), now.max_per_user.limit())),
    ("enable_anonymous", |file, now| now.enable_anonymous && !file.enable_anonymous),
    ("anonymous_path", |file, now| file.anonymous_path != now.anonymous_path),
    ("anonymous_perm", |file, now| has_more(file.anonymous_perm, now.anonymous_perm)),
    ("home_root", |file, now| file.home_root != now.home_root),
    ("users_file", |file, now| file.users_file != now.users_file),
    ("perm", |file, now| has_more(file.perm, now.perm)),
    ("trusted_peers", |file, now| is_wider(&file.trusted_peers, &now.trusted_peers)),
    ("proxy_from", |file, now| is_wider(&file.proxy_from, &now.proxy_from)),
    ("proxy_protocol", |file, now| {
        file.proxy_protocol == ProxyProtocol::Required && now.proxy_protocol != ProxyProtocol::Required
    }),
    ("enable_active", |file, now| now.enable_active && !file.enable_active),
    ("permit_foreign_addresses", |file, now| now.permit_foreign_addresses && !file.permit_foreign_addresses),
    ("permit_privileged_ports", |file, now| now.permit_privileged_ports && !file.permit_privileged_ports),
    ("max_login_attempts", |file, now| is_more(file.max_login_attempts.limit(), now.max_login_attempts.limit())),
    ("auth_failed_delay", |file, now| now.auth_failed_delay.limit() < file.auth_failed_delay.limit()),
    ("ban_after", |file, now| is_more(file.ban_after.limit(), now.ban_after.limit())),
    ("ban_time", |file, now| now.ban_time.limit() < file.ban_time.limit()),
    ("login_timeout", |file, now| is_more(file.login_timeout.limit(), now.login_timeout.limit())),
    ("tls", |file, now| strictness(now.tls) < strictness(file.tls)),
    ("tls_data_required", |file, now| file.tls_data_required && !now.tls_data_required),
    ("tls_min_version", |file, now| {
        file.tls_min_version == TlsVersion::Tls13 && now.tls_min_version != TlsVersion::Tls13
    }),
    ("tls_session_reuse", |file, now| {
        file.tls_session_reuse == SessionReuse::Require && now.tls_session_reuse != SessionReuse::Require
    }),
    ("tls_client_ca", |file, now| now.tls_client_ca.is_some() && file.tls_client_ca != now.tls_client_ca),
    ("umask", |file, now| file.umask.0 & !now.umask.0 != 0),
    ("file_mode", |file, now| now.file_mode.0 & !file.file_mode.0 != 0),
    ("dir_mode", |file, now| now.dir_mode.0 & !file.dir_mode.0 != 0),
];

/// A line for each setting that `path` gives and a variable or a flag overrules, if that opens something. `alone` are the
/// settings as they would be by the file, which gives those of `origins` that say so.
pub(super) fn openings(
    loaded: &Loaded,
    path: &Path,
    alone: &Settings,
    origins: &BTreeMap<&'static str, Origin>,
) -> Vec<String> {
    let in_force = &loaded.settings;
    let (before, now) = (alone.texts(), in_force.texts());
    let is_overruled = |name: &str| {
        let is_given = matches!(loaded.origins.get(name), Some(Origin::Given(_)));
        is_given && matches!(origins.get(name), Some(Origin::File(_)))
    };
    let opened = OPENINGS.iter().filter(|(name, opens)| is_overruled(name) && opens(alone, in_force));
    let index = |name: &str| FIELDS.iter().position(|field| field.name == name);
    opened
        .filter_map(|(name, _)| {
            let index = index(name)?;
            let (place, path) = (loaded.place(name), path.display());
            let (before, now) = (before.get(index)?, now.get(index)?);
            Some(format!(
                "{place}: found {now:?}, which opens what {path} closes by {name} = {before:?}; leave one of them out"
            ))
        })
        .collect()
}

/// Whether a limit is higher, or gone.
fn is_more<T: PartialOrd>(before: Option<T>, now: Option<T>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => now > before,
        (before, now) => before.is_some() && now.is_none(),
    }
}

fn has_more(before: Permissions, now: Permissions) -> bool {
    now.iter().any(|permission| !before.contains(permission))
}

/// Whether something is listened on that was not before, by its own address or by that of all.
fn adds(before: &[SocketAddr], now: &[SocketAddr]) -> bool {
    let all_of_family = |before: &SocketAddr, now: &SocketAddr| {
        before.ip().is_unspecified() && before.port() == now.port() && (before.is_ipv6() || now.is_ipv4())
    };
    now.iter().any(|now| !before.iter().any(|before| before == now || all_of_family(before, now)))
}

fn is_wider(before: &Cidrs, now: &Cidrs) -> bool {
    !before.covers(now)
}

fn strictness(mode: TlsMode) -> u8 {
    match mode {
        TlsMode::Off => 0,
        TlsMode::Allowed => 1,
        TlsMode::Required => 2,
    }
}
