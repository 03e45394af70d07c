//! What the wire cannot show: a file that fails in the middle, and bytes that come in pieces.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::receive::convert;
use super::*;
use crate::data::Failure;
use crate::data::source::{Outgoing, Rest, Source};
use crate::files::{FileError, Retrieval};
use crate::protocol::ascii::FromWire;
use std::io::{self, Seek, Write};

/// Gives these blocks, and then fails or ends.
struct Blocks {
    left: Vec<Vec<u8>>,
    fails: bool,
}

impl Source for Blocks {
    fn fill(&mut self, block: &mut Vec<u8>, _: usize) -> Result<bool, FileError> {
        if let Some(next) = self.left.pop() {
            block.extend(next);
            return Ok(self.fails || !self.left.is_empty());
        }
        Err(nix::errno::Errno::EIO.into())
    }
}

fn outgoing(source: impl Source + 'static) -> Outgoing {
    Outgoing { first: Vec::new(), rest: Rest::Blocks(Box::new(source)) }
}

async fn connection() -> (MaybeTls<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (MaybeTls::Plain(listener.accept().await.unwrap().0), client)
}

/// Sends the blocks; what came of it, what the client got, and how the connection ended for it.
async fn sent(blocks: Blocks, stop: &CancellationToken) -> (Result<(), Failure>, u64, io::Result<Vec<u8>>) {
    let (ours, mut theirs) = connection().await;
    let progress = Arc::<Progress>::default();
    let flow = Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop };
    let outcome = send(ours, outgoing(blocks), flow).await;
    let mut received = Vec::new();
    let end = theirs.read_to_end(&mut received).await;
    (outcome, progress.bytes(), end.map(|_| received))
}

#[tokio::test]
async fn all_blocks_are_sent_and_the_end_comes_in_order() {
    let blocks = Blocks { left: vec![vec![3; 300_000], vec![2; 1], vec![1; 10]], fails: false };
    let (ours, mut theirs) = connection().await;
    let progress = Arc::<Progress>::default();
    let stop = CancellationToken::new();
    let flow = Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop: &stop };
    let mut received = Vec::new();
    let (sent, end) = tokio::join!(send(ours, outgoing(blocks), flow), theirs.read_to_end(&mut received));
    sent.unwrap();
    assert_eq!(end.unwrap(), 300_011);
    assert_eq!(progress.bytes(), 300_011);
    assert_eq!(received, [vec![1; 10], vec![2; 1], vec![3; 300_000]].concat());
}

/// F11: a disk that cannot be read (EIO).
#[tokio::test]
async fn a_file_that_fails_in_the_middle_does_not_look_complete() {
    let stop = CancellationToken::new();
    let (outcome, bytes, end) = sent(Blocks { left: vec![vec![1; 10]], fails: true }, &stop).await;
    assert!(matches!(outcome, Err(Failure::File(FileError::Io(_)))), "{outcome:?}");
    assert_eq!(bytes, 10);
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

/// Panics after some bytes.
struct Broken(bool);

impl Source for Broken {
    fn fill(&mut self, block: &mut Vec<u8>, _: usize) -> Result<bool, FileError> {
        assert!(!self.0, "a bug");
        self.0 = true;
        block.extend([1; 10]);
        Ok(true)
    }
}

/// T69: nor does what a panic ended.
#[tokio::test]
async fn a_panic_in_the_middle_does_not_look_complete() {
    let (ours, mut theirs) = connection().await;
    let sending = tokio_util::task::TaskTracker::new().spawn(async move {
        let (progress, stop) = (Arc::<Progress>::default(), CancellationToken::new());
        let flow = Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop: &stop };
        send(ours, outgoing(Broken(false)), flow).await
    });
    assert!(sending.await.unwrap_err().is_panic());
    let mut received = Vec::new();
    assert_eq!(theirs.read_to_end(&mut received).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

/// A file of so many bytes, of which `size` are promised.
fn file(bytes: usize, size: u64) -> Retrieval {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; bytes]).unwrap();
    file.rewind().unwrap();
    Retrieval { file, offset: 0, size }
}

