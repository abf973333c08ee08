//! Planning what is known of a message of the business: sent, delivered, read, failed. Statuses never go backwards, and a message that is
//! not delivered in time fails aloud.

use bytes::Bytes;
use waxseal_content::{EnvelopeId, MessageId, PhoneNumber, ReceiptKind, RetryReceipt, Text};
use waxseal_protocol::proto::Verdict;
use waxseal_sealing::Class;
use waxseal_store::Op;

use super::{
    conduct,
    plan::{Keep, Plan},
    record::{About, Kept, Kind, Step},
    turn::Waiting,
};
use crate::{
    id::{self, PeerIndex},
    message::{FailureReason, InboundBody, InboundMessage, Status, StatusUpdate},
    webhook,
};

impl Plan<'_> {
    /// The relay has answered for an envelope.
    pub(super) fn verdict(&mut self, envelope: EnvelopeId, verdict: Verdict) {
        if verdict == Verdict::Unspecified {
            // An answer this build does not know says nothing: the envelope stays and is submitted again with the next link.
            return;
        }
        let Some(waiting) = self.answer(envelope) else { return };
        if !waiting.tracked {
            return;
        }
        let (message, _) = id::of_envelope(envelope);
        let peer = self.shared().blind.of(waiting.to.reveal());
        match verdict {
            Verdict::Accepted => self.sent(&peer, envelope, waiting),
            Verdict::UnknownRecipient => self.fail(&peer, message, &waiting.to, waiting.opaque, FailureReason::UnknownRecipient),
            Verdict::Unspecified | Verdict::TooLarge | Verdict::QueueFull | Verdict::Malformed => {
                self.fail(&peer, message, &waiting.to, waiting.opaque, FailureReason::RelayRefused);
            }
        }
    }

    /// Takes an envelope out of the outbox, once.
    fn answer(&mut self, envelope: EnvelopeId) -> Option<Waiting> {
        let waiting = self.core.outbox.get(&envelope)?.clone();
        if !self.answered.insert(envelope) {
            return None;
        }
        let queue = self.names().outbox(self.core.lane);
        self.ops.push(Op::Remove { queue, id: waiting.entry });
        Some(waiting)
    }

    /// The consumer knows of a message, so the relay has it, even if its answer is still on the way: `sent` comes first.
    pub(super) fn sent_before(&mut self, peer: &PeerIndex, message: MessageId) {
        for attempt in 0..=RetryReceipt::MAX_ATTEMPTS {
            let envelope = id::envelope_id(message, attempt);
            if let Some(waiting) = self.answer(envelope)
                && waiting.tracked
            {
                self.sent(peer, envelope, waiting);
            }
        }
    }

    /// The relay has an envelope. Only the first one of a message is news: whoever asks for another one has had it.
    fn sent(&mut self, peer: &PeerIndex, envelope: EnvelopeId, waiting: Waiting) {
        if let (message, 0) = id::of_envelope(envelope) {
            self.sent.push(message);
            self.status(peer, message, &waiting.to, waiting.opaque, Status::Sent);
        }
    }

    /// An envelope was not sent in time.
    pub(super) fn lapse(&mut self, envelope: EnvelopeId) {
        self.answer(envelope);
    }

    /// The consumer has got or read a message.
    pub(super) fn receipt(&mut self, peer: &PeerIndex, from: &PhoneNumber, kind: ReceiptKind, message: MessageId) {
        let Some(mut kept) = self.kept(message) else { return };
        if kept.to != from.reveal() || kept.failed_at_ms > 0 {
            return;
        }
        self.sent_before(peer, message);
        if kept.sent_at_ms == 0 {
            kept.sent_at_ms = self.sent_at_ms(message);
        }
        let payload = if self.shared().keep_content { kept.payload.take() } else { None };
        let opaque = kept.opaque.as_deref().map(Text::from);
        match kind {
            ReceiptKind::Delivered if kept.delivered => {}
            ReceiptKind::Delivered => {
                self.unschedule(message);
                self.keep(
                    message,
                    Kept {
                        delivered: true,
                        delivered_at_ms: self.now.ms,
                        payload,
                        ..kept
                    },
                );
                self.status(peer, message, from, opaque, Status::Delivered);
            }
            ReceiptKind::Played if kept.voice && kept.played => {}
            ReceiptKind::Played if kept.voice => {
                self.unschedule(message);
                let read_at_ms = if kept.read { kept.read_at_ms } else { self.now.ms };
                self.keep(
                    message,
                    Kept {
                        delivered: true,
                        read: true,
                        read_at_ms,
                        played: true,
                        payload,
                        ..kept
                    },
                );
                self.status(peer, message, from, opaque, Status::Played);
            }
            ReceiptKind::Read | ReceiptKind::Played if kept.read => {}
            ReceiptKind::Read | ReceiptKind::Played => {
                self.unschedule(message);
                self.keep(
                    message,
                    Kept {
                        delivered: true,
                        read: true,
                        read_at_ms: self.now.ms,
                        payload,
                        ..kept
                    },
                );
                self.status(peer, message, from, opaque, Status::Read);
            }
        }
    }

    /// The time of a message is over.
    pub(super) fn expire(&mut self, message: MessageId) {
        self.unschedule(message);
        let Some(kept) = self.kept(message) else { return };
        let Ok(to) = PhoneNumber::parse(&kept.to) else { return };
        if !kept.delivered && kept.failed_at_ms == 0 {
            let peer = self.shared().blind.of(to.reveal());
            for attempt in 0..=RetryReceipt::MAX_ATTEMPTS {
                self.answer(id::envelope_id(message, attempt));
            }
            // Whoever asked for it again had it, and could not read it.
            let reason = match kept.attempt {
                0 => FailureReason::Expired,
                _ => FailureReason::CouldNotDecrypt,
            };
            self.fail(&peer, message, &to, kept.opaque.map(Text::new), reason);
        }
    }

    /// A message will not arrive.
    pub(super) fn fail(&mut self, peer: &PeerIndex, message: MessageId, to: &PhoneNumber, opaque: Option<Text>, reason: FailureReason) {
        let reason = match reason {
            FailureReason::CouldNotDecrypt if self.shared().no_storage() => FailureReason::DecryptionWindowOver,
            reason => reason,
        };
        self.unschedule(message);
        if let Some(kept) = self.kept(message) {
            let failed = Kept {
                payload: None,
                sent_at_ms: match kept.sent_at_ms {
                    0 => self.sent_at_ms(message),
                    known => known,
                },
                failed_at_ms: self.now.ms,
                failure: webhook::body::details(reason).to_owned(),
                ..kept
            };
            self.keep(message, failed);
        }
        self.status(peer, message, to, opaque, Status::Failed(reason));
    }

    fn status(&mut self, peer: &PeerIndex, message: MessageId, to: &PhoneNumber, opaque: Option<Text>, status: Status) {
        self.counts.statuses[match status {
            Status::Sent => 0,
            Status::Delivered => 1,
            Status::Read => 2,
            Status::Failed(_) => 3,
            Status::Played => 4,
        }] += 1;
        let update = StatusUpdate {
            wamid: self.wamid(peer, message),
            recipient: to.clone(),
            user_id: self.user_id(to),
            status,
            timestamp_s: self.now.ms / 1000,
            opaque_callback_data: opaque,
            identity_key_hash: self.identity_hash(peer, to),
        };
        let step = match status {
            Status::Sent => Step::Sent,
            Status::Delivered => Step::Delivered,
            Status::Read => Step::Read,
            Status::Failed(_) => Step::Failed,
            Status::Played => Step::Played,
        };
        let about = About {
            message_id: message.as_bytes().to_vec(),
            step: step.into(),
            ..self.about(Kind::Status)
        };
        let body = self.shared().bodies.status(&update);
        self.event_about(peer, about, body);
    }

    /// When the relay had a message, if that is remembered; else 0.
    fn sent_at_ms(&self, message: MessageId) -> u64 {
        let just_now = self.sent.contains(&message).then_some(self.now.ms);
        just_now.or_else(|| self.shared().sent.of(message)).unwrap_or(0)
    }

    /// What the business knows the consumer's identity by, where it wants to.
    pub(super) fn identity_hash(&mut self, peer: &PeerIndex, number: &PhoneNumber) -> Option<String> {
        if !self.shared().conduct.checks_identities() {
            return None;
        }
        self.draft(peer, number).peer.signal.identity().map(conduct::hash)
    }

    /// Another identity than before is at the other end.
    pub(super) fn identity_changed(&mut self, peer: &PeerIndex, number: &PhoneNumber) {
        self.counts.identity_changes += 1;
        let Some(hash) = self.identity_hash(peer, number) else { return };
        let message = id::message_id(self.core.lane, &mut self.rng);
        let timestamp_s = self.now.ms / 1000;
        let notice = InboundMessage {
            from: number.clone(),
            profile_name: self.draft(peer, number).peer.name.clone(),
            user_id: self.user_id(number),
            identity_key_hash: Some(hash.clone()),
            wamid: self.wamid(peer, message),
            timestamp_s,
            body: InboundBody::IdentityChanged { hash, at_s: timestamp_s },
            context: None,
        };
        let body = self.shared().bodies.message(&notice);
        self.event(peer, body);
    }

    fn unschedule(&mut self, message: MessageId) {
        let agenda = self.names().deadlines(self.core.lane);
        self.ops.push(Op::Unschedule {
            agenda,
            member: Bytes::copy_from_slice(message.as_bytes()),
        });
    }

    /// What is kept of a message, as this turn has it so far.
    pub(super) fn kept(&mut self, message: MessageId) -> Option<Kept> {
        if let Some(keep) = self.kept.get(&message) {
            return keep.record.clone();
        }
        let key = self.names().message(message);
        let sealed = self.value(&key)?;
        let record: Option<Kept> = self.open(Class::Message, &key, sealed);
        self.kept.insert(
            message,
            Keep {
                record: record.clone(),
                dirty: false,
            },
        );
        record
    }

    pub(super) fn keep(&mut self, message: MessageId, record: Kept) {
        self.kept.insert(
            message,
            Keep {
                record: Some(record),
                dirty: true,
            },
        );
    }
}
