//! Pace: how fast a transfer may go. A chain of rates, its own first, then those it shares with others.

mod clock;
mod limiter;
mod registry;

use std::fmt;

pub use limiter::rate_waits;
use registry::Link;
pub use registry::{PaceSettings, Paces, SharedRates};

/// Which way the bytes go, from the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server: STOR, APPE, STOU.
    Upload,
    /// From the server to the client: RETR and listings.
    Download,
}

/// The pace of one transfer, made by [`Paces::chain`]. Dropping it leaves the shared rates.
#[derive(Debug)]
pub struct Pace {
    chain: Vec<Link>,
    chunk: usize,
}

impl Pace {
    /// As fast as it goes.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(Vec::new())
    }

    fn new(chain: Vec<Link>) -> Self {
        let chunk = chain.iter().map(|link| link.limiter().chunk()).min().unwrap_or(usize::MAX);
        Self { chain, chunk }
    }

    /// Whether [`take`](Self::take) never waits, so that the transfer may be copied by any means.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.chain.is_empty()
    }

    /// Bytes that are best asked for at once: 50 ms of the lowest rate, at most 1 MiB, or 64 KiB where it is
    /// shared; `usize::MAX` without a limit.
    /// Who asks for less than others that share a rate gets less of it, so fill a chunk when there is data for it.
    #[must_use]
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// Waits until `bytes` more may be sent, or may have been received. Anything over a chunk is taken by chunks.
    /// May be dropped while it waits; what was taken of it is then lost to this transfer, at most a chunk of each rate.
    pub async fn take(&mut self, bytes: usize) {
        let mut left = bytes;
        while left > 0 && !self.is_unlimited() {
            let part = left.min(self.chunk);
            for link in &self.chain {
                link.limiter().take(part).await;
            }
            left -= part;
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upload => "upload",
            Self::Download => "download",
        })
    }
}

#[cfg(test)]
mod tests;
