//! What the wire cannot show for sure: two sessions on one port, each at a moment of its choice.

use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::data::DataPlan;
use crate::limits::Direction;
use crate::settings::ProxyProtocol;

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn client(number: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, number])
}

/// So many ports in a row that are free.
fn free_range(count: u16) -> PortRange {
    loop {
        let first = 5_000 + u16::try_from(random() % 5_000).unwrap();
        if (first..first + count).all(|port| std::net::TcpListener::bind((SERVER, port)).is_ok()) {
            return format!("{first}-{}", first + count - 1).parse().unwrap();
        }
    }
}

/// A range of one port that is free.
fn one_port(admission: Admission) -> Arc<PassivePorts> {
    PassivePorts::new(free_range(1), admission, Proxies::new(ProxyProtocol::Off, Cidrs::default()))
}

fn own_only() -> Admission {
    Admission { anybody: false, trusted: Cidrs::default() }
}

async fn wait(ports: &Arc<PassivePorts>, session: u64, client: IpAddr) -> Result<Passive, NoPort> {
    ports.listen(SessionId(session), SocketAddr::new(SERVER, 21), client, &Group::Session(session)).await
}

async fn connect(from: IpAddr, passive: &Passive) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    socket.connect(SocketAddr::new(SERVER, passive.port())).await.unwrap()
}

fn peer(stream: &TcpStream) -> IpAddr {
    stream.peer_addr().unwrap().ip()
}

#[tokio::test]
async fn whoever_accepts_hands_over_to_whom_it_belongs() {
    let ports = one_port(own_only());
    let mut one = wait(&ports, 1, client(2)).await.unwrap();
    let mut two = wait(&ports, 2, client(3)).await.unwrap();
    let _both = (connect(client(3), &two).await, connect(client(2), &one).await);
    // The first in the queue is not for this one.
    assert_eq!(peer(&one.accept().await.unwrap()), client(2));
    // By now it has been handed over.
    assert_eq!(peer(&two.accept().await.unwrap()), client(3));
}

#[tokio::test]
async fn a_session_that_has_its_connection_keeps_nobody_from_the_port() {
    let ports = one_port(own_only());
    let mut one = wait(&ports, 1, client(2)).await.unwrap();
    let _connection = connect(client(2), &one).await;
    one.accept().await.unwrap();
    // It is still there, and so is its listener. Another comes and goes, and a third one comes.
    drop(wait(&ports, 2, client(3)).await.unwrap());
    let third = wait(&ports, 3, client(3)).await.unwrap();
    // The same client may wait for its next one.
    let fourth = wait(&ports, 4, client(2)).await.unwrap();
    drop((one, third, fourth));
    assert!(ports.lock().ports.is_empty());
}

#[tokio::test]
async fn of_one_client_one_waits_on_a_port() {
    let ports = one_port(own_only());
    let one = wait(&ports, 1, client(2)).await.unwrap();
    one.begin_transfer();
    assert!(matches!(wait(&ports, 2, client(2)).await, Err(NoPort::RangeUsedUp)));
    drop(one);
    wait(&ports, 2, client(2)).await.unwrap();
}

