//! The queue core: envelopes waiting for their recipients, in order, bounded, until acknowledged or expired.
//!
//! Sequences rise over all recipients and for ever (the time in microseconds, or one more than the last), so that a late acknowledgement
//! can never hit another envelope: not after a restart, not after the number was forgotten and registered anew. How much waits for whom is
//! kept in memory and counted anew when the relay starts, by reading the queue once.

use std::collections::{HashMap, hash_map::Entry};

use bytes::{BufMut as _, Bytes, BytesMut};
use redb::{ReadTransaction, ReadableTable as _};
use waxseal_protocol::proto::{Delivery, Envelope, Verdict};

use super::marks::Marks;
use super::{Error, META, META_SEQUENCE, QUEUE, Tables};
use crate::config::Limits;
use crate::number::Number;

/// An envelope in the queue.
#[derive(Clone)]
pub(crate) struct Queued {
    pub(crate) sequence: u64,
    sender: Number,
    accepted_at_ms: u64,
    ttl_s: u32,
    id: Bytes,
    body: Bytes,
}

/// version, id, sender, accepted_at_ms, ttl_s; then the body.
const HEADER_BYTES: usize = 1 + 16 + 8 + 8 + 4;
const VERSION: u8 = 1;
const MINUTE_MS: u64 = 60_000;

impl Queued {
    /// How much it counts against the bounds.
    pub(crate) fn size(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    pub(crate) fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms() <= now_ms
    }

    fn expires_at_ms(&self) -> u64 {
        self.accepted_at_ms.saturating_add(u64::from(self.ttl_s) * 1_000)
    }

    pub(crate) fn into_delivery(self, recipient: &str) -> Delivery {
        Delivery {
            sequence: self.sequence,
            envelope: Some(Envelope {
                id: self.id,
                sender: self.sender.reveal(),
                recipient: recipient.to_owned(),
                body: self.body,
                accepted_at_ms: self.accepted_at_ms,
                ttl_seconds: self.ttl_s,
            }),
        }
    }

    fn write(&self, mut out: &mut [u8]) {
        out.put_u8(VERSION);
        out.put_slice(&self.id);
        out.put_u64(self.sender.key());
        out.put_u64(self.accepted_at_ms);
        out.put_u32(self.ttl_s);
        out.put_slice(&self.body);
    }

    fn read(sequence: u64, value: &[u8]) -> Result<Self, Error> {
        let header = Header::read(value)?;
        let mut copy = BytesMut::with_capacity(16 + value.len() - HEADER_BYTES);
        copy.put_slice(&value[1..17]);
        copy.put_slice(&value[HEADER_BYTES..]);
        let mut copy = copy.freeze();
        let id = copy.split_to(16);
        let Header {
            sender,
            accepted_at_ms,
            ttl_s,
        } = header;
        Ok(Self {
            sequence,
            sender,
            accepted_at_ms,
            ttl_s,
            id,
            body: copy,
        })
    }
}

struct Header {
    sender: Number,
    accepted_at_ms: u64,
    ttl_s: u32,
}

impl Header {
    fn read(value: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Damaged("queue");
        let (header, _) = value.split_first_chunk::<HEADER_BYTES>().ok_or_else(damaged)?;
        if header[0] != VERSION {
            return Err(damaged());
        }
        let u64_at = |at: usize| {
            header[at..]
                .first_chunk()
                .map(|bytes| u64::from_be_bytes(*bytes))
                .ok_or_else(damaged)
        };
        let ttl_s = header[33..]
            .first_chunk()
            .map(|bytes| u32::from_be_bytes(*bytes))
            .ok_or_else(damaged)?;
        Ok(Self {
            sender: Number::from_key(u64_at(17)?),
            accepted_at_ms: u64_at(25)?,
            ttl_s,
        })
    }

    fn expires_at_ms(&self) -> u64 {
        self.accepted_at_ms.saturating_add(u64::from(self.ttl_s) * 1_000)
    }
}

/// What waits for one recipient.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Waiting {
    envelopes: u32,
    bytes: u64,
    /// Not later than the first expiry, but for up to a minute.
    soonest_expiry_ms: u64,
}

impl Waiting {
    const NONE: Self = Self {
        envelopes: 0,
        bytes: 0,
        soonest_expiry_ms: u64::MAX,
    };

    fn add(&mut self, size: usize, expires_at_ms: u64) {
        self.envelopes += 1;
        self.bytes += size as u64;
        // A minute late at most, so that a queue of many expiries is not read again for each.
        let rounded = expires_at_ms.div_ceil(MINUTE_MS).saturating_mul(MINUTE_MS);
        self.soonest_expiry_ms = self.soonest_expiry_ms.min(rounded);
    }

    fn remove(&mut self, size: usize) {
        self.envelopes = self.envelopes.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size as u64);
    }
}

/// What became of a submitted envelope.
pub(crate) enum Submitted {
    Queued(Queued),
    /// Accepted before under this id.
    Duplicate,
    Rejected(Verdict),
}

