//! Pre-keys: made, kept, published, replaced.
//!
//! Signed and last-resort keys live in custody, one-time keys sealed in the store. Private halves are durable before their public halves
//! are published, and ids are reserved before they are used, so that no crash publishes a key nobody has or gives one id to two keys.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use waxseal_protocol::{
    Error as TransportError,
    proto::{OneTimeKey, PublishKeysRequest, SignedKey},
};
use waxseal_sealing::Class;
use waxseal_signal::{PrivateRecord, SignedPublicKey, pre_keys};
use waxseal_store::{Batch, Op};
use zeroize::Zeroizing;

use super::{Error, Number};
use crate::{
    conversation::shared::SignedKeys,
    custody::{Keys, PreKeyEntry},
    moment::Moment,
};

/// How often rotation and stock are looked at.
const CHECK: Duration = Duration::from_secs(15 * 60);
/// One-time keys written to the store in one batch.
const PER_BATCH: usize = 50;

/// Makes new signed and last-resort keys when the present ones are due, and drops those that are too old. To be kept before they are used.
pub(super) fn rotate(keys: &mut Keys, now: SystemTime) -> Result<(), Error> {
    if !due(keys, now) {
        return Ok(());
    }
    let policy = pre_keys::Policy::default();
    let mut rng = rand::rng();
    let id = keys.next_pre_key_id;
    let kyber_id = pre_keys::next_id(id);
    keys.next_pre_key_id = pre_keys::next_id(kyber_id);
    let signed = pre_keys::signed(&keys.identity, id, now, &mut rng).map_err(Error::PreKeys)?;
    let kyber = pre_keys::kyber(&keys.identity, kyber_id, now, &mut rng).map_err(Error::PreKeys)?;
    for (entries, key) in [(&mut keys.signed_pre_keys, signed), (&mut keys.last_resort_keys, kyber)] {
        entries.push(entry(key, now));
        let ages: Vec<_> = entries
            .iter()
            .map(|entry| pre_keys::Signed {
                id: entry.id,
                made: made(entry),
            })
            .collect();
        let outdated = pre_keys::outdated(&policy, &ages, now);
        entries.retain(|entry| !outdated.contains(&entry.id));
    }
    Ok(())
}

/// Whether the signed or last-resort keys are old enough to be replaced, or missing.
fn due(keys: &Keys, now: SystemTime) -> bool {
    let policy = pre_keys::Policy::default();
    let due = |entries: &[PreKeyEntry]| entries.last().is_none_or(|entry| pre_keys::rotation_due(&policy, made(entry), now));
    due(&keys.signed_pre_keys) || due(&keys.last_resort_keys)
}

fn made(entry: &PreKeyEntry) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(entry.created_ms)
}

fn entry((record, public): (PrivateRecord, SignedPublicKey), now: SystemTime) -> PreKeyEntry {
    PreKeyEntry {
        id: public.id,
        created_ms: Moment::of(now).ms,
        record: Zeroizing::new(record.as_bytes().to_vec()),
        public: public.key,
        signature: public.signature,
    }
}

/// Fills the transport's stock of one-time keys up and renews the signed keys there.
pub(super) async fn publish(number: &Arc<Number>) -> Result<(), TransportError> {
    let _one_at_a_time = number.publishing.lock().await;
    let counts = number.transport.count_keys().await?;
    let policy = pre_keys::Policy::default();
    // Both kinds are handed out together.
    let lost = number.lost.load(Ordering::Relaxed);
    let left = if lost { 0 } else { counts.one_time_ec.min(counts.one_time_kyber) };
    let wanted = pre_keys::replenish(&policy, left, 0, CHECK);
    let retention = number.shared.retention;
    let (one_time_ec, one_time_kyber) = make_one_time(number, wanted).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "no one-time pre-keys could be made; the last-resort keys serve");
        (Vec::new(), Vec::new())
    });
    let request = {
        let custody = number.custody.lock().await;
        let keys = custody.keys();
        let last = |entries: &[PreKeyEntry]| {
            entries.last().map(|entry| SignedKey {
                id: entry.id,
                key: entry.public.clone().into(),
                signature: entry.signature.clone().into(),
            })
        };
        PublishKeysRequest {
            signed_pre_key: last(&keys.signed_pre_keys),
            last_resort_kyber: last(&keys.last_resort_keys),
            one_time_ec,
            one_time_kyber,
            replace_one_time: lost,
            // Gone at the transport before the private halves are gone here.
            one_time_ttl_seconds: u32::try_from(retention.as_secs() - retention.as_secs() / 12).unwrap_or(0),
        }
    };
    number.transport.publish_keys(request).await?;
    number.lost.store(false, Ordering::Relaxed);
    Ok(())
}

