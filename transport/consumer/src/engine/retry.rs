//! Healing a broken session. The receiver of a message it cannot decrypt asks for it anew; the sender gives the session up if that message
//! was on its present chain, opens another and encrypts the kept plaintext again, five times at most.

use std::time::SystemTime;

use waxseal_content::{EnvelopeId, MessageId, PhoneNumber, RetryReceipt};
use waxseal_signal::Ciphertext;

use super::{Engine, Known, Step, millis, store_peer};
use crate::event::Status;
use crate::state::{keys as names, rows};
use crate::{Error, Failure};

impl Engine {
    /// Asks the sender for the message of this envelope in a new session. Once per envelope: the envelope is marked as seen.
    pub(super) fn ask_again(
        &mut self,
        step: &mut Step,
        sender: &PhoneNumber,
        id: EnvelopeId,
        ciphertext: &Ciphertext,
        reason: u32,
        now: SystemTime,
    ) -> Result<(), Error> {
        if !self.budget.take(sender, millis(now)) {
            tracing::warn!("too many undecryptable envelopes of one sender: not asked for again");
            return Ok(());
        }
        let Ok(decryption_error) = waxseal_signal::decryption_error(ciphertext, millis(now)) else {
            return Ok(());
        };
        // The attempts of a message are counted by its sender, who knows which envelopes carried it.
        let receipt = RetryReceipt {
            envelope_id: id,
            attempt: 1,
            reason,
            decryption_error,
        };
        let envelope = self.envelope(sender, receipt.to_body());
        self.post(step, &envelope);
        Ok(())
    }

    /// A peer could not decrypt an envelope of ours.
    pub(super) fn resend(&mut self, step: &mut Step, from: &PhoneNumber, receipt: &RetryReceipt, now: SystemTime) -> Result<(), Error> {
        let key = names::sent(receipt.envelope_id);
        let Some(row) = step.tx.row::<rows::Outgoing>(&key)? else {
            return Ok(());
        };
        if row.recipient != from.reveal() {
            return Ok(());
        }
        // One answer per envelope.
        step.tx.delete(key);
        let known = self.peer(step, from)?;
        if waxseal_signal::must_archive(&known.state, &receipt.decryption_error).unwrap_or(false)
            && let Ok(state) = waxseal_signal::archive(&known.state)
        {
            store_peer(step, from, &Known { id: known.id, state });
        }
        let message = MessageId::from_slice(&row.message);
        if row.attempts >= RetryReceipt::MAX_ATTEMPTS {
            return Self::fail(step, from, &row.message, Failure::Undecryptable);
        }
        if let Some(message) = message
            && let Some((_, logged)) = Self::logged(step, from, true, message)?
            && Status::from_code(logged.status) >= Status::Delivered
        {
            return Ok(());
        }
        self.enqueue(step, from, &row.payload, message, row.attempts + 1);
        self.flush(step, from, now)
    }
}
