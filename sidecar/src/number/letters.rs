//! Dead letters: events that the webhook did not take within their window. They can be looked at (without their content), put back into the
//! queue, or dropped.

use std::time::Duration;

use tokio::sync::oneshot;
use waxseal_sealing::Class;
use waxseal_store::{Batch, EntryId, Op};

use super::{Number, accept::refusal};
use crate::{
    conversation::{
        lane::{Event, Selection},
        record::{DeadLetter, Kind},
    },
    id::LANES,
    message::Refusal,
    webhook::{route::MESSAGES, sign::EventId},
};

/// Letters read or dropped at a time.
const PAGE: usize = 128;
/// How long a replay may take before whoever asked is told to ask again; it goes on meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place in the list of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    lane: u8,
    after: EntryId,
}

impl Cursor {
    /// Before the first.
    pub const START: Self = Self::of(0);

    /// Before the first of a lane.
    const fn of(lane: u8) -> Self {
        Self {
            lane,
            after: EntryId::ZERO,
        }
    }

    /// Reads what [`Cursor::write`] wrote.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes: [u8; 17] = hex::decode(text).ok()?.try_into().ok()?;
        let (lane, after) = bytes.split_first()?;
        Some(Self {
            lane: *lane,
            after: EntryId::from_bytes(after.try_into().ok()?),
        })
    }

    /// As text.
    #[must_use]
    pub fn write(self) -> String {
        format!("{:02x}{}", self.lane, hex::encode(self.after.to_bytes()))
    }
}

/// A dead letter, without its content and without its consumer.
pub struct Letter {
    /// The event's id, as `webhook-id` shows it.
    pub id: String,
    /// Its field.
    pub field: String,
    /// What kind of event.
    pub kind: Kind,
    /// When it happened, Unix milliseconds.
    pub made_at_ms: u64,
    /// When its window ended.
    pub died_at_ms: u64,
    /// How often it was tried since the last start of the process.
    pub attempts: u32,
    /// Why the last attempt failed, if one is known.
    pub last_error: Option<String>,
    /// Where the list goes on after it.
    pub cursor: Cursor,
}

impl Number {
    /// A page of the dead letters: those of one consumer are in the order in which they happened.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn dead_letters(&self, after: Cursor, limit: usize) -> Result<Vec<Letter>, Refusal> {
        let mut letters = Vec::new();
        let mut at = after;
        while at.lane < LANES && letters.len() < limit {
            let page = self.page(at, limit - letters.len()).await?;
            let Some((last, _)) = page.last() else {
                at = Cursor::of(at.lane + 1);
                continue;
            };
            at.after = *last;
            for (entry, found) in page {
                let cursor = Cursor { after: entry, ..at };
                letters.extend(found.map(|found| letter(found, cursor)));
            }
        }
        Ok(letters)
    }

    async fn page(&self, at: Cursor, limit: usize) -> Result<Vec<(EntryId, Option<DeadLetter>)>, Refusal> {
        let queue = self.shared.names.dead_letters(at.lane);
        let entries = self.store.range(&queue, at.after, limit.min(PAGE)).await;
        let entries = entries.map_err(|error| refusal(&error))?;
        let open = |sealed: &[u8]| self.shared.open(Class::Webhook, &queue, sealed);
        Ok(entries.into_iter().map(|(entry, sealed)| (entry, open(&sealed))).collect())
    }

    /// Puts dead letters back into the queue: the same events, with the same bytes and ids, in order for each consumer. `Ok` with how many once
    /// that is durable; those that were put back are no dead letters any more.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when it takes too long; asking again does not put anything back twice.
    pub async fn replay(&self, selection: &Selection) -> Result<u64, Refusal> {
        let replayed = async {
            let mut answers = Vec::new();
            for lane in &self.lanes {
                let (asker, answer) = oneshot::channel();
                lane.events.send(Event::Replay(selection.clone(), asker)).await.ok()?;
                answers.push(answer);
            }
            let mut count = 0;
            for answer in answers {
                count += answer.await.ok()?;
            }
            Some(count)
        };
        match tokio::time::timeout(PATIENCE, replayed).await {
            Ok(Some(count)) => Ok(count),
            Ok(None) | Err(_) => Err(Refusal::Unavailable),
        }
    }

    /// Drops dead letters: `Ok` with how many once that is durable.
    ///
    /// # Errors
    /// When the store does not answer; some may have been dropped.
    pub async fn drop_dead_letters(&self, selection: &Selection) -> Result<u64, Refusal> {
        let mut count = 0;
        for lane in 0..LANES {
            let mut at = Cursor::of(lane);
            loop {
                let page = self.page(at, PAGE).await?;
                let Some((last, _)) = page.last() else { break };
                at.after = *last;
                let ops: Vec<Op> = page
                    .iter()
                    .filter(|(_, letter)| letter.as_ref().is_some_and(|letter| is_meant(selection, letter)))
                    .map(|(entry, _)| Op::Remove {
                        queue: self.shared.names.dead_letters(lane),
                        id: *entry,
                    })
                    .collect();
                if ops.is_empty() {
                    continue;
                }
                count += ops.len() as u64;
                let batch = Batch { ops, ..Batch::default() };
                self.store.commit(batch).await.map_err(|error| refusal(&error))?;
            }
        }
        Ok(count)
    }
}

fn is_meant(selection: &Selection, letter: &DeadLetter) -> bool {
    let Some(event) = &letter.event else { return false };
    event.about.as_ref().is_some_and(|about| selection.takes(&event.event_id, about))
}

fn letter(found: DeadLetter, cursor: Cursor) -> Letter {
    let event = found.event.unwrap_or_default();
    let about = event.about.unwrap_or_default();
    let event_id: [u8; 16] = event.event_id.try_into().unwrap_or_default();
    Letter {
        id: EventId::new(event_id).to_string(),
        kind: about.kind(),
        field: Some(about.field)
            .filter(|field| !field.is_empty())
            .unwrap_or_else(|| MESSAGES.to_owned()),
        made_at_ms: about.made_at_ms,
        died_at_ms: found.died_at_ms,
        attempts: found.attempts,
        last_error: Some(found.last_error).filter(|error| !error.is_empty()),
        cursor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_lead_back() {
        let cursor = Cursor {
            lane: 7,
            after: EntryId::from_bytes([9; 16]),
        };
        assert_eq!(Cursor::read(&cursor.write()), Some(cursor));
        for text in ["", "00", "zz", &"0".repeat(36)] {
            assert_eq!(Cursor::read(text), None, "{text}");
        }
    }
}
