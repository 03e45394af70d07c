//! The `key=value` part of users.conf: what is set for one user instead of for all.

use std::fmt::Display;
use std::str::FromStr;

use super::account::Account;
use crate::settings::{Cidrs, Count, Rate, Size};

/// One `key=value`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    MaxUpload(Rate),
    MaxDownload(Rate),
    MaxCons(Count),
    Quota(Size),
    From(Cidrs),
    Certificate(String),
    LoginMsg(String),
    QuitMsg(String),
}

impl Key {
    /// Reads one, or says what is wrong with it.
    pub(super) fn read(key: &str, value: &[u8]) -> Result<Self, String> {
        let value = str::from_utf8(value).map_err(|_| format!("{key}: the value is not UTF-8"))?;
        match key {
            "max_upload" => unit(key, value).map(Self::MaxUpload),
            "max_download" => unit(key, value).map(Self::MaxDownload),
            "max_cons" => unit(key, value).map(Self::MaxCons),
            "quota" => unit(key, value).map(Self::Quota),
            "from" => unit(key, value).map(Self::From),
            "certificate" => message(key, value).map(Self::Certificate),
            "login_msg" => message(key, value).map(Self::LoginMsg),
            "quit_msg" => message(key, value).map(Self::QuitMsg),
            _ => Err(format!("unknown key `{key}`, expected one of {KNOWN}")),
        }
    }

    /// Sets it for the user.
    pub(super) fn apply(self, account: &mut Account) {
        match self {
            Self::MaxUpload(rate) => account.max_upload = Some(rate),
            Self::MaxDownload(rate) => account.max_download = Some(rate),
            Self::MaxCons(count) => account.max_cons = Some(count),
            Self::Quota(size) => account.quota = Some(size),
            Self::From(networks) => account.from = Some(networks),
            Self::Certificate(name) => account.certificate = Some(name),
            Self::LoginMsg(text) => account.login_msg = Some(text),
            Self::QuitMsg(text) => account.quit_msg = Some(text),
        }
    }
}

fn unit<T: FromStr<Err: Display>>(key: &str, value: &str) -> Result<T, String> {
    if value.trim().is_empty() {
        return Err(format!("{key}: the value is empty"));
    }
    value.parse().map_err(|error| format!("{key}: {error}"))
}

/// A sentence for a reply. A line end in it would forge the next reply, and the file has no way to write one anyway.
fn message(key: &str, value: &str) -> Result<String, String> {
    match value {
        "" => Err(format!("{key}: the value is empty")),
        _ if value.chars().any(char::is_control) => Err(format!("{key}: the value holds a control character")),
        _ => Ok(value.to_owned()),
    }
}

const KNOWN: &str = "max_upload, max_download, max_cons, quota, from, certificate, login_msg, quit_msg";
