//! Planning what an accepted message does: encrypt, put the ciphertext into the outbox, take the message out of the queue, all in one batch.

use bytes::Bytes;
use waxseal_content::{Body, EnvelopeId, MessageId, Payload, PhoneNumber, Text};
use waxseal_protocol::proto::Envelope;
use waxseal_sealing::Class;
use waxseal_signal::{Bundle, Error, PeerId, Trust};
use waxseal_store::{EntryId, Op};

use super::{
    input::Accepted,
    plan::Plan,
    record::{Job, Outgoing},
    turn::{Appended, Waiting},
};
use crate::{
    id::{self, PeerIndex},
    message::FailureReason,
};

/// What happens to a message whose consumer cannot be encrypted to.
enum Unsent {
    /// A bundle is needed first.
    Park,
    /// Nothing will help.
    Fail(FailureReason),
}

impl Plan<'_> {
    /// Establishes the session a bundle was fetched for. One that came into being meanwhile is archived: it may be the very one that the
    /// consumer could not use.
    pub(super) fn establish(&mut self, accepted: &Accepted, bundle: &Bundle) {
        let Ok(number) = PhoneNumber::parse(&accepted.job.to) else { return };
        let peer = &accepted.peer;
        let shared = self.shared();
        let now = self.now.time;
        let state = self.draft(peer, &number).peer.signal.clone();
        let established = waxseal_signal::establish(
            &shared.identity,
            &PeerId::new(*peer),
            &state,
            bundle,
            Trust::AcceptChange,
            &shared.policy,
            now,
            &mut self.rng,
        );
        match established {
            Ok(established) => {
                let draft = self.draft(peer, &number);
                draft.peer.signal = established.peer;
                draft.dirty = true;
                if established.identity_changed {
                    self.identity_changed(peer, &number);
                }
            }
            Err(error) => tracing::warn!(%error, "a pre-key bundle was refused"),
        }
    }

    /// Encrypts one accepted message, or parks it.
    pub(super) fn send(&mut self, accepted: &Accepted) {
        let job = &accepted.job;
        let (Some(message), Ok(number)) = (MessageId::from_slice(&job.message_id), PhoneNumber::parse(&job.to)) else {
            return self.unqueue(accepted.entry);
        };
        if job.expires_at_ms <= self.now.ms {
            // Whoever tracks it hears of it from its deadline.
            return self.unqueue(accepted.entry);
        }
        if !self.is_wanted(message, job) {
            return self.unqueue(accepted.entry);
        }
        if self.parked.iter().any(|parked| parked.peer == accepted.peer) {
            return self.park(accepted);
        }
        let conduct = &self.shared().conduct;
        let now = self.now;
        if let Some(reason) = conduct.objection(accepted, &self.draft(&accepted.peer, &number).peer, now) {
            return self.give_up(accepted, reason);
        }
        match self.encrypt(&accepted.peer, &number, &job.payload) {
            Ok(body) => {
                let opaque = job.opaque.as_deref().map(Text::from);
                self.unqueue(accepted.entry);
                self.outgoing(
                    id::envelope_id(message, job.attempt),
                    &number,
                    body,
                    job.expires_at_ms,
                    job.tracked.then_some(opaque),
                );
                self.counts.encrypted += 1;
            }
            Err(Unsent::Park) => self.park(accepted),
            Err(Unsent::Fail(reason)) => self.give_up(accepted, reason),
        }
    }

    /// Whether a message that the consumer asked for again is still owed: it may have arrived or failed while it waited.
    fn is_wanted(&mut self, message: MessageId, job: &Job) -> bool {
        job.attempt == 0
            || self
                .kept(message)
                .is_some_and(|kept| !kept.delivered && kept.failed_at_ms == 0 && kept.attempt == job.attempt)
    }

    fn park(&mut self, accepted: &Accepted) {
        self.parked.push(Accepted {
            entry: accepted.entry,
            peer: accepted.peer,
            job: accepted.job.clone(),
        });
    }

    /// Takes a message out of the queue and, if somebody waits for news of it, says that it failed.
    pub(super) fn give_up(&mut self, accepted: &Accepted, reason: FailureReason) {
        self.unqueue(accepted.entry);
        let job = &accepted.job;
        if let (true, Some(message), Ok(number)) = (job.tracked, MessageId::from_slice(&job.message_id), PhoneNumber::parse(&job.to))
            && job.expires_at_ms > self.now.ms
            && self.is_wanted(message, job)
        {
            self.fail(&accepted.peer, message, &number, job.opaque.as_deref().map(Text::from), reason);
        }
    }

    /// Takes an entry out of the queue of accepted messages.
    pub(super) fn unqueue(&mut self, entry: EntryId) {
        let queue = self.names().accepted(self.core.lane);
        self.ops.push(Op::Remove { queue, id: entry });
    }

    fn encrypt(&mut self, peer: &PeerIndex, number: &PhoneNumber, payload: &[u8]) -> Result<Vec<u8>, Unsent> {
        let shared = self.shared();
        let now = self.now.time;
        self.draft(peer, number);
        self.burn_if_rolled_back(peer);
        let draft = self.draft(peer, number);
        let state = draft.peer.signal.clone();
        match waxseal_signal::encrypt(
            &shared.identity,
            &PeerId::new(*peer),
            &state,
            payload,
            &shared.policy,
            now,
            &mut self.rng,
        ) {
            Ok(encrypted) => {
                let draft = self.draft(peer, number);
                draft.peer.signal = encrypted.peer;
                draft.dirty = true;
                Ok(encrypted.ciphertext.to_body())
            }
            Err(Error::NoSession) => Err(Unsent::Park),
            Err(Error::RecordTooLarge | Error::DamagedRecord | Error::Downgrade) => {
                let draft = self.draft(peer, number);
                draft.peer.signal = draft.peer.signal.without_sessions();
                draft.dirty = true;
                Err(Unsent::Park)
            }
            Err(error) => {
                tracing::error!(%error, "a message could not be encrypted");
                Err(Unsent::Fail(FailureReason::Internal))
            }
        }
    }

    /// Encrypts something that nobody tracks, now, if the session allows.
    pub(super) fn control(&mut self, peer: &PeerIndex, body: Body) {
        let Some(number) = self.peers.get(peer).map(|draft| draft.peer.number.clone()) else {
            return;
        };
        let message = id::message_id(self.core.lane, &mut self.rng);
        let payload = Payload::new(self.shared().number.clone(), number.clone(), message, self.now.ms, body);
        if let Ok(ciphertext) = self.encrypt(peer, &number, &payload.encode()) {
            let expires_at_ms = self.now.ms + self.shared().retention_ms();
            self.outgoing(id::envelope_id(message, 0), &number, ciphertext, expires_at_ms, None);
        }
    }

    /// Puts an envelope into the outbox. `tracked` is `Some` when the business is told what becomes of it.
    pub(super) fn outgoing(
        &mut self,
        envelope_id: EnvelopeId,
        to: &PhoneNumber,
        body: Vec<u8>,
        expires_at_ms: u64,
        tracked: Option<Option<Text>>,
    ) {
        let queue = self.names().outbox(self.core.lane);
        let is_tracked = tracked.is_some();
        let opaque = tracked.flatten();
        let stored = Outgoing {
            envelope_id: envelope_id.as_bytes().to_vec(),
            to: to.reveal().to_owned(),
            body,
            expires_at_ms,
            tracked: is_tracked,
            opaque: opaque.as_ref().map(|text| text.reveal().to_owned()),
        };
        if let Some(value) = self.seal(Class::Message, &queue, &stored) {
            let ttl = self.shared().lifetime(expires_at_ms, self.now);
            self.ops.push(Op::Append { queue, value, ttl });
            let waiting = Waiting {
                entry: EntryId::ZERO,
                to: to.clone(),
                tracked: is_tracked,
                opaque,
            };
            self.appended
                .push(Appended::Outgoing(Box::new((waiting, envelope(&stored, self.now.ms)))));
        }
    }
}

/// The envelope of an outbox entry, as the relay wants it.
#[must_use]
pub fn envelope(stored: &Outgoing, now_ms: u64) -> Envelope {
    let ttl_seconds = (stored.expires_at_ms.saturating_sub(now_ms) / 1000).max(1);
    Envelope {
        id: Bytes::copy_from_slice(&stored.envelope_id),
        sender: String::new(),
        recipient: stored.to.clone(),
        body: Bytes::copy_from_slice(&stored.body),
        accepted_at_ms: 0,
        ttl_seconds: u32::try_from(ttl_seconds).unwrap_or(u32::MAX),
    }
}
