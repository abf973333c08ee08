//! What a turn has to read before it can be planned.

use std::collections::HashSet;

use waxseal_content::{MessageId, wire::Wire};
use waxseal_signal::Ciphertext;
use waxseal_store::Key;

use super::{
    core::Core,
    input::{Delivery, Input},
    record::Job,
    shared::Shared,
};
use crate::id::{self, PeerIndex};

impl Core {
    /// The keys of the store a turn over `input` needs to read.
    #[must_use]
    pub fn needs(&self, input: &Input) -> Vec<Key> {
        let mut keys = HashSet::new();
        let mut peers: HashSet<PeerIndex> = input.bundles.keys().copied().collect();
        peers.extend(input.jobs.iter().map(|accepted| accepted.peer));
        peers.extend(input.deliveries.iter().map(|delivery| delivery.peer));
        keys.extend(
            peers
                .iter()
                .filter(|peer| !self.peers.contains(*peer))
                .map(|peer| self.shared.names.peer(peer)),
        );
        keys.extend(input.expired.iter().map(|message| self.shared.names.message(*message)));
        let jobs = input.jobs.iter().chain(input.hopeless.iter().map(|(accepted, _)| accepted));
        keys.extend(jobs.filter_map(|accepted| of_job(&self.shared, &accepted.job)));
        for delivery in &input.deliveries {
            of_delivery(&self.shared, delivery, input.may_repeat, &mut keys);
        }
        keys.into_iter().collect()
    }
}

/// The keys a delivery needs, as far as its outside tells.
fn of_delivery(shared: &Shared, delivery: &Delivery, may_repeat: bool, keys: &mut HashSet<Key>) {
    let names = &shared.names;
    if may_repeat {
        keys.insert(names.seen(&delivery.peer, delivery.envelope_id));
    }
    match Wire::parse(&delivery.body) {
        Ok(Wire::Retry(receipt)) => {
            keys.insert(names.message(id::of_envelope(receipt.envelope_id).0));
        }
        Ok(Wire::Signal(body)) => {
            let needed = Ciphertext::from_body(body).and_then(|ciphertext| waxseal_signal::needed(&ciphertext));
            if let Ok(Some(needed)) = needed {
                keys.extend(needed.one_time_ec.map(|id| names.one_time_ec(id)));
                keys.extend(needed.kyber.map(|id| names.one_time_kyber(id)));
                keys.insert(names.used(&needed.base_key));
            }
        }
        Err(_) => {}
    }
}

/// The key a message needs before it is encrypted again: what is kept of it.
fn of_job(shared: &Shared, job: &Job) -> Option<Key> {
    let message = MessageId::from_slice(&job.message_id).filter(|_| job.attempt > 0)?;
    Some(shared.names.message(message))
}
