//! From what was prepared to a running server: the limits are set up, the process is fitted out, the screen is shown.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use nix::sys::socket::sockopt::ReuseAddr;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{getegid, geteuid};

use super::ownership::unusable_homes;
use super::prepare::Prepared;
use super::{descriptors, memory};
use crate::blocking::hard_workers;
use crate::data::{Admission, Advertiser, PassivePorts, Proxies};
use crate::files::{Quotas, create_home, openat2_denied};
use crate::hooks::{self, Hooks};
use crate::limits::{PaceSettings, Paces, Seats, SharedRates, Stays, Tries};
use crate::observe::{LogSettings, StartScreen, TransferLog, UserLine};
use crate::session::{Board, Service};
use crate::settings::{Count, FIELDS, Loaded, Masquerade, Origin, PortRange, Settings, TlsMode};
use crate::tls::Tls;
use crate::turns::{Bounds, Turns};
use crate::users::{Account, Authenticator, Room};

/// Memory for hashes where it cannot be told how much there is, in KiB.
const MODEST: u64 = 128 * 1024;

/// Sets up what all sessions share.
///
/// # Errors
/// The transfer log, or the spool of events, cannot be opened: says which setting names it.
pub fn build_service(prepared: Prepared) -> Result<Service, String> {
    build_service_after(None, prepared)
}

/// The same for a server whose sessions were served by another one before.
pub(super) fn build_service_after(before: Option<&Service>, prepared: Prepared) -> Result<Service, String> {
    let settings = prepared.loaded.settings;
    let zone = if settings.use_gmt_times { TimeZone::UTC } else { TimeZone::system() };
    let transfer_log = settings.transfer_log.as_deref().map(|path| TransferLog::open(path, zone.clone())).transpose();
    let transfer_log = transfer_log.map_err(|error| error.to_string())?;
    let hooks = Hooks::new(&settings, prepared.trust, before.map(|before| &before.hooks))?;
    let trusted = settings.trusted_peers.clone();
    let admission = Admission { anybody: settings.permit_foreign_addresses, trusted: trusted.clone() };
    let proxies = Proxies::new(settings.proxy_protocol, settings.proxy_from.clone());
    Ok(Service {
        authenticator: Authenticator::new(Arc::new(prepared.roster), room_for_hashes()),
        seats: Seats::new(descriptors::sessions(&settings), settings.max_per_ip.limit(), trusted.clone()),
        stays: Stays::new(),
        tries: Tries::new(settings.ban_after.limit(), settings.ban_time.limit().unwrap_or_default(), trusted),
        paces: Paces::new(&pace_settings(&settings)),
        passive: PassivePorts::new(own_range(&settings), admission, proxies.clone()),
        proxies,
        advertiser: Advertiser::new(settings.masquerade_address.clone(), settings.masquerade_map.clone()),
        sums: turns_at_sums(),
        quotas: Quotas::default(),
        transfer_log,
        hooks,
        board: Board::new(),
        zone,
        tls: prepared.tls,
        settings: Arc::new(settings),
    })
}

/// As many processors as may be at hard work, and the memory that is not for the rest.
fn room_for_hashes() -> Room {
    let memory = memory::memory(Path::new("/")).map_or(MODEST, memory::for_hashes);
    Room { processors: hard_workers(), memory: usize::try_from(memory).unwrap_or(usize::MAX) }
}

/// One more than there is room for on the processors, which whoever has to wait for a slow disk leaves to others.
fn turns_at_sums() -> Turns {
    let share = hard_workers();
    Turns::new(Bounds { places: share + 1, share, waiting: usize::MAX })
}

/// This server's part of the range. That there is one was found out when the settings were read.
pub(super) fn own_range(settings: &Settings) -> PortRange {
    settings.passive_slice.of(settings.passive_ports).unwrap_or(settings.passive_ports)
}

