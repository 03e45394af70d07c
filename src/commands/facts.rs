//! What is known of a file: SIZE, MDTM (RFC 3659 sections 3 and 4), MFMT (draft-somers-ftp-mfxx), AVBL
//! (draft-peterson-streamlined-ftp-command-extensions), HASH (draft-bryan-ftpext-hash), XCRC, XMD5, XSHA….

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Command, Feature, Members, Ran, Spec, say};
use crate::blocking::hard_work;
use crate::data::{Beacon, Progress};
use crate::files::{Algorithm, Digest, FileError, Summing};
use crate::listing::Kind;
use crate::observe::events::{self, Change};
use crate::path::VirtualPath;
use crate::protocol::argument::parse_number;
use crate::protocol::{Argument, Reply, Syntax, replies, time};
use crate::session::{IfClientLeaves, Member, Outcome, Session, Task};

/// The size in bytes as stored, which is what TYPE I sends. In TYPE A it is the same: clients ask before they say TYPE I,
/// and what the conversion would make of it takes reading all of the file.
pub struct Size(Vec<u8>);

impl Command for Size {
    const SPEC: &'static Spec =
        &Spec { verb: "SIZE", syntax: "<SP> path", features: &[Feature::Fixed("SIZE")], ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Size {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let path = member.path(session, &self.0)?;
        say(replies::number(member.size(session, path).await?))
    }
}

/// The time of the last modification or, with a time before the path as some clients have it, its setting.
pub struct Mdtm(Vec<u8>);

impl Command for Mdtm {
    const SPEC: &'static Spec =
        &Spec { verb: "MDTM", syntax: "[<SP> time] <SP> path", features: &[Feature::Fixed("MDTM")], ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Mdtm {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        // With a time before it, a name that is as long as names may be is no name as a whole.
        let found = match member.path(session, &self.0) {
            Ok(path) => member.facts(session, path).await,
            Err(reply) => Err(reply),
        };
        match (found, time_and_name(&self.0)) {
            (Ok(found), _) => say(replies::modified(&time::format(found.modified))),
            // No file has the whole for its name, so the first word is a time.
            (Err(_), Some((when, name))) => set_time(session, member, when, name).await,
            (Err(reply), None) => Err(reply),
        }
    }
}

/// Modify fact: the time of the last modification is set.
pub struct Mfmt {
    when: i64,
    name: Vec<u8>,
}

impl Command for Mfmt {
    const SPEC: &'static Spec =
        &Spec { verb: "MFMT", syntax: "<SP> time <SP> path", features: &[Feature::Fixed("MFMT")], ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        let (when, name) = time_and_name(argument.some()?).ok_or(Syntax::Malformed("expected YYYYMMDDHHMMSS path"))?;
        Ok(Self { when, name: name.to_vec() })
    }
}

impl Members for Mfmt {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        set_time(session, member, self.when, &self.name).await
    }
}

/// Available bytes.
pub struct Avbl(Option<Vec<u8>>);

impl Command for Avbl {
    const SPEC: &'static Spec =
        &Spec { verb: "AVBL", syntax: "[<SP> path]", features: &[Feature::Fixed("AVBL")], ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(argument.optional_name()))
    }
}

impl Members for Avbl {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let path = member.path_or_here(session, self.0.as_deref())?;
        let free = member.ask(session, move |home| match home.facts(&path)?.kind {
            Kind::Directory => home.free_space(&path),
            _ => Err(FileError::NotADirectory),
        });
        say(replies::number(free.await?))
    }
}

/// The sum of a whole file, by the algorithm that OPTS HASH chose.
pub struct Hash(Vec<u8>);

impl Command for Hash {
    const SPEC: &'static Spec = &Spec {
        verb: "HASH",
        syntax: "<SP> path",
        features: &[Feature::Chosen(|session| Some(hash_feature(session)))],
        ..Spec::ANY_BYTES
    };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.name().map(Self)
    }
}

impl Members for Hash {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let path = member.path(session, &self.0)?;
        let (algorithm, name) = (session.algorithm, self.0);
        sum_up(session, member, path, algorithm, None, move |digest| {
            replies::hash(algorithm.name(), digest.end, &digest.hex, &name)
        })
    }
}

fn hash_feature(session: &Session) -> String {
    let star = |algorithm| if algorithm == session.algorithm { "*" } else { "" };
    let names: Vec<String> =
        Algorithm::ALL.iter().map(|&algorithm| format!("{}{}", algorithm.name(), star(algorithm))).collect();
    format!("HASH {}", names.join(";"))
}

/// What XCRC and its like are asked for: a name or, in quotes, a name and a range of bytes.
struct SumOf {
    name: Vec<u8>,
    range: Option<(u64, Option<u64>)>,
}