/// Sends a file to a client that takes all of it.
async fn file_sent(file: Retrieval, pace: Pace) -> (Result<(), Failure>, u64, io::Result<Vec<u8>>) {
    let (ours, mut theirs) = connection().await;
    let (progress, stop) = (Arc::<Progress>::default(), CancellationToken::new());
    let flow = Flow { pace, stall: None, progress: &progress, stop: &stop };
    let mut received = Vec::new();
    let outgoing = Outgoing::file(file, false).unwrap();
    let (sent, end) = tokio::join!(send(ours, outgoing, flow), theirs.read_to_end(&mut received));
    (sent, progress.bytes(), end.map(|_| received))
}

#[tokio::test]
async fn files_of_every_length_arrive_as_long_as_they_were() {
    for length in [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 9 * 1024 * 1024] {
        // What is appended after the opening is not sent.
        let (sent, bytes, received) = file_sent(file(length + 1, length as u64), Pace::unlimited()).await;
        sent.unwrap();
        assert_eq!(bytes, length as u64);
        assert!(received.unwrap() == vec![7; length], "{length}");
    }
}

/// F12 for what the kernel sends by itself.
#[tokio::test]
async fn a_long_file_that_is_cut_meanwhile_does_not_look_complete() {
    let (sent, bytes, received) = file_sent(file(200_000, 300_000), Pace::unlimited()).await;
    assert!(matches!(sent, Err(Failure::File(FileError::Io(_)))), "{sent:?}");
    assert_eq!(bytes, 200_000);
    assert_eq!(received.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_that_leaves_a_long_file_is_a_broken_connection() {
    let (ours, theirs) = connection().await;
    theirs.set_zero_linger().unwrap();
    drop(theirs);
    let (progress, stop) = (Arc::<Progress>::default(), CancellationToken::new());
    let flow = Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop: &stop };
    let outcome = send(ours, Outgoing::file(file(100_000, 100_000), false).unwrap(), flow).await;
    assert!(matches!(outcome, Err(Failure::Broken(_))), "{outcome:?}");
}

#[tokio::test]
async fn what_was_stopped_does_not_look_complete() {
    let stop = CancellationToken::new();
    stop.cancel();
    let (outcome, bytes, end) = sent(Blocks { left: vec![vec![1; 10]], fails: false }, &stop).await;
    assert!(matches!(outcome, Err(Failure::Aborted)), "{outcome:?}");
    assert_eq!(bytes, 0);
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_that_is_gone_is_a_broken_connection() {
    let (ours, theirs) = connection().await;
    theirs.set_zero_linger().unwrap();
    drop(theirs);
    let progress = Arc::<Progress>::default();
    let stop = CancellationToken::new();
    let flow = Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop: &stop };
    let blocks = Blocks { left: vec![vec![1; 100_000]; 100], fails: false };
    let outcome = send(ours, outgoing(blocks), flow).await;
    assert!(matches!(outcome, Err(Failure::Broken(_))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_time_is_one_and_none_is_none() {
    let never = std::future::pending::<()>;
    assert_eq!(within(Some(Duration::from_secs(1)), never()).await, None);
    assert_eq!(within(None, async { 7 }).await, Some(7));
    assert_eq!(within(Some(Duration::from_secs(1)), async { 7 }).await, Some(7));
    let longer = Duration::from_secs(366 * 24 * 3600);
    assert!(timeout(longer, within(None, never())).await.is_err());
}

#[test]
fn conversion_ends_with_the_last_block() {
    let mut converter = FromWire::default();
    // A CR at the end of a block waits for what follows; at the very end it stands for itself.
    assert_eq!(convert(&mut converter, b"a\r", false), b"a");
    assert_eq!(convert(&mut converter, b"\nb\r", false), b"\nb");
    assert_eq!(convert(&mut converter, b"", true), b"\r");
}