fn pace_settings(settings: &Settings) -> PaceSettings {
    PaceSettings {
        upload: SharedRates {
            per_user: settings.max_upload_per_user.limit(),
            per_ip: settings.max_upload_per_ip.limit(),
            total: settings.max_upload_total.limit(),
        },
        download: SharedRates {
            per_user: settings.max_download_per_user.limit(),
            per_ip: settings.max_download_per_ip.limit(),
            total: settings.max_download_total.limit(),
        },
        trusted: settings.trusted_peers.clone(),
    }
}

/// The log that the settings ask for.
#[must_use]
pub fn log_settings(settings: &Settings) -> LogSettings {
    LogSettings {
        level: settings.log_level,
        format: settings.log_format,
        file: settings.logging_name.clone().filter(|_| settings.enable_logging),
        rotation: settings.log_rotation,
        keep: settings.log_keep.limit(),
    }
}

/// Sets the umask of the process: before anything is made, the home of anonymous included.
pub fn set_umask(settings: &Settings) {
    // All nine bits and no more are in the setting, so none is lost.
    umask(Mode::from_bits_truncate(settings.umask.0));
}

/// Raises the limit of open files as far as the kernel lets us, makes the home of anonymous, and keeps the certificate that
/// was made. Says what will not do.
#[must_use]
pub fn fit_out(prepared: &Prepared) -> Vec<String> {
    let settings = &prepared.loaded.settings;
    [
        no_anonymous_home(settings),
        descriptors::raise_limit(settings),
        source_port_out_of_reach(settings.active_source_port),
        openings_in_steps(),
    ]
    .into_iter()
    .flatten()
    .chain(unusable_homes(&prepared.roster, settings.create_homes))
    .chain(prepared.tls.as_ref().and_then(Tls::keep))
    .collect()
}

fn no_anonymous_home(settings: &Settings) -> Option<String> {
    let path = &settings.anonymous_path;
    if !settings.enable_anonymous || path.is_dir() {
        return None;
    }
    let error = create_home(path, settings.dir_mode.0).err()?;
    Some(format!("anonymous_path: {} cannot be made, so nobody can log in as anonymous: {error}", path.display()))
}

fn openings_in_steps() -> Option<String> {
    let why = openat2_denied()?;
    Some(format!(
        "the kernel, or a sandbox around this process, does not let it call openat2: files are opened step by step, which \
         is as safe, but slower: {why}"
    ))
}

/// Ports below 1024 need a right that a process often lacks; active transfers would all fail with 425.
fn source_port_out_of_reach(port: u16) -> Option<String> {
    let error = (port != 0).then(|| try_source_port(port))?.err()?;
    let uid = geteuid();
    let needs = if port < 1024 { ", which needs root or the capability NET_BIND_SERVICE" } else { "" };
    Some(format!("active_source_port: uid {uid} cannot use port {port}{needs}: {}", error.desc()))
}

fn try_source_port(port: u16) -> nix::Result<()> {
    let probe = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // As the transfers bind it: over connections that still use it.
    socket::setsockopt(&probe, ReuseAddr, &true)?;
    socket::bind(probe.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port))
}

/// What is in force, in words; made before the service takes the settings.
#[must_use]
pub fn start_screen(prepared: &Prepared) -> StartScreen {
    let Prepared { loaded, roster, tls, .. } = prepared;
    let settings = &loaded.settings;
    StartScreen {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sources: sources(loaded),
        listening: settings.ip.iter().map(|address| SocketAddr::new(address, settings.port)).collect(),
        implicit: settings.tls_listen.iter().collect(),
        http: settings.http_listen.iter().collect(),
        tls: tls_in_words(settings, tls),
        events: hooks::in_words(settings),
        advertised: advertised(settings),
        passive_ports: own_range(settings).to_string(),
        users: roster
            .accounts()
            .map(|account| UserLine {
                name: account.name.clone(),
                home: account.home.clone(),
                letters: account.permissions.to_string(),
                limits: own_limits(account),
            })
            .collect(),
        limits: limits(settings),
        process: format!("uid {}, gid {}", geteuid(), getegid()),
    }
}

