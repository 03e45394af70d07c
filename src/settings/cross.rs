//! What no setting can tell by itself: whether they fit each other, and the place they run in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::load::Loaded;
use super::problem::Problem;
use super::table::Settings;
use super::units::{Hook, ListenSockets, Masquerade, ProxyProtocol, TlsMode};

/// What was found by looking at settings together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What keeps the server from starting.
    pub problems: Vec<Problem>,
    /// What an operator should look at.
    pub warnings: Vec<String>,
}

/// What only the caller can know: facts of users.conf, the disk and the network.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// How many accounts there are, without `anonymous`; none if they could not be read.
    pub accounts: Option<usize>,
    /// Whether `anonymous_path` is a directory, after `create_homes` had its chance.
    pub anonymous_home: bool,
    /// The addresses that clients may find the server at.
    pub local_addresses: &'a [IpAddr],
    /// The first of the passive ports that the kernel gives out by itself, to connections that ask for any.
    pub given_out: Option<u16>,
}

/// Looks at the settings and what is around them.
#[must_use]
pub fn examine(loaded: &Loaded, surroundings: &Surroundings<'_>) -> Findings {
    let settings = &loaded.settings;
    let checks = [
        nobody_may_log_in(settings, surroundings.accounts),
        no_anonymous_home(settings, surroundings.anonymous_home),
        private_address(settings, surroundings.local_addresses),
        ports_given_out(surroundings.given_out),
    ];
    gather(loaded, checks.into_iter().flatten(), &[])
}

/// Looks at the settings alone, but for what involves the broken ones.
pub(super) fn among_themselves(loaded: &Loaded, broken: &[&str]) -> Findings {
    let settings = &loaded.settings;
    let checks = [
        listening_port_in_range(settings),
        slice_without_ports(settings),
        proxies_nowhere(settings),
        half_a_pair(settings),
        tls_without_tls(settings),
        tls_port_taken(settings),
        http_port_taken(settings),
        token_of_no_use(settings),
        half_a_user(settings),
        user_is_no_folder_name(settings),
        few_passive_ports(settings),
        anonymous_may_write(settings),
        foreign_addresses(settings),
        masquerade_beyond_pasv(settings),
        log_file_switched_off(settings),
        retries_without_a_wait(settings),
        unsigned_events(settings),
    ];
    gather(loaded, checks.into_iter().flatten().chain(addresses_with_passwords(settings)), broken)
}

/// One finding: the settings it is about, the one to change first.
struct Finding {
    about: &'static [&'static str],
    verdict: Verdict,
}

enum Verdict {
    Refuse(String),
    Warn(String),
}

fn refuse(about: &'static [&'static str], complaint: impl Into<String>) -> Option<Finding> {
    Some(Finding { about, verdict: Verdict::Refuse(complaint.into()) })
}

fn warn(about: &'static [&'static str], warning: impl Into<String>) -> Option<Finding> {
    Some(Finding { about, verdict: Verdict::Warn(warning.into()) })
}

fn gather(loaded: &Loaded, found: impl Iterator<Item = Finding>, broken: &[&str]) -> Findings {
    let mut findings = Findings::default();
    for finding in found.filter(|finding| !finding.about.iter().any(|name| broken.contains(name))) {
        let place = loaded.place(finding.about[0]);
        match finding.verdict {
            Verdict::Refuse(complaint) => findings.problems.push(Problem::of(finding.about[0], place, complaint)),
            Verdict::Warn(warning) => findings.warnings.push(format!("{place}: {warning}")),
        }
    }
    findings
}

fn nobody_may_log_in(settings: &Settings, accounts: Option<usize>) -> Option<Finding> {
    if settings.enable_anonymous || accounts != Some(0) {
        return None;
    }
    refuse(
        &["users_file", "users", "user", "enable_anonymous"],
        "found no users and no anonymous, so nobody could log in; expected users there or in `users`, or `user` and \
         `pass`, or `enable_anonymous`",
    )
}

fn no_anonymous_home(settings: &Settings, exists: bool) -> Option<Finding> {
    if exists || !settings.enable_anonymous {
        return None;
    }
    let path = settings.anonymous_path.display();
    refuse(&["anonymous_path"], format!("found {path}, which is no directory, expected the home of anonymous"))
}

