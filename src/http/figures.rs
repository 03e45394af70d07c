//! How things stand, for `/metrics`.

use super::Http;
use crate::blocking::off_reactor;
use crate::limits::rate_waits;
use crate::observe::{self, Standing};
use crate::session::Service;

impl Http {
    /// All figures in the text form of Prometheus.
    ///
    /// # Errors
    /// They could not be written, and why.
    pub(super) async fn figures(&self) -> Result<String, String> {
        let standing = standing(&self.service(), self.draining.is_cancelled());
        off_reactor(move || observe::exposition(&standing).map_err(|error| error.to_string())).await
    }
}

fn standing(service: &Service, draining: bool) -> Standing {
    let used = service.passive.open_ports();
    Standing {
        sessions: service.seats.taken(),
        max_sessions: service.settings.max_cons.limit(),
        passive_ports_used: used,
        // One port may be open at several of our addresses.
        passive_ports_free: service.passive.ports().saturating_sub(used),
        rate_waits: rate_waits(),
        draining,
    }
}