fn tls_in_words(settings: &Settings, tls: &Option<Tls>) -> Vec<String> {
    let Some(tls) = tls else { return vec!["off".to_owned()] };
    let mode = match settings.tls {
        TlsMode::Required if settings.tls_data_required => "required, for data connections too".to_owned(),
        mode => mode.to_string(),
    };
    vec![format!("{mode}; from version {}", settings.tls_min_version), tls.certificate().to_string()]
}

/// What users.conf says of this user besides the four columns, as it stands there.
fn own_limits(account: &Account) -> Vec<String> {
    let told = [
        account.max_upload.map(|rate| format!("max_upload={rate}")),
        account.max_download.map(|rate| format!("max_download={rate}")),
        account.max_cons.map(|count| format!("max_cons={count}")),
        account.quota.map(|size| format!("quota={size}")),
        account.from.as_ref().map(|networks| format!("from={networks}")),
        account.certificate.as_ref().map(|name| format!("certificate={name}")),
    ];
    told.into_iter().flatten().collect()
}

/// The layers that gave something, lowest first.
fn sources(loaded: &Loaded) -> Vec<String> {
    let mut files: Vec<&PathBuf> = Vec::new();
    let mut given = Vec::new();
    for origin in FIELDS.iter().filter_map(|field| loaded.origins.get(field.name)) {
        match origin {
            Origin::File(path) if !files.contains(&path) => files.push(path),
            Origin::Given(place) if !given.contains(place) => given.push(place.clone()),
            Origin::Default | Origin::File(_) | Origin::Given(_) => {}
        }
    }
    let files = files.into_iter().map(|path| path.display().to_string());
    std::iter::once("defaults".to_owned()).chain(files).chain(given).collect()
}

fn advertised(settings: &Settings) -> String {
    let address = match &settings.masquerade_address {
        Masquerade::Off => "the local address of each connection".to_owned(),
        Masquerade::Address(address) => address.to_string(),
        Masquerade::Name(name) => format!("{name}, resolved in the background"),
    };
    if settings.masquerade_map.is_empty() { address } else { format!("by masquerade_map, else {address}") }
}

fn limits(settings: &Settings) -> Vec<String> {
    let count = |limit: Count| limit.limit().map_or("no limit".to_owned(), |limit| limit.to_string());
    let rates = [
        ("upload of one connection", settings.max_upload),
        ("download of one connection", settings.max_download),
        ("upload of one user", settings.max_upload_per_user),
        ("download of one user", settings.max_download_per_user),
        ("upload from one address", settings.max_upload_per_ip),
        ("download to one address", settings.max_download_per_ip),
        ("upload in all", settings.max_upload_total),
        ("download in all", settings.max_download_total),
    ];
    let mut limits = vec![format!(
        "sessions: {} in all, {} from one address, {} of one user",
        count(settings.max_cons),
        count(settings.max_per_ip),
        count(settings.max_per_user)
    )];
    limits.extend(
        rates.into_iter().filter(|(_, rate)| rate.limit().is_some()).map(|(what, rate)| format!("{what}: {rate}/s")),
    );
    limits.push(log_ins(settings));
    limits.push(format!(
        "timeouts: log-in {}, idle {}, data {}, data connection {}",
        settings.login_timeout, settings.idle_timeout, settings.data_timeout, settings.data_connect_timeout
    ));
    limits
}

fn log_ins(settings: &Settings) -> String {
    let tries = settings.max_login_attempts.limit().map_or("no limit".to_owned(), |most| most.to_string());
    let ban = match settings.ban_after.limit() {
        Some(after) => format!("an address is banned for {} after {after} failures", settings.ban_time),
        None => "no ban".to_owned(),
    };
    format!("log-ins: {tries} failures a session, each answered after {}; {ban}", settings.auth_failed_delay)
}

/// The runtime that everything runs on.
///
/// # Errors
/// The kernel gives no threads.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
