//! Envelopes in, acknowledgements in.

use std::sync::Arc;

use waxseal_protocol::proto::{Envelope, Outcome, Verdict};

use super::Writer;
use crate::account::Account;
use crate::connection::Connection;
use crate::number::Number;
use crate::store::queue::Submitted;
use crate::store::{self, Tables};

impl Writer {
    pub(super) fn submit(
        &mut self,
        tables: &mut Tables<'_>,
        connection: Arc<Connection>,
        envelopes: Vec<Envelope>,
    ) -> Result<(), store::Error> {
        if !self.is_present(&connection) {
            return Ok(());
        }
        let mut outcomes = Vec::with_capacity(envelopes.len());
        let mut verdicts = Verdicts::default();
        let is_business = self.shared.accounts().get(&connection.number).is_some_and(Account::is_business);
        for envelope in envelopes {
            // Shares the frame's memory.
            let envelope_id = envelope.id.clone();
            let recipient = Number::parse(&envelope.recipient);
            let verdict = self.submit_one(tables, connection.number, recipient, envelope, &mut verdicts)?;
            if let (true, Some(recipient)) = (is_business, recipient) {
                self.notice(connection.number, recipient, verdict);
            }
            outcomes.push(Outcome {
                envelope_id,
                verdict: verdict.into(),
            });
        }
        let shared = Arc::clone(&self.shared);
        self.after(move || {
            shared.metrics.submitted(&verdicts);
            connection.answer(outcomes);
        });
        Ok(())
    }

    fn submit_one(
        &mut self,
        tables: &mut Tables<'_>,
        sender: Number,
        recipient: Option<Number>,
        envelope: Envelope,
        verdicts: &mut Verdicts,
    ) -> Result<Verdict, store::Error> {
        let Some(recipient) = recipient else {
            verdicts.malformed += 1;
            return Ok(Verdict::Malformed);
        };
        if !self.shared.accounts().contains_key(&recipient) {
            verdicts.unknown_recipient += 1;
            return Ok(Verdict::UnknownRecipient);
        }
        match self.queues.submit(tables, sender, recipient, envelope, self.now_ms)? {
            Submitted::Queued(queued) => {
                if let Some(present) = self.present.get_mut(&recipient) {
                    if present.fresh.is_empty() {
                        self.touched.push(recipient);
                    }
                    present.fresh.push(queued);
                }
                verdicts.accepted += 1;
                Ok(Verdict::Accepted)
            }
            Submitted::Duplicate => {
                verdicts.duplicate += 1;
                Ok(Verdict::Accepted)
            }
            Submitted::Rejected(verdict) => {
                match verdict {
                    Verdict::TooLarge => verdicts.too_large += 1,
                    Verdict::QueueFull => verdicts.queue_full += 1,
                    _ => verdicts.malformed += 1,
                }
                Ok(verdict)
            }
        }
    }

    fn notice(&mut self, business: Number, recipient: Number, verdict: Verdict) {
        match verdict {
            Verdict::Accepted => self.watch.wrote(business, recipient, true, self.now_ms),
            Verdict::UnknownRecipient => self.watch.wrote(business, recipient, false, self.now_ms),
            _ => {}
        }
    }

    pub(super) fn acknowledge(&mut self, tables: &mut Tables<'_>, connection: &Connection, sequences: &[u64]) -> Result<(), store::Error> {
        if !self.is_present(connection) {
            return Ok(());
        }
        let mut acknowledged = 0;
        for sequence in sequences {
            acknowledged += u64::from(self.queues.acknowledge(tables, connection.number, *sequence)?);
        }
        self.shared.metrics.acknowledged.inc_by(acknowledged);
        Ok(())
    }
}

/// How many envelopes of a frame met which fate.
#[derive(Default)]
pub(crate) struct Verdicts {
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    pub(crate) unknown_recipient: u64,
    pub(crate) too_large: u64,
    pub(crate) queue_full: u64,
    pub(crate) malformed: u64,
}
