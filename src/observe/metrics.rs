//! What is counted from the start of the process, for Prometheus, one function per event as in `events.rs`, which calls
//! them: all is counted, whether or not it is told. No label is a name or an address, of which there is no end.

use std::sync::LazyLock;

use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, exponential_buckets,
};

use super::{Transfer, What};
use crate::limits::{Direction, Refusal};
use crate::protocol::Reply;

/// Bounds of the sizes of transfers: each eight times the one before, to 16 GiB.
const FIRST_BYTES: f64 = 1024.0;
/// Bounds of their durations, in seconds.
const SECONDS: [f64; 10] = [0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 7200.0];
/// The settings and columns of users.conf whose limits clients may meet.
const LIMITS: [&str; 7] =
    ["max_cons", "max_per_ip", "max_per_user", "ban_after", "proxy_from", "passive_ports", "quota"];
/// What others are told of.
const EVENTS: [&str; 6] = ["upload", "delete", "rmdir", "rename", "mkdir", "login"];

/// One for the process, as the log is.
static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

struct Metrics {
    registry: Registry,
    sessions: IntCounter,
    probes: IntCounter,
    logins: IntCounterVec,
    bans: IntCounter,
    refusals: IntCounterVec,
    commands: IntCounterVec,
    transfers: IntCounterVec,
    transfer_bytes: HistogramVec,
    transfer_seconds: HistogramVec,
    reloads: IntCounterVec,
    log_lines_dropped: IntCounter,
    panics: IntCounter,
    events: IntCounterVec,
    events_pending: IntGauge,
    events_dropped: IntCounter,
    event_deliveries: IntCounterVec,
}

/// How something ended that can go well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
}

impl Ended {
    const ALL: [Self; 2] = [Self::Well, Self::Badly];

    fn label(self) -> &'static str {
        match self {
            Self::Well => "done",
            Self::Badly => "failed",
        }
    }
}

/// The figures so far.
pub(super) fn registry() -> &'static Registry {
    &METRICS.registry
}

pub(super) fn session_opened() {
    METRICS.sessions.inc();
}

pub(super) fn probe() {
    METRICS.probes.inc();
}

pub(super) fn login(ended: Ended) {
    METRICS.logins.with_label_values(&[ended.label()]).inc();
}

pub(super) fn banned() {
    METRICS.bans.inc();
}

/// A connection was turned away at the door.
pub(super) fn refused(why: Refusal) {
    met_limit(match why {
        Refusal::ServerFull => "max_cons",
        Refusal::AddressFull => "max_per_ip",
        Refusal::Banned => "ban_after",
    });
}

/// A client met a limit, which is one of [`LIMITS`].
pub(super) fn met_limit(setting: &'static str) {
    debug_assert!(LIMITS.contains(&setting), "{setting}");
    METRICS.refusals.with_label_values(&[setting]).inc();
}

/// A command had its last reply. Its verb is of the table of commands, so there is an end to them.
pub(super) fn answered(verb: &'static str, reply: &Reply) {
    let class = match reply.code().number() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    METRICS.commands.with_label_values(&[verb, class]).inc();
}

pub(super) fn transferred(transfer: &Transfer<'_>) {
    let labels = labels(transfer.direction, transfer.what);
    let ended = if transfer.failure.is_none() { Ended::Well } else { Ended::Badly };
    METRICS.transfers.with_label_values(&[labels[0], labels[1], ended.label()]).inc();
    METRICS.transfer_seconds.with_label_values(&labels).observe(transfer.took.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "beyond 8 PiB the last bytes are lost")]
    METRICS.transfer_bytes.with_label_values(&labels).observe(transfer.bytes as f64);
}

fn labels(direction: Direction, what: What) -> [&'static str; 2] {
    let direction = match direction {
        Direction::Upload => "upload",
        Direction::Download => "download",
    };
    [direction, if what == What::File { "file" } else { "listing" }]
}

pub(super) fn reloaded(ended: Ended) {
    METRICS.reloads.with_label_values(&[ended.label()]).inc();
}

pub(super) fn log_lines_dropped(lines: usize) {
    METRICS.log_lines_dropped.inc_by(lines as u64);
}

pub(super) fn panicked() {
    METRICS.panics.inc();
}

/// An event is in the spool; its kind is one of [`EVENTS`].
pub(super) fn event_added(kind: &'static str) {
    debug_assert!(EVENTS.contains(&kind), "{kind}");
    METRICS.events.with_label_values(&[kind]).inc();
}

