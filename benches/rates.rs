//! How well rates are kept on the wire, in real time: `cargo bench --bench rates`.
//!
//! A server on loopback, its files sparse or thrown away, and clients that take what they get. Printed are, for each
//! limit, the achieved rate and its error for one download and one upload, the most that any one second of the
//! download moved, and the shares of eight equal clients under a limit that they share. The exact arithmetic is
//! tested with a paused clock in `src/limits/pace/`; this shows what late timers and a busy machine do to it.

mod client;

use std::fs::{File, create_dir};
use std::io::{Read, Write, stdout};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use longshore::server::{Listeners, Server, build_service, prepare};
use longshore::settings::{Loaded, Rate, Settings};
use tokio_util::sync::CancellationToken;

use client::{Client, Outcome};

const MIB: u64 = 1024 * 1024;
const RATES: [(&str, u64); 4] =
    [("100 kB/s", 100_000), ("1 MiB/s", MIB), ("10 MiB/s", 10 * MIB), ("100 MiB/s", 100 * MIB)];
/// How long a transfer takes at exactly its rate.
const SPAN: Duration = Duration::from_secs(10);
const CLIENTS: usize = 8;

fn main() -> Outcome<()> {
    let mut out = stdout().lock();
    writeln!(
        out,
        "{:>10} {:>10} {:>10} {:>12}  {CLIENTS} clients: error, shares",
        "limit", "download", "upload", "any second"
    )?;
    for (name, rate) in RATES {
        let (download, upload, fastest) = one_client(rate)?;
        let (together, shares) = equal_clients(rate)?;
        let shares: Vec<String> = shares.iter().map(|share| format!("{:.2}%", 100.0 * share)).collect();
        let error = |achieved: f64| 100.0 * (achieved / rate as f64 - 1.0);
        writeln!(
            out,
            "{name:>10} {:>+9.2}% {:>+9.2}% {:>11.2}x  {:+.2}%, {}",
            error(download),
            error(upload),
            fastest / rate as f64,
            error(together),
            shares.join(" ")
        )?;
        out.flush()?;
    }
    Ok(())
}

/// Bytes per second of a download and of an upload, and the most that a second of the download moved.
fn one_client(rate: u64) -> Outcome<(f64, f64, f64)> {
    let bytes = rate * SPAN.as_secs();
    let server =
        Running::start(|settings| (settings.max_download, settings.max_upload) = (Rate(rate), Rate(rate)), bytes)?;
    let mut client = Client::login(server.address.ip(), server.address, None)?;

    let mut data = client.open("RETR file")?;
    let moments = receive(&mut data, None)?;
    client.expect("226")?;
    // The first piece is there when the clock starts.
    let (first, last) = (moments[0], moments[moments.len() - 1]);
    let download = (bytes - first.1) as f64 / (last.0 - first.0).as_secs_f64();

    let mut data = client.open("STOR copy")?;
    let begin = Instant::now();
    let block = vec![0; 64 * 1024];
    let mut rest = bytes;
    while rest > 0 {
        let piece = rest.min(block.len() as u64);
        data.write_all(&block[..usize::try_from(piece)?])?;
        rest -= piece;
    }
    drop(data);
    client.expect("226")?;
    Ok((download, bytes as f64 / begin.elapsed().as_secs_f64(), most_in_a_second(&moments)))
}

/// Bytes per second that equal downloads get together, and the part of each in it.
fn equal_clients(rate: u64) -> Outcome<(f64, Vec<f64>)> {
    let server = Running::start(|settings| settings.max_download_total = Rate(rate), u64::from(u32::MAX) * 8)?;
    let clients =
        (0..CLIENTS).map(|_| Client::login(server.address.ip(), server.address, None)).collect::<Outcome<Vec<_>>>()?;
    // Past the start, when they have all begun.
    let begin = Instant::now() + Duration::from_secs(1);
    let running = clients.into_iter().map(|mut client| {
        thread::spawn(move || -> Outcome<u64> {
            let mut data = client.open("RETR file")?;
            let moments = receive(&mut data, Some(begin + SPAN))?;
            let counted = moments.iter().filter(|(when, _)| (begin..begin + SPAN).contains(when));
            Ok(counted.map(|(_, bytes)| bytes).sum())
        })
    });
    let running: Vec<_> = running.collect();
    let mut received = Vec::new();
    for client in running {
        received.push(client.join().map_err(|_| "a client panicked")?? as f64);
    }
    let all: f64 = received.iter().sum();
    Ok((all / SPAN.as_secs_f64(), received.iter().map(|bytes| bytes / all).collect()))
}

/// Reads to the end, or until a moment. When each piece came, and how large it was.
fn receive(data: &mut TcpStream, until: Option<Instant>) -> Outcome<Vec<(Instant, u64)>> {
    let mut block = vec![0; 64 * 1024];
    let mut moments = Vec::new();
    while until.is_none_or(|until| Instant::now() < until) {
        match data.read(&mut block)? {
            0 => break,
            count => moments.push((Instant::now(), count as u64)),
        }
    }
    Ok(moments)
}

fn most_in_a_second(moments: &[(Instant, u64)]) -> f64 {
    let (mut first, mut sum, mut most) = (0, 0, 0);
    for &(when, bytes) in moments {
        sum += bytes;
        while when - moments[first].0 > Duration::from_secs(1) {
            sum -= moments[first].1;
            first += 1;
        }
        most = most.max(sum);
    }
    most as f64
}

/// A server in this process, with a sparse file of a size.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(change: impl FnOnce(&mut Settings), bytes: u64) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        create_dir(folder.path().join("bench"))?;
        File::create(folder.path().join("bench/file"))?.set_len(bytes)?;
        let mut settings = Settings { home_root: folder.path().to_owned(), port: 0, ..Settings::default() };
        for (name, value) in [("ip", "127.0.0.1"), ("user", "bench"), ("pass", "bench"), ("users_file", "")] {
            settings.set(name, value).map_err(|problem| problem.to_string())?;
        }
        change(&mut settings);
        let loaded = Loaded::from(settings);
        let prepared = prepare(Ok(loaded), folder.path()).map_err(|complaints| complaints.to_string())?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || -> Outcome<()> {
            let runtime = longshore::server::runtime()?;
            runtime.block_on(async {
                let listeners = Listeners::bind(&prepared.loaded.settings).map_err(|(_, _, error)| error)?;
                tell.send(listeners.addresses())?;
                Server::new(listeners, build_service(prepared)?).run(stopped).await;
                Ok(())
            })
        });
        let address = *told.recv()?.first().ok_or("the server does not listen")?;
        Ok(Self { address, stop, _folder: folder })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
