//! Copying bytes between a data connection and a file or a listing, at a pace, until the end or until told to stop.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::source::Source;
use super::{Failure, Progress};
use crate::files::{FileError, PendingUpload, Upload, off_reactor};
use crate::limits::Pace;
use crate::protocol::ascii::FromWire;
use crate::tls::MaybeTls;

/// What is read or written at once, in bytes: large enough that the hops between threads do not count.
const BLOCK: usize = 128 * 1024;

/// How long our end of an uploading client's TLS connection may take to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// What every direction needs.
pub(super) struct Flow<'a> {
    pub(super) pace: Pace,
    pub(super) stall: Option<Duration>,
    pub(super) progress: &'a Progress,
    pub(super) stop: &'a CancellationToken,
}

/// To the client. Whatever ends it before all is sent, the end of the process and a panic included, resets the
/// connection, so that the client cannot take what it has for all.
pub(super) async fn send(
    stream: &mut MaybeTls<TcpStream>,
    source: Box<dyn Source>,
    mut flow: Flow<'_>,
) -> Result<(), Failure> {
    let stop = flow.stop;
    reset_on_close(stream, true);
    tokio::select! {
        biased;
        () = stop.cancelled() => return Err(Failure::Aborted),
        sent = send_all(stream, source, &mut flow) => sent?,
    }
    end(stream, &flow).await?;
    reset_on_close(stream, false);
    Ok(())
}

/// Ends the connection in order: with TLS, what is still to be written goes first, and close_notify after it.
async fn end(stream: &mut MaybeTls<TcpStream>, flow: &Flow<'_>) -> Result<(), Failure> {
    let stop = flow.stop;
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Failure::Aborted),
        ended = within(flow.stall, stream.shutdown()) => ended.ok_or(Failure::Stalled)?.map_err(Failure::Broken),
    }
}

/// From the client, until it ends the connection. The upload is committed before this returns.
pub(super) async fn receive(
    stream: &mut MaybeTls<TcpStream>,
    upload: PendingUpload,
    ascii: bool,
    mut flow: Flow<'_>,
) -> Result<(), Failure> {
    let upload = off_reactor(move || upload.begin()).await.map_err(Failure::File)?;
    let mut upload = Some(upload);
    let received = receive_all(stream, &mut upload, ascii, &mut flow).await;
    // An upload that broke is put away before anybody is told, and large files take their time.
    if upload.is_some() {
        off_reactor(move || drop(upload)).await;
    }
    received
}

async fn receive_all(
    stream: &mut MaybeTls<TcpStream>,
    slot: &mut Option<Upload>,
    ascii: bool,
    flow: &mut Flow<'_>,
) -> Result<(), Failure> {
    let mut converter = ascii.then(FromWire::default);
    let mut buffer = Vec::new();
    loop {
        let received = receive_block(stream, &mut buffer, flow).await?;
        let block = match &mut converter {
            Some(converter) => convert(converter, &buffer, received == 0),
            None => std::mem::take(&mut buffer),
        };
        if !block.is_empty()
            && let Some(upload) = slot.take()
        {
            let (upload, written) = write_block(upload, block).await.map_err(Failure::File)?;
            (*slot, buffer) = (Some(upload), written);
        }
        if received == 0 {
            break;
        }
        buffer.clear();
    }
    if stream.is_secured() {
        // Some clients wait for our end before they look for the reply; whether it reaches them is their affair.
        let _ = within(Some(FAREWELL), stream.shutdown()).await;
    }
    // A client that died closes both connections. Whoever watches the other one is given its turn to say so.
    tokio::task::yield_now().await;
    if flow.stop.is_cancelled() {
        return Err(Failure::Aborted);
    }
    match slot.take() {
        Some(upload) => off_reactor(move || upload.commit()).await.map(drop).map_err(Failure::File),
        None => Ok(()),
    }
}

async fn send_all(
    stream: &mut MaybeTls<TcpStream>,
    mut source: Box<dyn Source>,
    flow: &mut Flow<'_>,
) -> Result<(), Failure> {
    let mut block = Vec::new();
    loop {
        let filled;
        (source, block, filled) = off_reactor(move || {
            block.clear();
            let filled = source.fill(&mut block, BLOCK);
            (source, block, filled)
        })
        .await;
        filled.map_err(Failure::File)?;
        if block.is_empty() {
            return Ok(());
        }
        for piece in block.chunks(flow.pace.chunk().max(1)) {
            flow.pace.take(piece.len()).await;
            send_piece(stream, piece, flow).await?;
        }
    }
}

async fn send_piece(stream: &mut MaybeTls<TcpStream>, mut piece: &[u8], flow: &Flow<'_>) -> Result<(), Failure> {
    while !piece.is_empty() {
        let written =
            within(flow.stall, stream.write(piece)).await.ok_or(Failure::Stalled)?.map_err(Failure::Broken)?;
        if written == 0 {
            return Err(Failure::Broken(io::ErrorKind::WriteZero.into()));
        }
        flow.progress.add(written);
        piece = &piece[written..];
    }
    Ok(())
}

async fn receive_block(
    stream: &mut MaybeTls<TcpStream>,
    buffer: &mut Vec<u8>,
    flow: &mut Flow<'_>,
) -> Result<usize, Failure> {
    let most = BLOCK.min(flow.pace.chunk()).max(1);
    buffer.reserve(most);
    let mut limited = stream.take(most as u64);
    let received = tokio::select! {
        biased;
        () = flow.stop.cancelled() => return Err(Failure::Aborted),
        read = within(flow.stall, limited.read_buf(buffer)) => {
            read.ok_or(Failure::Stalled)?.map_err(Failure::Broken)?
        }
    };
    flow.progress.add(received);
    tokio::select! {
        biased;
        () = flow.stop.cancelled() => Err(Failure::Aborted),
        () = flow.pace.take(received) => Ok(received),
    }
}

fn convert(converter: &mut FromWire, received: &[u8], last: bool) -> Vec<u8> {
    let mut converted = Vec::with_capacity(received.len() + 1);
    converter.convert(received, &mut converted);
    if last {
        converter.finish(&mut converted);
    }
    converted
}

async fn write_block(mut upload: Upload, block: Vec<u8>) -> Result<(Upload, Vec<u8>), FileError> {
    off_reactor(move || {
        upload.write(&block)?;
        Ok((upload, block))
    })
    .await
}

/// A future with a time limit, if there is one; `None` where the time ran out.
pub(super) async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

/// Whether the peer will see a close as an error, not as the end of the file.
fn reset_on_close(stream: &MaybeTls<TcpStream>, is_wanted: bool) {
    let Some(stream) = stream.beneath() else { return };
    // Where the option cannot be set the 426 or 451 on the control connection still says it.
    let _ = socket2::SockRef::from(stream).set_linger(is_wanted.then_some(Duration::ZERO));
}

#[cfg(test)]
mod tests;
