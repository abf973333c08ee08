//! Outgoing: a payload is logged and queued; once there is a session it becomes a stored envelope; the envelope stays until the relay has
//! accepted it. Sending again sends the stored bytes.

use std::time::SystemTime;

use waxseal_content::{Body, Context, EnvelopeId, MessageId, Payload, PhoneNumber, ReceiptKind, Text};
use waxseal_signal::{Bundle, Trust};
use zeroize::Zeroizing;

use super::{Engine, Known, MAX_WAITING, Step, millis, store_peer};
use crate::event::Status;
use crate::state::{keys as names, rows};
use crate::{Error, Event, Failure};

/// Longest text of one message. With the rest of the payload, padding and encryption it stays under 64 KiB.
pub(crate) const MAX_TEXT_BYTES: usize = 60_000;

/// Ids in one receipt; a reader refuses more than 1,024.
const RECEIPT_IDS: usize = 256;

/// How long somebody is shown as typing.
const TYPING_SECONDS: u32 = 25;

/// How many sent payloads are kept for retry receipts.
const KEPT_SENT: u64 = 10_000;

/// What the relay said about an envelope.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Failed(Failure),
}

impl Engine {
    /// Logs and queues a text; encrypts it if there is a session.
    pub(crate) fn send_text(
        &mut self,
        step: &mut Step,
        to: &PhoneNumber,
        text: Text,
        context: Option<Context>,
        now: SystemTime,
    ) -> Result<MessageId, Error> {
        if text.is_empty() || text.reveal().len() > MAX_TEXT_BYTES {
            return Err(Error::TextLength { max: MAX_TEXT_BYTES });
        }
        self.send_logged(
            step,
            to,
            Body::Text {
                body: text,
                preview_url: false,
            },
            context,
            now,
        )
    }

    /// Likewise a reaction.
    pub(crate) fn send_reaction(
        &mut self,
        step: &mut Step,
        to: &PhoneNumber,
        message_id: MessageId,
        emoji: Text,
        now: SystemTime,
    ) -> Result<MessageId, Error> {
        if emoji.reveal().len() > 64 {
            return Err(Error::TextLength { max: 64 });
        }
        self.send_logged(step, to, Body::Reaction { message_id, emoji }, None, now)
    }

    fn send_logged(
        &mut self,
        step: &mut Step,
        to: &PhoneNumber,
        body: Body,
        context: Option<Context>,
        now: SystemTime,
    ) -> Result<MessageId, Error> {
        if *to == self.number {
            return Err(Error::ToOneself);
        }
        if self.waiting >= MAX_WAITING {
            return Err(Error::Overloaded);
        }
        let message = MessageId::random(&mut self.rng);
        let payload = self.payload(to, message, body, context, now);
        self.log_outgoing(step, to, message, &payload, now)?;
        self.enqueue(step, to, &payload, Some(message), 0);
        self.flush(step, to, now)?;
        Ok(message)
    }

    /// Says that somebody types here, if that costs nothing but a message in a running session.
    pub(crate) fn send_typing(&mut self, step: &mut Step, to: &PhoneNumber, now: SystemTime) -> Result<(), Error> {
        let known = self.peer(step, to)?;
        if !known.state.has_session().unwrap_or(false) || step.tx.next(&names::queue_of(to), None)?.is_some() || self.waiting >= MAX_WAITING
        {
            return Ok(());
        }
        let message = MessageId::random(&mut self.rng);
        let payload = self.payload(to, message, Body::Typing, None, now);
        let Ok(encrypted) = waxseal_signal::encrypt(&self.identity, &known.id, &known.state, &payload, &self.policy, now, &mut self.rng)
        else {
            return Ok(());
        };
        store_peer(
            step,
            to,
            &Known {
                id: known.id,
                state: encrypted.peer,
            },
        );
        let mut envelope = self.envelope(to, encrypted.ciphertext.to_body());
        envelope.ttl_seconds = TYPING_SECONDS;
        envelope.useless_after_ms = millis(now) + u64::from(TYPING_SECONDS) * 1_000;
        self.post(step, &envelope);
        Ok(())
    }

    /// Marks messages read and tells their sender; those that are not in the log or were read before are passed over.
    pub(crate) fn mark_read(&mut self, step: &mut Step, peer: &PhoneNumber, messages: &[MessageId], now: SystemTime) -> Result<(), Error> {
        let mut read = Vec::new();
        for message in messages {
            if let Some((key, mut row)) = Self::logged(step, peer, false, *message)?
                && !row.read
            {
                row.read = true;
                step.tx.put_row(key, &row);
                read.push(*message);
            }
        }
        self.send_receipts(step, peer, ReceiptKind::Read, &read, now)
    }

