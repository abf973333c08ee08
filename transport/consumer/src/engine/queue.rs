//! The queue of plaintext and the outbox of ciphertext: once there is a session (and the file a message names is at the relay), a queued
//! payload becomes a stored envelope; the envelope stays until the relay has accepted it. Sending again sends the stored bytes.

use std::time::SystemTime;

use waxseal_content::{BlobId, EnvelopeId, MessageId, PhoneNumber};
use waxseal_signal::{Bundle, Trust};

use super::{Engine, Known, Step, WaitingFile, millis, store_peer};
use crate::event::Status;
use crate::state::{keys as names, rows};
use crate::{Error, Event, Failure};

/// How many sent payloads are kept for retry receipts.
const KEPT_SENT: u64 = 10_000;

/// What the relay said about an envelope.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Failed(Failure),
}

impl Engine {
    /// Appends to the peer's queue of plaintext.
    pub(super) fn enqueue(&mut self, step: &mut Step, to: &PhoneNumber, payload: &[u8], message: Option<MessageId>, attempts: u32) {
        let row = rows::Outgoing {
            recipient: to.reveal().to_owned(),
            payload: payload.to_vec(),
            message: message.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            attempts,
            ..rows::Outgoing::default()
        };
        self.enqueue_row(step, to, &row);
    }

    pub(super) fn enqueue_row(&mut self, step: &mut Step, to: &PhoneNumber, row: &rows::Outgoing) {
        let key = names::queue(to, self.counters.queue);
        self.counters.queue += 1;
        self.waiting += 1;
        step.must_be_durable();
        step.effects.upload.extend(waiting_file(&key, row));
        step.tx.put_row(key, row);
    }

    /// Encrypts what waits for a peer, in order, for as long as there is a session; asks for a bundle if there is none.
    pub(super) fn flush(&mut self, step: &mut Step, to: &PhoneNumber, now: SystemTime) -> Result<(), Error> {
        if !self.encrypt_queue(step, to, now)? && !step.effects.fetch.contains(to) {
            step.effects.fetch.push(to.clone());
        }
        Ok(())
    }

    /// `false` if something still waits, for want of a session. What waits for a file does not count, and messages wait behind it.
    fn encrypt_queue(&mut self, step: &mut Step, to: &PhoneNumber, now: SystemTime) -> Result<bool, Error> {
        let prefix = names::queue_of(to);
        let Some(mut entry) = step.tx.next(&prefix, None)? else {
            return Ok(true);
        };
        let mut known = self.peer(step, to)?;
        let mut changed = false;
        let mut files = false;
        let all = loop {
            let (key, value) = entry;
            let row = <rows::Outgoing as prost::Message>::decode(value.as_slice()).map_err(|_| Error::Corrupt)?;
            files |= !row.blob.is_empty();
            if is_behind_a_file(files, &row) {
                match step.tx.next(&prefix, Some(&key))? {
                    Some(next) => entry = next,
                    None => break true,
                }
                continue;
            }
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
                    if row.damaged
                        && row.attempts == 0
                        && let Some(last) = envelope.body.last_mut()
                    {
                        *last ^= 1;
                    }
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
                step.effects.unspool.extend(BlobId::from_slice(&row.blob));
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
        let mut files_of = None;
        while let Some((key, value)) = tx.next(names::QUEUE, after.as_deref())? {
            let peer = names::peer_of_queue(&key).ok_or(Error::Corrupt)?;
            let row = <rows::Outgoing as prost::Message>::decode(value.as_slice()).map_err(|_| Error::Corrupt)?;
            if !row.blob.is_empty() {
                files_of = Some(peer.clone());
            }
            if is_behind_a_file(files_of.as_ref() == Some(&peer), &row) {
                after = Some(key);
                continue;
            }
            // Past everything of this peer: ordinals never reach the maximum.
            after = Some(names::queue(&peer, u64::MAX));
            peers.push(peer);
        }
        Ok(peers)
    }

    /// Every file that has to go to the relay before its message.
    pub(crate) fn waiting_files(&self) -> Result<Vec<WaitingFile>, Error> {
        let tx = crate::state::Transaction::new(self.store.clone());
        let mut files = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        while let Some((key, value)) = tx.next(names::QUEUE, after.as_deref())? {
            let row = <rows::Outgoing as prost::Message>::decode(value.as_slice()).map_err(|_| Error::Corrupt)?;
            files.extend(waiting_file(&key, &row));
            after = Some(key);
        }
        Ok(files)
    }

    /// The relay has a file, or never will: its message goes on, or fails.
    pub(crate) fn uploaded(
        &mut self,
        step: &mut Step,
        file: &WaitingFile,
        outcome: Result<(), Failure>,
        now: SystemTime,
    ) -> Result<(), Error> {
        let Some(mut row) = step.tx.row::<rows::Outgoing>(&file.key)? else {
            return Ok(());
        };
        let to = PhoneNumber::parse(&row.recipient).map_err(|_| Error::Corrupt)?;
        step.must_be_durable();
        step.effects.unspool.push(file.blob);
        match outcome {
            Ok(()) => {
                row.blob.clear();
                row.blob_bytes = 0;
                step.tx.put_row(file.key.clone(), &row);
            }
            Err(reason) => {
                Self::fail(step, &to, &row.message, reason)?;
                step.tx.delete(file.key.clone());
                self.waiting -= 1;
            }
        }
        self.flush(step, &to, now)
    }
}

/// Messages keep their order; receipts may overtake a file, which can take minutes.
const fn is_behind_a_file(files: bool, row: &rows::Outgoing) -> bool {
    files && !row.message.is_empty()
}

fn waiting_file(key: &[u8], row: &rows::Outgoing) -> Option<WaitingFile> {
    Some(WaitingFile {
        key: key.to_vec(),
        blob: BlobId::from_slice(&row.blob)?,
        ciphertext_bytes: row.blob_bytes,
    })
}
