//! Somebody who has logged in. Commands that need a log-in are given one of these, and there is none before.

use std::sync::Arc;

use super::Session;
use crate::blocking::{hard_work, off_reactor};
use crate::data::DataPlan;
use crate::files::{FileError, Home};
use crate::limits::Stay;
use crate::listing::Facts;
use crate::path::VirtualPath;
use crate::protocol::Reply;
use crate::users::Account;

/// A logged-in user and what belongs to that log-in.
pub struct Member {
    /// Who.
    pub account: Arc<Account>,
    /// The files, and what may be done with them.
    pub home: Home,
    /// The current directory.
    pub directory: VirtualPath,
    /// TYPE.
    pub representation: Representation,
    /// PASV's or PORT's arrangement for the next transfer.
    pub plan: DataPlan,
    /// EPSV ALL was said: no other way to a data connection until the log-out (RFC 2428 section 4).
    pub epsv_only: bool,
    /// REST's position for the next RETR or STOR.
    pub restart: Option<u64>,
    /// RNFR's name for the next RNTO.
    pub rename_from: Option<VirtualPath>,
    /// The place among the user's sessions.
    pub stay: Stay,
}

/// How bytes become a file: RFC 959 section 3.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Representation {
    /// TYPE A, with line ends converted. The default, as RFC 959 section 5.1 has it.
    #[default]
    Ascii,
    /// TYPE I, and TYPE L 8, which is the same.
    Image,
}

impl Member {
    /// The path that a client's name means from the current directory.
    ///
    /// # Errors
    /// The reply to a name that is none.
    pub fn path(&self, session: &Session, name: &[u8]) -> Result<VirtualPath, Reply> {
        self.directory.join(&session.encoding.decode(name)).map_err(Reply::from)
    }

    /// Asks the home something, off the reactor. A refusal becomes its reply.
    ///
    /// # Errors
    /// The reply to what the home refused.
    pub async fn ask<T: Send + 'static>(
        &self,
        session: &Session,
        question: impl FnOnce(&Home) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, Reply> {
        let home = self.home.clone();
        answered(session, off_reactor(move || question(&home)).await)
    }

    /// The same, for what may keep a processor busy before there is an answer.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_much<T: Send + 'static>(
        &self,
        session: &Session,
        question: impl FnOnce(&Home) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, Reply> {
        let home = self.home.clone();
        answered(session, hard_work(move || question(&home)).await)
    }

    /// What is known of a name, as [`Home::facts`] tells it. A refusal becomes its reply.
    ///
    /// # Errors
    /// The reply to what the home refused.
    pub async fn facts(&self, session: &Session, path: VirtualPath) -> Result<Facts, Reply> {
        match self.home.facts_at_once(&path) {
            Some(facts) => Ok(facts),
            None => self.ask(session, move |home| home.facts(&path)).await,
        }
    }

    /// The size of a file, as [`Home::size`] tells it, in bytes. A refusal becomes its reply.
    ///
    /// # Errors
    /// The reply to what the home refused.
    pub async fn size(&self, session: &Session, path: VirtualPath) -> Result<u64, Reply> {
        match self.home.facts_at_once(&path) {
            Some(facts) => Ok(facts.size),
            None => self.ask(session, move |home| home.size(&path)).await,
        }
    }

    /// The path of an argument that may be left out: the current directory then.
    ///
    /// # Errors
    /// As [`Member::path`].
    pub fn path_or_here(&self, session: &Session, name: Option<&[u8]>) -> Result<VirtualPath, Reply> {
        name.map_or_else(|| Ok(self.directory.clone()), |name| self.path(session, name))
    }
}

fn answered<T>(session: &Session, answer: Result<T, FileError>) -> Result<T, Reply> {
    answer.map_err(|why| {
        session.note_trouble(&why);
        Reply::from(&why)
    })
}
