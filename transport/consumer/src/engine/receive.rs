//! Incoming: envelope, duplicate?, decrypt, whose is it?, log. All of it is one step; the relay is told to forget the envelope after the
//! commit. Whatever arrives, nothing here panics, and one sender's garbage does not keep another's message waiting.

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use waxseal_content::wire::Wire;
use waxseal_content::{Body, EnvelopeId, MessageId, Payload, PhoneNumber, ReceiptKind};
use waxseal_signal::{Answer, Ciphertext, Consumed, Decrypted, Keys, PrivateRecord, Trust};
use zeroize::Zeroizing;

use super::{Engine, Known, Step, millis, store_peer};
use crate::event::{Incoming, Status};
use crate::state::keys::{self as names, PreKey};
use crate::state::rows;
use crate::{Error, Event};

/// Envelopes remembered as seen. The ratchet refuses older duplicates too; this spares it the work.
const MARKS: u64 = 65_536;

/// What came of a ciphertext.
enum Opened {
    Plaintext(Zeroizing<Vec<u8>>),
    /// Decrypted before.
    Duplicate,
    Failed(waxseal_signal::Error),
}

impl Engine {
    /// Takes one envelope in. `sequence` is acknowledged with the step, whatever the envelope was.
    pub(crate) fn receive(
        &mut self,
        step: &mut Step,
        sequence: u64,
        sender: &str,
        id: &[u8],
        body: &[u8],
        now: SystemTime,
    ) -> Result<(), Error> {
        step.must_be_durable();
        step.effects.acks.push(sequence);
        let (Ok(sender), Some(id)) = (PhoneNumber::parse(sender), EnvelopeId::from_slice(id)) else {
            tracing::warn!("dropped an envelope without a usable sender or id");
            return Ok(());
        };
        let mark = names::mark(&sender, id);
        if step.tx.get(&mark)?.is_some() {
            return Ok(());
        }
        self.mark(step, mark)?;
        match Wire::parse(body) {
            Ok(Wire::Retry(receipt)) => self.resend(step, &sender, &receipt, now),
            Ok(Wire::Signal(bytes)) => match Ciphertext::from_body(bytes) {
                Ok(ciphertext) => self.open_envelope(step, &sender, id, &ciphertext, now),
                Err(error) => {
                    tracing::warn!(%error, "dropped an envelope that is no Signal message");
                    Ok(())
                }
            },
            Err(error) => {
                tracing::warn!(%error, "dropped an envelope of an unknown form");
                Ok(())
            }
        }
    }

    fn mark(&mut self, step: &mut Step, mark: Vec<u8>) -> Result<(), Error> {
        let ordinal = self.counters.marks;
        self.counters.marks += 1;
        if let Some(oldest) = ordinal.checked_sub(MARKS) {
            let order = names::mark_order(oldest);
            if let Some(old) = step.tx.get(&order)? {
                step.tx.delete(old);
            }
            step.tx.delete(order);
        }
        step.tx.put(names::mark_order(ordinal), mark.clone());
        step.tx.put(mark, Vec::new());
        Ok(())
    }

    fn open_envelope(
        &mut self,
        step: &mut Step,
        sender: &PhoneNumber,
        id: EnvelopeId,
        ciphertext: &Ciphertext,
        now: SystemTime,
    ) -> Result<(), Error> {
        if self.faults.cannot_decrypt {
            return self.ask_again(step, sender, id, ciphertext, 0, now);
        }
        match self.decrypt(step, sender, ciphertext, now)? {
            Opened::Duplicate => Ok(()),
            Opened::Failed(error) => {
                tracing::info!(%error, "an envelope cannot be decrypted");
                match error.answer() {
                    Answer::Retry { reason } => self.ask_again(step, sender, id, ciphertext, reason, now),
                    Answer::Acknowledge | Answer::Identity | Answer::Drop => Ok(()),
                }
            }
            Opened::Plaintext(plaintext) => match Payload::decode(&plaintext) {
                Ok(payload) if payload.sender == *sender && payload.recipient == self.number => self.take(step, &payload, now),
                Ok(_) => {
                    tracing::warn!("dropped a message whose envelope names somebody else");
                    Ok(())
                }
                Err(error) => {
                    tracing::warn!(%error, "dropped a message that cannot be read");
                    Ok(())
                }
            },
        }
    }

    fn decrypt(&mut self, step: &mut Step, sender: &PhoneNumber, ciphertext: &Ciphertext, now: SystemTime) -> Result<Opened, Error> {
        let keys = match waxseal_signal::needed(ciphertext) {
            Err(error) => return Ok(Opened::Failed(error)),
            Ok(None) => Keys::default(),
            Ok(Some(needed)) => {
                let one_time_kyber = private_key(step, PreKey::OneTimeKyber, needed.kyber)?;
                let (kyber, base_key_seen) = match (one_time_kyber, needed.kyber) {
                    (None, Some(kyber_id)) => {
                        let seen = step
                            .tx
                            .get(&names::base_key(kyber_id, &Sha256::digest(&needed.base_key)))?
                            .is_some();
                        (private_key(step, PreKey::LastResort, needed.kyber)?, seen)
                    }
                    (one_time, _) => (one_time, false),
                };
                Keys {
                    one_time_ec: private_key(step, PreKey::OneTimeEc, needed.one_time_ec)?,
                    signed: private_key(step, PreKey::Signed, Some(needed.signed))?,
                    kyber,
                    base_key_seen,
                }
            }
        };
        let mut known = self.peer(step, sender)?;
        let mut decrypted = self.decrypt_with(&known, ciphertext, &keys, now);
        if matches!(decrypted, Err(waxseal_signal::Error::DamagedRecord)) {
            known.state = known.state.without_sessions();
            decrypted = self.decrypt_with(&known, ciphertext, &keys, now);
        }
        match decrypted {
            Ok(decrypted) => {
                store_peer(
                    step,
                    sender,
                    &Known {
                        id: known.id,
                        state: decrypted.peer,
                    },
                );
                consume(step, &decrypted.consumed)?;
                if decrypted.identity_changed {
                    step.effects.events.push(Event::IdentityChanged { peer: sender.clone() });
                }
                Ok(Opened::Plaintext(decrypted.plaintext))
            }
            Err(waxseal_signal::Error::Duplicate) => Ok(Opened::Duplicate),
            Err(error) => Ok(Opened::Failed(error)),
        }
    }

