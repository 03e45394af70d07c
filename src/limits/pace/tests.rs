//! The numbers of behaviour.md, by a paused clock: every second, ten seconds, equal shares.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::*;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const RATES: [u64; 6] = [1000, 100_000, MIB, 10 * MIB, 100 * MIB, 500 * MIB];
const TEN_SECONDS: Duration = Duration::from_secs(10);

fn rate(bytes_per_second: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(bytes_per_second)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn downloads(rates: SharedRates) -> Paces {
    Paces::new(&PaceSettings { download: rates, trusted: "10.0.0.0/8".parse().unwrap(), ..PaceSettings::default() })
}

fn chain(paces: &Paces, user: &str, from: &str, connection: Option<NonZeroU64>) -> Pace {
    paces.chain(Direction::Download, user, ip(from), connection)
}

/// What a transfer moved: when, and how many bytes.
type Moved = Vec<(Instant, usize)>;

/// Moves whole chunks for ten seconds.
async fn run(mut pace: Pace) -> Moved {
    let mut moved = Vec::new();
    let forever = async {
        loop {
            pace.take(pace.chunk()).await;
            moved.push((Instant::now(), pace.chunk()));
        }
    };
    assert!(timeout(TEN_SECONDS, forever).await.is_err());
    moved
}

async fn run_all(paces: impl IntoIterator<Item = Pace>) -> Vec<Moved> {
    let mut tasks = JoinSet::new();
    for pace in paces {
        tasks.spawn(run(pace));
    }
    tasks.join_all().await
}

fn total(moved: &[(Instant, usize)]) -> f64 {
    moved.iter().map(|&(_, bytes)| bytes as f64).sum()
}

/// The most that passed within one second.
fn busiest_second(moved: &[(Instant, usize)]) -> f64 {
    let (mut most, mut within, mut first) = (0, 0, 0);
    for &(now, bytes) in moved {
        within += bytes;
        while now - moved[first].0 >= Duration::from_secs(1) {
            within -= moved[first].1;
            first += 1;
        }
        most = most.max(within);
    }
    most as f64
}

fn assert_rate(moved: &[(Instant, usize)], rate: u64) {
    let (rate, ten) = (rate as f64, total(moved) / 10.0);
    assert!((ten / rate - 1.0).abs() < 0.03, "{ten} instead of {rate} over ten seconds");
    let most = busiest_second(moved);
    assert!(most <= 1.2 * rate, "{most} in one second at {rate}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_keeps_its_rate() {
    let paces = downloads(SharedRates::default());
    for bytes_per_second in RATES {
        let pace = chain(&paces, "bob", "192.0.2.1", rate(bytes_per_second));
        assert_rate(&run(pace).await, bytes_per_second);
    }
}

#[tokio::test(start_paused = true)]
async fn eight_equal_clients_have_equal_shares_of_the_whole() {
    for bytes_per_second in RATES {
        let paces = downloads(SharedRates { total: rate(bytes_per_second), ..SharedRates::default() });
        let eight = (0..8).map(|client| chain(&paces, &format!("user{client}"), "192.0.2.1", None));
        let moved = run_all(eight.collect::<Vec<_>>()).await;
        let shares: Vec<_> = moved.iter().map(Vec::len).collect();
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        assert!(*least > 0 && most - least <= 1, "chunks at {bytes_per_second}: {shares:?}");
        let mut all = moved.concat();
        all.sort_unstable();
        assert_rate(&all, bytes_per_second);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_not_made_up_for() {
    let paces = downloads(SharedRates::default());
    let mut pace = chain(&paces, "bob", "192.0.2.1", rate(100_000));
    pace.take(10_000).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(busiest_second(&run(pace).await) <= 120_000.0);
}

#[tokio::test(start_paused = true)]
async fn the_lowest_rate_of_the_chain_decides() {
    for (connection, per_user, per_ip, total) in
        [(100, 200, 300, 400), (200, 100, 300, 400), (300, 200, 100, 400), (400, 300, 200, 100)]
    {
        let [per_user, per_ip, total] = [per_user, per_ip, total].map(|kib| rate(kib * KIB));
        let paces = downloads(SharedRates { per_user, per_ip, total });
        assert_rate(&run(chain(&paces, "bob", "192.0.2.1", rate(connection * KIB))).await, 100 * KIB);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_shares_his_rate_with_himself_only() {
    let paces = downloads(SharedRates { per_user: rate(100 * KIB), ..SharedRates::default() });
    let moved = run_all(
        [("bob", "192.0.2.1"), ("bob", "192.0.2.2"), ("alice", "192.0.2.1")]
            .map(|(user, from)| chain(&paces, user, from, None)),
    )
    .await;
    let mut all = moved.concat();
    all.sort_unstable();
    assert_rate(&all, 200 * KIB);
}

#[tokio::test(start_paused = true)]
async fn an_address_shares_its_rate_unless_it_is_trusted() {
    let paces = downloads(SharedRates { per_ip: rate(100 * KIB), ..SharedRates::default() });
    let moved = run_all(["2001:db8::1", "2001:db8::2"].map(|from| chain(&paces, from, from, None))).await;
    let mut all = moved.concat();
    all.sort_unstable();
    assert_rate(&all, 100 * KIB);
    assert!(chain(&paces, "bob", "10.1.2.3", None).is_unlimited());
}

#[tokio::test(start_paused = true)]
async fn the_directions_are_apart() {
    let paces = downloads(SharedRates { total: rate(KIB), ..SharedRates::default() });
    assert!(paces.chain(Direction::Upload, "bob", ip("192.0.2.1"), None).is_unlimited());
    assert!(!paces.chain(Direction::Download, "bob", ip("192.0.2.1"), None).is_unlimited());
}

#[tokio::test(start_paused = true)]
async fn more_than_a_chunk_is_taken_by_chunks() {
    let paces = downloads(SharedRates::default());
    let mut pace = chain(&paces, "bob", "192.0.2.1", rate(100_000));
    assert_eq!(pace.chunk(), 5000);
    let start = Instant::now();
    pace.take(250_000).await;
    assert_eq!(start.elapsed(), Duration::from_millis(2500));
}

/// Whoever asks for more at once than others that share a rate gets more of it.
#[tokio::test(start_paused = true)]
async fn a_shared_rate_is_asked_for_less_at_once_than_ones_own() {
    let own = chain(&downloads(SharedRates::default()), "bob", "192.0.2.1", rate(100 * MIB));
    assert_eq!(own.chunk() as u64, MIB);
    let paces = downloads(SharedRates { total: rate(100 * MIB), ..SharedRates::default() });
    assert_eq!(chain(&paces, "bob", "192.0.2.1", None).chunk() as u64, 64 * KIB);
    assert_eq!(chain(&paces, "bob", "192.0.2.1", rate(100 * MIB)).chunk() as u64, 64 * KIB, "the least of them counts");
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nothing_waits() {
    let start = Instant::now();
    let mut pace = Pace::unlimited();
    pace.take(usize::MAX).await;
    assert_eq!((pace.chunk(), start.elapsed()), (usize::MAX, Duration::ZERO));
}

/// T66: no memory of those who are gone.
#[tokio::test(start_paused = true)]
async fn a_rate_that_nobody_shares_is_forgotten() {
    let all = SharedRates { per_user: rate(KIB), per_ip: rate(KIB), total: rate(KIB) };
    let paces = downloads(all);
    let bob = chain(&paces, "bob", "192.0.2.1", None);
    let alice = chain(&paces, "alice", "192.0.2.1", None);
    assert_eq!(paces.shared_rates(), 4);
    drop(bob);
    assert_eq!(paces.shared_rates(), 3);
    drop(alice);
    assert_eq!(paces.shared_rates(), 0);
}
