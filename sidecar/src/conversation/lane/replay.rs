//! Dead letters that are to be delivered after all.
//!
//! The lane reads them itself, a page at a time and only while none of them waits to be committed: so nothing is put back twice, whoever asks
//! how often, and memory stays bounded.

use std::collections::HashSet;

use tokio::sync::oneshot;
use waxseal_sealing::Class;
use waxseal_store::EntryId;

use super::{End, Lane, PAGE};
use crate::conversation::{
    input::{Event, Requeued},
    record::{self, About, DeadLetter},
};

/// Pages looked at before the lane sees to its other work.
const PAGES_AT_ONCE: usize = 8;

/// Which dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All there are.
    All,
    /// Those with these event ids.
    Ids(HashSet<[u8; 16]>),
    /// Those that happened within this time, both ends included, in Unix milliseconds.
    Between(u64, u64),
}

impl Selection {
    /// Whether an event is meant.
    #[must_use]
    pub fn takes(&self, event_id: &[u8], about: &About) -> bool {
        match self {
            Self::All => true,
            Self::Ids(ids) => <[u8; 16]>::try_from(event_id).is_ok_and(|id| ids.contains(&id)),
            Self::Between(since_ms, until_ms) => (*since_ms..=*until_ms).contains(&about.made_at_ms),
        }
    }
}

/// A replay under way.
pub(super) struct Replay {
    selection: Selection,
    asker: oneshot::Sender<u64>,
    /// What dies again while the replay goes on is not meant.
    asked_at_ms: u64,
    after: EntryId,
    at_end: bool,
    count: u64,
}

impl Replay {
    pub(super) const fn new(selection: Selection, asker: oneshot::Sender<u64>, now_ms: u64) -> Self {
        Self {
            selection,
            asker,
            asked_at_ms: now_ms,
            after: EntryId::ZERO,
            at_end: false,
            count: 0,
        }
    }

    /// Entries may have other places than they had: those that were put back are not there any more.
    pub(super) const fn begin_again(&mut self) {
        self.after = EntryId::ZERO;
        self.at_end = false;
    }
}

impl Lane {
    pub(super) async fn refill_replays(&mut self) -> Result<(), End> {
        for _ in 0..PAGES_AT_ONCE {
            let Some(replay) = self.replays.front().filter(|_| self.input.requeued.is_empty()) else {
                return Ok(());
            };
            if replay.at_end {
                self.replayed(0);
                continue;
            }
            let (queue, after) = (self.outfit.shared.names.dead_letters(self.core.lane), replay.after);
            let entries = self.range(&queue, after).await?;
            let Some(replay) = self.replays.front_mut() else { return Ok(()) };
            replay.at_end = entries.len() < PAGE;
            for (entry, sealed) in entries {
                replay.after = entry;
                let letter: Option<DeadLetter> = self.outfit.shared.open(Class::Webhook, &queue, &sealed);
                let letter = letter.filter(|letter| letter.died_at_ms <= replay.asked_at_ms);
                if let Some(event) = letter.and_then(|letter| event(letter.event?))
                    && replay.selection.takes(&event.event_id, &event.about)
                {
                    self.input.requeued.push(Requeued { entry, event });
                }
            }
        }
        Ok(())
    }

    /// So many were put back, durably. Answers whoever asked when nothing is left to do.
    pub(super) fn replayed(&mut self, count: usize) {
        let Some(replay) = self.replays.front_mut() else { return };
        replay.count += count as u64;
        if replay.at_end
            && self.input.requeued.is_empty()
            && let Some(replay) = self.replays.pop_front()
        {
            // Whoever asked may have gone.
            let _ = replay.asker.send(replay.count);
        }
    }
}

fn event(stored: record::Event) -> Option<Event> {
    Some(Event {
        peer: stored.peer.try_into().ok()?,
        event_id: stored.event_id.try_into().ok()?,
        window_end_ms: stored.window_end_ms,
        body: stored.body.into(),
        about: stored.about.unwrap_or_default(),
    })
}
