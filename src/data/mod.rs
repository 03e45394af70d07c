//! The second connection: how it comes about, what flows over it, and how that ended.

mod active;
mod advertise;
mod passive;
mod plan;
mod presence;
mod progress;
mod proxy;
mod pump;
mod source;

pub use active::is_out_of_bounds;
pub use advertise::{Advertiser, NoAddress};
pub use passive::{Admission, NoPort, Passive, PassivePorts};
pub use plan::DataPlan;
pub use presence::{Beacon, Client, Presence};
pub use progress::Progress;
pub use proxy::{Proxies, Standing, read_client};
pub use source::{Entries, ListForm, Outgoing};

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::files::{FileError, PendingUpload};
use crate::limits::{Direction, Pace};
use crate::tls::{Exposed, MaybeTls, Secured};

/// The kernel lets no peer be silent for longer, `TCP_KEEPIDLE` of tcp(7): nine hours.
const LONGEST_SILENCE: Duration = Duration::from_secs(32_767);

/// A transfer that is ready to begin: permission granted, file open, data connection planned. All that is left is I/O.
pub struct Transfer {
    /// How the data connection comes about.
    pub plan: DataPlan,
    /// Its TLS, if it shall have one.
    pub protection: Option<Secured>,
    /// What flows over it.
    pub body: Body,
    /// How fast.
    pub pace: Pace,
    /// How long it may stand still.
    pub patience: Patience,
}

/// What flows over a data connection.
pub enum Body {
    /// A file or a listing, to the client.
    Send(Outgoing),
    /// A file from the client; `ascii` asks for the line-end conversion of TYPE A.
    Receive {
        /// The file to be, of which nothing is on disk before the client has connected.
        upload: PendingUpload,
        /// TYPE A.
        ascii: bool,
    },
}

/// How long a transfer may stand still; `None` is for ever.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until the data connection stands, its TLS included.
    pub connect: Option<Duration>,
    /// Until the next byte moves.
    pub stall: Option<Duration>,
    /// Until TCP asks a silent peer whether it is still there.
    pub keepalive: Option<Duration>,
}

/// How a transfer ended.
#[derive(Debug)]
pub struct Report {
    /// Bytes that went over the data connection.
    pub bytes: u64,
    /// From the 150 to the end, the wait for the data connection included.
    pub elapsed: Duration,
    /// Whether all of it arrived.
    pub outcome: Result<(), Failure>,
}

/// Why a transfer failed.
#[derive(Debug)]
pub enum Failure {
    /// The client did not connect, or could not be connected to.
    NoConnection(io::Error),
    /// The data connection could not be protected.
    Exposed(Exposed),
    /// Nothing moved for `data_timeout`.
    Stalled,
    /// The data connection broke.
    Broken(io::Error),
    /// ABOR, or the end of the session.
    Aborted,
    /// The client closed the control connection, and the end of the data did not come.
    Deserted,
    /// The file system failed.
    File(FileError),
}

impl Transfer {
    /// Connects, moves the bytes, and ends the data connection; an upload is committed before this returns.
    /// Ends early, as [`Failure::Aborted`], when `stop` is cancelled. An upload of a `client` that is not there any more is
    /// [`Failure::Deserted`], unless its end comes within a moment.
    pub async fn run(self, progress: &Arc<Progress>, stop: &CancellationToken, client: Client) -> Report {
        let outcome = self.connect_and_pump(progress, stop, client).await;
        Report { bytes: progress.bytes(), elapsed: progress.elapsed(), outcome }
    }

    async fn connect_and_pump(
        self,
        progress: &Arc<Progress>,
        stop: &CancellationToken,
        mut client: Client,
    ) -> Result<(), Failure> {
        let Self { plan, protection, mut body, pace, patience } = self;
        let direction = body.direction();
        let short = body.short().filter(|_| protection.is_none() && pace.is_unlimited());
        let setting_up = connect(plan, &mut client, protection, direction, patience.keepalive, short);
        let connecting = pump::within(patience.connect, setting_up);
        let (stream, sent) = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(Failure::Aborted),
            connected = connecting => connected.unwrap_or_else(|| Err(Failure::NoConnection(io::ErrorKind::TimedOut.into())))?,
        };
        progress.add(sent as u64);
        let Some(stream) = stream else { return Ok(()) };
        let flow = pump::Flow { pace, stall: patience.stall, progress, stop };
        match body {
            Body::Send(ref mut outgoing) if sent > 0 => outgoing.forget(sent),
            Body::Send(_) | Body::Receive { .. } => {}
        }
        match body {
            Body::Send(outgoing) => pump::send(stream, outgoing, flow).await,
            Body::Receive { upload, ascii } => pump::receive(stream, upload, ascii, flow, client).await,
        }
    }
}

/// The data connection as it is to be used, TLS and all, and how many bytes of the `short` file for it were sent already;
/// none if these are all, and it is closed again.
async fn connect(
    plan: DataPlan,
    client: &mut Client,
    protection: Option<Secured>,
    direction: Direction,
    keepalive: Option<Duration>,
    short: Option<&[u8]>,
) -> Result<(Option<MaybeTls<TcpStream>>, usize), Failure> {
    let stream = tokio::select! {
        biased;
        opened = plan.open(direction) => opened.map_err(Failure::NoConnection)?,
        () = client.will_not_connect() => return Err(Failure::NoConnection(io::ErrorKind::ConnectionAborted.into())),
    };
    let sent = short.map_or(0, |bytes| pump::send_at_once(&stream, bytes));
    if short.is_some_and(|bytes| bytes.len() == sent) {
        return Ok((None, sent));
    }
    // A new connection has none.
    if keepalive.is_some() {
        keep_alive(&SockRef::from(&stream), keepalive).map_err(Failure::NoConnection)?;
    }
    match protection {
        None => Ok((Some(MaybeTls::Plain(stream)), sent)),
        Some(protection) => {
            let stream = protection.protect(stream, direction).await.map_err(Failure::Exposed)?;
            Ok((Some(stream), sent))
        }
    }
}

impl Body {
    fn direction(&self) -> Direction {
        match self {
            Self::Send(_) => Direction::Download,
            Self::Receive { .. } => Direction::Upload,
        }
    }

    /// All that is to be sent, if it is here and fits into a buffer that was never used.
    fn short(&self) -> Option<&[u8]> {
        match self {
            Self::Send(outgoing) => outgoing.whole().filter(|bytes| !bytes.is_empty() && bytes.len() <= pump::SHORT),
            Self::Receive { .. } => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection(error) => write!(f, "no data connection: {error}"),
            Self::Exposed(why) => why.fmt(f),
            Self::Stalled => f.write_str("nothing moved for data_timeout"),
            Self::Broken(error) => write!(f, "the data connection broke: {error}"),
            Self::Aborted => f.write_str("aborted"),
            Self::Deserted => f.write_str("the client closed the control connection before the end of the data"),
            Self::File(error) => error.fmt(f),
        }
    }
}

/// Has TCP ask a peer that is silent for `after` whether it is still there, again every quarter of that; `None` is
/// never. For balancers that forget silent connections, and for peers that vanish without a word. More than nine hours are
/// nine.
///
/// # Errors
/// What the kernel says of the socket.
pub fn keep_alive(socket: &SockRef<'_>, after: Option<Duration>) -> io::Result<()> {
    let Some(after) = after else { return socket.set_keepalive(false) };
    let after = after.clamp(Duration::from_secs(1), LONGEST_SILENCE);
    let interval = (after / 4).max(Duration::from_secs(1));
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(after).with_interval(interval))
}
