//! How well rates are kept in real time: `cargo bench --bench rates`.
//!
//! Prints the achieved rate and its error for one transfer, then for eight equal ones, with their shares. The exact
//! arithmetic is tested with a paused clock beside the code; this shows what late timers and a busy machine do to it.

use std::error::Error;
use std::io::{Write, stdout};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use longshore::limits::{Direction, Pace, PaceSettings, Paces, SharedRates};
use tokio::task::JoinSet;
use tokio::time::timeout;

const MIB: u64 = 1024 * 1024;
const RATES: [(&str, u64); 4] =
    [("100 kB/s", 100_000), ("1 MiB/s", MIB), ("10 MiB/s", 10 * MIB), ("100 MiB/s", 100 * MIB)];
const SPAN: Duration = Duration::from_secs(4);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    for transfers in [1, 8] {
        writeln!(
            out,
            "{transfers} transfers sharing a rate\n{:>10} {:>14} {:>8}  shares",
            "limit", "bytes/s", "error"
        )?;
        for (name, rate) in RATES {
            let (achieved, shares) = run(rate, transfers).await;
            write!(out, "{name:>10} {achieved:>14.0} {:>+7.2}% ", 100.0 * (achieved / rate as f64 - 1.0))?;
            for share in shares {
                write!(out, " {:.2}%", 100.0 * share)?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// Bytes per second that equal transfers get together, and the part of each in it.
async fn run(rate: u64, transfers: usize) -> (f64, Vec<f64>) {
    let total = SharedRates { total: NonZeroU64::new(rate), ..SharedRates::default() };
    let paces = Paces::new(&PaceSettings { download: total, ..PaceSettings::default() });
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..transfers {
        tasks.spawn(transfer(paces.chain(Direction::Download, "one", CLIENT, None)));
    }
    let moved = tasks.join_all().await;
    let bytes: f64 = moved.iter().map(|&(bytes, _)| bytes).sum();
    let last = moved.iter().map(|&(_, last)| last).max().unwrap_or(start);
    (bytes / (last - start).as_secs_f64(), moved.iter().map(|(mine, _)| mine / bytes).collect())
}

/// Moves whole chunks for a while. Bytes moved, and when the last chunk was.
async fn transfer(mut pace: Pace) -> (f64, Instant) {
    let (mut bytes, mut last) = (0.0, Instant::now());
    let forever = async {
        loop {
            pace.take(pace.chunk()).await;
            (bytes, last) = (bytes + pace.chunk() as f64, Instant::now());
        }
    };
    let _: Result<(), _> = timeout(SPAN, forever).await;
    (bytes, last)
}
