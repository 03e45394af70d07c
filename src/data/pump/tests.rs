//! What the wire cannot show: a file that fails in the middle, and bytes that come in pieces.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;

/// Gives these blocks, and then fails or ends.
struct Blocks {
    left: Vec<Vec<u8>>,
    fails: bool,
}

impl Source for Blocks {
    fn fill(&mut self, block: &mut Vec<u8>, _: usize) -> Result<(), FileError> {
        if let Some(next) = self.left.pop() {
            block.extend(next);
            return Ok(());
        }
        if self.fails { Err(nix::errno::Errno::EIO.into()) } else { Ok(()) }
    }
}

async fn connection() -> (MaybeTls<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (MaybeTls::Plain(listener.accept().await.unwrap().0), client)
}

/// Sends the blocks; what came of it, what the client got, and how the connection ended for it.
async fn sent(blocks: Blocks, stop: &CancellationToken) -> (Result<(), Failure>, u64, io::Result<Vec<u8>>) {
    let (mut ours, mut theirs) = connection().await;
    let progress = Progress::new();
    let flow = Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop };
    let outcome = send(&mut ours, Box::new(blocks), flow).await;
    drop(ours);
    let mut received = Vec::new();
    let end = theirs.read_to_end(&mut received).await;
    (outcome, progress.bytes(), end.map(|_| received))
}

#[tokio::test]
async fn all_blocks_are_sent_and_the_end_comes_in_order() {
    let blocks = Blocks { left: vec![vec![3; 300_000], vec![2; 1], vec![1; 10]], fails: false };
    let (mut ours, mut theirs) = connection().await;
    let progress = Progress::new();
    let stop = CancellationToken::new();
    let flow = Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop: &stop };
    let mut received = Vec::new();
    let (sent, end) = tokio::join!(send(&mut ours, Box::new(blocks), flow), theirs.read_to_end(&mut received));
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
    fn fill(&mut self, block: &mut Vec<u8>, _: usize) -> Result<(), FileError> {
        assert!(!self.0, "a bug");
        self.0 = true;
        block.extend([1; 10]);
        Ok(())
    }
}

/// T69: nor does what a panic ended.
#[tokio::test]
async fn a_panic_in_the_middle_does_not_look_complete() {
    let (mut ours, mut theirs) = connection().await;
    let sending = tokio_util::task::TaskTracker::new().spawn(async move {
        let (progress, stop) = (Progress::new(), CancellationToken::new());
        let flow = Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop: &stop };
        send(&mut ours, Box::new(Broken(false)), flow).await
    });
    assert!(sending.await.unwrap_err().is_panic());
    let mut received = Vec::new();
    assert_eq!(theirs.read_to_end(&mut received).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
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
    let (mut ours, theirs) = connection().await;
    theirs.set_zero_linger().unwrap();
    drop(theirs);
    let progress = Progress::new();
    let stop = CancellationToken::new();
    let flow = Flow { pace: Pace::unlimited(), stall: None, progress: &progress, stop: &stop };
    let blocks = Blocks { left: vec![vec![1; 100_000]; 100], fails: false };
    let outcome = send(&mut ours, Box::new(blocks), flow).await;
    assert!(matches!(outcome, Err(Failure::Broken(_))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_time_is_one_and_none_is_none() {
    let never = std::future::pending::<()>;
    assert_eq!(within(Some(Duration::from_secs(1)), never()).await, None);
    assert_eq!(within(None, async { 7 }).await, Some(7));
    assert_eq!(within(Some(Duration::from_secs(1)), async { 7 }).await, Some(7));
    let longer = Duration::from_secs(366 * 24 * 3600);
    assert!(tokio::time::timeout(longer, within(None, never())).await.is_err());
}

#[test]
fn conversion_ends_with_the_last_block() {
    let mut converter = FromWire::default();
    // A CR at the end of a block waits for what follows; at the very end it stands for itself.
    assert_eq!(convert(&mut converter, b"a\r", false), b"a");
    assert_eq!(convert(&mut converter, b"\nb\r", false), b"\nb");
    assert_eq!(convert(&mut converter, b"", true), b"\r");
}
