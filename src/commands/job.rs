//! A transfer in the making: what a command found out, on its way to becoming work.

use std::net::IpAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Ran, say};
use crate::data::{Beacon, Body, DataPlan, Failure, Outgoing, Patience, Progress, Report, Transfer};
use crate::files::{FileError, PendingUpload};
use crate::hooks::{Kind, Teller};
use crate::limits::{Direction, Pace};
use crate::observe::events::SessionId;
use crate::observe::{self, What, events};
use crate::path::VirtualPath;
use crate::protocol::{Reply, replies};
use crate::session::{IfClientLeaves, Member, Outcome, Representation, Service, Session, Task};
use crate::users::Account;

/// A transfer in the making. A command that is refused leaves the arranged data connection to the next one: Lynx asks for
/// a file first and, if it is refused, for a listing on the same port. It is taken with the 150.
pub(super) struct Job {
    verb: &'static str,
    /// An earlier command was refused the data connection that is arranged.
    is_second_try: bool,
}

impl Job {
    pub(super) fn new(member: &mut Member, verb: &'static str) -> Self {
        Self { verb, is_second_try: member.plan.ask_for() }
    }

    /// A file, to the client, from `offset` on.
    pub(super) fn download(
        self,
        session: &Session,
        member: &mut Member,
        outgoing: Outgoing,
        path: VirtualPath,
        offset: u64,
    ) -> Ran {
        let opening = outgoing.size().map_or_else(replies::opening_data, |left| replies::opening_file(offset + left));
        self.send(session, member, outgoing, path, What::File, opening)
    }

    /// A listing, to the client.
    pub(super) fn list(self, session: &Session, member: &mut Member, outgoing: Outgoing, path: VirtualPath) -> Ran {
        self.send(session, member, outgoing, path, What::Listing, replies::opening_data())
    }

    fn send(
        self,
        session: &Session,
        member: &mut Member,
        outgoing: Outgoing,
        path: VirtualPath,
        what: What,
        opening: Reply,
    ) -> Ran {
        let progress = Progress::new(path, Some(Direction::Download), outgoing.size());
        let record = self.record(session, member, progress, Direction::Download, what);
        self.begin(session, member, Body::Send(outgoing), opening, record)
    }

    /// A file, from the client.
    pub(super) fn upload(self, session: &Session, member: &mut Member, upload: PendingUpload, opening: Reply) -> Ran {
        let progress = Progress::new(upload.path().clone(), Some(Direction::Upload), None);
        let record = self.record(session, member, progress, Direction::Upload, What::File);
        let teller = session.teller(Kind::Upload, &member.account);
        let body = Body::Receive { upload: told_of(upload, teller, &record.progress), ascii: record.ascii };
        self.begin(session, member, body, opening, record)
    }

    fn record(
        &self,
        session: &Session,
        member: &Member,
        progress: Progress,
        direction: Direction,
        what: What,
    ) -> Record {
        Record {
            service: Arc::clone(&session.service),
            session: session.id,
            verb: self.verb,
            progress: Arc::new(progress),
            direction,
            user: Arc::clone(&member.account),
            peer: session.peer().ip(),
            ascii: member.representation == Representation::Ascii,
            what,
        }
    }

    fn begin(self, session: &Session, member: &mut Member, body: Body, opening: Reply, record: Record) -> Ran {
        // A connection that came since the session last looked may be one that the client has given up.
        member.plan.catch_up();
        if self.is_second_try && record.direction == Direction::Upload && member.plan.is_given_up() {
            member.plan = DataPlan::None;
        }
        if member.plan.is_taken() {
            member.plan = DataPlan::None;
            return say(replies::port_taken());
        }
        if member.plan.is_none() {
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
        let transfer = Transfer { plan: member.plan.take(), protection, body, pace, patience };
        let if_client_leaves = match record.direction {
            Direction::Upload => IfClientLeaves::Decide,
            Direction::Download => IfClientLeaves::Finish,
        };
        let (progress, stop, beacon) = (Arc::clone(&record.progress), CancellationToken::new(), Beacon::default());
        let (stopped, client) = (stop.clone(), beacon.client());
        let work = async move {
            let report = transfer.run(&record.progress, &stopped, client).await;
            record.write(&report);
            Reply::from(&report)
        };
        let work = Box::pin(work);
        Ok(Outcome::Work(Box::new(Task { opening: Some(opening), progress, stop, if_client_leaves, beacon, work })))
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
    session: SessionId,
    verb: &'static str,
    progress: Arc<Progress>,
    direction: Direction,
    user: Arc<Account>,
    peer: IpAddr,
    ascii: bool,
    what: What,
}

impl Record {
    fn write(&self, report: &Report) {
        let failure = report.outcome.as_ref().err().map(ToString::to_string);
        let transfer = observe::Transfer {
            verb: self.verb,
            what: self.what,
            direction: self.direction,
            user: &self.user.name,
            anonymous: self.user.anonymous,
            peer: self.peer,
            path: &self.progress.path,
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
    session.service.paces.chain(direction, &account.name, session.peer().ip(), connection.limit())
}