/// All queues. Changes only inside the writer's transaction; when that fails, this is to be thrown away.
pub(crate) struct Queues {
    limits: Limits,
    waiting: HashMap<Number, Waiting>,
    envelopes: u64,
    bytes: u64,
    last_sequence: u64,
    sequence_dirty: bool,
    marks: Marks,
}

impl Queues {
    pub(crate) fn load(transaction: &ReadTransaction, limits: &Limits) -> Result<Self, Error> {
        let mut queues = Self {
            limits: limits.clone(),
            waiting: HashMap::new(),
            envelopes: 0,
            bytes: 0,
            last_sequence: transaction.open_table(META)?.get(META_SEQUENCE)?.map_or(0, |value| value.value()),
            sequence_dirty: false,
            marks: Marks::load(transaction, limits)?,
        };
        for entry in transaction.open_table(QUEUE)?.range::<(u64, u64)>(..)? {
            let (key, value) = entry?;
            let size = value.value().len();
            let expires_at_ms = Header::read(value.value())?.expires_at_ms();
            queues
                .waiting
                .entry(Number::from_key(key.value().0))
                .or_insert(Waiting::NONE)
                .add(size, expires_at_ms);
            queues.envelopes += 1;
            queues.bytes += size as u64;
        }
        Ok(queues)
    }

    /// Takes an envelope of `sender` for `recipient`, who is registered.
    pub(crate) fn submit(
        &mut self,
        tables: &mut Tables<'_>,
        sender: Number,
        recipient: Number,
        envelope: Envelope,
        now_ms: u64,
    ) -> Result<Submitted, Error> {
        let Ok(id) = <[u8; 16]>::try_from(envelope.id.as_ref()) else {
            return Ok(Submitted::Rejected(Verdict::Malformed));
        };
        if envelope.body.is_empty() {
            return Ok(Submitted::Rejected(Verdict::Malformed));
        }
        if envelope.body.len() > self.limits.body_bytes {
            return Ok(Submitted::Rejected(Verdict::TooLarge));
        }
        let cap_s = u32::try_from(self.limits.ttl_cap.as_secs()).unwrap_or(u32::MAX);
        let ttl_s = match envelope.ttl_seconds {
            0 => cap_s,
            ttl_s => ttl_s.min(cap_s),
        };
        let id = u128::from_be_bytes(id);
        if !self.marks.insert(tables, sender, id, ttl_s, now_ms)? {
            return Ok(Submitted::Duplicate);
        }
        let size = HEADER_BYTES + envelope.body.len();
        if !self.has_room(tables, recipient, size, now_ms)? {
            self.marks.undo(tables, sender, id, now_ms)?;
            return Ok(Submitted::Rejected(Verdict::QueueFull));
        }
        self.last_sequence = now_ms.saturating_mul(1_000).max(self.last_sequence + 1);
        self.sequence_dirty = true;
        let queued = Queued {
            sequence: self.last_sequence,
            sender,
            accepted_at_ms: now_ms,
            ttl_s,
            id: envelope.id,
            body: envelope.body,
        };
        queued.write(tables.queue.insert_reserve((recipient.key(), queued.sequence), size)?.as_mut());
        self.waiting
            .entry(recipient)
            .or_insert(Waiting::NONE)
            .add(size, queued.expires_at_ms());
        self.envelopes += 1;
        self.bytes += size as u64;
        Ok(Submitted::Queued(queued))
    }

    fn has_room(&mut self, tables: &mut Tables<'_>, recipient: Number, size: usize, now_ms: u64) -> Result<bool, Error> {
        let fits = |waiting: Option<&Waiting>, limits: &Limits| {
            let waiting = waiting.unwrap_or(&Waiting::NONE);
            waiting.envelopes < limits.queue_envelopes && waiting.bytes + size as u64 <= limits.queue_bytes
        };
        if fits(self.waiting.get(&recipient), &self.limits) {
            return Ok(true);
        }
        self.drop_expired_of(tables, recipient, now_ms)?;
        Ok(fits(self.waiting.get(&recipient), &self.limits))
    }

    /// Forgets an envelope of `recipient`; `false` when it is not there.
    pub(crate) fn acknowledge(&mut self, tables: &mut Tables<'_>, recipient: Number, sequence: u64) -> Result<bool, Error> {
        let Some(size) = tables.queue.remove((recipient.key(), sequence))?.map(|value| value.value().len()) else {
            return Ok(false);
        };
        self.removed(recipient, size);
        Ok(true)
    }

