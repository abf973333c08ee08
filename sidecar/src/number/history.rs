//! What became of messages of the business, and of the webhooks that told of it.
//!
//! Nothing is written for this but the times in a message's record. How far the webhook is, follows from where its event is: in the queue, among
//! the dead letters, or in neither because the business has it.

use std::collections::{HashMap, HashSet};

use waxseal_content::{EnvelopeId, MessageId, PhoneNumber};
use waxseal_sealing::Class;
use waxseal_store::{EntryId, Key};

use super::{Number, accept::refusal};
use crate::{
    conversation::record::{About, DeadLetter, Event, Job, Kept, Outgoing, Step},
    id::{self, LANES, PeerIndex, Wamid},
    message::Refusal,
};

/// Entries of a queue read at a time, and pages looked at: what waits behind counts as pending.
const PAGE: usize = 128;
const MAX_PAGES: usize = 80;
/// Open messages looked at in each lane.
const MAX_OPEN: usize = 1000;
/// Every due time is below.
const LAST_DUE_MS: u64 = (1 << 53) - 1;

/// How far the webhook of an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// It waits for its first attempt.
    Pending,
    /// It was tried in vain, and will be again.
    Retrying(String),
    /// The business has it.
    Delivered,
    /// It was given up.
    Failed(String),
}

/// One thing that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// What.
    pub step: Step,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// How far its webhook is.
    pub update: Update,
    /// Why the message failed.
    pub failure: Option<String>,
}

/// What happened to a message.
pub struct History {
    /// The message.
    pub message: MessageId,
    /// Its id as the business knows it.
    pub wamid: Wamid,
    /// In order.
    pub happenings: Vec<Happening>,
}

/// A message and what is kept of it.
struct Known {
    message: MessageId,
    peer: PeerIndex,
    kept: Kept,
}

impl Known {
    const fn is_open(&self) -> bool {
        !self.kept.delivered && self.kept.failed_at_ms == 0
    }
}

/// Where the events of some messages are.
#[derive(Default)]
struct Whereabouts {
    found: HashMap<(Vec<u8>, Step), Update>,
    /// Events that happened from here on may wait where nobody looked.
    seen_until_ms: Option<u64>,
}