/// Why one-time keys could not be made.
#[derive(Debug, thiserror::Error)]
enum Unmade {
    #[error(transparent)]
    Signal(#[from] waxseal_signal::Error),
    #[error(transparent)]
    Seal(#[from] waxseal_sealing::Error),
    #[error(transparent)]
    Store(#[from] waxseal_store::Error),
    #[error(transparent)]
    Custody(#[from] crate::custody::Error),
}

async fn make_one_time(number: &Arc<Number>, count: u32) -> Result<(Vec<OneTimeKey>, Vec<SignedKey>), Unmade> {
    let mut public = (Vec::new(), Vec::new());
    if count == 0 {
        return Ok(public);
    }
    let reserved = number.change_keys(|keys| {
        let mut ids = Vec::with_capacity(count as usize * 2);
        for _ in 0..count * 2 {
            ids.push(keys.next_pre_key_id);
            keys.next_pre_key_id = pre_keys::next_id(keys.next_pre_key_id);
        }
        Ok::<_, Unmade>(ids)
    });
    let ids = reserved.await?;
    for chunk in ids.chunks(PER_BATCH * 2) {
        let _core = number.cores.acquire().await;
        let ops = tokio::task::block_in_place(|| make_chunk(number, chunk, &mut public))?;
        drop(_core);
        number
            .store
            .commit(Batch {
                fence: None,
                absent: Vec::new(),
                ops,
            })
            .await?;
    }
    Ok(public)
}

fn make_chunk(number: &Number, ids: &[u32], public: &mut (Vec<OneTimeKey>, Vec<SignedKey>)) -> Result<Vec<Op>, Unmade> {
    let shared = &number.shared;
    let (mut rng, now) = (rand::rng(), SystemTime::now());
    let mut ops = Vec::with_capacity(ids.len());
    for pair in ids.chunks_exact(2) {
        let (ec_record, ec) = pre_keys::one_time_ec(pair[0], &mut rng)?;
        let (kyber_record, kyber) = pre_keys::kyber(&shared.identity, pair[1], now, &mut rng)?;
        for (key, record) in [
            (shared.names.one_time_ec(pair[0]), ec_record),
            (shared.names.one_time_kyber(pair[1]), kyber_record),
        ] {
            let sealed = shared.sealer.seal(
                Class::PreKey,
                key.as_str(),
                number.epoch.load(Ordering::Relaxed),
                record.as_bytes(),
                now,
                &mut rng,
            )?;
            ops.push(Op::Put {
                key,
                value: sealed.into(),
                ttl: shared.retention,
            });
        }
        public.0.push(OneTimeKey {
            id: ec.id,
            key: ec.key.into(),
        });
        public.1.push(SignedKey {
            id: kyber.id,
            key: kyber.key.into(),
            signature: kyber.signature.into(),
        });
    }
    Ok(ops)
}

/// Looks after the keys while the link is up; ends only with an error.
pub(super) async fn upkeep(number: &Arc<Number>) -> Result<(), TransportError> {
    loop {
        tokio::time::sleep(CHECK).await;
        if let Err(error) = renew(number).await {
            tracing::error!(%error, "the signed pre-keys could not be replaced; the present ones stay");
        }
        publish(number).await?;
    }
}

/// Replaces the signed keys when they are due; lanes and transport see the new ones only once they are kept.
async fn renew(number: &Number) -> Result<(), Error> {
    let now = SystemTime::now();
    if !due(number.custody.lock().await.keys(), now) {
        return Ok(());
    }
    let renewed = number.change_keys(|keys| {
        rotate(keys, now)?;
        Ok::<_, Error>(private(keys))
    });
    let fresh = renewed.await?;
    *number.shared.signed_keys.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    Ok(())
}

/// The private halves, as lanes need them.
pub(super) fn private(keys: &Keys) -> SignedKeys {
    let private = |entries: &[PreKeyEntry]| {
        entries
            .iter()
            .map(|entry| (entry.id, PrivateRecord::from_bytes(&entry.record)))
            .collect()
    };
    SignedKeys {
        signed: private(&keys.signed_pre_keys),
        last_resort: private(&keys.last_resort_keys),
    }
}
