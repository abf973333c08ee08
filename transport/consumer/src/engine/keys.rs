//! Pre-keys: how many the relay should hold, when the signed one is replaced, and how long old private halves are kept. Private halves are
//! in the store before their public halves leave.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_signal::pre_keys;
use waxseal_signal::{OneTimePublicKey, PrivateRecord, SignedPublicKey};

use super::{Engine, Step, millis};
use crate::Error;
use crate::state::keys::{self as names, PreKey};
use crate::state::rows;

/// The relay forgets an unused one-time key then. An envelope made with it may wait as long again.
pub(crate) const ONE_TIME_TTL: Duration = Duration::from_secs(30 * 24 * 3_600);
const KEEP_ONE_TIME_MS: u64 = 61 * 24 * 3_600 * 1_000;

/// Most private one-time keys of a kind, however fast somebody drains the relay's pool.
const MAX_ONE_TIME: usize = 2_000;

/// What the relay holds of our keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) one_time_ec: u32,
    pub(crate) one_time_kyber: u32,
    pub(crate) signed_id: u32,
}

/// Public keys to publish.
#[derive(Default)]
pub(crate) struct Upload {
    pub(crate) signed: Option<SignedPublicKey>,
    pub(crate) last_resort: Option<SignedPublicKey>,
    pub(crate) one_time_ec: Vec<OneTimePublicKey>,
    pub(crate) one_time_kyber: Vec<SignedPublicKey>,
}

impl Upload {
    pub(crate) const fn is_empty(&self) -> bool {
        self.signed.is_none() && self.last_resort.is_none() && self.one_time_ec.is_empty() && self.one_time_kyber.is_empty()
    }
}

impl Engine {
    /// Makes what the relay lacks and forgets what nobody can use any more. To be published after the commit.
    pub(crate) fn prepare_keys(&mut self, step: &mut Step, held: Counts, now: SystemTime) -> Result<Upload, Error> {
        let mut upload = Upload::default();
        let policy = pre_keys::Policy {
            target: self.one_time_keys,
            low_water: self.one_time_keys.div_ceil(4),
            ..pre_keys::Policy::default()
        };
        let made = UNIX_EPOCH + Duration::from_millis(self.account.signed_at_ms);
        let known = self.account.signed_id != 0 && held.signed_id == self.account.signed_id;
        if !known || pre_keys::rotation_due(&policy, made, now) {
            self.rotate(step, &mut upload, now)?;
        }
        for _ in 0..pre_keys::replenish(&policy, held.one_time_ec, 0, policy.horizon) {
            let id = pre_keys::next_id(self.account.last_ec_id);
            self.account.last_ec_id = id;
            let (record, public) = pre_keys::one_time_ec(id, &mut self.rng)?;
            put_key(step, PreKey::OneTimeEc, id, &record, millis(now));
            upload.one_time_ec.push(public);
        }
        for _ in 0..pre_keys::replenish(&policy, held.one_time_kyber, 0, policy.horizon) {
            upload.one_time_kyber.push(self.kyber(step, PreKey::OneTimeKyber, now)?);
        }
        if !upload.is_empty() {
            step.must_be_durable();
            step.tx.put_row(names::ACCOUNT.to_vec(), &self.account);
            forget_signed(step, &policy, now)?;
            forget_one_time(step, millis(now))?;
        }
        Ok(upload)
    }

    fn rotate(&mut self, step: &mut Step, upload: &mut Upload, now: SystemTime) -> Result<(), Error> {
        let id = pre_keys::next_id(self.account.signed_id);
        let (record, public) = pre_keys::signed(&self.identity, id, now, &mut self.rng)?;
        put_key(step, PreKey::Signed, id, &record, millis(now));
        upload.signed = Some(public);
        self.account.signed_id = id;
        self.account.signed_at_ms = millis(now);
        upload.last_resort = Some(self.kyber(step, PreKey::LastResort, now)?);
        Ok(())
    }

    /// One-time and last-resort keys are made alike and share one row of ids.
    fn kyber(&mut self, step: &mut Step, kind: PreKey, now: SystemTime) -> Result<SignedPublicKey, Error> {
        let id = pre_keys::next_id(self.account.last_kyber_id);
        self.account.last_kyber_id = id;
        let (record, public) = pre_keys::kyber(&self.identity, id, now, &mut self.rng)?;
        put_key(step, kind, id, &record, millis(now));
        Ok(public)
    }
}

fn put_key(step: &mut Step, kind: PreKey, id: u32, record: &PrivateRecord, now_ms: u64) {
    step.tx.put_row(
        kind.key(id),
        &rows::PreKey {
            record: record.as_bytes().to_vec(),
            created_at_ms: now_ms,
        },
    );
}

fn forget_signed(step: &mut Step, policy: &pre_keys::Policy, now: SystemTime) -> Result<(), Error> {
    for kind in [PreKey::Signed, PreKey::LastResort] {
        let keys: Vec<_> = ages(step, kind)?
            .into_iter()
            .map(|(created_at_ms, id)| pre_keys::Signed {
                id,
                made: UNIX_EPOCH + Duration::from_millis(created_at_ms),
            })
            .collect();
        for id in pre_keys::outdated(policy, &keys, now) {
            step.tx.delete(kind.key(id));
            if kind == PreKey::LastResort {
                for base_key in step.tx.keys(&names::base_keys(id))? {
                    step.tx.delete(base_key);
                }
            }
        }
    }
    Ok(())
}

fn forget_one_time(step: &mut Step, now_ms: u64) -> Result<(), Error> {
    for kind in [PreKey::OneTimeEc, PreKey::OneTimeKyber] {
        let mut ages = ages(step, kind)?;
        ages.sort_by(|a, b| b.cmp(a));
        for (place, (created_at_ms, id)) in ages.into_iter().enumerate() {
            if place >= MAX_ONE_TIME || now_ms.saturating_sub(created_at_ms) > KEEP_ONE_TIME_MS {
                step.tx.delete(kind.key(id));
            }
        }
    }
    Ok(())
}

/// When the keys of a kind were made, and their ids.
fn ages(step: &Step, kind: PreKey) -> Result<Vec<(u64, u32)>, Error> {
    let mut ages = Vec::new();
    for key in step.tx.keys(kind.prefix())? {
        if let Some(row) = step.tx.row::<rows::PreKey>(&key)?
            && let Some(id) = kind.id(&key)
        {
            ages.push((row.created_at_ms, id));
        }
    }
    Ok(ages)
}