    /// At the end of a step: one receipt for all messages that a peer's burst brought.
    pub(super) fn tell_delivered(&mut self, step: &mut Step, now: SystemTime) -> Result<(), Error> {
        for (peer, messages) in std::mem::take(&mut step.delivered) {
            self.send_receipts(step, &peer, ReceiptKind::Delivered, &messages, now)?;
        }
        Ok(())
    }

    fn send_receipts(
        &mut self,
        step: &mut Step,
        to: &PhoneNumber,
        kind: ReceiptKind,
        messages: &[MessageId],
        now: SystemTime,
    ) -> Result<(), Error> {
        for messages in messages.chunks(RECEIPT_IDS) {
            let id = MessageId::random(&mut self.rng);
            let payload = self.payload(
                to,
                id,
                Body::Receipt {
                    kind,
                    message_ids: messages.to_vec(),
                },
                None,
                now,
            );
            self.enqueue(step, to, &payload, None, 0);
        }
        if messages.is_empty() { Ok(()) } else { self.flush(step, to, now) }
    }

    fn payload(&self, to: &PhoneNumber, message: MessageId, body: Body, context: Option<Context>, now: SystemTime) -> Zeroizing<Vec<u8>> {
        let name = matches!(body, Body::Text { .. } | Body::Reaction { .. })
            .then(|| self.name.clone())
            .flatten();
        Payload::new(self.number.clone(), to.clone(), message, millis(now), body)
            .named(name)
            .in_context(context)
            .encode()
    }

    /// Appends to the peer's queue of plaintext.
    pub(super) fn enqueue(&mut self, step: &mut Step, to: &PhoneNumber, payload: &[u8], message: Option<MessageId>, attempts: u32) {
        let ordinal = self.counters.queue;
        self.counters.queue += 1;
        self.waiting += 1;
        step.must_be_durable();
        let row = rows::Outgoing {
            recipient: to.reveal().to_owned(),
            payload: payload.to_vec(),
            message: message.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            attempts,
        };
        step.tx.put_row(names::queue(to, ordinal), &row);
    }

    /// Encrypts what waits for a peer, in order, for as long as there is a session; asks for a bundle if there is none.
    pub(super) fn flush(&mut self, step: &mut Step, to: &PhoneNumber, now: SystemTime) -> Result<(), Error> {
        if !self.encrypt_queue(step, to, now)? && !step.effects.fetch.contains(to) {
            step.effects.fetch.push(to.clone());
        }
        Ok(())
    }

    /// `false` if something still waits, for want of a session.
    fn encrypt_queue(&mut self, step: &mut Step, to: &PhoneNumber, now: SystemTime) -> Result<bool, Error> {
        let prefix = names::queue_of(to);
        let Some(mut entry) = step.tx.next(&prefix, None)? else {
            return Ok(true);
        };
        let mut known = self.peer(step, to)?;
        let mut changed = false;
        let all = loop {
            let (key, value) = entry;
            let row = <rows::Outgoing as prost::Message>::decode(value.as_slice()).map_err(|_| Error::Corrupt)?;
            match waxseal_signal::encrypt(
                &self.identity,
                &known.id,
                &known.state,
                &row.payload,
                &self.policy,
                now,
                &mut self.rng,
            ) {
                Ok(encrypted) => {
                    known.state = encrypted.peer;
                    changed = true;
                    let mut envelope = self.envelope(to, encrypted.ciphertext.to_body());
                    envelope.message.clone_from(&row.message);
                    self.post(step, &envelope);
                    self.keep_sent(step, to, &envelope, &row)?;
                    step.tx.delete(key.clone());
                    self.waiting -= 1;
                }
                Err(error) => {
                    tracing::debug!(%error, "no usable session: a bundle is needed");
                    if error == waxseal_signal::Error::DamagedRecord {
                        known.state = known.state.without_sessions();
                        changed = true;
                    }
                    break false;
                }
            }
            match step.tx.next(&prefix, Some(&key))? {
                Some(next) => entry = next,
                None => break true,
            }
        };
        if changed {
            store_peer(step, to, &known);
        }
        Ok(all)
    }

    pub(super) fn envelope(&mut self, to: &PhoneNumber, body: Vec<u8>) -> rows::Envelope {
        rows::Envelope {
            recipient: to.reveal().to_owned(),
            id: EnvelopeId::random(&mut self.rng).as_bytes().to_vec(),
            body,
            ..rows::Envelope::default()
        }
    }

    pub(super) fn post(&mut self, step: &mut Step, envelope: &rows::Envelope) {
        let ordinal = self.counters.outbox;
        self.counters.outbox += 1;
        self.waiting += 1;
        step.must_be_durable();
        step.tx.put_row(names::outbox(ordinal), envelope);
    }

