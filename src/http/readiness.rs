//! Whether clients may be sent here: the server does not end, and somebody's home can be reached.
//!
//! A home that only its owner misses, for its rights or a wrong path, is told of in the log: it is no reason to send all
//! the others away. A volume that is gone takes all homes with it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::blocking::off_reactor;
use crate::files::reach_home;
use crate::session::Service;

/// How long the homes may take to answer. Probes often have no more than a few seconds themselves.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks at what sessions need, one look at a time: a dead mount holds one thread, however often it is asked for.
pub(super) struct Readiness(Arc<Semaphore>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Readiness {
    /// What is in the way, in words that name no user.
    pub(super) async fn obstacle(&self, service: Arc<Service>, draining: &CancellationToken) -> Option<String> {
        if draining.is_cancelled() {
            return Some("the server is ending".to_owned());
        }
        let looked = async {
            let turn = Arc::clone(&self.0).acquire_owned().await;
            off_reactor(move || {
                let obstacle = no_home_at_all(&service);
                drop(turn);
                obstacle
            })
            .await
        };
        let silent = || Some(format!("the homes do not answer within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, looked).await.unwrap_or_else(|_| silent())
    }
}

/// Blocks. Ends with the first home that is well, so that it takes no longer with many users.
fn no_home_at_all(service: &Service) -> Option<String> {
    let create = service.settings.create_homes;
    let homes: BTreeMap<&Path, bool> = service
        .authenticator
        .roster()
        .accounts()
        .map(|account| (&*account.home, create && !account.anonymous))
        .collect();
    let mut obstacle = "there are no users".to_owned();
    for (home, create) in homes {
        match reach_home(home, create) {
            Ok(()) => return None,
            Err(error) => obstacle = format!("no home can be reached: {error}"),
        }
    }
    Some(obstacle)
}
