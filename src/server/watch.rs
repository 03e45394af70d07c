//! Looks at the files of settings, users and certificates, again and again.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::blocking::off_reactor;
use crate::settings::Looks;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Returns when the files are no more as they were `read`, and two looks in a row agree about how they are: while a file
/// is being written, it is not read.
pub(super) async fn changed(read: &Looks) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = read.clone();
    loop {
        looks.tick().await;
        let asked = last.clone();
        let now = off_reactor(move || asked.again()).await;
        if now == last && now != *read {
            return;
        }
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F24: half a file is not read, however long its writer takes.
    #[tokio::test(start_paused = true)]
    async fn a_change_counts_when_it_has_come_to_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.conf");
        std::fs::write(&path, "").unwrap();
        let mut read = Looks::default();
        read.look_at(&path);
        let mut found = std::pin::pin!(changed(&read));
        for size in 1..20 {
            std::fs::write(&path, "x".repeat(size)).unwrap();
            let patience = tokio::time::timeout(LOOK_EVERY * 9 / 10, &mut found);
            assert!(patience.await.is_err(), "found while it is written");
        }
        found.await;
    }
}