fn private_address(settings: &Settings, local_addresses: &[IpAddr]) -> Option<Finding> {
    if settings.masquerade_address != Masquerade::Off || !settings.masquerade_map.is_empty() {
        return None;
    }
    // PASV can tell IPv4 addresses only; EPSV tells none.
    let told: Vec<Ipv4Addr> = local_addresses
        .iter()
        .filter_map(|address| match address.to_canonical() {
            IpAddr::V4(address) if !address.is_loopback() => Some(address),
            _ => None,
        })
        .collect();
    let first = told.first().filter(|_| told.iter().all(|address| is_private(*address)))?;
    warn(
        &["masquerade_address"],
        format!(
            "PASV tells clients the private address {first}, which those elsewhere cannot reach; if there are any, set \
             masquerade_address to the address or host name they connect to"
        ),
    )
}

fn ports_given_out(first: Option<u16>) -> Option<Finding> {
    let port = first?;
    warn(
        &["passive_ports"],
        format!(
            "port {port} is among those that the kernel gives to any connection (net.ipv4.ip_local_port_range), so it may be \
             taken when a transfer needs it; choose ports outside, or name them in net.ipv4.ip_local_reserved_ports"
        ),
    )
}

fn is_private(address: Ipv4Addr) -> bool {
    let shared = address.octets()[0] == 100 && address.octets()[1] & 0b1100_0000 == 64; // RFC 6598
    address.is_private() || address.is_link_local() || shared
}

fn listening_port_in_range(settings: &Settings) -> Option<Finding> {
    let (range, port) = (settings.passive_ports, settings.port);
    if !range.contains(port) {
        return None;
    }
    refuse(&["passive_ports", "port"], format!("found {range}, expected a range without {port}, the control port"))
}

fn slice_without_ports(settings: &Settings) -> Option<Finding> {
    let (range, slice) = (settings.passive_ports, settings.passive_slice);
    if slice.of(range).is_some() {
        return None;
    }
    refuse(&["passive_slice", "passive_ports"], format!("found {slice}, expected no more parts than {range} has ports"))
}

fn proxies_nowhere(settings: &Settings) -> Option<Finding> {
    match (settings.proxy_protocol, settings.proxy_from.is_empty()) {
        (ProxyProtocol::Off, false) => {
            warn(&["proxy_from", "proxy_protocol"], "no header is read from these, as proxy_protocol is off")
        }
        (ProxyProtocol::Optional | ProxyProtocol::Required, true) => refuse(
            &["proxy_from", "proxy_protocol"],
            "found none, expected the networks of the proxies whose header shall be believed",
        ),
        _ => None,
    }
}

fn half_a_pair(settings: &Settings) -> Option<Finding> {
    match (&settings.tls_cert, &settings.tls_key) {
        (Some(_), None) => refuse(&["tls_cert", "tls_key"], "found a certificate alone, expected `tls_key` as well"),
        (None, Some(_)) => refuse(&["tls_key", "tls_cert"], "found a key alone, expected `tls_cert` as well"),
        _ => None,
    }
}

fn tls_without_tls(settings: &Settings) -> Option<Finding> {
    if settings.tls != TlsMode::Off {
        return None;
    }
    if settings.tls_listen.iter().next().is_some() {
        return refuse(
            &["tls_listen", "tls"],
            "found addresses while tls is off, expected tls to be allowed or required",
        );
    }
    settings.tls_cert.as_ref()?;
    warn(&["tls_cert", "tls"], "the certificate is not used, as tls is off")
}

fn tls_port_taken(settings: &Settings) -> Option<Finding> {
    let taken = |socket: &SocketAddr| settings.passive_ports.contains(socket.port()) || socket.port() == settings.port;
    let socket = settings.tls_listen.iter().filter(|socket| socket.port() != 0).find(taken)?;
    refuse(
        &["tls_listen", "passive_ports", "port"],
        format!("found {socket}, expected a port that is neither `port` nor one of passive_ports"),
    )
}

fn http_port_taken(settings: &Settings) -> Option<Finding> {
    let taken = |socket: &SocketAddr| {
        let port = socket.port();
        settings.passive_ports.contains(port) || port == settings.port || is_port_of(&settings.tls_listen, port)
    };
    let socket = settings.http_listen.iter().filter(|socket| socket.port() != 0).find(taken)?;
    refuse(
        &["http_listen", "passive_ports", "port", "tls_listen"],
        format!("found {socket}, expected a port that is neither `port` nor one of passive_ports or tls_listen"),
    )
}

fn is_port_of(sockets: &ListenSockets, port: u16) -> bool {
    sockets.iter().any(|socket| socket.port() == port)
}