impl Number {
    /// What happened to the message that a `wamid` names; `None` when it names none of the business's, or that has expired.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history_of(&self, wamid: &Wamid) -> Result<Option<History>, Refusal> {
        match id::of_wamid(&self.shared.tokens, wamid) {
            Some((_, message)) => Ok(self.histories(&[message]).await?.pop()),
            None => Ok(None),
        }
    }

    /// What happened to these messages, as far as they exist.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn histories(&self, messages: &[MessageId]) -> Result<Vec<History>, Refusal> {
        let known = self.known(messages).await?;
        let mut wanted: HashMap<u8, HashSet<Vec<u8>>> = HashMap::new();
        for known in &known {
            let lane = wanted.entry(id::lane_of(&known.peer)).or_default();
            lane.insert(known.message.as_bytes().to_vec());
        }
        let mut whereabouts = HashMap::new();
        for (lane, wanted) in &wanted {
            whereabouts.insert(*lane, self.whereabouts(*lane, wanted).await?);
        }
        let unsent = self.unsent(&known).await?;
        let mut histories = Vec::new();
        for known in &known {
            let Some(whereabouts) = whereabouts.get(&id::lane_of(&known.peer)) else {
                continue;
            };
            let happenings = self.steps(known, &unsent).into_iter().map(|(step, at_ms)| Happening {
                step,
                at_ms,
                update: whereabouts.of(known.message, step, at_ms),
                failure: (step == Step::Failed).then(|| known.kept.failure.clone()),
            });
            histories.push(History {
                message: known.message,
                wamid: id::wamid(&self.shared.tokens, &known.peer, known.message),
                happenings: happenings.collect(),
            });
        }
        Ok(histories)
    }

    async fn known(&self, messages: &[MessageId]) -> Result<Vec<Known>, Refusal> {
        let keys: Vec<Key> = messages.iter().map(|message| self.shared.names.message(*message)).collect();
        let values = self.store.get(&keys).await.map_err(|error| refusal(&error))?;
        let mut known = Vec::new();
        for ((message, key), sealed) in messages.iter().zip(&keys).zip(values) {
            let kept: Option<Kept> = sealed.and_then(|sealed| self.shared.open(Class::Message, key, &sealed));
            if let Some(kept) = kept
                && let Ok(to) = PhoneNumber::parse(&kept.to)
            {
                known.push(Known {
                    message: *message,
                    peer: self.shared.blind.of(to.reveal()),
                    kept,
                });
            }
        }
        Ok(known)
    }

    fn steps(&self, known: &Known, unsent: &HashSet<MessageId>) -> Vec<(Step, u64)> {
        let kept = &known.kept;
        let sent_at_ms = Some(kept.sent_at_ms).filter(|at_ms| *at_ms > 0);
        let sent_at_ms = sent_at_ms.or_else(|| self.shared.sent.of(known.message)).or_else(|| {
            // Sent by a process that is gone: when, nobody knows, but not before it was accepted.
            let is_sent = kept.delivered || (known.is_open() && !unsent.contains(&known.message));
            is_sent.then_some(kept.accepted_at_ms)
        });
        [
            (Step::Sent, sent_at_ms.unwrap_or(0)),
            (Step::Delivered, kept.delivered_at_ms),
            (Step::Read, kept.read_at_ms),
            (Step::Failed, kept.failed_at_ms),
        ]
        .into_iter()
        .filter(|(_, at_ms)| *at_ms > 0)
        .collect()
    }

    /// Those of these messages that wait to be encrypted, or for the relay's answer.
    async fn unsent(&self, known: &[Known]) -> Result<HashSet<MessageId>, Refusal> {
        let mut lanes: HashMap<u8, HashSet<MessageId>> = HashMap::new();
        for known in known.iter().filter(|known| known.is_open() && known.kept.sent_at_ms == 0) {
            if self.shared.sent.of(known.message).is_none() {
                lanes.entry(id::lane_of(&known.peer)).or_default().insert(known.message);
            }
        }
        let mut unsent = HashSet::new();
        for (lane, looked_for) in lanes {
            let (accepted, outbox) = (self.shared.names.accepted(lane), self.shared.names.outbox(lane));
            let mut waits = |message: Option<MessageId>| unsent.extend(message.filter(|message| looked_for.contains(message)));
            self.each::<Job>(&accepted, Class::Message, |job| waits(MessageId::from_slice(&job.message_id)))
                .await?;
            self.each::<Outgoing>(&outbox, Class::Message, |outgoing| {
                let envelope = EnvelopeId::from_slice(&outgoing.envelope_id);
                waits(envelope.map(|envelope| id::of_envelope(envelope).0));
            })
            .await?;
        }
        Ok(unsent)
    }

    /// Where the events of these messages are, all of one lane.
    async fn whereabouts(&self, lane: u8, wanted: &HashSet<Vec<u8>>) -> Result<Whereabouts, Refusal> {
        let mut whereabouts = Whereabouts::default();
        let key = |about: Option<About>| {
            let about = about.filter(|about| wanted.contains(&about.message_id))?;
            let step = about.step();
            Some((about.message_id, step))
        };
        let mut last_ms = 0;
        let all = self
            .each::<Event>(&self.shared.names.events(lane), Class::Webhook, |event| {
                last_ms = event.about.as_ref().map_or(last_ms, |about| about.made_at_ms);
                if let Some(key) = key(event.about) {
                    let tried = self.hooks.tried(&event.event_id);
                    let update = tried.map_or(Update::Pending, |(_, error)| Update::Retrying(error));
                    whereabouts.found.insert(key, update);
                }
            })
            .await?;
        whereabouts.seen_until_ms = (!all).then_some(last_ms);
        self.each::<DeadLetter>(&self.shared.names.dead_letters(lane), Class::Webhook, |letter| {
            if let Some(key) = key(letter.event.and_then(|event| event.about)) {
                whereabouts.found.insert(key, Update::Failed(letter.last_error));
            }
        })
        .await?;
        Ok(whereabouts)
    }

    /// Looks at the entries of a queue, at so many at most; whether it was all of them.
    async fn each<M: prost::Message + Default>(&self, queue: &Key, class: Class, mut look: impl FnMut(M) + Send) -> Result<bool, Refusal> {
        let mut after = EntryId::ZERO;
        for _ in 0..MAX_PAGES {
            let entries = self.store.range(queue, after, PAGE).await.map_err(|error| refusal(&error))?;
            let at_end = entries.len() < PAGE;
            for (entry, sealed) in entries {
                after = entry;
                if let Some(record) = self.shared.open(class, queue, &sealed) {
                    look(record);
                }
            }
            if at_end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Messages that the relay has had since the process started, the last few thousand, with when it had them; then those that have neither
    /// arrived nor failed, at most a thousand of each lane, with when each would fail. The earliest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn recent_messages(&self) -> Result<Vec<(u64, MessageId)>, Refusal> {
        let mut open = Vec::new();
        for lane in 0..LANES {
            let agenda = self.shared.names.deadlines(lane);
            let due = self.store.due(&agenda, LAST_DUE_MS, MAX_OPEN).await;
            let due = due.map_err(|error| refusal(&error))?;
            open.extend(
                due.iter()
                    .filter_map(|(member, due_ms)| Some((*due_ms, MessageId::from_slice(member)?))),
            );
        }
        let waits: HashSet<MessageId> = open.iter().map(|(_, message)| *message).collect();
        let sent = self.shared.sent.all();
        open.extend(sent.into_iter().filter(|(_, message)| !waits.contains(message)));
        open.sort_by_key(|(at_ms, message)| (*at_ms, *message.as_bytes()));
        Ok(open)
    }
}

impl Whereabouts {
    fn of(&self, message: MessageId, step: Step, at_ms: u64) -> Update {
        let found = self.found.get(&(message.as_bytes().to_vec(), step)).cloned();
        let is_behind = self.seen_until_ms.is_some_and(|seen_until_ms| at_ms >= seen_until_ms);
        found.unwrap_or(if is_behind { Update::Pending } else { Update::Delivered })
    }
}