    /// Keeps the plaintext of an envelope until it has arrived, for a retry receipt.
    fn keep_sent(&mut self, step: &mut Step, to: &PhoneNumber, envelope: &rows::Envelope, row: &rows::Outgoing) -> Result<(), Error> {
        let id = EnvelopeId::from_slice(&envelope.id).ok_or(Error::Corrupt)?;
        let ordinal = self.counters.sent;
        self.counters.sent += 1;
        step.tx.put_row(names::sent(id), row);
        step.tx.put(names::sent_order(ordinal), envelope.id.clone());
        if let Some(oldest) = ordinal.checked_sub(KEPT_SENT)
            && let Some(id) = step.tx.get(&names::sent_order(oldest))?
        {
            step.tx.delete(names::sent_order(oldest));
            step.tx.delete(names::sent(EnvelopeId::from_slice(&id).ok_or(Error::Corrupt)?));
        }
        if let Some(message) = MessageId::from_slice(&row.message)
            && let Some((key, mut logged)) = Self::logged(step, to, true, message)?
        {
            logged.envelope.clone_from(&envelope.id);
            step.tx.put_row(key, &logged);
        }
        Ok(())
    }

    /// A bundle came: opens a session (unless one came about meanwhile) and encrypts what waits.
    pub(crate) fn bundle(&mut self, step: &mut Step, from: &PhoneNumber, bundle: &Bundle, now: SystemTime) -> Result<(), Error> {
        if self.encrypt_queue(step, from, now)? {
            return Ok(());
        }
        let known = self.peer(step, from)?;
        match waxseal_signal::establish(
            &self.identity,
            &known.id,
            &known.state,
            bundle,
            Trust::AcceptChange,
            &self.policy,
            now,
            &mut self.rng,
        ) {
            Ok(established) => {
                if established.identity_changed {
                    step.effects.events.push(Event::IdentityChanged { peer: from.clone() });
                }
                store_peer(
                    step,
                    from,
                    &Known {
                        id: known.id,
                        state: established.peer,
                    },
                );
            }
            Err(error) => tracing::warn!(%error, "the relay handed out an unusable bundle"),
        }
        self.flush(step, from, now)
    }

    /// Nobody is registered under the number: what waits for it fails.
    pub(crate) fn unknown_number(&mut self, step: &mut Step, to: &PhoneNumber) -> Result<(), Error> {
        for key in step.tx.keys(&names::queue_of(to))? {
            if let Some(row) = step.tx.row::<rows::Outgoing>(&key)? {
                Self::fail(step, to, &row.message, Failure::UnknownNumber)?;
            }
            step.tx.delete(key);
            self.waiting -= 1;
        }
        Ok(())
    }

    /// The relay judged an envelope of the outbox.
    pub(crate) fn outcome(&mut self, step: &mut Step, key: &[u8], verdict: Verdict) -> Result<(), Error> {
        let Some(row) = step.tx.row::<rows::Envelope>(key)? else {
            return Ok(());
        };
        step.tx.delete(key.to_vec());
        self.waiting -= 1;
        let to = PhoneNumber::parse(&row.recipient).map_err(|_| Error::Corrupt)?;
        match verdict {
            Verdict::Accepted => {
                if let Some(message_id) = MessageId::from_slice(&row.message)
                    && Self::advance(step, &to, message_id, Status::Sent)?
                {
                    step.effects.events.push(Event::Sent { to, message_id });
                }
                Ok(())
            }
            Verdict::Failed(reason) => Self::fail(step, &to, &row.message, reason),
        }
    }

    /// Drops envelopes that came too late to be of use, such as "typing" from before the connection was lost.
    pub(crate) fn drop_useless(&mut self, step: &mut Step, now: SystemTime) -> Result<(), Error> {
        let mut after: Option<Vec<u8>> = None;
        while let Some((key, value)) = step.tx.next(names::OUTBOX, after.as_deref())? {
            let row = <rows::Envelope as prost::Message>::decode(value.as_slice()).map_err(|_| Error::Corrupt)?;
            if (1..millis(now)).contains(&row.useless_after_ms) {
                step.tx.delete(key.clone());
                self.waiting -= 1;
            }
            after = Some(key);
        }
        Ok(())
    }

    /// Everybody something waits for.
    pub(crate) fn waited_for(&self) -> Result<Vec<PhoneNumber>, Error> {
        let tx = crate::state::Transaction::new(self.store.clone());
        let mut peers: Vec<PhoneNumber> = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        while let Some((key, _)) = tx.next(names::QUEUE, after.as_deref())? {
            let peer = names::peer_of_queue(&key).ok_or(Error::Corrupt)?;
            // Past everything of this peer: ordinals never reach the maximum.
            after = Some(names::queue(&peer, u64::MAX));
            peers.push(peer);
        }
        Ok(peers)
    }
}
