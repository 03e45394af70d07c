//! Uploads that broke and were never gone on with are looked for in every home where one can be: at start, and each hour.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Slot;
use crate::blocking::hard_work;
use crate::files::sweep;
use crate::observe::events;
use crate::session::Service;
use crate::settings::Permission;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Goes on for ever.
pub(super) async fn sweep_hourly(slot: &Slot) -> Infallible {
    let mut hours = interval(HOUR);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        hours.tick().await;
        let service = Arc::clone(&slot.borrow());
        for home in homes(&service) {
            let quotas = service.quotas.clone();
            let (home, swept) = hard_work(move || {
                let swept = sweep(&home, &quotas);
                (home, swept)
            })
            .await;
            match swept {
                Ok(0) => {}
                Ok(count) => events::swept(&home, count),
                Err(why) => events::warning(&format!("{}: looking for old uploads failed: {why}", home.display())),
            }
        }
    }
}

/// Those of users who may upload; others have left nothing.
fn homes(service: &Service) -> BTreeSet<PathBuf> {
    let accounts = service.authenticator.roster().accounts().filter(|account| {
        [Permission::Store, Permission::Append].iter().any(|letter| account.permissions.contains(*letter))
    });
    accounts.map(|account| account.home.clone()).collect()
}