    fn removed(&mut self, recipient: Number, size: usize) {
        self.envelopes = self.envelopes.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size as u64);
        if let Entry::Occupied(mut waiting) = self.waiting.entry(recipient) {
            waiting.get_mut().remove(size);
            if waiting.get().envelopes == 0 {
                waiting.remove();
            }
        }
    }

    /// Drops what has expired for `recipient`, if anything may have; returns how much.
    pub(crate) fn drop_expired_of(&mut self, tables: &mut Tables<'_>, recipient: Number, now_ms: u64) -> Result<u64, Error> {
        if self
            .waiting
            .get(&recipient)
            .is_none_or(|waiting| waiting.soonest_expiry_ms > now_ms)
        {
            return Ok(0);
        }
        let mut left = Waiting::NONE;
        let mut expired = Vec::new();
        for entry in tables.queue.range(of(recipient, 0))? {
            let (key, value) = entry?;
            let (size, expires_at_ms) = (value.value().len(), Header::read(value.value())?.expires_at_ms());
            if expires_at_ms <= now_ms {
                expired.push((key.value(), size));
            } else {
                left.add(size, expires_at_ms);
            }
        }
        for (key, size) in &expired {
            tables.queue.remove(*key)?;
            self.removed(recipient, *size);
        }
        if left != Waiting::NONE {
            self.waiting.insert(recipient, left);
        }
        Ok(expired.len() as u64)
    }

    /// Drops what has expired, of a bounded number of recipients; returns how much and whether there may be more.
    pub(crate) fn drop_expired(&mut self, tables: &mut Tables<'_>, now_ms: u64) -> Result<(u64, bool), Error> {
        const RECIPIENTS_AT_ONCE: usize = 16;
        let due = self.waiting.iter().filter(|(_, waiting)| waiting.soonest_expiry_ms <= now_ms);
        let due: Vec<Number> = due.map(|(recipient, _)| *recipient).take(RECIPIENTS_AT_ONCE).collect();
        let mut dropped = 0;
        for recipient in &due {
            dropped += self.drop_expired_of(tables, *recipient, now_ms)?;
        }
        Ok((dropped, due.len() == RECIPIENTS_AT_ONCE))
    }

    /// Whether anything may have expired.
    pub(crate) fn has_expired(&self, now_ms: u64) -> bool {
        self.waiting.values().any(|waiting| waiting.soonest_expiry_ms <= now_ms)
    }

    /// Forgets everything that waits for `number` and every id it submitted.
    pub(crate) fn forget(&mut self, tables: &mut Tables<'_>, number: Number) -> Result<(), Error> {
        if let Some(waiting) = self.waiting.remove(&number) {
            self.envelopes = self.envelopes.saturating_sub(u64::from(waiting.envelopes));
            self.bytes = self.bytes.saturating_sub(waiting.bytes);
            tables.queue.retain_in(of(number, 0), |_, _| false)?;
        }
        self.marks.forget(tables, number)
    }

    /// Writes down what goes with the transaction as a whole; the last step before its commit.
    pub(crate) fn finish(&mut self, tables: &mut Tables<'_>) -> Result<(), Error> {
        if std::mem::take(&mut self.sequence_dirty) {
            tables.meta.insert(META_SEQUENCE, self.last_sequence)?;
        }
        self.marks.finish(tables)
    }

    pub(crate) fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    /// How many envelopes wait for `recipient`.
    pub(crate) fn waiting_for(&self, recipient: Number) -> u64 {
        self.waiting.get(&recipient).map_or(0, |waiting| u64::from(waiting.envelopes))
    }

    /// Envelopes and bytes waiting for everybody.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.envelopes, self.bytes)
    }

    /// The highest sequence given so far.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }
}

/// A part of a recipient's queue, as read back.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) queued: Vec<Queued>,
    /// The last sequence looked at, expired ones included.
    pub(crate) last: Option<u64>,
    /// Whether the queue ended here.
    pub(crate) is_last: bool,
}

/// Reads what waits for `recipient` after the sequence `after`: at least one envelope if there is one, else as many as fit.
pub(crate) fn page(
    transaction: &ReadTransaction,
    recipient: Number,
    after: u64,
    envelopes: usize,
    bytes: usize,
    now_ms: u64,
) -> Result<Page, Error> {
    let mut page = Page::default();
    let mut page_bytes = 0;
    let table = transaction.open_table(QUEUE)?;
    for entry in table.range(of(recipient, after.saturating_add(1)))? {
        let (key, value) = entry?;
        let queued = Queued::read(key.value().1, value.value())?;
        let is_expired = queued.is_expired(now_ms);
        let fits = page.queued.len() < envelopes && page_bytes + queued.size() <= bytes;
        if !is_expired && !fits && !page.queued.is_empty() {
            return Ok(page);
        }
        page.last = Some(queued.sequence);
        if !is_expired {
            page_bytes += queued.size();
            page.queued.push(queued);
        }
    }
    page.is_last = true;
    Ok(page)
}

/// The keys of a recipient's queue from `sequence` on.
fn of(recipient: Number, sequence: u64) -> std::ops::RangeInclusive<(u64, u64)> {
    (recipient.key(), sequence)..=(recipient.key(), u64::MAX)
}

#[cfg(test)]
mod tests;