fn token_of_no_use(settings: &Settings) -> Option<Finding> {
    const LEAST: usize = 16;
    if settings.http_token.is_empty() {
        return None;
    }
    if settings.http_listen.iter().next().is_none() {
        return warn(&["http_token", "http_listen"], "there is no status page, as http_listen is empty");
    }
    let is_short = settings.http_token.expose().len() < LEAST;
    is_short.then(|| warn(&["http_token"], format!("shorter than {LEAST} characters, so it may be guessed")))?
}

fn half_a_user(settings: &Settings) -> Option<Finding> {
    match (settings.user.is_empty(), settings.pass.is_empty()) {
        (false, true) => refuse(&["user", "pass"], "found a user without a password, expected `pass` as well"),
        (true, false) => refuse(&["pass", "user"], "found a password without a user, expected `user` as well"),
        _ => None,
    }
}

/// The home is `home_root` and this name, and must not lead out of the former.
fn user_is_no_folder_name(settings: &Settings) -> Option<Finding> {
    let name = settings.user.as_str();
    if !name.contains(['/', '\0', '\n']) && name != "." && name != ".." {
        return None;
    }
    refuse(&["user"], format!("found {name:?}, expected a name that a folder can have"))
}

/// A port for each session up to ten, then one for 64: a port serves clients of different addresses at once, and
/// few sessions transfer at any time.
fn few_passive_ports(settings: &Settings) -> Option<Finding> {
    let sessions = settings.max_cons.limit()? as usize;
    let suggested = sessions.min((sessions / 64).max(10));
    let ports = settings.passive_slice.of(settings.passive_ports)?.len();
    if ports >= suggested {
        return None;
    }
    warn(
        &["passive_ports", "max_cons"],
        format!(
            "{ports} ports are few for {sessions} sessions (max_cons): clients behind one address will see 425; \
             {suggested} would do"
        ),
    )
}

fn anonymous_may_write(settings: &Settings) -> Option<Finding> {
    if !settings.enable_anonymous || !settings.anonymous_perm.has_write() {
        return None;
    }
    let letters = settings.anonymous_perm;
    warn(&["anonymous_perm", "enable_anonymous"], format!("anybody may change files, without a password ({letters})"))
}

fn foreign_addresses(settings: &Settings) -> Option<Finding> {
    if !settings.permit_foreign_addresses {
        return None;
    }
    warn(
        &["permit_foreign_addresses"],
        "data connections may go to any address, so the server can be made to attack others (RFC 2577); \
         trusted_peers is safer",
    )
}

fn masquerade_beyond_pasv(settings: &Settings) -> Option<Finding> {
    match settings.masquerade_address {
        Masquerade::Address(IpAddr::V6(address)) => {
            warn(&["masquerade_address"], format!("PASV cannot tell the IPv6 address {address}; EPSV needs none"))
        }
        _ => None,
    }
}

fn log_file_switched_off(settings: &Settings) -> Option<Finding> {
    if settings.enable_logging || settings.logging_name.is_none() {
        return None;
    }
    warn(&["logging_name", "enable_logging"], "the log file is not written, as enable_logging is off")
}

fn addresses_with_passwords(settings: &Settings) -> impl Iterator<Item = Finding> {
    let hooks: [(&'static [&'static str], _); 5] = [
        (&["on_upload"], &settings.on_upload),
        (&["on_delete"], &settings.on_delete),
        (&["on_rename"], &settings.on_rename),
        (&["on_mkdir"], &settings.on_mkdir),
        (&["on_login"], &settings.on_login),
    ];
    hooks.into_iter().filter(|(_, hook)| **hook == Hook::WithPassword).filter_map(|(about, _)| {
        refuse(
            about,
            "found an address with a name or a password before the host, expected none: hook_secret signs events",
        )
    })
}

fn retries_without_a_wait(settings: &Settings) -> Option<Finding> {
    if settings.hook_retry.limit().is_some() {
        return None;
    }
    refuse(&["hook_retry"], "found 0, expected a wait, lest a receiver that is down be asked without end")
}

fn unsigned_events(settings: &Settings) -> Option<Finding> {
    let hooks = [&settings.on_upload, &settings.on_delete, &settings.on_rename, &settings.on_mkdir, &settings.on_login];
    if !settings.hook_secret.is_empty() || !hooks.iter().any(|hook| matches!(hook, Hook::Web(_))) {
        return None;
    }
    warn(&["hook_secret"], "it is empty, so events go by HTTP without a signature, and anybody could make them up")
}
