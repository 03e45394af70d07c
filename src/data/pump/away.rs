//! Off the reactor with a connection. Where bytes move fast, the thread that moves them waits for the next ones itself: the
//! way back to the reactor and off it again takes longer.

use std::io;
use std::net::TcpStream as Socket;
use std::sync::Arc;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Flow;
use crate::blocking::hard_work;
use crate::data::{Failure, Progress};

/// How long a connection may keep a thread waiting. Whoever takes 300 MB/s is back by then: the kernel tells of room once a
/// third of the buffer is empty, of 4 MiB at most.
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
/// After how long the way back begins: others want threads too.
const LONG: Duration = Duration::from_millis(20);
/// How many threads may wait so at once. All others go back to the reactor.
const WAITING: usize = 16;

/// Their places.
static ROOM: Semaphore = Semaphore::const_new(WAITING);

/// One way off the reactor.
pub(super) struct Trip {
    progress: Arc<Progress>,
    stop: CancellationToken,
    begun: Instant,
    /// For how long it moves bytes before it lets others have the processor,
    turn: Duration,
    /// and since when.
    turn_begun: Instant,
}

/// Does `work` off the reactor with a connection, of which the runtime hears nothing meanwhile: each segment that comes or
/// goes would wake it. After each `turn` others have the processor.
///
/// # Errors
/// [`Failure::Broken`]: the runtime takes the connection back no more.
pub(super) async fn away<T: Send + 'static>(
    stream: TcpStream,
    flow: &Flow<'_>,
    turn: Duration,
    work: impl FnOnce(&Socket, &mut Trip) -> T + Send + 'static,
) -> Result<(TcpStream, T), Failure> {
    let socket = stream.into_std().map_err(Failure::Broken)?;
    let (progress, stop) = (Arc::clone(flow.progress), flow.stop.clone());
    let trip = move || {
        let done = work(&socket, &mut Trip::beginning(progress, stop, turn, Instant::now()));
        (socket, done)
    };
    let (socket, done) = hard_work(trip).await;
    Ok((TcpStream::from_std(socket).map_err(Failure::Broken)?, done))
}

impl Trip {
    fn beginning(progress: Arc<Progress>, stop: CancellationToken, turn: Duration, now: Instant) -> Self {
        Self { progress, stop, begun: now, turn, turn_begun: now }
    }

    /// So many more bytes have moved, for good: whoever asks is told, however this trip ends.
    pub(super) fn moved(&self, bytes: usize) {
        self.progress.add(bytes as u64);
    }

    /// Moves bytes by `attempt`, as soon as the connection is ready for it. Tells how many; nothing where it is time to come
    /// back, or `more` would take longer.
    ///
    /// # Errors
    /// What `attempt` says.
    pub(super) fn step(
        &mut self,
        socket: &Socket,
        more: PollFlags,
        mut attempt: impl FnMut() -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        while self.lasts() {
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.goes_on(socket, more) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                moved => return moved.map(Some),
            }
        }
        Ok(None)
    }

    /// Whether it is not yet time to come back. Every now and then others have their turn first.
    fn lasts(&mut self) -> bool {
        if self.turn_begun.elapsed() >= self.turn {
            yield_now();
            self.turn_begun = Instant::now();
        }
        self.begun.elapsed() < LONG && !self.stop.is_cancelled()
    }

    /// Waits until a connection that would block is ready for more, if that is soon.
    fn goes_on(&self, socket: &Socket, more: PollFlags) -> bool {
        let Ok(_place) = ROOM.try_acquire() else { return false };
        poll(&mut [PollFd::new(socket, more)], Some(&MOMENT)).is_ok_and(|ready| ready > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Pace;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const TURN: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn the_runtime_hears_of_a_connection_again_that_was_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (progress, stop) = (Arc::default(), CancellationToken::new());
        let flow = &Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop: &stop };
        let (mut server, heard) =
            away(server, flow, TURN, |socket, trip| trip.goes_on(socket, PollFlags::IN)).await.unwrap();
        assert!(!heard, "nothing has come");
        let (came, sent) = tokio::join!(server.read_u8(), client.write_all(b"!"));
        sent.unwrap();
        assert_eq!(came.unwrap(), b'!');
        client.write_all(b"?").await.unwrap();
        let (server, heard) =
            away(server, flow, TURN, |socket, trip| trip.goes_on(socket, PollFlags::IN)).await.unwrap();
        assert!(heard);
        let taken = ROOM.acquire_many(u32::try_from(WAITING).unwrap()).await.unwrap();
        let (_server, heard) =
            away(server, flow, TURN, |socket, trip| trip.goes_on(socket, PollFlags::IN)).await.unwrap();
        assert!(!heard, "others wait already");
        drop(taken);
    }

    #[test]
    fn a_trip_is_over_after_a_while_or_when_it_is_stopped() {
        let stop = CancellationToken::new();
        let trip = |begun| Trip::beginning(Arc::default(), stop.clone(), TURN, begun);
        let now = Instant::now();
        assert!(!trip(now.checked_sub(LONG).unwrap()).lasts());
        let in_an_hour = now.checked_add(Duration::from_secs(3600)).unwrap();
        assert!(trip(in_an_hour).lasts());
        stop.cancel();
        assert!(!trip(in_an_hour).lasts());
    }
}
