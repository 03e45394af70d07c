//! The address that PASV tells a client, which behind NAT is not the one we listen on.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hickory_resolver::TokioResolver;

use crate::observe::events;
use crate::settings::{Masquerade, MasqueradeMap, MasqueradeTo};

/// A name is asked for again when its answer's life is over, but not more often and not more seldom than this.
const REFRESH: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(60);

/// Chooses the address for 227. Asking it never waits: a host name is resolved in the background.
pub struct Advertiser {
    masquerade: Masquerade,
    map: MasqueradeMap,
    /// The last good answer of the name.
    resolved: Arc<RwLock<Option<Ipv4Addr>>>,
}

/// Why there is no IPv4 address to tell (425, with a hint at EPSV, which needs none).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAddress {
    /// The connection is IPv6, which PASV has no room for.
    Ipv6,
    /// `masquerade_address` is a name that has not been resolved yet.
    Unresolved,
}

impl Advertiser {
    /// By `masquerade_map` first, then `masquerade_address`, then the local address.
    #[must_use]
    pub fn new(masquerade: Masquerade, map: MasqueradeMap) -> Self {
        Self { masquerade, map, resolved: Arc::default() }
    }

    /// The same with the answer of `before`, now and later, if the name is no other.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        if self.masquerade == before.masquerade {
            Self { resolved: Arc::clone(&before.resolved), ..self }
        } else {
            self
        }
    }

    /// The address for this client, which reached us at `local`. Both canonical: no v4-mapped addresses.
    ///
    /// # Errors
    /// [`NoAddress`]
    pub fn address_for(&self, client: IpAddr, local: IpAddr) -> Result<Ipv4Addr, NoAddress> {
        match self.map.answer(client, local) {
            Some(MasqueradeTo::Address(address)) => return v4(address),
            Some(MasqueradeTo::Local) => return v4(local),
            None => {}
        }
        match &self.masquerade {
            Masquerade::Off => v4(local),
            Masquerade::Address(address) => v4(*address),
            Masquerade::Name(_) => self.last_answer().ok_or(NoAddress::Unresolved),
        }
    }

    /// Resolves the name, if there is one, again and again; ends at once if there is none.
    pub async fn keep_resolved(&self) {
        self.keep_resolved_by(resolve).await;
    }

    async fn keep_resolved_by<F: Future<Output = Result<(Ipv4Addr, Duration), String>>>(
        &self,
        resolve: impl Fn(String) -> F,
    ) {
        let Masquerade::Name(name) = &self.masquerade else { return };
        loop {
            let wait = match resolve(name.clone()).await {
                Ok((address, life)) => {
                    self.store(name, address);
                    life.clamp(*REFRESH.start(), *REFRESH.end())
                }
                Err(why) => {
                    events::masquerade_unresolved(name, &why, self.last_answer());
                    *REFRESH.start()
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    fn last_answer(&self) -> Option<Ipv4Addr> {
        *self.resolved.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, name: &str, address: Ipv4Addr) {
        let before = self.resolved.write().unwrap_or_else(PoisonError::into_inner).replace(address);
        if before != Some(address) {
            events::masquerade_resolved(name, address, before);
        }
    }
}

fn v4(address: IpAddr) -> Result<Ipv4Addr, NoAddress> {
    match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(NoAddress::Ipv6),
    }
}

/// Asks the system's name servers and hosts file, both read anew, for a container's may change under us.
async fn resolve(name: String) -> Result<(Ipv4Addr, Duration), String> {
    let resolver =
        TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build).map_err(|e| e.to_string())?;
    let answer = resolver.lookup_ip(name).await.map_err(|e| e.to_string())?;
    let address = answer.iter().find_map(|address| v4(address).ok()).ok_or("it has no IPv4 address")?;
    Ok((address, answer.valid_until().saturating_duration_since(std::time::Instant::now())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn advertiser(masquerade: &str, map: &str) -> Advertiser {
        Advertiser::new(masquerade.parse().unwrap(), map.parse().unwrap())
    }

    #[test]
    fn the_map_goes_before_the_address_and_the_address_before_the_local_one() {
        let inner: IpAddr = "10.9.9.9".parse().unwrap();
        let both = advertiser("203.0.113.1", "10.0.0.0/8 = local, 198.51.100.0/24 = 192.0.2.5");
        assert_eq!(both.address_for(CLIENT, LOCAL), Ok("192.0.2.5".parse().unwrap()));
        assert_eq!(both.address_for(inner, LOCAL), Ok("10.0.0.2".parse().unwrap()));
        assert_eq!(both.address_for("8.8.8.8".parse().unwrap(), LOCAL), Ok("203.0.113.1".parse().unwrap()));
        assert_eq!(advertiser("", "").address_for(CLIENT, LOCAL), Ok("10.0.0.2".parse().unwrap()));
        assert_eq!(advertiser("", "").address_for(CLIENT, "::1".parse().unwrap()), Err(NoAddress::Ipv6));
    }

    /// F22.
    #[test]
    fn an_answer_is_of_its_name() {
        let before = advertiser("ftp.example.org", "");
        let address: Ipv4Addr = "192.0.2.1".parse().unwrap();
        before.store("ftp.example.org", address);
        let same = advertiser("ftp.example.org", "10.0.0.0/8 = local").after(&before);
        assert_eq!(same.address_for(CLIENT, LOCAL), Ok(address));
        let other = advertiser("other.example.org", "").after(&before);
        assert_eq!(other.address_for(CLIENT, LOCAL), Err(NoAddress::Unresolved));
        same.store("ftp.example.org", "192.0.2.2".parse().unwrap());
        assert_eq!(before.address_for(CLIENT, LOCAL), Ok("192.0.2.2".parse().unwrap()), "sessions of old follow too");
    }

    /// F22.
    #[tokio::test(start_paused = true)]
    async fn a_name_keeps_its_last_good_answer() {
        let advertiser = advertiser("ftp.example.org", "");
        assert_eq!(advertiser.address_for(CLIENT, LOCAL), Err(NoAddress::Unresolved));
        let first: Ipv4Addr = "192.0.2.1".parse().unwrap();
        let second: Ipv4Addr = "192.0.2.2".parse().unwrap();
        let answers = Mutex::new(vec![
            Err("no answer".to_owned()),
            Ok((first, Duration::ZERO)),
            Err("timeout".to_owned()),
            Ok((second, Duration::from_secs(86_400))),
            Ok((first, Duration::ZERO)),
        ]);
        answers.lock().unwrap().reverse();
        let asked = |seconds: u64, want: Result<Ipv4Addr, NoAddress>| {
            let (advertiser, answers) = (&advertiser, &answers);
            async move {
                let next = |_| async { answers.lock().unwrap().pop().unwrap_or(Err("silent".to_owned())) };
                let resolving = advertiser.keep_resolved_by(next);
                let _ = tokio::time::timeout(Duration::from_secs(seconds), resolving).await;
                assert_eq!(advertiser.address_for(CLIENT, LOCAL), want);
            }
        };
        asked(1, Err(NoAddress::Unresolved)).await;
        asked(1, Ok(first)).await;
        asked(1, Ok(first)).await;
        // A long life is cut to a minute, so the change is seen.
        asked(59, Ok(second)).await;
        asked(1, Ok(first)).await;
        assert!(answers.lock().unwrap().is_empty());
    }
}
