//! Events on their way to those who are to be told, by the settings in force.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::InForce;
use super::panics::caught;

/// Before it is begun anew after a panic, which may come again.
const PAUSE: Duration = Duration::from_secs(1);

/// Goes on until told to stop. When the settings of it change, it is begun anew with what is not delivered yet.
pub(super) async fn keep_delivering(mut in_force: InForce, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let hooks = in_force.borrow_and_update().hooks.clone();
        let by_these = stop.child_token();
        let changed = async {
            while in_force.changed().await.is_ok() {
                if !in_force.borrow_and_update().hooks.deliver_as(&hooks) {
                    by_these.cancel();
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        let delivered = async {
            if caught(hooks.deliver(&by_these)).await.is_err() {
                sleep(PAUSE).await;
            }
        };
        // Each ends the other: what is delivered comes to its end once it is told to.
        tokio::pin!(delivered);
        tokio::select! {
            () = &mut delivered => {}
            () = changed => delivered.await,
        }
    }
}