/// PASV alone does not hold what somebody else needs.
#[tokio::test]
async fn a_wait_without_a_transfer_gives_way_and_its_late_connection_is_a_strangers() {
    let ports = one_port(Admission { anybody: false, trusted: "127.0.0.8/32".parse().unwrap() });
    for (idle, needs) in [(2, 2), (8, 8), (2, 8), (8, 2)] {
        let mut one = wait(&ports, 1, client(idle)).await.unwrap();
        let mut two = wait(&ports, 2, client(needs)).await.unwrap();
        assert_eq!(one.accept().await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        if idle == 2 && needs == 8 {
            let mut late = connect(client(idle), &two).await;
            let _own = connect(client(needs), &two).await;
            assert_eq!(peer(&two.accept().await.unwrap()), client(needs));
            assert!(!matches!(late.read(&mut [0]).await, Ok(1..)));
        } else {
            let _own = connect(client(needs), &two).await;
            assert_eq!(peer(&two.accept().await.unwrap()), client(needs));
        }
        // In either order.
        if idle == needs {
            drop((one, two));
        } else {
            drop((two, one));
        }
        assert!(ports.lock().ports.is_empty());
    }
}

/// A group that holds many ports gives way before one that holds few, with transfers that wait too, down to an even share.
#[tokio::test]
async fn a_share_of_the_ports_is_bounded_while_others_wait() {
    let ports = PassivePorts::new(
        free_range(4),
        Admission { anybody: false, trusted: "127.0.0.8/32".parse().unwrap() },
        Proxies::new(ProxyProtocol::Off, Cidrs::default()),
    );
    let wait = async |session, name: &str| {
        let group = Group::User(name.into());
        ports.listen(SessionId(session), SocketAddr::new(SERVER, 21), client(8), &group).await
    };
    let mut greedy = Vec::new();
    for session in 0..4 {
        greedy.push(wait(session, "greedy").await.unwrap());
    }
    greedy.iter().for_each(Passive::begin_transfer);
    assert!(matches!(wait(4, "greedy").await, Err(NoPort::RangeUsedUp)), "its own transfers wait");
    let first = wait(5, "modest").await.unwrap();
    first.begin_transfer();
    assert_eq!(greedy[0].accept().await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    let second = wait(6, "modest").await.unwrap();
    second.begin_transfer();
    assert!(matches!(wait(7, "modest").await, Err(NoPort::RangeUsedUp)), "two and two");
    let another = wait(8, "another").await.unwrap();
    another.begin_transfer();
    let fourth = wait(9, "fourth").await.unwrap();
    fourth.begin_transfer();
    assert!(matches!(wait(10, "fifth").await, Err(NoPort::RangeUsedUp)), "each has one");
}

/// What holds one port without a transfer is not ended for one who holds many.
#[tokio::test]
async fn one_who_holds_many_gives_way_to_himself() {
    let ports = PassivePorts::new(
        free_range(3),
        Admission { anybody: false, trusted: "127.0.0.8/32".parse().unwrap() },
        Proxies::new(ProxyProtocol::Off, Cidrs::default()),
    );
    let wait = async |session, name: &str| {
        let group = Group::User(name.into());
        ports.listen(SessionId(session), SocketAddr::new(SERVER, 21), client(8), &group).await.unwrap()
    };
    let mut modest = wait(1, "modest").await;
    let mut greedy = Vec::new();
    for session in 2..6 {
        greedy.push(wait(session, "greedy").await);
    }
    let mut accepting = pin!(modest.accept());
    let polled = poll_fn(|context| Poll::Ready(accepting.as_mut().poll(context))).await;
    assert!(polled.is_pending());
}

#[tokio::test]
async fn a_late_farewell_takes_nothing_from_the_next() {
    let ports = one_port(own_only());
    let mut one = wait(&ports, 1, client(2)).await.unwrap();
    let _first = connect(client(2), &one).await;
    one.accept().await.unwrap();
    // The same client waits again, under the same key, before the first wait is gone.
    let mut two = wait(&ports, 2, client(2)).await.unwrap();
    drop(one);
    let _second = connect(client(2), &two).await;
    assert_eq!(peer(&two.accept().await.unwrap()), client(2));
}

#[tokio::test]
async fn who_gave_up_is_a_stranger() {
    let ports = one_port(own_only());
    let gone = wait(&ports, 1, client(2)).await.unwrap();
    let mut one = wait(&ports, 2, client(3)).await.unwrap();
    let mut late = connect(client(2), &gone).await;
    drop(gone);
    let _own = connect(client(3), &one).await;
    assert_eq!(peer(&one.accept().await.unwrap()), client(3));
    assert!(!matches!(late.read(&mut [0]).await, Ok(1..)));
}

#[tokio::test]
async fn a_wait_that_was_dropped_in_the_middle_goes_on() {
    let ports = one_port(own_only());
    let mut passive = wait(&ports, 1, client(2)).await.unwrap();
    for _ in 0..3 {
        let mut accepting = pin!(passive.accept());
        let polled = poll_fn(|context| Poll::Ready(accepting.as_mut().poll(context))).await;
        assert!(polled.is_pending());
    }
    let _own = connect(client(2), &passive).await;
    assert_eq!(peer(&passive.accept().await.unwrap()), client(2));
}

#[tokio::test]
async fn who_is_trusted_comes_for_the_one_who_waits_and_for_none_of_several() {
    let ports = one_port(Admission { anybody: false, trusted: "127.0.0.8/32".parse().unwrap() });
    let mut one = wait(&ports, 1, client(2)).await.unwrap();
    let two = wait(&ports, 2, client(3)).await.unwrap();
    let mut ambiguous = connect(client(8), &one).await;
    let own = connect(client(2), &one).await;
    assert_eq!(peer(&one.accept().await.unwrap()), client(2));
    assert!(!matches!(ambiguous.read(&mut [0]).await, Ok(1..)));
    drop((one, two, own));
    let mut one = wait(&ports, 1, client(2)).await.unwrap();
    let _stranger = connect(client(9), &one).await;
    let _trusted = connect(client(8), &one).await;
    assert_eq!(peer(&one.accept().await.unwrap()), client(8));
}

/// A range of one port that is free, where all that comes is a proxy's.
fn behind_a_proxy() -> Arc<PassivePorts> {
    let free = one_port(own_only());
    let proxies = Proxies::new(ProxyProtocol::Required, "127.0.0.1/32".parse().unwrap());
    PassivePorts::new(free.range, own_only(), proxies)
}

async fn in_time<T>(deed: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), deed).await.expect("it never comes about")
}