    fn decrypt_with(
        &mut self,
        known: &Known,
        ciphertext: &Ciphertext,
        keys: &Keys,
        now: SystemTime,
    ) -> Result<Decrypted, waxseal_signal::Error> {
        let trust = Trust::AcceptChange;
        waxseal_signal::decrypt(
            &self.identity,
            &known.id,
            &known.state,
            ciphertext,
            keys,
            trust,
            &self.policy,
            now,
            &mut self.rng,
        )
    }

    /// A payload that is who its envelope says.
    fn take(&mut self, step: &mut Step, payload: &Payload, now: SystemTime) -> Result<(), Error> {
        let from = payload.sender.clone();
        match &payload.body {
            Body::Text { .. }
            | Body::Reaction { .. }
            | Body::Media(_)
            | Body::Location(_)
            | Body::Contacts(_)
            | Body::Interactive(_)
            | Body::InteractiveReply(_)
            | Body::Template(_)
            | Body::ButtonReply(_)
            | Body::Edit { .. }
            | Body::Revoke { .. }
            | Body::RequestWelcome
            | Body::Order(_)
            | Body::NumberChanged { .. }
            | Body::Unsupported => self.take_message(step, payload, now),
            Body::Receipt { kind, message_ids } => Self::take_receipt(step, from, *kind, message_ids),
            Body::Typing => {
                step.effects.events.push(Event::Typing { from });
                Ok(())
            }
        }
    }

    fn take_message(&mut self, step: &mut Step, payload: &Payload, now: SystemTime) -> Result<(), Error> {
        let from = payload.sender.clone();
        // Told again for a message we have: its sender sent it anew, so it missed the first receipt.
        step.delivered.entry(from.clone()).or_default().push(payload.message_id);
        if Self::is_logged(step, &from, payload.message_id)? {
            return Ok(());
        }
        self.log_incoming(step, &from, payload, now)?;
        let changed = Self::change_logged(step, &from, false, payload)?;
        step.effects.events.push(match &payload.body {
            Body::Reaction { message_id, emoji } => Event::Reaction {
                from,
                message_id: *message_id,
                emoji: emoji.clone(),
                reaction_id: payload.message_id,
                sent_at_ms: payload.sent_at_ms,
            },
            Body::Edit { message_id, text, caption } => Event::Edited {
                from,
                message_id: *message_id,
                text: text.clone(),
                caption: *caption,
                edit_id: payload.message_id,
                applied: changed,
            },
            Body::Revoke { message_id } => Event::Revoked {
                from,
                message_id: *message_id,
                revoke_id: payload.message_id,
                applied: changed,
            },
            body => Event::Message(Incoming {
                from,
                message_id: payload.message_id,
                body: body.clone(),
                sent_at_ms: payload.sent_at_ms,
                received_at_ms: millis(now),
                sender_name: payload.sender_name.clone(),
                context: payload.context,
            }),
        });
        Ok(())
    }

    fn take_receipt(step: &mut Step, from: PhoneNumber, kind: ReceiptKind, messages: &[MessageId]) -> Result<(), Error> {
        let status = match kind {
            ReceiptKind::Delivered => Status::Delivered,
            ReceiptKind::Read => Status::Read,
            ReceiptKind::Played => Status::Played,
        };
        let mut advanced = Vec::new();
        for message in messages {
            if Self::advance(step, &from, *message, status)? {
                advanced.push(*message);
            }
        }
        if !advanced.is_empty() {
            step.effects.events.push(Event::Receipt {
                from,
                kind,
                message_ids: advanced,
            });
        }
        Ok(())
    }
}

fn private_key(step: &Step, kind: PreKey, id: Option<u32>) -> Result<Option<PrivateRecord>, Error> {
    let Some(id) = id else { return Ok(None) };
    Ok(step
        .tx
        .row::<rows::PreKey>(&kind.key(id))?
        .map(|row| PrivateRecord::from_bytes(&row.record)))
}

/// One-time keys go; of a last-resort key the base key is remembered, so that the message cannot be replayed.
fn consume(step: &mut Step, consumed: &Consumed) -> Result<(), Error> {
    if let Some(id) = consumed.one_time_ec {
        step.tx.delete(PreKey::OneTimeEc.key(id));
    }
    if let Some(id) = consumed.kyber {
        let one_time = PreKey::OneTimeKyber.key(id);
        if step.tx.get(&one_time)?.is_some() {
            step.tx.delete(one_time);
        } else if let Some(base_key) = &consumed.base_key {
            step.tx.put(names::base_key(id, &Sha256::digest(base_key)), Vec::new());
        }
    }
    Ok(())
}
