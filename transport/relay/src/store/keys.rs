//! Public pre-keys: the lasting ones of a number and its pools of one-time keys.

use std::collections::HashSet;

use prost::Message as _;
use redb::ReadableTable as _;
use waxseal_protocol::proto::{Bundle, OneTimeKey, PublishKeysRequest, SignedKey};

use super::spent::{self, Sweep};
use super::{Error, Tables};
use crate::account::{Account, Pool};
use crate::number::Number;

/// Number, kind, key id.
pub(crate) type PoolKey = (u64, u8, u32);

const EC: u8 = 0;
const KYBER: u8 = 1;

/// The keys that are handed out again and again. No `Debug`.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct Lasting {
    #[prost(message, optional, tag = "1")]
    signed_pre_key: Option<SignedKey>,
    #[prost(message, optional, tag = "2")]
    last_resort_kyber: Option<SignedKey>,
}

/// A one-time key of either kind; the elliptic ones carry no signature. No `Debug`.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct OneTime {
    #[prost(message, optional, tag = "1")]
    key: Option<SignedKey>,
    #[prost(uint64, tag = "2")]
    expiry_s: u64,
}

/// The pool would hold too many keys; nothing was changed.
pub(crate) struct TooMany;

/// Takes the keys of `request`, whose fields were checked, into the tables and their counts into `account`.
pub(crate) fn publish(
    tables: &mut Tables<'_>,
    number: Number,
    account: &mut Account,
    request: PublishKeysRequest,
    most: u32,
    expiry_s: u64,
) -> Result<Result<(), TooMany>, Error> {
    let as_signed = |key: OneTimeKey| SignedKey {
        id: key.id,
        key: key.key,
        signature: bytes::Bytes::new(),
    };
    let ec: Vec<_> = request.one_time_ec.into_iter().map(as_signed).collect();
    let pools = [(EC, ec, account.ec), (KYBER, request.one_time_kyber, account.kyber)];
    let mut fresh = Vec::new();
    for (kind, keys, pool) in pools {
        let mut unspent = Vec::with_capacity(keys.len());
        for key in keys {
            if !spent::contains(tables, number, kind, &key.key)? {
                unspent.push(key);
            }
        }
        let replace = request.replace_one_time;
        let mut pool = pool.filter(|pool| !replace && pool.count > 0).unwrap_or(Pool {
            count: 0,
            published: 0,
            soonest_expiry_s: u64::MAX,
        });
        let mut added = HashSet::new();
        for key in &unspent {
            if replace || tables.pool.get((number.key(), kind, key.id))?.is_none() {
                added.insert(key.id);
            }
        }
        pool.count += u32::try_from(added.len()).unwrap_or(u32::MAX).min(u32::MAX - pool.count);
        if pool.count > most {
            return Ok(Err(TooMany));
        }
        if !unspent.is_empty() || replace {
            pool.published = pool.count;
        }
        if !unspent.is_empty() {
            pool.soonest_expiry_s = pool.soonest_expiry_s.min(expiry_s);
        }
        fresh.push((kind, unspent, pool));
    }
    if request.replace_one_time {
        drop_one_time(tables, number)?;
    }
    for (kind, keys, pool) in fresh {
        for key in keys {
            let id = key.id;
            let value = OneTime { key: Some(key), expiry_s }.encode_to_vec();
            tables.pool.insert((number.key(), kind, id), value.as_slice())?;
        }
        *pool_of(account, kind) = Some(pool);
    }
    if request.signed_pre_key.is_some() || request.last_resort_kyber.is_some() {
        let mut lasting = lasting(tables, number)?;
        if let Some(key) = request.signed_pre_key {
            account.signed_pre_key_id = key.id;
            lasting.signed_pre_key = Some(key);
        }
        lasting.last_resort_kyber = request.last_resort_kyber.or(lasting.last_resort_kyber);
        tables.keys.insert(number.key(), lasting.encode_to_vec().as_slice())?;
    }
    Ok(Ok(()))
}

