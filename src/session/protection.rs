//! What AUTH, PBSZ and PROT have brought about (RFC 2228, RFC 4217). Nothing else changes it, least of all a transfer.

use super::Session;
use crate::protocol::{Reply, replies};
use crate::settings::TlsMode;
use crate::tls::Secured;

/// How far a session is protected.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    /// TLS on the control connection.
    pub control: Option<Secured>,
    /// PBSZ was said, which PROT asks for.
    pub has_buffer_size: bool,
    /// PROT P: data connections speak TLS as well.
    pub data: bool,
    is_implicit: bool,
}

impl Protection {
    /// As the handshake leaves it. Whoever spoke TLS from the first byte expects it everywhere.
    #[must_use]
    pub fn begun(control: Secured, is_implicit: bool) -> Self {
        Self { control: Some(control), has_buffer_size: is_implicit, data: is_implicit, is_implicit }
    }

    /// As the handshake left it. TLS itself goes on.
    pub fn begin_anew(&mut self) {
        self.has_buffer_size = self.is_implicit;
        self.data = self.is_implicit;
    }
}

impl Session {
    /// Whether names, passwords and data may travel as they are set up now to do.
    ///
    /// # Errors
    /// The reply to USER before TLS, where it is required.
    pub fn may_log_in(&self) -> Result<(), Reply> {
        let in_clear = self.protection.control.is_none();
        if in_clear && self.service.settings.tls == TlsMode::Required { Err(replies::tls_first()) } else { Ok(()) }
    }

    /// Whether data connections must be encrypted.
    #[must_use]
    pub fn must_protect_data(&self) -> bool {
        let settings = &self.service.settings;
        settings.tls == TlsMode::Required && settings.tls_data_required
    }

    /// The TLS of the next data connection, if it shall have one.
    ///
    /// # Errors
    /// The reply to a transfer in clear, where none is allowed.
    pub fn data_protection(&self) -> Result<Option<Secured>, Reply> {
        match &self.protection.control {
            Some(control) if self.protection.data => Ok(Some(control.clone())),
            _ if self.must_protect_data() => Err(replies::protect_data_first()),
            _ => Ok(None),
        }
    }
}
