//! The record's form: protobuf, because its types can be told to have no `Debug`.

use std::sync::Arc;

use prost::Message as _;
use waxseal_sealing::{Chain, Hour};
use waxseal_signal::Identity;
use zeroize::Zeroizing;

use super::Keys;

const VERSION: u32 = 1;

/// One pre-key: its private record, and the public half as published.
#[derive(Clone)]
pub struct PreKeyEntry {
    /// Its id.
    pub id: u32,
    /// When it was made, Unix milliseconds.
    pub created_ms: u64,
    /// The private record, as `waxseal_signal` made it.
    pub record: Zeroizing<Vec<u8>>,
    /// The public half, as published.
    pub public: Vec<u8>,
    /// The identity's signature over it.
    pub signature: Vec<u8>,
}

#[derive(prost::Message)]
#[prost(skip_debug)]
struct Record {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(bytes = "vec", tag = "2")]
    identity: Vec<u8>,
    #[prost(uint32, tag = "3")]
    chain_hour: u32,
    #[prost(bytes = "vec", tag = "4")]
    chain_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    index_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    token_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    user_id_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    credential: Vec<u8>,
    #[prost(uint64, tag = "9")]
    epoch: u64,
    #[prost(message, repeated, tag = "10")]
    signed_pre_keys: Vec<PreKey>,
    #[prost(message, repeated, tag = "11")]
    last_resort_keys: Vec<PreKey>,
    #[prost(uint32, tag = "12")]
    next_pre_key_id: u32,
    /// Empty in records of builds that had none.
    #[prost(bytes = "vec", tag = "13")]
    book_key: Vec<u8>,
}

#[derive(prost::Message)]
#[prost(skip_debug)]
struct PreKey {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(uint64, tag = "2")]
    created_ms: u64,
    #[prost(bytes = "vec", tag = "3")]
    record: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    public: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    signature: Vec<u8>,
}

impl From<&PreKeyEntry> for PreKey {
    fn from(entry: &PreKeyEntry) -> Self {
        Self {
            id: entry.id,
            created_ms: entry.created_ms,
            record: entry.record.to_vec(),
            public: entry.public.clone(),
            signature: entry.signature.clone(),
        }
    }
}

impl From<PreKey> for PreKeyEntry {
    fn from(key: PreKey) -> Self {
        Self {
            id: key.id,
            created_ms: key.created_ms,
            record: Zeroizing::new(key.record),
            public: key.public,
            signature: key.signature,
        }
    }
}

/// The record of `keys`.
pub(super) fn bytes(keys: &Keys) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(encode(keys).encode_to_vec())
}

fn encode(keys: &Keys) -> Record {
    Record {
        version: VERSION,
        identity: keys.identity.to_bytes().to_vec(),
        chain_hour: keys.chain.hour().0,
        chain_key: keys.chain.key().to_vec(),
        index_key: keys.index_key.to_vec(),
        token_key: keys.token_key.to_vec(),
        user_id_key: keys.user_id_key.to_vec(),
        credential: keys.credential.to_vec(),
        book_key: keys.book_key.as_ref().map(|key| key.to_vec()).unwrap_or_default(),
        epoch: keys.epoch,
        signed_pre_keys: keys.signed_pre_keys.iter().map(PreKey::from).collect(),
        last_resort_keys: keys.last_resort_keys.iter().map(PreKey::from).collect(),
        next_pre_key_id: keys.next_pre_key_id,
    }
}

/// The keys of a record; `None` when it is none of this version.
pub(super) fn decode(bytes: &[u8]) -> Option<Keys> {
    let record = Record::decode(bytes).ok()?;
    if record.version != VERSION {
        return None;
    }
    let key = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).ok().map(Zeroizing::new);
    let chain_key = key(&record.chain_key)?;
    Some(Keys {
        identity: Arc::new(Identity::from_bytes(&Zeroizing::new(record.identity)).ok()?),
        chain: Chain::from_parts(Hour(record.chain_hour), &chain_key),
        index_key: key(&record.index_key)?,
        token_key: key(&record.token_key)?,
        user_id_key: key(&record.user_id_key)?,
        credential: key(&record.credential)?,
        book_key: match record.book_key.as_slice() {
            [] => None,
            bytes => Some(key(bytes)?),
        },
        epoch: record.epoch,
        signed_pre_keys: record.signed_pre_keys.into_iter().map(PreKeyEntry::from).collect(),
        last_resort_keys: record.last_resort_keys.into_iter().map(PreKeyEntry::from).collect(),
        next_pre_key_id: record.next_pre_key_id,
    })
}
