//! Events that there was no room for: each is counted, and the log tells of them at the beginning, now and then, and when
//! it is over.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::observe::events::hooks;

/// Between two lines of the log, at least: a spool that is full to the brim has room and has none again and again.
const BETWEEN_TELLINGS: Duration = Duration::from_secs(60);

/// What the spool could not keep.
#[derive(Debug, Default)]
pub(super) struct Losses {
    untold: u64,
    told: Option<Instant>,
    /// How many were lost since it was told that events are lost, if that is how it stands.
    spell: Option<u64>,
}

impl Losses {
    /// One more, for this reason.
    pub(super) fn lost(&mut self, why: &io::Error) {
        hooks::not_kept();
        self.untold += 1;
        self.spell = self.spell.map(|lost| lost + 1);
        let now = Instant::now();
        if self.is_too_soon(now) {
            return;
        }
        hooks::lost(self.untold, why);
        self.spell = Some(self.spell.unwrap_or(self.untold));
        self.untold = 0;
        self.told = Some(now);
    }

    /// There is room, or the disk is well.
    pub(super) fn over(&mut self) {
        if let Some(lost) = self.spell.take() {
            hooks::kept_again(lost);
            self.untold = 0;
        } else if self.untold > 0 && !self.is_too_soon(Instant::now()) {
            // They came too soon after the last ones to be told of at the time.
            hooks::kept_again(std::mem::take(&mut self.untold));
        }
    }

    fn is_too_soon(&self, now: Instant) -> bool {
        self.told.is_some_and(|told| now < told + BETWEEN_TELLINGS)
    }
}

#[cfg(test)]
impl Losses {
    /// How many were lost since it was told, if it is told.
    pub(super) fn spell(&self) -> Option<u64> {
        self.spell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_once_a_minute() {
        let (mut losses, why) = (Losses::default(), io::Error::other("full"));
        (0..10).for_each(|_| losses.lost(&why));
        assert_eq!((losses.untold, losses.spell()), (9, Some(10)));
        losses.over();
        assert_eq!((losses.untold, losses.spell()), (0, None));
        losses.lost(&why);
        assert_eq!((losses.untold, losses.spell()), (1, None), "too soon");
        tokio::time::advance(BETWEEN_TELLINGS).await;
        losses.lost(&why);
        assert_eq!((losses.untold, losses.spell()), (0, Some(2)));
        losses.over();
        losses.lost(&why);
        losses.over();
        assert_eq!((losses.untold, losses.spell()), (1, None), "too soon");
        tokio::time::advance(BETWEEN_TELLINGS).await;
        losses.over();
        assert_eq!((losses.untold, losses.spell()), (0, None));
    }
}
