//! T69: a panic ends its own session, in order, and nothing of it is left.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream, ReadBuf, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::data::{Beacon, Progress};
use crate::observe::SessionId;
use crate::server::{build_service, prepare};
use crate::session::{IfClientLeaves, Service, Task};
use crate::settings::{Loaded, Settings};

/// A control connection on which the server panics when it reads `PANIC`.
struct Treacherous(DuplexStream);

impl AsyncRead for Treacherous {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buffer);
        assert!(!buffer.filled().starts_with(b"PANIC"), "as asked");
        read
    }
}

impl AsyncWrite for Treacherous {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Wire for Treacherous {}

/// A server whose range is one port, and the folder that it serves.
async fn service() -> (Arc<Service>, u16, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bob")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut settings = Settings { home_root: folder.path().to_owned(), ..Settings::default() };
    for (name, value) in
        [("users", "bob secret elradfmwMT bob"), ("users_file", ""), ("passive_ports", &port.to_string())]
    {
        settings.set(name, value).unwrap();
    }
    let loaded = Loaded::from(settings);
    let prepared = prepare(Ok(loaded), folder.path()).unwrap();
    (Arc::new(build_service(prepared).unwrap()), port, folder)
}

fn control(service: &Arc<Service>, number: u64, stream: DuplexStream) -> Control<Treacherous> {
    let [peer, local] = [4000, 21].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let stop = Stop::default();
    let session = Session::new(SessionId(number), peer, local, Arc::clone(service), &stop.drain);
    let seat = service.seats.admit(peer.ip()).unwrap();
    Control::new(Treacherous(stream), session, seat, stop)
}

struct Client {
    stream: BufReader<DuplexStream>,
    conversation: JoinHandle<Ending>,
}

impl Client {
    async fn log_in(service: &Arc<Service>, number: u64) -> Self {
        let (ours, theirs) = duplex(4096);
        let conversation = TaskTracker::new().spawn(control(service, number, theirs).converse());
        let mut client = Self { stream: BufReader::new(ours), conversation };
        assert!(client.reply().await.starts_with("220"));
        for (line, wanted) in [("USER bob", "331"), ("PASS secret", "230"), ("TYPE I", "200")] {
            client.ask(line, wanted).await;
        }
        client
    }

    async fn ask(&mut self, line: &str, wanted: &str) {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        let reply = self.reply().await;
        assert!(reply.starts_with(wanted), "{line} was answered: {reply}");
    }

    async fn reply(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line
    }

    /// Brings the panic about; the session is told and ends in order.
    async fn panic(mut self) {
        self.ask("PANIC", "421 An error in the server ends this session.").await;
        assert_eq!(self.reply().await, "");
        drop(self.stream);
        self.conversation.await.unwrap();
    }
}

#[tokio::test]
async fn a_panic_gives_back_all_that_its_session_had_and_harms_no_other() {
    let (service, port, _folder) = service().await;
    let mut other = Client::log_in(&service, 1).await;
    let mut broken = Client::log_in(&service, 2).await;
    broken.ask("PASV", "227").await;
    assert_eq!((service.seats.taken(), service.stays.count("bob")), (2, 2));
    broken.panic().await;
    assert_eq!((service.seats.taken(), service.stays.count("bob")), (1, 1));
    // The only port there is.
    other.ask("PASV", "227").await;
    other.ask("QUIT", "221").await;
    // The seat is taken until the socket is closed.
    assert_eq!((service.seats.taken(), service.stays.count("bob")), (1, 0));
    drop(other.stream);
    other.conversation.await.unwrap();
    assert_eq!((service.seats.taken(), service.stays.count("bob")), (0, 0));
    TcpListener::bind(("127.0.0.1", port)).await.unwrap();
}

#[tokio::test]
async fn a_panic_during_a_transfer_ends_the_transfer_too() {
    let (service, port, _folder) = service().await;
    let mut broken = Client::log_in(&service, 1).await;
    broken.ask("PASV", "227").await;
    let mut data = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    broken.ask("STOR new", "150").await;
    data.write_all(b"12345").await.unwrap();
    broken.panic().await;
    let mut nothing = Vec::new();
    // In order or by a reset, as there may be something unread.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut data, &mut nothing).await;
    assert_eq!(nothing, b"");
    assert_eq!((service.seats.taken(), service.stays.count("bob")), (0, 0));
    TcpListener::bind(("127.0.0.1", port)).await.unwrap();
}

#[tokio::test]
async fn a_panic_of_the_transfer_itself_ends_its_session() {
    let (service, _, _folder) = service().await;
    let (_client, stream) = duplex(4096);
    let mut control = control(&service, 1, stream);
    let work = Box::pin(async { panic!("in the midst of work") });
    let task = Task {
        opening: None,
        progress: Arc::new(Progress::default()),
        stop: CancellationToken::new(),
        if_client_leaves: IfClientLeaves::Finish,
        beacon: Beacon::default(),
        work,
    };
    let ending = how_it_ended(control.work(task)).await;
    assert!(matches!(ending, Ending::Panicked), "{ending}");
    assert_eq!(ending.parting().unwrap().code().number(), 421);
}

/// A session mostly waits for its next command. A handshake, a command and a transfer have room of their own while they
/// last.
#[tokio::test]
async fn an_idle_session_is_small() {
    let (service, _, _folder) = service().await;
    let (_ours, theirs) = duplex(64);
    let mut control = control(&service, 1, theirs);
    let waiting = size_of_val(&control.run());
    let whole = waiting + size_of_val(&control.converse());
    assert!(whole <= 2560, "{whole} bytes, of which {waiting} wait");
}

#[tokio::test]
async fn who_is_kicked_hears_it_and_leaves_seat_and_board() {
    let (service, _, _folder) = service().await;
    let mut other = Client::log_in(&service, 1).await;
    let mut client = Client::log_in(&service, 2).await;
    let seen = service.board.sessions();
    assert_eq!(seen.iter().map(|seen| seen.session).collect::<Vec<_>>(), [1, 2]);
    assert!(seen.iter().all(|seen| seen.user.as_deref() == Some("bob") && seen.verb.as_deref() == Some("TYPE")));
    assert!(service.board.kick(SessionId(3)).is_none());
    assert_eq!(service.board.kick(SessionId(2)).unwrap().session, 2);
    assert_eq!(client.reply().await, "421 The operator has ended this session.\r\n");
    assert!(matches!(client.conversation.await.unwrap(), Ending::Kicked));
    assert_eq!((service.seats.taken(), service.board.sessions().len()), (1, 1));
    other.ask("NOOP", "200").await;
}
