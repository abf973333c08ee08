//! The message log: the one place where text is kept. The last 10,000 messages and reactions, both ways.

use std::time::SystemTime;

use waxseal_content::{EnvelopeId, MessageId, Payload, PhoneNumber};

use super::{Engine, Step, change, millis};
use crate::event::{Direction, Entry, Status};
use crate::state::{keys as names, rows};
use crate::{Error, Event, Failure};

const KEPT: u64 = 10_000;

impl Engine {
    pub(super) fn log_outgoing(&mut self, step: &mut Step, to: &PhoneNumber, payload: &Payload, now: SystemTime) -> Result<(), Error> {
        self.append(
            step,
            to,
            payload.message_id,
            &rows::Logged {
                outgoing: true,
                ..logged(to, &change::logged_payload(payload).encode(), now)
            },
        )
    }

    pub(super) fn log_incoming(&mut self, step: &mut Step, from: &PhoneNumber, payload: &Payload, now: SystemTime) -> Result<(), Error> {
        self.append(
            step,
            from,
            payload.message_id,
            &logged(from, &change::logged_payload(payload).encode(), now),
        )
    }

    /// Whether this message of this peer is in the log already.
    pub(super) fn is_logged(step: &Step, from: &PhoneNumber, message: MessageId) -> Result<bool, Error> {
        Ok(step.tx.get(&names::log_index(from, false, message))?.is_some())
    }

    fn append(&mut self, step: &mut Step, peer: &PhoneNumber, message: MessageId, row: &rows::Logged) -> Result<(), Error> {
        let ordinal = self.counters.log;
        self.counters.log += 1;
        let index = names::log_index(peer, row.outgoing, message);
        step.tx.put(index, ordinal.to_be_bytes().to_vec());
        step.tx.put_row(names::log(ordinal), row);
        let Some(oldest) = ordinal.checked_sub(KEPT) else { return Ok(()) };
        if let Some(row) = step.tx.row::<rows::Logged>(&names::log(oldest))? {
            if let (Ok(peer), Ok(payload)) = (PhoneNumber::parse(&row.peer), Payload::decode(&row.payload)) {
                step.tx.delete(names::log_index(&peer, row.outgoing, payload.message_id));
            }
            step.tx.delete(names::log(oldest));
        }
        Ok(())
    }

    /// The row of a message, if the log still has it.
    pub(super) fn logged(
        step: &Step,
        peer: &PhoneNumber,
        outgoing: bool,
        message: MessageId,
    ) -> Result<Option<(Vec<u8>, rows::Logged)>, Error> {
        let Some(ordinal) = step.tx.get(&names::log_index(peer, outgoing, message))? else {
            return Ok(None);
        };
        let key = names::log(u64::from_be_bytes(ordinal.as_slice().try_into().map_err(|_| Error::Corrupt)?));
        Ok(step.tx.row(&key)?.map(|row| (key, row)))
    }

    /// Moves the status of an outgoing message forward. `false` if it was there already, or beyond, or the message is not ours.
    pub(super) fn advance(step: &mut Step, peer: &PhoneNumber, message: MessageId, status: Status) -> Result<bool, Error> {
        let Some((key, mut row)) = Self::logged(step, peer, true, message)? else {
            return Ok(false);
        };
        if Status::from_code(row.status) >= status {
            return Ok(false);
        }
        row.status = status.to_code();
        if status >= Status::Delivered {
            // It arrived: nobody will ask for it anew.
            if let Some(envelope) = EnvelopeId::from_slice(&row.envelope) {
                step.tx.delete(names::sent(envelope));
            }
        }
        step.tx.put_row(key, &row);
        Ok(true)
    }

    pub(super) fn fail(step: &mut Step, peer: &PhoneNumber, message: &[u8], reason: Failure) -> Result<(), Error> {
        if let Some(message_id) = MessageId::from_slice(message)
            && Self::advance(step, peer, message_id, Status::Failed)?
        {
            step.effects.events.push(Event::Failed {
                to: peer.clone(),
                message_id,
                reason,
            });
        }
        Ok(())
    }

    /// One message of the history.
    pub(crate) fn entry(&self, peer: &PhoneNumber, message: MessageId) -> Result<Option<Entry>, Error> {
        let step = self.begin();
        for outgoing in [false, true] {
            if let Some((_, row)) = Self::logged(&step, peer, outgoing, message)? {
                return Ok(entry_of(&row));
            }
        }
        Ok(None)
    }

    /// The last `limit` messages and reactions with a peer, the oldest first.
    pub(crate) fn history(&self, peer: &PhoneNumber, limit: usize) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        if limit > 0 {
            self.store.backwards(names::LOG, |value| {
                entries.extend(entry(value, peer));
                entries.len() < limit
            })?;
        }
        entries.reverse();
        Ok(entries)
    }
}

fn logged(peer: &PhoneNumber, payload: &[u8], now: SystemTime) -> rows::Logged {
    rows::Logged {
        peer: peer.reveal().to_owned(),
        payload: payload.to_vec(),
        at_ms: millis(now),
        ..rows::Logged::default()
    }
}

/// A row that does not decode is left out: one damaged message must not hide the others.
fn entry(value: &[u8], peer: &PhoneNumber) -> Option<Entry> {
    let row = <rows::Logged as prost::Message>::decode(value).ok()?;
    if row.peer != peer.reveal() {
        return None;
    }
    entry_of(&row)
}

fn entry_of(row: &rows::Logged) -> Option<Entry> {
    let payload = Payload::decode(&row.payload).ok()?;
    if !change::is_shown(payload.message_id, &payload.body) {
        return None;
    }
    let direction = if row.outgoing {
        Direction::Outgoing(Status::from_code(row.status))
    } else {
        Direction::Incoming { read: row.read }
    };
    Some(Entry {
        message_id: payload.message_id,
        at_ms: row.at_ms,
        direction,
        edited: change::is_edited(row, &payload.body),
        body: payload.body,
        context: payload.context,
        sender_name: payload.sender_name,
    })
}
