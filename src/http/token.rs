//! Who may see the status page: whoever knows `http_token`.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::sleep;

use crate::limits::Tries;
use crate::observe::events;
use crate::settings::{Cidrs, Secret};

/// Wrong tokens from one address after which none from it is heard for a while, the right one neither.
const MOST: u32 = 10;
/// For that long.
const WHILE: Duration = Duration::from_secs(60);
/// How long a wrong one waits for its answer.
const DELAY: Duration = Duration::from_secs(1);

/// Lets people in by the token, and slows down who guesses it.
pub(super) struct Doorkeeper(Tries);

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// No token, or a wrong one.
    Unknown,
    /// Too many wrong ones: to come again after so many seconds.
    Later(u64),
}

impl Doorkeeper {
    pub(super) fn new() -> Self {
        Self(Tries::new(Some(MOST), WHILE, Cidrs::default()))
    }

    /// Looks at what came with a request.
    ///
    /// # Errors
    /// [`Stop`]. One who came without any token has done nothing wrong: that is how browsers begin.
    pub(super) async fn admit(&self, token: &Secret, headers: &HeaderMap, peer: IpAddr) -> Result<(), Stop> {
        let Some(given) = headers.get(AUTHORIZATION) else { return Err(Stop::Unknown) };
        if self.0.is_banned(peer) {
            return Err(Stop::Later(WHILE.as_secs()));
        }
        if shown(given.as_bytes()).is_some_and(|shown| is_same(&shown, token.expose().as_bytes())) {
            return Ok(());
        }
        self.0.failed(peer);
        events::page_refused(peer);
        sleep(DELAY).await;
        Err(Stop::Unknown)
    }
}

/// The token in a header: `Bearer TOKEN`, or `Basic` with any name and the token as its password (RFC 6750, RFC 7617).
fn shown(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = header.split_at(header.iter().position(|&byte| byte == b' ')?);
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"Bearer") {
        return Some(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(rest).ok()?;
    let colon = pair.iter().position(|&byte| byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// In the same time whichever byte differs, and however long they are.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    Sha256::digest(shown).ct_eq(&Sha256::digest(token)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, advance};

    fn headers(value: &str) -> HeaderMap {
        [(AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[tokio::test(start_paused = true)]
    async fn the_token_and_nothing_else_lets_in() {
        let token = Secret::from("pass:word");
        let right = ["Bearer pass:word", "bearer  pass:word", &basic("any:pass:word"), &basic(":pass:word")];
        for value in right {
            assert_eq!(Doorkeeper::new().admit(&token, &headers(value), PEER).await, Ok(()), "{value}");
        }
        let basics = ["any:pass:wor", "any:pass:word ", "pass:word", "any:", "any", ""].map(basic);
        let wrong = ["Bearer", "Bearer pass", "pass:word", "Basic pass:word", "Basic !", "Digest pass:word", ""];
        for value in wrong.into_iter().chain(basics.iter().map(String::as_str)) {
            let refused = Doorkeeper::new().admit(&token, &headers(value), PEER).await;
            assert_eq!(refused, Err(Stop::Unknown), "{value}");
        }
        assert_eq!(Doorkeeper::new().admit(&token, &HeaderMap::new(), PEER).await, Err(Stop::Unknown));
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_waits_and_is_not_heard_any_more() {
        let (doorkeeper, token) = (Doorkeeper::new(), Secret::from("right"));
        let begun = Instant::now();
        for _ in 0..MOST {
            assert_eq!(doorkeeper.admit(&token, &headers("Bearer wrong"), PEER).await, Err(Stop::Unknown));
        }
        assert!(begun.elapsed() >= DELAY * MOST);
        assert_eq!(doorkeeper.admit(&token, &headers("Bearer right"), PEER).await, Err(Stop::Later(60)));
        assert_eq!(doorkeeper.admit(&token, &headers("Bearer right"), OTHER).await, Ok(()));
        advance(WHILE).await;
        assert_eq!(doorkeeper.admit(&token, &headers("Bearer right"), PEER).await, Ok(()));
    }
}
