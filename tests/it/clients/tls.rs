//! The same clients over TLS: both kinds of FTPS, both versions, the certificate verified against the authority of the
//! test, and data connections that resume the control connection's session, or do not.

mod certificates;
mod curl;
mod ftplib;
mod lftp;
mod rclone;
mod wget;

use std::net::SocketAddr;

use longshore::settings::Settings;

use super::desk::Desk;
use crate::authority::{Authority, Pair};
use crate::harness::{TestServer, USERS, set};

/// What `tls_session_reuse` may be.
const REUSES: [&str; 3] = ["off", "prefer", "require"];

/// How a session comes to speak TLS.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// By AUTH TLS.
    Explicit,
    /// From the first byte.
    Implicit,
}

const KINDS: [Kind; 2] = [Kind::Explicit, Kind::Implicit];

/// A server that asks for TLS everywhere, with a certificate of `authority`, whose own is `ca.pem` on the desk.
struct Ground {
    server: TestServer,
    desk: Desk,
    authority: Authority,
}

impl Ground {
    /// With this `tls_session_reuse`.
    fn new(reuse: &str) -> Self {
        Self::with(USERS, |settings| set(settings, "tls_session_reuse", reuse))
    }

    fn with(users: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let (desk, authority) = (Desk::new(), Authority::new());
        std::fs::write(desk.path("ca.pem"), authority.pem()).unwrap();
        // Nobody's, here.
        std::fs::write(desk.path("other.pem"), Authority::new().pem()).unwrap();
        put(&desk, "server", &authority.issue(&["127.0.0.1"]));
        let server = TestServer::start_with_users(users, |settings| {
            set(settings, "tls", "required");
            set(settings, "tls_listen", "127.0.0.1:0");
            settings.tls_cert = Some(desk.path("server.pem"));
            settings.tls_key = Some(desk.path("server.key"));
            change(settings);
        });
        Self { server, desk, authority }
    }

    fn address(&self, kind: Kind) -> SocketAddr {
        match kind {
            Kind::Explicit => self.server.address,
            Kind::Implicit => self.server.implicit.unwrap(),
        }
    }
}

/// Writes `NAME.pem` and `NAME.key`.
fn put(desk: &Desk, name: &str, pair: &Pair) {
    std::fs::write(desk.path(format!("{name}.pem")), &pair.cert_pem).unwrap();
    std::fs::write(desk.path(format!("{name}.key")), &pair.key_pem).unwrap();
}