async fn name(stream: &mut TcpStream, client: IpAddr) {
    stream.write_all(format!("PROXY TCP4 {client} 127.0.0.1 1 2\r\n").as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_names_its_client_late_reaches_it_though_the_one_who_accepted_is_gone() {
    let ports = behind_a_proxy();
    let mut one = wait(&ports, 1, client(2)).await.unwrap();
    let mut two = wait(&ports, 2, client(3)).await.unwrap();
    let mut late = connect(client(1), &two).await;
    let mut soon = connect(client(1), &one).await;
    name(&mut soon, client(2)).await;
    // Both are accepted here, the late one first.
    let _own = one.accept().await.unwrap();
    drop(one);
    name(&mut late, client(3)).await;
    let mut handed = in_time(two.accept()).await.unwrap();
    late.write_all(b"!").await.unwrap();
    assert_eq!(handed.read_u8().await.unwrap(), b'!');
}

#[tokio::test]
async fn a_proxy_that_names_its_client_late_does_not_reach_a_later_wait_on_the_port() {
    let ports = behind_a_proxy();
    let mut one = wait(&ports, 1, client(2)).await.unwrap();
    let mut late = connect(client(1), &one).await;
    let mut soon = connect(client(1), &one).await;
    name(&mut soon, client(2)).await;
    let _own = one.accept().await.unwrap();
    drop(one);
    let mut again = wait(&ports, 2, client(2)).await.unwrap();
    name(&mut late, client(2)).await;
    assert!(!matches!(in_time(late.read(&mut [0])).await, Ok(1..)));
    let mut prompt = connect(client(1), &again).await;
    name(&mut prompt, client(2)).await;
    let handed = again.accept().await.unwrap();
    assert_eq!(handed.peer_addr().unwrap(), prompt.local_addr().unwrap());
}

/// What another session has accepted for this one counts before anything is decided by it.
#[tokio::test]
async fn a_connection_that_was_handed_over_and_given_up_is_found_out() {
    let ports = one_port(own_only());
    let (mine, mut other) = (wait(&ports, 1, client(2)).await.unwrap(), wait(&ports, 2, client(3)).await.unwrap());
    let given_up = connect(client(2), &mine).await;
    let mut plan = DataPlan::Passive(mine);
    drop(given_up);
    // The first in the queue is handed over, the second is the other's own.
    let _own = connect(client(3), &other).await;
    other.accept().await.unwrap();
    assert!(!plan.is_given_up(), "nobody has looked yet");
    plan.catch_up();
    assert!(matches!(plan, DataPlan::Connected { .. }) && plan.is_given_up());
}

#[tokio::test]
async fn a_port_that_was_taken_is_found_out() {
    let ports = one_port(own_only());
    let mut plan = DataPlan::Passive(wait(&ports, 1, client(2)).await.unwrap());
    plan.catch_up();
    assert!(matches!(plan, DataPlan::Passive(_)), "it waits still");
    let _next = wait(&ports, 2, client(2)).await.unwrap();
    plan.catch_up();
    assert!(plan.is_taken());
}

/// A client that has yet to connect to its port keeps it: the next one waits for it.
#[tokio::test]
async fn a_port_is_not_taken_before_its_client_has_had_time_to_connect() {
    let ports = one_port(own_only());
    let mut one = wait(&ports, 1, client(2)).await.unwrap();
    let mut next = pin!(wait(&ports, 2, client(2)));
    let polled = poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await;
    assert!(polled.is_pending());
    let _own = connect(client(2), &one).await;
    one.accept().await.unwrap();
    // It is free, so none was taken.
    let passive = in_time(next).await.unwrap();
    assert!(!passive.is_contested && ports.lock().taken.is_empty());
}

/// Late, after its port was taken, a client of the same address meets the next one's wait. It hears 425 and ends.
#[tokio::test]
async fn a_late_connection_of_the_client_before_is_no_empty_upload() {
    let ports = one_port(own_only());
    for is_early in [true, false] {
        let gone = wait(&ports, 1, client(2)).await.unwrap();
        let next = wait(&ports, 2, client(2)).await.unwrap();
        assert!(next.is_contested);
        let late = connect(client(2), &gone).await;
        let mut plan = DataPlan::Passive(next);
        while is_early && !matches!(plan, DataPlan::Connected { .. }) {
            plan.welcome().await;
        }
        drop(late);
        let opened = in_time(plan.open(Direction::Upload)).await;
        assert_eq!(opened.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        drop(gone);
        // The next wait on the port is warned as well; one that sends something is served.
        let again = wait(&ports, 3, client(2)).await.unwrap();
        assert!(again.is_contested);
        let mut own = connect(client(2), &again).await;
        own.write_all(b"!").await.unwrap();
        in_time(DataPlan::Passive(again).open(Direction::Upload)).await.unwrap();
    }
}
