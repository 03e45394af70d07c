//! To the client.

use std::io;
use std::net::TcpStream as Socket;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::net::SendFlags;
use rustix::net::sockopt::set_tcp_cork;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::away::{Trip, away};
use super::{BLOCK, Flow, reset_on_close, within};
use crate::blocking::hard_work;
use crate::data::Failure;
use crate::data::source::{Outgoing, Rest, Source};
use crate::files::Retrieval;
use crate::tls::MaybeTls;

/// What the kernel moves by itself at once, in bytes: what a socket holds at most. By a quarter of a megabyte at once, a byte
/// costs a tenth more.
const STRETCH: usize = 4 * 1024 * 1024;

/// For how long one moves bytes before others have their turn. Those who send one file to several clients stay side by side
/// in it so, and find it in the processor's cache: with ten times as long a byte costs a fifth more.
const TURN: Duration = Duration::from_micros(100);

/// To the client. Whatever ends it before all is sent, the end of the process and a panic included, resets the
/// connection, so that the client cannot take what it has for all.
pub(in crate::data) async fn send(
    stream: MaybeTls<TcpStream>,
    outgoing: Outgoing,
    mut flow: Flow<'_>,
) -> Result<(), Failure> {
    let stop = flow.stop;
    reset_on_close(&stream, true);
    let mut stream = tokio::select! {
        biased;
        () = stop.cancelled() => return Err(Failure::Aborted),
        sent = send_all(stream, outgoing, &mut flow) => sent?,
    };
    end(&mut stream, &flow).await?;
    reset_on_close(&stream, false);
    Ok(())
}

/// A short file to a client that has connected: the bytes and the end of the connection leave in one segment, once the
/// connection is closed. Tells how many bytes the kernel took; what was wrong, if not all, is found again.
pub(in crate::data) fn send_at_once(stream: &TcpStream, bytes: &[u8]) -> usize {
    rustix::net::send(stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL).unwrap_or(0)
}

/// Ends the connection in order: with TLS, what is still to be written goes first, and close_notify after it. Without, the
/// close says it all.
async fn end(stream: &mut MaybeTls<TcpStream>, flow: &Flow<'_>) -> Result<(), Failure> {
    if !stream.is_secured() {
        return Ok(());
    }
    let stop = flow.stop;
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Failure::Aborted),
        ended = within(flow.stall, stream.shutdown()) => ended.ok_or(Failure::Stalled)?.map_err(Failure::Broken),
    }
}

/// Gives the connection back.
async fn send_all(
    mut stream: MaybeTls<TcpStream>,
    outgoing: Outgoing,
    flow: &mut Flow<'_>,
) -> Result<MaybeTls<TcpStream>, Failure> {
    send_block(&mut stream, &outgoing.first, flow).await?;
    match (outgoing.rest, stream) {
        (Rest::Nothing, stream) => Ok(stream),
        (Rest::File(file), MaybeTls::Plain(stream)) => send_file(stream, file, flow).await,
        (Rest::File(file), stream) => send_blocks(stream, Box::new(file), flow).await,
        (Rest::Blocks(source), stream) => send_blocks(stream, source, flow).await,
    }
}

/// A file in clear: the kernel moves the bytes, and none of them comes here.
async fn send_file(
    mut stream: TcpStream,
    mut file: Retrieval,
    flow: &mut Flow<'_>,
) -> Result<MaybeTls<TcpStream>, Failure> {
    // The kernel takes files by pieces of 64 KiB, and each would leave as one long segment and one that is nearly empty. What
    // is left in the end leaves with the close. Without it all arrives as well.
    if flow.pace.is_unlimited() {
        let _ = set_tcp_cork(&stream, true);
    }
    loop {
        let mut left = file.left(flow.pace.chunk().max(1));
        if left == 0 {
            return Ok(MaybeTls::Plain(stream));
        }
        flow.pace.take(left).await;
        while left > 0 {
            let pushed;
            (stream, (file, pushed)) = away(stream, flow, TURN, move |socket, trip| {
                let pushed = push(socket, trip, &mut file, left);
                (file, pushed)
            })
            .await?;
            match pushed {
                Ok(count) => left -= count,
                // Not every file system has this way.
                Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
                    return send_blocks(MaybeTls::Plain(stream), Box::new(file), flow).await;
                }
                Err(error) if is_of_the_connection(&error) => return Err(Failure::Broken(error)),
                Err(error) => return Err(Failure::File(error.into())),
            }
            if left > 0 {
                within(flow.stall, stream.writable()).await.ok_or(Failure::Stalled)?.map_err(Failure::Broken)?;
            }
        }
    }
}

/// Moves as much as the connection takes soon, at most `most` bytes. Tells how much that was.
fn push(socket: &Socket, trip: &mut Trip, file: &mut Retrieval, most: usize) -> io::Result<usize> {
    let mut moved = 0;
    while moved < most
        && let Some(count) = trip.step(socket, PollFlags::OUT, || file.send_to(socket, STRETCH.min(most - moved)))?
    {
        trip.moved(count);
        moved += count;
    }
    Ok(moved)
}

/// The kernel tells by one number what is wrong with the one side or with the other; a disk never says these.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

async fn send_blocks(
    mut stream: MaybeTls<TcpStream>,
    mut source: Box<dyn Source>,
    flow: &mut Flow<'_>,
) -> Result<MaybeTls<TcpStream>, Failure> {
    let (mut block, mut is_more) = (Vec::new(), true);
    while is_more {
        let filled;
        (source, block, filled) = hard_work(move || {
            block.clear();
            let filled = source.fill(&mut block, BLOCK);
            (source, block, filled)
        })
        .await;
        is_more = filled.map_err(Failure::File)?;
        send_block(&mut stream, &block, flow).await?;
    }
    Ok(stream)
}

async fn send_block(stream: &mut MaybeTls<TcpStream>, block: &[u8], flow: &mut Flow<'_>) -> Result<(), Failure> {
    for piece in block.chunks(flow.pace.chunk().max(1)) {
        flow.pace.take(piece.len()).await;
        send_piece(stream, piece, flow).await?;
    }
    Ok(())
}

async fn send_piece(stream: &mut MaybeTls<TcpStream>, mut piece: &[u8], flow: &Flow<'_>) -> Result<(), Failure> {
    while !piece.is_empty() {
        let written =
            within(flow.stall, stream.write(piece)).await.ok_or(Failure::Stalled)?.map_err(Failure::Broken)?;
        if written == 0 {
            return Err(Failure::Broken(io::ErrorKind::WriteZero.into()));
        }
        flow.progress.add(written as u64);
        piece = &piece[written..];
    }
    Ok(())
}
