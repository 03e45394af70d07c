//! From the client.

use std::io::{self, Read};
use std::net::TcpStream as Socket;
use std::pin::{Pin, pin};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};

use super::away::{Trip, away};
use super::{BLOCK, Flow, SHORT, within};
use crate::blocking::off_reactor;
use crate::data::{Client, Failure};
use crate::files::{FileError, PendingUpload, Upload};
use crate::protocol::ascii::FromWire;
use crate::tls::MaybeTls;

/// How long the first bytes of a block may wait for those behind them, the end of the file among them: most files are
/// short, and then one way off the reactor is enough.
const GATHER: Duration = Duration::from_millis(5);
/// How often all others get their turn before a clock is set for that.
const TURNS: u32 = 3;

/// For how long one moves bytes before others have their turn. Uploads have nothing in common, and what one has read is in
/// the processor's cache until it is written: with a tenth of it a byte costs a quarter more.
const TURN: Duration = Duration::from_millis(1);

/// What is read and written at once, in bytes, while they come fast: half as much costs a quarter more. As much is gathered
/// of an encrypted upload before it is written.
const STREAM: usize = 512 * 1024;

/// How long our end of an uploading client's TLS connection may take to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// The file that the bytes go to. It is made on the way off the reactor on which the first of them are written.
enum File {
    Pending(PendingUpload),
    Begun(Upload),
}

impl File {
    fn begun(self) -> Result<Upload, FileError> {
        match self {
            Self::Pending(upload) => upload.begin(),
            Self::Begun(upload) => Ok(upload),
        }
    }
}

/// What comes after a block.
enum Then {
    More,
    End,
    /// The connection broke. What came before is kept all the same: the client may go on behind it.
    Break(io::Error),
}

/// From the client, until it ends the connection. The upload is committed before this returns.
pub(in crate::data) async fn receive(
    stream: MaybeTls<TcpStream>,
    upload: PendingUpload,
    ascii: bool,
    mut flow: Flow<'_>,
    mut client: Client,
) -> Result<(), Failure> {
    let mut file = Some(File::Pending(upload));
    let received = receive_all(stream, &mut file, ascii, &mut flow, &mut client).await;
    // An upload that broke is put away before anybody is told, and large files take their time. One of which nothing has
    // come is begun all the same: whoever asks how far it came is told 0, not the size of what it was to replace.
    if let Some(file) = file {
        off_reactor(move || drop(file.begun())).await;
    }
    received
}

async fn receive_all(
    mut stream: MaybeTls<TcpStream>,
    slot: &mut Option<File>,
    ascii: bool,
    flow: &mut Flow<'_>,
    client: &mut Client,
) -> Result<(), Failure> {
    let mut converter = ascii.then(FromWire::default);
    let mut block = Vec::new();
    let mut then = Then::More;
    while !matches!(then, Then::End) {
        if block.len() < BLOCK {
            // Whoever has become slow holds no more than all others.
            block.shrink_to(BLOCK);
        }
        block.clear();
        then = receive_block(&mut stream, &mut block, flow, client).await?;
        let received = block.len() as u64;
        if let Some(converter) = &mut converter {
            block = convert(converter, &block, matches!(then, Then::End));
        }
        if !matches!(then, Then::End)
            && let Some(file) = slot.take()
        {
            let may_be_poured = converter.is_none() && flow.pace.is_unlimited() && block.len() == BLOCK;
            // What is said to have moved is in the file.
            let upload;
            (stream, upload, block) = match stream {
                MaybeTls::Plain(plain) if may_be_poured => {
                    let (plain, poured) =
                        away(plain, flow, TURN, move |socket, trip| pour(socket, trip, file, block)).await?;
                    let (upload, block) = poured?;
                    (MaybeTls::Plain(plain), upload, block)
                }
                stream => {
                    let (upload, block) = off_reactor(move || write(file, block)).await.map_err(Failure::File)?;
                    flow.progress.add(received);
                    (stream, upload, block)
                }
            };
            *slot = Some(File::Begun(upload));
        }
        if let Then::Break(why) = then {
            return Err(Failure::Broken(why));
        }
    }
    if stream.is_secured() {
        // Some clients wait for our end before they look for the reply; whether it reaches them is their affair.
        let _ = within(Some(FAREWELL), stream.shutdown()).await;
    }
    // Without TLS nobody can tell a client that died from one that was done: what came is kept, whatever becomes of the
    // control connection. But a client that closes the data connection and says ABOR means one thing by both.
    yield_now().await;
    if flow.stop.is_cancelled() {
        return Err(Failure::Aborted);
    }
    match slot.take() {
        Some(file) => {
            // The block is freed by the thread that made it, whose allocator has it for the next one.
            let (finished, _block) = off_reactor(move || (finish(file, &block), block)).await;
            finished.map_err(Failure::File)
        }
        None => Ok(()),
    }
}

