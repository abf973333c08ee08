//! Outgoing: what is said becomes a payload, which is logged and queued.

use std::time::SystemTime;

use rand::RngCore as _;
use waxseal_content::{Body, Context, MessageId, Payload, PhoneNumber, ReceiptKind, Text};
use zeroize::Zeroizing;

use super::{Engine, Known, MAX_WAITING, Step, millis, store_peer};
use crate::state::{keys as names, rows};
use crate::{Error, spool::Spooled};

/// Longest text of one message. With the rest of the payload, padding and encryption it stays under 64 KiB.
pub(crate) const MAX_TEXT_BYTES: usize = 60_000;

/// Most of a payload. Everything else of the envelope fits into what is left of 64 KiB.
const MAX_PAYLOAD_BYTES: usize = 61_000;

/// Ids in one receipt; a reader refuses more.
const RECEIPT_IDS: usize = 256;

/// Longest emoji.
const MAX_EMOJI_BYTES: usize = 64;

/// How long somebody is shown as typing.
const TYPING_SECONDS: u32 = 25;

/// What is to be said to whom.
pub(crate) struct Outgoing<'a> {
    pub(crate) to: &'a PhoneNumber,
    pub(crate) body: Body,
    pub(crate) context: Option<Context>,
    /// The file that the body names, if it has to go to the relay first.
    pub(crate) file: Option<&'a mut Spooled>,
}

impl Engine {
    /// Logs and queues what is said; encrypts it if there is a session and no file to wait for. A file that was accepted is kept.
    pub(crate) fn send(&mut self, step: &mut Step, outgoing: Outgoing<'_>, now: SystemTime) -> Result<MessageId, Error> {
        let Outgoing { to, body, context, file } = outgoing;
        if *to == self.number {
            return Err(Error::ToOneself);
        }
        if self.waiting >= MAX_WAITING {
            return Err(Error::Overloaded);
        }
        check(&body)?;
        self.check_target(step, to, &body)?;
        let message = MessageId::random(&mut self.rng);
        let payload = self.payload(to, message, body, context, now);
        // A reader's own rules: what it would refuse is not sent.
        let said = Payload::decode(&payload).map_err(|_| Error::NotAMessage)?;
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(Error::TextLength { max: MAX_TEXT_BYTES });
        }
        self.log_outgoing(step, to, &said, now)?;
        Self::change_logged(step, to, true, &said)?;
        let damaged = std::mem::take(&mut self.faults.damage_next);
        let mut row = rows::Outgoing {
            recipient: to.reveal().to_owned(),
            payload: payload.to_vec(),
            message: message.as_bytes().to_vec(),
            damaged,
            ..rows::Outgoing::default()
        };
        if let Some(file) = file {
            row.blob = file.media.blob.id.as_bytes().to_vec();
            row.blob_bytes = file.ciphertext_bytes;
            file.keep();
        }
        self.enqueue_row(step, to, &row);
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

    /// For tests of the other end: an envelope that nobody can decrypt.
    pub(crate) fn send_garbage(&mut self, step: &mut Step, to: &PhoneNumber) {
        // A type byte and the version of a message in a running session, and then nothing that means anything.
        let mut body = vec![2, 0x44];
        body.resize(200, 0);
        self.rng.fill_bytes(&mut body[2..]);
        let envelope = self.envelope(to, body);
        self.post(step, &envelope);
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

    /// Marks voice messages played and tells their sender; others, and those played before, are passed over.
    pub(crate) fn mark_played(
        &mut self,
        step: &mut Step,
        peer: &PhoneNumber,
        messages: &[MessageId],
        now: SystemTime,
    ) -> Result<(), Error> {
        let mut played = Vec::new();
        for message in messages {
            if let Some((key, mut row)) = Self::logged(step, peer, false, *message)?
                && !row.played
                && matches!(Payload::decode(&row.payload).map(|payload| payload.body), Ok(Body::Media(media)) if media.voice)
            {
                row.played = true;
                step.tx.put_row(key, &row);
                played.push(*message);
            }
        }
        self.send_receipts(step, peer, ReceiptKind::Played, &played, now)
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
        let name = (!matches!(body, Body::Receipt { .. } | Body::Typing))
            .then(|| self.name.clone())
            .flatten();
        Payload::new(self.number.clone(), to.clone(), message, millis(now), body)
            .named(name)
            .in_context(context)
            .encode()
    }
}

/// What a reader would take, and a person would not mean.
fn check(body: &Body) -> Result<(), Error> {
    let bounded = |text: &Text, max| {
        if text.is_empty() || text.reveal().len() > max {
            return Err(Error::TextLength { max });
        }
        Ok(())
    };
    match body {
        Body::Text { body, .. } => bounded(body, MAX_TEXT_BYTES),
        Body::Edit { text, .. } => bounded(text, MAX_TEXT_BYTES),
        Body::Reaction { emoji, .. } if emoji.reveal().len() > MAX_EMOJI_BYTES => Err(Error::TextLength { max: MAX_EMOJI_BYTES }),
        Body::Receipt { .. } | Body::Typing | Body::Unsupported => Err(Error::NotAMessage),
        _ => Ok(()),
    }
}