pub(super) fn events_pending(more: usize, fewer: usize) {
    let change = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    METRICS.events_pending.add(change(more) - change(fewer));
}

pub(super) fn events_dropped(count: usize) {
    METRICS.events_dropped.inc_by(count as u64);
}

pub(super) fn event_delivered(ended: Ended) {
    METRICS.event_deliveries.with_label_values(&[ended.label()]).inc();
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        let metrics = Self {
            sessions: counter(&registry, "longshore_sessions_total", "Sessions that were begun."),
            probes: counter(&registry, "longshore_probes_total", "Connections that were closed before a byte."),
            logins: counters(&registry, "longshore_logins_total", "Log-ins by result.", &["result"]),
            bans: counter(&registry, "longshore_bans_total", "Addresses that were banned."),
            refusals: counters(
                &registry,
                "longshore_refusals_total",
                "Clients that met a limit, by the setting of the limit.",
                &["limit"],
            ),
            commands: counters(
                &registry,
                "longshore_commands_total",
                "Commands by verb and by the class of their last reply.",
                &["verb", "reply"],
            ),
            transfers: counters(
                &registry,
                "longshore_transfers_total",
                "Transfers by direction, by what was moved (file, listing) and by result.",
                &["direction", "what", "result"],
            ),
            transfer_bytes: histograms(
                &registry,
                "longshore_transfer_bytes",
                "Bytes of each transfer.",
                powers_of_eight(),
            ),
            transfer_seconds: histograms(
                &registry,
                "longshore_transfer_duration_seconds",
                "Time from the first byte of each transfer to its last.",
                SECONDS.to_vec(),
            ),
            reloads: counters(
                &registry,
                "longshore_reloads_total",
                "Times that settings, users and certificates were read anew, by result.",
                &["result"],
            ),
            log_lines_dropped: counter(
                &registry,
                "longshore_log_lines_dropped_total",
                "Lines that a log had no room for or could not write.",
            ),
            panics: counter(&registry, "longshore_panics_total", "Errors in the program that ended a task."),
            events: counters(
                &registry,
                "longshore_events_total",
                "Events that others are to be told of (on_upload and so on), by kind.",
                &["event"],
            ),
            events_pending: registered(
                &registry,
                IntGauge::new("longshore_events_pending", "Events in the spool that their receivers do not have yet."),
            ),
            events_dropped: counter(
                &registry,
                "longshore_events_dropped_total",
                "Events that nobody will be told of: the spool had no room, or their setting was emptied.",
            ),
            event_deliveries: counters(
                &registry,
                "longshore_event_deliveries_total",
                "Attempts to deliver an event, by result.",
                &["result"],
            ),
            registry,
        };
        metrics.begin_at_zero();
        metrics
    }

    /// What has not happened yet is there too, so that its first time is seen as an increase.
    fn begin_at_zero(&self) {
        for limit in LIMITS {
            self.refusals.with_label_values(&[limit]);
        }
        for event in EVENTS {
            self.events.with_label_values(&[event]);
        }
        let moved =
            [(Direction::Upload, What::File), (Direction::Download, What::File), (Direction::Download, What::Listing)];
        for labels in moved.map(|(direction, what)| labels(direction, what)) {
            self.transfer_bytes.with_label_values(&labels);
            self.transfer_seconds.with_label_values(&labels);
            for ended in Ended::ALL {
                self.transfers.with_label_values(&[labels[0], labels[1], ended.label()]);
            }
        }
        for ended in Ended::ALL {
            self.logins.with_label_values(&[ended.label()]);
            self.reloads.with_label_values(&[ended.label()]);
            self.event_deliveries.with_label_values(&[ended.label()]);
        }
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    registered(registry, IntCounter::new(name, help))
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn histograms(registry: &Registry, name: &str, help: &str, buckets: Vec<f64>) -> HistogramVec {
    registered(registry, HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), &["direction", "what"]))
}

#[expect(clippy::expect_used, reason = "the bounds are constants, and tests read each")]
fn powers_of_eight() -> Vec<f64> {
    exponential_buckets(FIRST_BYTES, 8.0, 9).expect("every bound is above the one before")
}

#[expect(clippy::expect_used, reason = "the names are constants, and tests read each")]
pub(super) fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<C>) -> C {
    let metric = metric.expect("every name and label can be one");
    registry.register(Box::new(metric.clone())).expect("every name is there once");
    metric
}