fn write(file: File, block: Vec<u8>) -> Result<(Upload, Vec<u8>), FileError> {
    let mut upload = file.begun()?;
    upload.write(&block)?;
    Ok((upload, block))
}

/// Writes a full block and what comes soon behind it.
fn pour(socket: &Socket, trip: &mut Trip, file: File, block: Vec<u8>) -> Result<(Upload, Vec<u8>), Failure> {
    let (mut upload, block) = write(file, block).map_err(Failure::File)?;
    trip.moved(block.len());
    let (mut room, mut filled, mut ended) = (vec![0; STREAM], 0, Ok(()));
    loop {
        match trip.step(socket, PollFlags::IN, || (&*socket).read(&mut room[filled..])) {
            Ok(Some(count @ 1..)) => filled += count,
            // The end, no bytes, is found once more by whoever waits for it.
            Ok(_) => break,
            // What came before is kept all the same.
            Err(why) => {
                ended = Err(Failure::Broken(why));
                break;
            }
        }
        if filled >= BLOCK {
            upload.write(&room[..filled]).map_err(Failure::File)?;
            trip.moved(filled);
            filled = 0;
        }
    }
    upload.write(&room[..filled]).map_err(Failure::File)?;
    trip.moved(filled);
    ended.map(|()| (upload, block))
}

fn finish(file: File, block: &[u8]) -> Result<(), FileError> {
    file.begun()?.commit_with(block).map(drop)
}

/// Waits for bytes and takes all that come within a moment, at most [`BLOCK`], or [`STREAM`] of those that are encrypted.
async fn receive_block(
    stream: &mut MaybeTls<TcpStream>,
    block: &mut Vec<u8>,
    flow: &mut Flow<'_>,
    client: &mut Client,
) -> Result<Then, Failure> {
    let whole = if stream.is_secured() { STREAM } else { BLOCK };
    let most = whole.min(flow.pace.chunk()).max(1);
    block.reserve(most.min(SHORT));
    let mut limited = stream.take(most as u64);
    let mut is_all_here = false;
    let first = loop {
        tokio::select! {
            biased;
            () = flow.stop.cancelled() => return Err(Failure::Aborted),
            () = client.gives_up(), if !is_all_here => {
                is_all_here = client.is_lost() && has_ended(limited.get_ref());
                if !is_all_here {
                    return Err(Failure::Deserted);
                }
            }
            read = within(flow.stall, limited.read_buf(block)) => {
                break read.ok_or(Failure::Stalled)?.map_err(Failure::Broken)?;
            }
        }
    };
    let mut then = if first == 0 { Then::End } else { Then::More };
    let (mut turns, mut turn_ends) = (0, BLOCK);
    let mut gathered = pin!(None);
    while matches!(then, Then::More) && block.len() < most {
        if block.len() == block.capacity() {
            block.reserve((most - block.len()).min(block.len()));
        }
        if block.len() >= turn_ends {
            // To decrypt takes its time.
            turn_ends += BLOCK;
            yield_now().await;
        }
        then = tokio::select! {
            biased;
            read = limited.read_buf(block) => match read {
                Ok(0) => Then::End,
                Ok(_) => Then::More,
                Err(error) => Then::Break(error),
            },
            () = yield_now(), if turns < TURNS => {
                turns += 1;
                Then::More
            }
            () = at(gathered.as_mut()), if turns == TURNS => break,
            () = flow.stop.cancelled() => break,
        }
    }
    if matches!(then, Then::End) {
        flow.progress.add(block.len() as u64);
    }
    tokio::select! {
        biased;
        () = flow.stop.cancelled() => Err(Failure::Aborted),
        () = flow.pace.take(block.len()) => Ok(then),
    }
}

/// Whether the client has ended the connection: then all that it sent before is here.
fn has_ended(stream: &MaybeTls<TcpStream>) -> bool {
    let Some(stream) = stream.beneath() else { return false };
    poll(&mut [PollFd::new(stream, PollFlags::RDHUP)], Some(&Timespec::default())).is_ok_and(|ended| ended > 0)
}

/// Waits until the clock strikes, which is set first.
async fn at(mut clock: Pin<&mut Option<Sleep>>) {
    if clock.is_none() {
        clock.set(Some(sleep(GATHER)));
    }
    if let Some(clock) = clock.as_pin_mut() {
        clock.await;
    }
}

pub(super) fn convert(converter: &mut FromWire, received: &[u8], last: bool) -> Vec<u8> {
    let mut converted = Vec::with_capacity(received.len() + 1);
    converter.convert(received, &mut converted);
    if last {
        converter.finish(&mut converted);
    }
    converted
}
