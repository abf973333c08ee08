//! Planning what a consumer's envelope does: decrypt, mark as dealt with, turn into webhook events and statuses; or, when it does not
//! decrypt, ask for it again.

use bytes::Bytes;
use waxseal_content::{Body, Media, MessageId, Payload, RetryReceipt, wire::Wire};
use waxseal_sealing::Class;
use waxseal_signal::{Answer, Ciphertext, Consumed, Error, Keys, PeerId, PrivateRecord, Trust};
use waxseal_store::{Key, Op};

use super::{
    input::{Delivery, Input},
    plan::Plan,
    turn::Appended,
};
use crate::{
    file,
    id::{self, PeerIndex},
    message::{InboundBody, InboundContext, InboundMedia, InboundMessage, Quoted},
    metrics::refused,
};

/// Names under which one value says only that it exists.
const MARK: &[u8] = b"1";

/// In a context, where nothing is quoted.
const NO_MESSAGE: MessageId = MessageId::new([0; 16]);

impl Plan<'_> {
    pub(super) fn deliver(&mut self, delivery: &Delivery, input: &Input) {
        self.acks.push(delivery.sequence);
        let seen = self.names().seen(&delivery.peer, delivery.envelope_id);
        let repeated = self.absent.contains(&seen) || input.used.contains(&seen);
        if repeated || (input.may_repeat && self.value(&seen).is_some()) {
            self.counts.refused[refused::DUPLICATE] += 1;
            return;
        }
        match Wire::parse(&delivery.body) {
            Err(_) => self.counts.refused[refused::MALFORMED] += 1,
            Ok(Wire::Retry(receipt)) => {
                self.mark(seen);
                self.retry_asked(delivery, &receipt);
            }
            Ok(Wire::Signal(body)) => match Ciphertext::from_body(body) {
                Err(_) => self.counts.refused[refused::MALFORMED] += 1,
                Ok(ciphertext) => self.decrypt(delivery, &ciphertext, seen, input),
            },
        }
    }

    fn decrypt(&mut self, delivery: &Delivery, ciphertext: &Ciphertext, seen: Key, input: &Input) {
        let shared = self.shared();
        let keys = self.private_keys(ciphertext, input);
        let now = self.now.time;
        let peer = self.draft(&delivery.peer, &delivery.sender).peer.signal.clone();
        let peer_id = PeerId::new(delivery.peer);
        let step = waxseal_signal::decrypt(
            &shared.identity,
            &peer_id,
            &peer,
            ciphertext,
            &keys,
            Trust::AcceptChange,
            &shared.policy,
            now,
            &mut self.rng,
        );
        let decrypted = match step {
            Ok(decrypted) => decrypted,
            Err(error) => return self.undecryptable(delivery, ciphertext, seen, error),
        };
        self.mark(seen);
        let draft = self.draft(&delivery.peer, &delivery.sender);
        draft.peer.signal = decrypted.peer;
        draft.dirty = true;
        self.consume(&decrypted.consumed);
        self.counts.decrypted += 1;
        if decrypted.identity_changed {
            self.identity_changed(&delivery.peer, &delivery.sender);
        }
        match Payload::decode(&decrypted.plaintext) {
            Err(_) => self.counts.refused[refused::MALFORMED] += 1,
            Ok(payload) if payload.sender != delivery.sender || payload.recipient != shared.number => {
                self.counts.refused[refused::MISADDRESSED] += 1;
            }
            // What became of messages that were sent before is still told.
            Ok(payload) if shared.blocks.contains(&delivery.peer) && !matches!(payload.body, Body::Receipt { .. }) => {}
            Ok(payload) => self.receive(delivery, &payload),
        }
    }

    /// The private keys a first message names, as far as they are still there.
    fn private_keys(&mut self, ciphertext: &Ciphertext, input: &Input) -> Keys {
        let Ok(Some(needed)) = waxseal_signal::needed(ciphertext) else {
            return Keys::default();
        };
        let shared = self.shared();
        let base_key_mark = self.names().used(&needed.base_key);
        let base_key_seen =
            input.used.contains(&base_key_mark) || self.absent.contains(&base_key_mark) || self.value(&base_key_mark).is_some();
        let one_time_ec = needed.one_time_ec.and_then(|id| {
            let key = self.names().one_time_ec(id);
            self.one_time_key(&key, &self.names().used(&ec_mark(id)), input)
        });
        let kyber = needed.kyber.and_then(|id| {
            let key = self.names().one_time_kyber(id);
            shared
                .last_resort_key(id)
                .or_else(|| self.one_time_key(&key, &self.names().used(&kyber_mark(id)), input))
        });
        Keys {
            one_time_ec,
            signed: shared.signed_key(needed.signed),
            kyber,
            base_key_seen,
        }
    }

    fn one_time_key(&mut self, key: &Key, mark: &Key, input: &Input) -> Option<PrivateRecord> {
        let deleted = |op: &Op| matches!(op, Op::Delete { key: gone } if gone == key);
        if input.used.contains(mark) || self.ops.iter().any(deleted) {
            return None;
        }
        let sealed = self.value(key)?;
        let shared = self.shared();
        let opened = shared.sealer.open(Class::PreKey, key.as_str(), sealed).ok()?;
        Some(PrivateRecord::from_bytes(&opened))
    }

    /// Used keys go in the same commit as the session they made; the mark keeps a second lane from using them at the same time.
    fn consume(&mut self, consumed: &Consumed) {
        if let Some(id) = consumed.one_time_ec {
            let key = self.names().one_time_ec(id);
            self.ops.push(Op::Delete { key });
            self.mark_used(&ec_mark(id));
        }
        let Some(id) = consumed.kyber else { return };
        if self.shared().last_resort_key(id).is_some() {
            if let Some(base_key) = &consumed.base_key {
                self.mark_used(base_key);
            }
        } else {
            let key = self.names().one_time_kyber(id);
            self.ops.push(Op::Delete { key });
            self.mark_used(&kyber_mark(id));
        }
    }

    fn mark_used(&mut self, what: &[u8]) {
        let key = self.names().used(what);
        self.mark(key);
    }

    /// Writes a mark that must not exist yet.
    fn mark(&mut self, key: Key) {
        self.ops.push(Op::Put {
            key: key.clone(),
            value: Bytes::from_static(MARK),
            ttl: self.shared().retention,
        });
        self.absent.push(key);
    }

    fn undecryptable(&mut self, delivery: &Delivery, ciphertext: &Ciphertext, seen: Key, error: Error) {
        let reason = match error.answer() {
            Answer::Acknowledge => {
                self.counts.refused[refused::DUPLICATE] += 1;
                return;
            }
            Answer::Drop => {
                self.counts.refused[refused::MALFORMED] += 1;
                return;
            }
            Answer::Retry { reason } => reason,
            Answer::Identity => 0,
        };
        self.counts.refused[refused::UNDECRYPTABLE] += 1;
        if error == Error::DamagedRecord {
            let draft = self.draft(&delivery.peer, &delivery.sender);
            draft.peer.signal = draft.peer.signal.without_sessions();
            draft.dirty = true;
        }
        let planned = self.asked.iter().filter(|peer| **peer == delivery.peer).count();
        if !self.core.retry_budget.allows(&delivery.peer, self.now.ms, planned) {
            return;
        }
        let Ok(decryption_error) = waxseal_signal::decryption_error(ciphertext, delivery.accepted_at_ms) else {
            return;
        };
        let attempt = (id::of_envelope(delivery.envelope_id).1 + 1).min(RetryReceipt::MAX_ATTEMPTS);
        let receipt = RetryReceipt {
            envelope_id: delivery.envelope_id,
            attempt,
            reason,
            decryption_error,
        };
        self.mark(seen);
        self.asked.push(delivery.peer);
        self.counts.retries_asked += 1;
        let envelope_id = id::envelope_id(id::message_id(self.core.lane, &mut self.rng), 0);
        let expires_at_ms = self.now.ms + self.shared().retention_ms();
        self.outgoing(envelope_id, &delivery.sender, receipt.to_body(), expires_at_ms, None);
    }

    fn receive(&mut self, delivery: &Delivery, payload: &Payload) {
        let peer = delivery.peer;
        let body = match &payload.body {
            Body::Text { body, .. } => InboundBody::Text(body.clone()),
            Body::Reaction { message_id, emoji } => InboundBody::Reaction {
                message: self.wamid(&peer, *message_id),
                emoji: emoji.clone(),
            },
            Body::Location(location) => InboundBody::Location(Box::new(location.clone())),
            Body::Contacts(contacts) => InboundBody::Contacts(contacts.clone()),
            Body::InteractiveReply(reply) => InboundBody::Interactive(reply.clone()),
            Body::ButtonReply(reply) => InboundBody::Button(reply.clone()),
            Body::Edit { message_id, text, .. } => InboundBody::Edit {
                original: self.wamid(&peer, *message_id),
                text: text.clone(),
            },
            Body::Revoke { message_id } => InboundBody::Revoke {
                original: self.wamid(&peer, *message_id),
            },
            Body::RequestWelcome => InboundBody::RequestWelcome,
            Body::Order(order) => InboundBody::Order(order.clone()),
            Body::NumberChanged { number } => InboundBody::NumberChanged {
                to: number.clone(),
                user_id: self.user_id(number),
            },
            Body::Media(media) if media.size_bytes > file::MOST_BYTES => InboundBody::MediaTooLarge,
            Body::Media(media) => self.shelve(media),
            // Interactive messages and templates are what businesses send.
            Body::Interactive(_) | Body::Template(_) | Body::Unsupported => InboundBody::Unsupported,
            Body::Receipt { kind, message_ids } => {
                for message in message_ids {
                    if self.is_overfull() {
                        tracing::warn!("a receipt names too many messages that the relay has not answered for; the last ones are left out");
                        break;
                    }
                    self.receipt(&peer, &delivery.sender, *kind, *message);
                }
                return;
            }
            Body::Typing => return,
        };
        let context = payload.context.map(|context| InboundContext {
            // What is only forwarded quotes nothing.
            quoted: (context.message_id != NO_MESSAGE).then(|| Quoted {
                wamid: self.wamid(&peer, context.message_id),
                from: if context.from_recipient {
                    self.shared().number.clone()
                } else {
                    delivery.sender.clone()
                },
            }),
            forwarded: context.forwarded,
        });
        let message = InboundMessage {
            from: delivery.sender.clone(),
            profile_name: payload.sender_name.clone(),
            user_id: self.user_id(&delivery.sender),
            identity_key_hash: self.identity_hash(&peer, &delivery.sender),
            wamid: self.wamid(&peer, payload.message_id),
            timestamp_s: delivery.accepted_at_ms / 1000,
            body,
            context,
        };
        // By the relay's clock, which must not run ahead of ours.
        let heard_ms = delivery.accepted_at_ms.min(self.now.ms);
        let draft = self.draft(&peer, &delivery.sender);
        if payload.sender_name.is_some() {
            draft.peer.name.clone_from(&payload.sender_name);
        }
        draft.arrived.push(payload.message_id);
        draft.peer.heard_ms = heard_ms;
        self.counts.received += 1;
        let bytes = self.shared().bodies.message(&message);
        self.event(&peer, bytes);
    }

    /// Keeps where a consumer's file is, and its key, for when the business asks for it.
    fn shelve(&mut self, file: &Media) -> InboundBody {
        let shared = self.shared();
        let shelved = file::inbound(&shared.names, file, shared.lifetimes, self.now.ms, &mut self.rng);
        if let Some(value) = self.seal(Class::Media, &shelved.key, &shelved.record) {
            self.ops.push(Op::Put {
                key: shelved.key,
                value,
                ttl: shelved.ttl,
            });
        }
        InboundBody::Media(Box::new(InboundMedia {
            kind: file.kind,
            id: shelved.id.to_string(),
            url: shared.urls.of(&shared.tokens, shelved.id, self.now.ms),
            mime_type: file.mime_type.clone(),
            sha256: file.sha256,
            caption: file.caption.clone(),
            filename: file.filename.clone(),
            voice: file.voice,
            animated: file.animated,
        }))
    }

    /// The consumer could not decrypt an envelope of ours: if it was a message that is still wanted, it goes back into the queue, to be
    /// encrypted in a fresh session; five times at most.
    fn retry_asked(&mut self, delivery: &Delivery, receipt: &RetryReceipt) {
        let shared = self.shared();
        let peer = delivery.peer;
        let draft = self.draft(&peer, &delivery.sender);
        let broken = waxseal_signal::must_archive(&draft.peer.signal, &receipt.decryption_error).unwrap_or(false);
        if broken && let Ok(archived) = waxseal_signal::archive(&draft.peer.signal) {
            draft.peer.signal = archived;
            draft.dirty = true;
        }
        let (message, attempt) = id::of_envelope(receipt.envelope_id);
        let Some(kept) = self.kept(message) else { return };
        let expected = kept.attempt == attempt && kept.to == delivery.sender.reveal();
        let (Some(payload), true) = (kept.payload.clone(), expected && !kept.delivered) else {
            return;
        };
        self.sent_before(&peer, message);
        if attempt >= RetryReceipt::MAX_ATTEMPTS {
            let (to, opaque) = (delivery.sender.clone(), kept.opaque.map(waxseal_content::Text::new));
            self.fail(&peer, message, &to, opaque, crate::message::FailureReason::CouldNotDecrypt);
            return;
        }
        self.counts.retries_answered += 1;
        let job = super::record::Job {
            message_id: message.as_bytes().to_vec(),
            to: kept.to.clone(),
            payload,
            attempt: attempt + 1,
            expires_at_ms: kept.expires_at_ms,
            tracked: true,
            opaque: kept.opaque.clone(),
            identity_hash: kept.identity_hash.clone(),
        };
        let mut again = kept;
        again.attempt += 1;
        self.keep(message, again);
        let queue = self.names().accepted(self.core.lane);
        if let Some(value) = self.seal(Class::Message, &queue, &job) {
            self.ops.push(Op::Append {
                queue,
                value,
                ttl: shared.lifetime(job.expires_at_ms, self.now),
            });
            self.appended.push(Appended::Job);
        }
    }

    /// Encrypts the delivery receipts this turn owes. A session that cannot send has just been lost; the consumer then sees no tick, which
    /// is the lesser harm.
    pub(super) fn send_receipts(&mut self) {
        let owed: Vec<(PeerIndex, Vec<MessageId>)> = self
            .peers
            .iter_mut()
            .filter(|(_, draft)| !draft.arrived.is_empty())
            .map(|(peer, draft)| (*peer, std::mem::take(&mut draft.arrived)))
            .collect();
        for (peer, message_ids) in owed {
            let body = Body::Receipt {
                kind: waxseal_content::ReceiptKind::Delivered,
                message_ids,
            };
            self.control(&peer, body);
        }
    }
}

fn ec_mark(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}

fn kyber_mark(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [1, a, b, c, d]
}
