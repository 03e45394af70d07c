//! A transfer in the making: what a command found out, on its way to becoming work.

use std::net::IpAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Ran, say};
use crate::data::{Body, DataPlan, Failure, Outgoing, Patience, Progress, Report, Transfer};
use crate::files::{FileError, PendingUpload};
use crate::hooks::{Kind, Teller};
use crate::limits::{Direction, Pace};
use crate::observe::events::SessionId;
use crate::observe::{self, What, events};
use crate::path::VirtualPath;
use crate::protocol::{Reply, replies};
use crate::session::{IfClientLeaves, Member, Moved, Outcome, Representation, Service, Session, Task};
use crate::users::Account;

/// A transfer in the making. It takes the arranged data connection at once, so that a command that fails on the way
/// gives the port back.
pub(super) struct Job {
    plan: DataPlan,
    verb: &'static str,
}

impl Job {
    pub(super) fn new(member: &mut Member, verb: &'static str) -> Self {
        Self { plan: std::mem::take(&mut member.plan), verb }
    }

    /// A file, to the client.
    pub(super) fn download(self, session: &Session, member: &Member, outgoing: Outgoing, path: VirtualPath) -> Ran {
        let record = self.record(session, member, Direction::Download, path, What::File);
        self.begin(session, member, Body::Send(outgoing), replies::opening_data(), record)
    }

    /// A listing, to the client.
    pub(super) fn list(self, session: &Session, member: &Member, outgoing: Outgoing, path: VirtualPath) -> Ran {
        let record = self.record(session, member, Direction::Download, path, What::Listing);
        self.begin(session, member, Body::Send(outgoing), replies::opening_data(), record)
    }

    /// A file, from the client.
    pub(super) fn upload(self, session: &Session, member: &Member, upload: PendingUpload, opening: Reply) -> Ran {
        let record = self.record(session, member, Direction::Upload, upload.path().clone(), What::File);
        let progress = Arc::new(Progress::new());
        let teller = session.teller(Kind::Upload, &member.account);
        let body = Body::Receive { upload: told_of(upload, teller, &progress), ascii: record.ascii };
        self.begin_with(progress, session, member, body, opening, record)
    }

    fn record(
        &self,
        session: &Session,
        member: &Member,
        direction: Direction,
        path: VirtualPath,
        what: What,
    ) -> Record {
        Record {
            service: Arc::clone(&session.service),
            moved: Arc::clone(&session.moved),
            session: session.id,
            verb: self.verb,
            direction,
            user: Arc::clone(&member.account),
            peer: session.peer.ip(),
            path,
            ascii: member.representation == Representation::Ascii,
            what,
        }
    }

    fn begin(self, session: &Session, member: &Member, body: Body, opening: Reply, record: Record) -> Ran {
        self.begin_with(Arc::new(Progress::new()), session, member, body, opening, record)
    }

    fn begin_with(
        self,
        progress: Arc<Progress>,
        session: &Session,
        member: &Member,
        body: Body,
        opening: Reply,
        record: Record,
    ) -> Ran {
        if self.plan.is_none() {
            return say(replies::use_port_or_pasv());
        }
        let protection = session.data_protection()?;
        let settings = &session.service.settings;
        let patience = Patience {
            connect: settings.data_connect_timeout.limit(),
            // Without a limit of its own a transfer that stands still is idle.
            stall: settings.data_timeout.limit().or(settings.idle_timeout.limit()),
            keepalive: settings.keepalive.limit(),
        };
        let pace = pace(session, member, record.direction);
        let transfer = Transfer { plan: self.plan, protection, body, pace, patience };
        let if_client_leaves = match record.direction {
            Direction::Upload => IfClientLeaves::Stop,
            Direction::Download => IfClientLeaves::Finish,
        };
        let stop = CancellationToken::new();
        let (moved, stopped) = (Arc::clone(&progress), stop.clone());
        let work = async move {
            let report = transfer.run(&moved, &stopped).await;
            record.write(&report);
            Reply::from(&report)
        };
        let work = Box::pin(work);
        Ok(Outcome::Work(Box::new(Task { opening: Some(opening), progress, stop, if_client_leaves, work })))
    }
}

/// The upload, and whoever is to be told of it once the file is whole.
fn told_of(upload: PendingUpload, teller: Teller, progress: &Arc<Progress>) -> PendingUpload {
    if !teller.is_heard() {
        return upload;
    }
    let (path, moved) = (upload.path().clone(), Arc::clone(progress));
    upload.when_whole(move |size| teller.tell_uploaded(&path, size, moved.bytes()))
}

/// What the logs tell of a transfer.
struct Record {
    service: Arc<Service>,
    moved: Arc<Moved>,
    session: SessionId,
    verb: &'static str,
    direction: Direction,
    user: Arc<Account>,
    peer: IpAddr,
    path: VirtualPath,
    ascii: bool,
    what: What,
}

impl Record {
    fn write(&self, report: &Report) {
        self.moved.add(self.direction, report.bytes);
        let failure = report.outcome.as_ref().err().map(ToString::to_string);
        let transfer = observe::Transfer {
            verb: self.verb,
            what: self.what,
            direction: self.direction,
            user: &self.user.name,
            anonymous: self.user.anonymous,
            peer: self.peer,
            path: &self.path,
            bytes: report.bytes,
            took: report.elapsed,
            ascii: self.ascii,
            failure: failure.as_deref(),
        };
        events::transferred(self.session, &transfer);
        if matches!(report.outcome, Err(Failure::File(FileError::OverQuota))) {
            events::met_limit("quota");
        }
        if let Some(log) = self.service.transfer_log.as_ref().filter(|_| self.what == What::File) {
            log.record(&transfer);
        }
    }
}

fn pace(session: &Session, member: &Member, direction: Direction) -> Pace {
    let (settings, account) = (&session.service.settings, &member.account);
    let connection = match direction {
        Direction::Upload => account.max_upload.unwrap_or(settings.max_upload),
        Direction::Download => account.max_download.unwrap_or(settings.max_download),
    };
    session.service.paces.chain(direction, &account.name, session.peer.ip(), connection.limit())
}
