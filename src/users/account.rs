//! One who may log in: name, home, permissions, and what is set for this user alone.

use std::net::IpAddr;
use std::path::PathBuf;

use super::password::Secret;
use crate::settings::{Cidrs, Count, Permissions, Rate, Size};

/// A user, or anonymous.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// The name, as in USER.
    pub name: String,
    /// The directory the user sees as `/`; absolute.
    pub home: PathBuf,
    /// What the user may do there.
    pub permissions: Permissions,
    /// Bytes a second from the client, instead of the general setting.
    pub max_upload: Option<Rate>,
    /// Bytes a second to the client, instead of the general setting.
    pub max_download: Option<Rate>,
    /// Sessions at once, instead of the general setting.
    pub max_cons: Option<Count>,
    /// Bytes of all files in the home; any number if `None`.
    pub quota: Option<Size>,
    /// The networks the user may come from; from anywhere if `None`.
    pub from: Option<Cidrs>,
    /// The name in a client certificate that stands for the password; none does if `None`.
    pub certificate: Option<String>,
    /// The sentence after the log-in, instead of the general one.
    pub login_msg: Option<String>,
    /// The sentence after QUIT, instead of the general one.
    pub quit_msg: Option<String>,
    /// Whether this is the one account that takes any password.
    pub anonymous: bool,
    /// What the password is checked against; anonymous has none.
    pub(super) secret: Option<Secret>,
}

impl Account {
    /// The name of the account that takes any password.
    pub const ANONYMOUS: &str = "anonymous";

    /// A user with a password, and with no special settings.
    #[must_use]
    pub fn new(name: &str, secret: Secret, permissions: Permissions, home: PathBuf) -> Self {
        Self::without_keys(name, Some(secret), permissions, home)
    }

    /// The account called `anonymous`, which takes any password.
    #[must_use]
    pub fn anonymous(permissions: Permissions, home: PathBuf) -> Self {
        Self::without_keys(Self::ANONYMOUS, None, permissions, home)
    }

    /// Whether the user may come from this address.
    #[must_use]
    pub fn may_come_from(&self, peer: IpAddr) -> bool {
        self.from.as_ref().is_none_or(|networks| networks.contains(peer))
    }

    /// Whether the password stands in the users file for everybody to read who can read the file.
    pub(super) fn has_plain_password(&self) -> bool {
        self.secret.as_ref().is_some_and(Secret::is_plain)
    }

    /// The memory that checking a password of this account takes, in KiB.
    #[must_use]
    pub fn hash_memory(&self) -> usize {
        self.secret.as_ref().map_or(0, Secret::memory)
    }

    fn without_keys(name: &str, secret: Option<Secret>, permissions: Permissions, home: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            home,
            permissions,
            max_upload: None,
            max_download: None,
            max_cons: None,
            quota: None,
            from: None,
            certificate: None,
            login_msg: None,
            quit_msg: None,
            anonymous: secret.is_none(),
            secret,
        }
    }
}