impl SumOf {
    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        let bytes = argument.some()?;
        let Some(quoted) = bytes.strip_prefix(b"\"") else { return Ok(Self { name: bytes.to_vec(), range: None }) };
        let end = quoted.iter().rposition(|&byte| byte == b'"').ok_or(Syntax::Malformed("expected a closing quote"))?;
        let mut numbers = quoted[end + 1..].split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let start = numbers.next().map(parse_number).transpose()?;
        let stop = numbers.next().map(parse_number).transpose()?;
        if numbers.next().is_some() {
            return Err(Syntax::Malformed("expected \"path\" start end"));
        }
        Ok(Self { name: quoted[..end].to_vec(), range: start.map(|start| (start, stop)) })
    }
}

macro_rules! sums {
    ($($name:ident, $verb:literal, $aliases:expr, $algorithm:ident;)*) => { $(
        /// The sum of a file or of a range of it, as clients before HASH ask for it.
        pub struct $name(SumOf);

        impl Command for $name {
            const SPEC: &'static Spec = &Spec {
                verb: $verb,
                aliases: $aliases,
                syntax: "<SP> path | <SP> \"path\" <SP> start <SP> end",
                features: &[Feature::Fixed($verb)],
                ..Spec::ANY_BYTES
            };

            fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
                SumOf::parse(argument).map(Self)
            }
        }

        impl Members for $name {
            async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
                let path = member.path(session, &self.0.name)?;
                sum_up(session, member, path, Algorithm::$algorithm, self.0.range, |digest| replies::sum(&digest.hex))
            }
        }
    )* };
}

sums! {
    Xcrc, "XCRC", &[], Crc32;
    Xmd5, "XMD5", &[], Md5;
    Xsha1, "XSHA1", &["XSHA"], Sha1;
    Xsha256, "XSHA256", &[], Sha256;
    Xsha512, "XSHA512", &[], Sha512;
}

/// How long a sum is made before others have their turn.
const SLICE: Duration = Duration::from_millis(50);

/// Reads a file through, which takes its time: ABOR stops it. It is read in slices, and each waits for its turn.
fn sum_up(
    session: &Session,
    member: &Member,
    path: VirtualPath,
    algorithm: Algorithm,
    range: Option<(u64, Option<u64>)>,
    reply: impl FnOnce(&Digest) -> Reply + Send + 'static,
) -> Ran {
    let (home, id, peer) = (member.home.clone(), session.id, session.peer().ip());
    let progress = Arc::new(Progress::new(path.clone(), None, None));
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let (sums, whose) = (session.service.sums.clone(), session.whose(Some(&member.account.name)));
    let begin = move || {
        let (start, end) = range.unwrap_or((0, None));
        home.summing(&path, algorithm, start, end)
    };
    let work = async move {
        let mut part = Part::Whole(begin);
        loop {
            let turn = tokio::select! {
                turn = sums.take(&whose, 1) => turn,
                () = stopped.cancelled() => return replies::transfer_aborted(),
            };
            let goes_on = stopped.clone();
            let read = hard_work(move || {
                let _turn = turn;
                part.read_on(&goes_on)
            });
            match read.await {
                Ok(Ok(digest)) => return reply(&digest),
                Ok(Err(rest)) if stopped.is_cancelled() => {
                    drop(rest);
                    return replies::transfer_aborted();
                }
                Ok(Err(rest)) => part = Part::Rest(rest),
                Err(why) => {
                    if why.is_trouble() {
                        events::failed(id, peer, "reading a file for its sum", &why);
                    }
                    return Reply::from(&why);
                }
            }
        }
    };
    let (if_client_leaves, beacon, work) = (IfClientLeaves::Stop, Beacon::default(), Box::pin(work));
    Ok(Outcome::Work(Box::new(Task { opening: None, progress, stop, if_client_leaves, beacon, work })))
}

/// What is left of a sum.
enum Part<B> {
    /// All of it, to be begun.
    Whole(B),
    /// What was not read yet.
    Rest(Box<Summing>),
}

impl<B: FnOnce() -> Result<Summing, FileError>> Part<B> {
    /// Reads a slice: the sum, or what is left.
    fn read_on(self, stopped: &CancellationToken) -> Result<Result<Digest, Box<Summing>>, FileError> {
        let mut rest = match self {
            Self::Whole(begin) => Box::new(begin()?),
            Self::Rest(rest) => rest,
        };
        let begun = Instant::now();
        let read = rest.read_on(|| begun.elapsed() < SLICE && !stopped.is_cancelled())?;
        Ok(read.ok_or(rest))
    }
}

/// `YYYYMMDDHHMMSS name`, if it is that.
fn time_and_name(argument: &[u8]) -> Option<(i64, &[u8])> {
    let blank = argument.iter().position(|&byte| byte == b' ')?;
    let name = argument.get(blank + 1..).filter(|name| !name.is_empty())?;
    Some((time::parse(&argument[..blank])?, name))
}

async fn set_time(session: &Session, member: &Member, when: i64, name: &[u8]) -> Ran {
    let path = member.path(session, name)?;
    let (kept, set) = member.ask(session, move |home| Ok((home.set_modified(&path, when)?, path))).await?;
    events::changed(session.id, &member.account, session.peer().ip(), &set, Change::TimeSet(kept));
    say(replies::time_set(&time::format(kept), name))
}
