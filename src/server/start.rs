//! From settings to a service: the users are read, the limits set up, the process prepared.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::data::{Admission, Advertiser, PassivePorts};
use crate::limits::{PaceSettings, Paces, Seats, SharedRates, Stays, Tries};
use crate::observe::{LogError, TransferLog};
use crate::session::Service;
use crate::settings::Settings;
use crate::users::{Authenticator, Roster};

/// Sets up what all sessions share.
///
/// # Errors
/// The transfer log cannot be opened.
pub fn build_service(settings: Settings, roster: Roster) -> Result<Service, LogError> {
    let zone = if settings.use_gmt_times { TimeZone::UTC } else { TimeZone::system() };
    let transfer_log =
        settings.transfer_log.as_deref().map(|path| TransferLog::open(path, zone.clone())).transpose()?;
    let trusted = settings.trusted_peers.clone();
    let admission = Admission { anybody: settings.permit_foreign_addresses, trusted: trusted.clone() };
    Ok(Service {
        authenticator: Authenticator::new(Arc::new(roster)),
        seats: Seats::new(settings.max_cons.limit(), settings.max_per_ip.limit(), trusted.clone()),
        stays: Stays::new(),
        tries: Tries::new(settings.ban_after.limit(), settings.ban_time.limit().unwrap_or_default(), trusted),
        paces: Paces::new(&pace_settings(&settings)),
        passive: PassivePorts::new(settings.passive_ports, admission),
        advertiser: Advertiser::new(settings.masquerade_address.clone(), settings.masquerade_map.clone()),
        transfer_log,
        zone,
        settings: Arc::new(settings),
    })
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
