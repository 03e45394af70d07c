//! All figures in the text form of Prometheus: what was counted, and how things stand now.

use std::fs;

use nix::sys::resource::{Resource, getrlimit};
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use super::metrics::{registered, registry};

/// How things stand, as only the server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Control connections that have a seat.
    pub sessions: u32,
    /// How many there may be, if there is a limit.
    pub max_sessions: Option<u32>,
    /// Passive ports that are open.
    pub passive_ports_used: usize,
    /// Passive ports that are not.
    pub passive_ports_free: usize,
    /// How often transfers have waited for a rate.
    pub rate_waits: u64,
    /// Whether the server ends.
    pub draining: bool,
}

/// The figures, and how things stand: version 0.0.4 of the text form. Reads `/proc`, which blocks for a moment.
///
/// # Errors
/// Two figures have one name, which a test would have found.
pub fn exposition(standing: &Standing) -> Result<String, impl std::error::Error + use<>> {
    let now = Registry::new();
    stand(&now, standing);
    process(&now);
    let mut families = registry().gather();
    families.extend(now.gather());
    TextEncoder::new().encode_to_string(&families)
}

fn stand(now: &Registry, standing: &Standing) {
    let version = registered(
        now,
        IntGaugeVec::new(Opts::new("longshore_build_info", "What is running; always 1."), &["version"]),
    );
    version.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    gauge(now, "longshore_sessions", "Sessions now, with those that have said nothing yet.", standing.sessions);
    if let Some(most) = standing.max_sessions {
        gauge(now, "longshore_sessions_limit", "Sessions that there may be (max_cons); none without a limit.", most);
    }
    let ports = Opts::new("longshore_passive_ports", "Ports for passive data connections by state.");
    let ports = registered(now, IntGaugeVec::new(ports, &["state"]));
    ports.with_label_values(&["used"]).set(whole(standing.passive_ports_used));
    ports.with_label_values(&["free"]).set(whole(standing.passive_ports_free));
    let draining = "1 once the server is told to end, until its last session is over.";
    gauge(now, "longshore_draining", draining, u32::from(standing.draining));
    let waits = IntCounter::new("longshore_rate_waits_total", "Times that a transfer waited for a limit of its rate.");
    registered(now, waits).inc_by(standing.rate_waits);
}

/// What the kernel knows, under the names that all programs have for it; what cannot be found out is left out.
fn process(now: &Registry) {
    if let Some(open) = open_files() {
        gauge(now, "process_open_fds", "Number of open file descriptors.", open);
    }
    if let Some(most) = max_files() {
        gauge(now, "process_max_fds", "Maximum number of open file descriptors.", most);
    }
    if let Some(resident) = resident_bytes() {
        gauge(now, "process_resident_memory_bytes", "Resident memory size in bytes.", resident);
    }
}

/// Files and sockets that this process has open. Reads `/proc`, which blocks for a moment.
#[must_use]
pub fn open_files() -> Option<usize> {
    // The one that looks is among them.
    fs::read_dir("/proc/self/fd").ok()?.count().checked_sub(1)
}

/// How many it may have.
#[must_use]
pub fn max_files() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(most, _)| most)
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))?;
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

fn gauge(now: &Registry, name: &str, help: &str, value: impl TryInto<i64>) {
    registered(now, IntGauge::new(name, help)).set(whole(value));
}

/// No figure is that large, but for a limit that is none.
fn whole(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
