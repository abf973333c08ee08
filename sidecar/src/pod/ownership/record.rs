//! What is written down about who owns a number, and how it is believed.
//!
//! Requests are passed on to the address in a record, with their tokens and what they say. Whoever can write to the store must not be able to
//! have them sent to himself: an address counts only with a code that pods of this number alone can make, from keys that custody holds. Only
//! the first owner, who makes those keys, writes without one, and adds it with the first renewal.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::machine::{Instance, Seen};
use crate::custody::Keys;

/// How old a code may be. An address may belong to somebody else later; clocks of nodes differ a little.
const FRESH: Duration = Duration::from_secs(60);
/// Far above any record.
const MOST_BYTES: usize = 2048;

/// Makes and checks the codes of one number. No `Debug`.
#[derive(Clone)]
pub struct Seal(Zeroizing<[u8; 32]>);

impl Seal {
    /// From the keys of the number; they are not needed any more afterwards.
    #[must_use]
    pub fn of(keys: &Keys) -> Self {
        let mut mac = hmac(&keys.index_key);
        mac.update(b"waxseal ownership v1");
        Self(Zeroizing::new(mac.finalize().into_bytes().into()))
    }
}

/// Who owns a number, or waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The process, hex.
    instance: String,
    /// The name of its pod.
    pub pod: String,
    /// Where its API port is.
    address: SocketAddr,
    /// Counts renewals.
    beat: u64,
    /// When it was written, milliseconds since 1970.
    at_ms: u64,
    /// Hex; see [`Seal`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// The one who writes records.
#[derive(Clone)]
pub struct Author {
    /// The process.
    pub instance: Instance,
    /// The name of its pod.
    pub pod: String,
    /// Where its API port is reached by other pods.
    pub address: SocketAddr,
    /// The number.
    pub phone_number_id: String,
}

impl Author {
    /// A record of this process.
    #[must_use]
    pub fn record(&self, beat: u64, seal: Option<&Seal>, now: SystemTime) -> Record {
        let mut record = Record {
            instance: hex::encode(self.instance.0.to_be_bytes()),
            pod: self.pod.clone(),
            address: self.address,
            beat,
            at_ms: millis(now),
            code: None,
        };
        record.code = seal.map(|seal| hex::encode(record.mac(&self.phone_number_id, seal).finalize().into_bytes()));
        record
    }

    /// How a record looks to this process.
    #[must_use]
    pub fn seen(&self, record: &Record) -> Seen {
        let instance = record.instance();
        Seen {
            instance,
            beat: record.beat,
            is_predecessor: instance != self.instance && record.pod == self.pod,
        }
    }
}

impl Record {
    /// Reads what is stored; `None` for anything that is no record.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MOST_BYTES).then(|| serde_json::from_slice(bytes).ok())?
    }

    /// For the store.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        // Texts and numbers into memory: cannot fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// The process.
    #[must_use]
    pub fn instance(&self) -> Instance {
        let mut bytes = [0; 16];
        // One that cannot be read is nobody's, and nobody has number 0.
        match hex::decode_to_slice(&self.instance, &mut bytes) {
            Ok(()) => Instance(u128::from_be_bytes(bytes)),
            Err(_) => Instance(0),
        }
    }

    /// Where its process takes requests, if a pod of this number says so, and not long ago.
    #[must_use]
    pub fn address(&self, phone_number_id: &str, seal: &Seal, now: SystemTime) -> Option<SocketAddr> {
        let code = hex::decode(self.code.as_deref()?).ok()?;
        self.mac(phone_number_id, seal).verify_slice(&code).ok()?;
        let age = Duration::from_millis(millis(now).abs_diff(self.at_ms));
        (age <= FRESH).then_some(self.address)
    }

    fn mac(&self, phone_number_id: &str, seal: &Seal) -> Hmac<Sha256> {
        let mut mac = hmac(&seal.0);
        let parts = [phone_number_id, &self.instance, &self.pod, &self.address.to_string()];
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&self.beat.to_be_bytes());
        mac.update(&self.at_ms.to_be_bytes());
        mac
    }
}

fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    // What HMAC does with a key that is shorter than its block.
    let mut block = Zeroizing::new([0_u8; 64]);
    let (first, _) = block.split_at_mut(key.len());
    first.copy_from_slice(key);
    Hmac::new(&(*block).into())
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author() -> Author {
        Author {
            instance: Instance(7),
            pod: "acme-1".to_owned(),
            address: SocketAddr::from(([10, 0, 0, 7], 8080)),
            phone_number_id: "105550100".to_owned(),
        }
    }

    fn seal(byte: u8) -> Seal {
        Seal(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn an_address_counts_only_with_the_code_of_this_number_and_only_for_a_while() {
        let now = SystemTime::now();
        let record = Record::decode(&author().record(3, Some(&seal(1)), now).encode()).unwrap();
        let address = |record: &Record, id: &str, key: u8, at: SystemTime| record.address(id, &seal(key), at);
        assert_eq!(address(&record, "105550100", 1, now), Some(author().address));
        assert_eq!(
            address(&record, "105550100", 1, now + Duration::from_secs(50)),
            Some(author().address)
        );
        assert_eq!(address(&record, "105550100", 1, now + Duration::from_secs(70)), None);
        assert_eq!(address(&record, "105550100", 2, now), None, "another number's keys");
        assert_eq!(address(&record, "105550101", 1, now), None);
        for changed in [
            Record {
                address: SocketAddr::from(([10, 6, 6, 6], 8080)),
                ..record.clone()
            },
            Record {
                at_ms: record.at_ms + 1,
                ..record.clone()
            },
            Record {
                instance: hex::encode(8u128.to_be_bytes()),
                ..record.clone()
            },
            Record {
                code: None,
                ..record.clone()
            },
            Record {
                code: Some("zz".to_owned()),
                ..record.clone()
            },
        ] {
            assert_eq!(address(&changed, "105550100", 1, now), None, "{changed:?}");
        }
        let unsealed = author().record(3, None, now);
        assert_eq!(address(&unsealed, "105550100", 1, now), None);
    }

    #[test]
    fn who_wrote_a_record_is_known_whatever_it_says() {
        let mine = author().record(3, None, SystemTime::now());
        let other = |pod: &str| Author {
            instance: Instance(8),
            pod: pod.to_owned(),
            ..author()
        };
        assert!(!author().seen(&mine).is_predecessor && author().seen(&mine).instance == Instance(7));
        assert!(other("acme-1").seen(&mine).is_predecessor, "the same pod, another process");
        assert!(!other("acme-2").seen(&mine).is_predecessor);
        assert!(Record::decode(b"{}").is_none() && Record::decode(&[b' '; 4096]).is_none());
        let unreadable = Record {
            instance: "x".to_owned(),
            ..mine
        };
        assert_eq!(author().seen(&unreadable).instance, Instance(0));
    }
}
