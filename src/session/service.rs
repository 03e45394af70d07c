//! What all sessions share.

use std::sync::Arc;

use super::Board;
use crate::data::{Advertiser, PassivePorts, Proxies};
use crate::files::Quotas;
use crate::hooks::Hooks;
use crate::limits::{Paces, Seats, Stays, Tries};
use crate::observe::TransferLog;
use crate::settings::Settings;
use crate::tls::Tls;
use crate::turns::Turns;
use crate::users::Authenticator;

/// The appliance behind the sessions: settings, users, limits, and the ports of passive mode.
pub struct Service {
    /// In force for every session that begins with this service.
    pub settings: Arc<Settings>,
    /// Who may log in.
    pub authenticator: Authenticator,
    /// `max_cons` and `max_per_ip`.
    pub seats: Seats,
    /// `max_per_user`.
    pub stays: Stays,
    /// `ban_after`.
    pub tries: Tries,
    /// The rates.
    pub paces: Paces,
    /// `passive_ports`.
    pub passive: Arc<PassivePorts>,
    /// `proxy_protocol` and `proxy_from`.
    pub proxies: Proxies,
    /// `tls` and what belongs to it; none where it is off.
    pub tls: Option<Tls>,
    /// `masquerade_address` and `masquerade_map`.
    pub advertiser: Advertiser,
    /// Turns at reading files through for their sums.
    pub sums: Turns,
    /// `quota` of users.conf.
    pub quotas: Quotas,
    /// `transfer_log`.
    pub transfer_log: Option<TransferLog>,
    /// `on_upload` and the like.
    pub hooks: Hooks,
    /// Who is there.
    pub board: Board,
    /// The zone of the times in LIST (`use_gmt_times`).
    pub zone: jiff::tz::TimeZone,
}
