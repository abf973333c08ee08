//! One-time keys that were handed out or dropped, remembered by their hash until their owner forgets them too: publishing them again, as a
//! client does that saw no answer, does not bring them back.

use redb::ReadableTable as _;
use sha2::{Digest as _, Sha256};

use super::{Error, Tables};
use crate::number::Number;

/// Number, kind, hash of the public key.
pub(crate) type Key = (u64, u8, u128);

/// Walks the table for expired entries.
pub(crate) struct Sweep {
    cursor: Key,
    inserted_since: usize,
}

impl Default for Sweep {
    /// A walk is due when the relay starts.
    fn default() -> Self {
        Self {
            cursor: Key::default(),
            inserted_since: 1,
        }
    }
}

const SWEEP_AT_LEAST: usize = 500;
const SWEEP_PER_INSERT: usize = 4;

fn key(number: Number, kind: u8, public_key: &[u8]) -> Key {
    let mut hash = [0; 16];
    hash.copy_from_slice(&Sha256::digest(public_key)[..16]);
    (number.key(), kind, u128::from_be_bytes(hash))
}

impl Sweep {
    pub(crate) fn insert(
        &mut self,
        tables: &mut Tables<'_>,
        number: Number,
        kind: u8,
        public_key: &[u8],
        expiry_s: u64,
    ) -> Result<(), Error> {
        tables.spent.insert(key(number, kind, public_key), expiry_s)?;
        self.inserted_since += 1;
        Ok(())
    }

    /// Whether a walk is under way or due because the table grew.
    pub(crate) fn needs_sweep(&self) -> bool {
        self.inserted_since > 0 || self.cursor != Key::default()
    }

    /// Walks a part of the table and forgets what has expired; returns whether anything had.
    pub(crate) fn sweep(&mut self, tables: &mut Tables<'_>, now_s: u64) -> Result<bool, Error> {
        let part = SWEEP_AT_LEAST + SWEEP_PER_INSERT * std::mem::take(&mut self.inserted_since);
        let mut gone = Vec::new();
        let mut seen = 0;
        let mut last = None;
        for entry in tables.spent.range(self.cursor..)?.take(part) {
            let (key, expiry_s) = entry?;
            if expiry_s.value() <= now_s {
                gone.push(key.value());
            }
            seen += 1;
            last = Some(key.value());
        }
        self.cursor = match last {
            Some((number, kind, hash)) if seen == part => (number, kind, hash.wrapping_add(1)),
            _ => Key::default(),
        };
        for key in &gone {
            tables.spent.remove(*key)?;
        }
        Ok(!gone.is_empty())
    }
}

pub(crate) fn contains(tables: &Tables<'_>, number: Number, kind: u8, public_key: &[u8]) -> Result<bool, Error> {
    Ok(tables.spent.get(key(number, kind, public_key))?.is_some())
}

pub(crate) fn forget(tables: &mut Tables<'_>, number: Number) -> Result<(), Error> {
    Ok(tables
        .spent
        .retain_in((number.key(), 0, 0)..=(number.key(), u8::MAX, u128::MAX), |_, _| false)?)
}
