//! Which blobs there are, whose they are and until when. Their bytes are in files (`crate::blobs`); this is what decides whether a file counts.

use redb::{ReadTransaction, ReadableTable as _};

use prost::Message as _;

use super::{BLOBS, Error, Tables};
use crate::number::Number;

/// A stored blob. No `Debug`.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct Blob {
    #[prost(uint64, tag = "1")]
    pub(crate) owner: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) size_bytes: u64,
    /// Unix seconds.
    #[prost(uint64, tag = "3")]
    pub(crate) expires_s: u64,
    /// The name of its file, which says nothing about the blob.
    #[prost(uint64, tag = "4")]
    pub(crate) file: u64,
}

impl Blob {
    pub(crate) fn new(owner: Number, size_bytes: u64, expires_s: u64, file: u64) -> Self {
        Self {
            owner: owner.key(),
            size_bytes,
            expires_s,
            file,
        }
    }

    pub(crate) fn owner(&self) -> Number {
        Number::from_key(self.owner)
    }

    fn read(value: &[u8]) -> Result<Self, Error> {
        Self::decode(value).map_err(|_| Error::Damaged("blobs"))
    }
}

/// What is known of `id`, expired or not.
pub(crate) fn find(transaction: &ReadTransaction, id: u128) -> Result<Option<Blob>, Error> {
    let value = transaction.open_table(BLOBS)?.get(id)?;
    value.map(|value| Blob::read(value.value())).transpose()
}

/// Every blob, in the order of their ids.
pub(crate) fn for_each(transaction: &ReadTransaction, mut act: impl FnMut(u128, Blob)) -> Result<(), Error> {
    for entry in transaction.open_table(BLOBS)?.range::<u128>(..)? {
        let (id, value) = entry?;
        act(id.value(), Blob::read(value.value())?);
    }
    Ok(())
}

pub(crate) fn get(tables: &Tables<'_>, id: u128) -> Result<Option<Blob>, Error> {
    tables.blobs.get(id)?.map(|value| Blob::read(value.value())).transpose()
}

pub(crate) fn put(tables: &mut Tables<'_>, id: u128, blob: &Blob) -> Result<(), Error> {
    tables.blobs.insert(id, blob.encode_to_vec().as_slice())?;
    tables.blob_expiries.insert((blob.expires_s, id), ())?;
    tables.blob_owners.insert((blob.owner, id), ())?;
    Ok(())
}

pub(crate) fn remove(tables: &mut Tables<'_>, id: u128, blob: &Blob) -> Result<(), Error> {
    tables.blobs.remove(id)?;
    tables.blob_expiries.remove((blob.expires_s, id))?;
    tables.blob_owners.remove((blob.owner, id))?;
    Ok(())
}

/// Removes what has expired, at most so many; returns it and when the next expires.
pub(crate) fn take_expired(tables: &mut Tables<'_>, now_s: u64, most: usize) -> Result<(Vec<Blob>, Option<u64>), Error> {
    let due: Vec<_> = tables
        .blob_expiries
        .range(..=(now_s, u128::MAX))?
        .take(most)
        .map(|entry| entry.map(|(key, _)| key.value().1))
        .collect::<Result<_, _>>()?;
    let taken = take(tables, due)?;
    let next = tables.blob_expiries.first()?.map(|(key, _)| key.value().0);
    Ok((taken, next))
}

/// Removes everything that `owner` has stored.
pub(crate) fn take_of(tables: &mut Tables<'_>, owner: Number) -> Result<Vec<Blob>, Error> {
    let all = tables
        .blob_owners
        .range((owner.key(), 0)..=(owner.key(), u128::MAX))?
        .map(|entry| entry.map(|(key, _)| key.value().1))
        .collect::<Result<Vec<_>, _>>()?;
    take(tables, all)
}

fn take(tables: &mut Tables<'_>, ids: Vec<u128>) -> Result<Vec<Blob>, Error> {
    let mut taken = Vec::with_capacity(ids.len());
    for id in ids {
        let blob = get(tables, id)?.ok_or(Error::Damaged("blobs"))?;
        remove(tables, id, &blob)?;
        taken.push(blob);
    }
    Ok(taken)
}
