//! Accepted messages on their way to the ratchet, and those that wait for a bundle of their consumer.

use std::sync::{Arc, atomic::Ordering};

use tokio::time::Instant;
use waxseal_content::PhoneNumber;
use waxseal_protocol::{Error as TransportError, proto};
use waxseal_sealing::Class;
use waxseal_signal::{Bundle, OneTimePublicKey, SignedPublicKey};
use waxseal_store::{EntryId, Key};

use super::{BUNDLE_RETRY, End, Event, Lane, MAX_BAD_BUNDLES, MAX_PARKED, MAX_PARKED_EACH, MAX_UNANSWERED, PAGE, Parked};
use crate::{
    conversation::{input::Accepted, record::Job},
    id::PeerIndex,
    message::FailureReason,
};

impl Lane {
    /// Whether further messages are to be read from the queue.
    pub(super) fn can_refill(&self) -> bool {
        // What is being given up is still in the queue, and must not be read from it again.
        let room = self.core.unanswered() < MAX_UNANSWERED && self.input.hopeless.is_empty();
        self.link.is_some() && self.more_jobs && self.jobs.is_empty() && room
    }

    pub(super) async fn refill_jobs(&mut self) -> Result<(), End> {
        if !self.can_refill() {
            return Ok(());
        }
        let queue = self.outfit.shared.names.accepted(self.core.lane);
        let entries = self.range(&queue, self.job_cursor).await?;
        self.more_jobs = entries.len() == PAGE;
        let at_end = !self.more_jobs;
        for (entry, sealed) in entries {
            self.job_cursor = entry;
            let job: Option<Job> = self.outfit.shared.open(Class::Message, &queue, &sealed);
            let number = job.as_ref().and_then(|job| PhoneNumber::parse(&job.to).ok());
            let (Some(job), Some(number)) = (job, number) else {
                self.input.unreadable.push(entry);
                continue;
            };
            let peer = self.outfit.shared.blind.of(number.reveal());
            let accepted = Accepted { entry, peer, job };
            if self.pace.holds(&peer) {
                self.pace.hold(accepted);
            } else if self.parked.contains_key(&peer) {
                self.park_one(accepted);
            } else {
                self.jobs.push_back(accepted);
            }
        }
        if at_end {
            self.count_waiting(&queue).await;
        }
        Ok(())
    }

    async fn count_waiting(&self, queue: &Key) {
        let known = self.jobs.len() + self.parked.values().map(|parked| parked.jobs.len()).sum::<usize>() + self.pace.len();
        let passed_over = self.parked.values().any(|parked| parked.more) || self.pace.has_passed_over();
        let waiting = match passed_over {
            false => Ok(known as u64),
            true => self.outfit.store.queue_len(queue).await,
        };
        // What cannot be counted now is counted the next time.
        if let Ok(waiting) = waiting {
            self.outfit.waiting.store(waiting, Ordering::Relaxed);
        }
    }

    /// Forgets the messages read from the queue, and reads it from the start: what was done with is not there any more.
    pub(super) fn read_jobs_again(&mut self) {
        self.jobs.clear();
        for parked in self.parked.values_mut() {
            parked.jobs.clear();
            parked.more = false;
        }
        self.pace.read_again();
        self.job_cursor = EntryId::ZERO;
        self.more_jobs = true;
    }

    pub(super) fn park(&mut self, messages: Vec<Accepted>) {
        for accepted in messages {
            self.park_one(accepted);
        }
        // What of these consumers had been read already goes behind.
        let (behind, others) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition::<Vec<_>, _>(|job| self.parked.contains_key(&job.peer));
        self.jobs = others.into();
        for accepted in behind {
            match self.pace.holds(&accepted.peer) {
                true => self.pace.hold(accepted),
                false => self.park_one(accepted),
            }
        }
        self.ask_again();
    }

    /// One consumer that cannot be reached must not hold up the others: only so much of it is kept in memory, the rest is passed over and
    /// read again later.
    pub(super) fn park_one(&mut self, accepted: Accepted) {
        let total: usize = self.parked.values().map(|parked| parked.jobs.len()).sum();
        let Ok(number) = PhoneNumber::parse(&accepted.job.to) else {
            self.input.unreadable.push(accepted.entry);
            return;
        };
        let parked = self.parked.entry(accepted.peer).or_insert_with(|| Parked {
            number,
            jobs: Vec::new(),
            more: false,
            ask_at: Some(Instant::now()),
        });
        if parked.more || parked.jobs.len() >= MAX_PARKED_EACH || total >= MAX_PARKED {
            parked.more = true;
        } else {
            parked.jobs.push(accepted);
        }
    }

    /// Asks for the bundles whose time has come.
    pub(super) fn ask_again(&mut self) {
        if self.link.is_none() {
            return;
        }
        let now = Instant::now();
        for (peer, parked) in &mut self.parked {
            if parked.ask_at.is_some_and(|at| at <= now) {
                parked.ask_at = None;
                let (peer, number, transport, lane) = (
                    *peer,
                    parked.number.clone(),
                    Arc::clone(&self.outfit.transport),
                    self.sender.clone(),
                );
                tokio::spawn(async move {
                    let answer = transport.fetch_bundle(&number).await.map(Box::new);
                    if let Some(lane) = lane.upgrade() {
                        let _ = lane.send(Event::Bundle(peer, answer)).await;
                    }
                });
            }
        }
    }

    pub(super) fn take_bundle(&mut self, peer: PeerIndex, answer: Result<Box<proto::Bundle>, TransportError>) {
        let Some(mut parked) = self.parked.remove(&peer) else { return };
        let reason = match answer {
            Ok(bundle) if self.bad_bundles.get(&peer).is_some_and(|count| *count >= MAX_BAD_BUNDLES) => {
                drop(bundle);
                self.bad_bundles.remove(&peer);
                FailureReason::NoKeys
            }
            Ok(bundle) => match signal_bundle(&bundle) {
                Some(bundle) => {
                    self.input.bundles.insert(peer, bundle);
                    if parked.more {
                        self.read_jobs_again();
                        return;
                    }
                    for accepted in parked.jobs.into_iter().rev() {
                        self.jobs.push_front(accepted);
                    }
                    return;
                }
                None => FailureReason::NoKeys,
            },
            Err(TransportError::NotRegistered) => FailureReason::UnknownRecipient,
            Err(TransportError::NoKeys) => FailureReason::NoKeys,
            Err(error) => {
                let wait = match error {
                    TransportError::RateLimited { retry_after } => retry_after,
                    _ => BUNDLE_RETRY,
                };
                parked.ask_at = Some(Instant::now() + wait);
                self.parked.insert(peer, parked);
                return;
            }
        };
        if parked.more {
            self.read_jobs_again();
        }
        self.input
            .hopeless
            .extend(parked.jobs.into_iter().map(|accepted| (accepted, reason)));
    }
}

fn signal_bundle(bundle: &proto::Bundle) -> Option<Bundle> {
    let signed = |key: &proto::SignedKey| SignedPublicKey {
        id: key.id,
        key: key.key.to_vec(),
        signature: key.signature.to_vec(),
    };
    Some(Bundle {
        registration_id: bundle.registration_id,
        identity_key: bundle.identity_key.to_vec(),
        signed_pre_key: signed(bundle.signed_pre_key.as_ref()?),
        kyber_pre_key: signed(bundle.kyber_pre_key.as_ref()?),
        one_time_ec: bundle.one_time_ec.as_ref().map(|key| OneTimePublicKey {
            id: key.id,
            key: key.key.to_vec(),
        }),
    })
}
