//! What others are told of a session's doings (`on_upload` and so on).

use super::Session;
use crate::hooks::{Kind, Teller, Who};
use crate::users::Account;

impl Session {
    /// Whoever tells that this user did something.
    #[must_use]
    pub fn teller(&self, kind: Kind, account: &Account) -> Teller {
        self.service.hooks.teller(kind, || Who {
            user: account.name.clone(),
            home: account.home.clone(),
            peer: self.peer().ip(),
            session: self.id,
            tls: self.protection.control.is_some(),
        })
    }
}