/// Takes a bundle out: one-time keys leave the pools for good. `None` when the number has published too little.
pub(crate) fn take_bundle(
    tables: &mut Tables<'_>,
    spent: &mut Sweep,
    number: Number,
    account: &mut Account,
    now_s: u64,
) -> Result<Option<Bundle>, Error> {
    let lasting = lasting(tables, number)?;
    let Some(signed_pre_key) = lasting.signed_pre_key else {
        return Ok(None);
    };
    drop_expired(tables, number, account, now_s)?;
    let kyber = take_one_time(tables, spent, number, account, KYBER)?;
    let Some(kyber_pre_key) = kyber.or(lasting.last_resort_kyber) else {
        return Ok(None);
    };
    let one_time_ec = take_one_time(tables, spent, number, account, EC)?.map(|key| OneTimeKey { id: key.id, key: key.key });
    Ok(Some(Bundle {
        registration_id: account.registration_id,
        identity_key: account.identity_key.clone().into(),
        signed_pre_key: Some(signed_pre_key),
        kyber_pre_key: Some(kyber_pre_key),
        one_time_ec,
    }))
}

fn take_one_time(
    tables: &mut Tables<'_>,
    spent: &mut Sweep,
    number: Number,
    account: &mut Account,
    kind: u8,
) -> Result<Option<SignedKey>, Error> {
    let pool = pool_of(account, kind).get_or_insert_default();
    if pool.count == 0 {
        return Ok(None);
    }
    let first = tables.pool.range(of(number, kind))?.next().transpose()?;
    let Some((place, value)) = first.map(|(key, value)| (key.value(), value.value().to_vec())) else {
        pool.count = 0;
        return Ok(None);
    };
    let one_time = OneTime::decode(value.as_slice()).map_err(|_| Error::Damaged("pool"))?;
    tables.pool.remove(place)?;
    pool.count -= 1;
    if let Some(key) = &one_time.key {
        spent.insert(tables, number, kind, &key.key, one_time.expiry_s)?;
    }
    Ok(one_time.key)
}

/// Drops one-time keys that their owner is about to forget.
pub(crate) fn drop_expired(tables: &mut Tables<'_>, number: Number, account: &mut Account, now_s: u64) -> Result<bool, Error> {
    let mut changed = false;
    for kind in [EC, KYBER] {
        let pool = pool_of(account, kind);
        let Some(pool) = pool.as_mut().filter(|pool| pool.count > 0 && pool.soonest_expiry_s <= now_s) else {
            continue;
        };
        let mut soonest_expiry_s = u64::MAX;
        let mut count = 0;
        let mut is_damaged = false;
        tables.pool.retain_in(of(number, kind), |_, value| match OneTime::decode(value) {
            Ok(one_time) if one_time.expiry_s > now_s => {
                soonest_expiry_s = soonest_expiry_s.min(one_time.expiry_s);
                count += 1;
                true
            }
            Ok(_) => false,
            Err(_) => {
                is_damaged = true;
                true
            }
        })?;
        if is_damaged {
            return Err(Error::Damaged("pool"));
        }
        *pool = Pool {
            count,
            published: pool.published,
            soonest_expiry_s,
        };
        changed = true;
    }
    Ok(changed)
}

/// Drops every key of `number`; what was handed out stays spent.
pub(crate) fn drop_all(tables: &mut Tables<'_>, number: Number) -> Result<(), Error> {
    tables.keys.remove(number.key())?;
    drop_one_time(tables, number)
}

fn drop_one_time(tables: &mut Tables<'_>, number: Number) -> Result<(), Error> {
    let all = (number.key(), 0, 0)..=(number.key(), u8::MAX, u32::MAX);
    Ok(tables.pool.retain_in(all, |_, _| false)?)
}

fn lasting(tables: &Tables<'_>, number: Number) -> Result<Lasting, Error> {
    match tables.keys.get(number.key())? {
        Some(value) => Lasting::decode(value.value()).map_err(|_| Error::Damaged("keys")),
        None => Ok(Lasting::default()),
    }
}

fn pool_of(account: &mut Account, kind: u8) -> &mut Option<Pool> {
    match kind {
        EC => &mut account.ec,
        _ => &mut account.kyber,
    }
}

fn of(number: Number, kind: u8) -> std::ops::RangeInclusive<PoolKey> {
    (number.key(), kind, 0)..=(number.key(), kind, u32::MAX)
}
