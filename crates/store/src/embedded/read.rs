//! Reads of one snapshot. What has expired is not there, whether the sweeper came by or not.

use std::time::Duration;

use bytes::Bytes;
use redb::{Error, ReadTransaction, ReadableTable};

use super::tables::{AGENDAS, DUE, ENTRIES, LANES, QUEUES, VALUES, agenda_alive, alive};
use crate::census::{CENSUS_LIMIT, Census};
use crate::{EntryId, Key};

pub(super) fn get(snapshot: &ReadTransaction, keys: &[Key], now: u64) -> Result<Vec<Option<Bytes>>, Error> {
    let values = snapshot.open_table(VALUES)?;
    let one = |key: &Key| {
        let row = values.get(key.as_str())?;
        Ok(row.and_then(|row| {
            let (expiry, value) = row.value();
            alive(expiry, now).then(|| Bytes::copy_from_slice(value))
        }))
    };
    keys.iter().map(one).collect()
}

pub(super) fn range(
    snapshot: &ReadTransaction,
    queue: &Key,
    after: EntryId,
    limit: usize,
    now: u64,
) -> Result<Vec<(EntryId, Bytes)>, Error> {
    let entries = snapshot.open_table(ENTRIES)?;
    let name = queue.as_str();
    let Some(first) = after.1.checked_add(1).filter(|_| after.0 == 0) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for row in entries.range((name, first)..=(name, u64::MAX))? {
        let (key, row) = row?;
        let (expiry, value) = row.value();
        if alive(expiry, now) {
            found.push((EntryId(0, key.value().1), Bytes::copy_from_slice(value)));
            if found.len() >= limit {
                break;
            }
        }
    }
    Ok(found)
}

pub(super) fn queue_len(snapshot: &ReadTransaction, queue: &Key) -> Result<u64, Error> {
    let queues = snapshot.open_table(QUEUES)?;
    Ok(queues.get(queue.as_str())?.map_or(0, |length| length.value()))
}

pub(super) fn due(snapshot: &ReadTransaction, agenda: &Key, until_ms: u64, limit: usize, now: u64) -> Result<Vec<(Bytes, u64)>, Error> {
    let name = agenda.as_str();
    if !agenda_alive(snapshot, name, now)? {
        return Ok(Vec::new());
    }
    let due = snapshot.open_table(DUE)?;
    let none: &[u8] = &[];
    let mut found = Vec::new();
    for row in due.range((name, 0, none)..(name, until_ms.saturating_add(1), none))?.take(limit) {
        let (key, _) = row?;
        let (_, due_ms, member) = key.value();
        found.push((Bytes::copy_from_slice(member), due_ms));
    }
    Ok(found)
}

pub(super) fn census(snapshot: &ReadTransaction, prefix: &Key, now: u64) -> Result<Census, Error> {
    let mut census = Census {
        complete: true,
        ..Census::default()
    };
    let mut looked = 0;
    let upper = prefix.upper_bound();
    let mut note = |expiry: Option<u64>| {
        looked += 1;
        if let Some(left) = expiry.and_then(|expiry| expiry.checked_sub(now)).filter(|left| *left > 0) {
            census.note(Duration::from_millis(left));
        }
        looked < CENSUS_LIMIT
    };
    let values = snapshot.open_table(VALUES)?;
    let agendas = snapshot.open_table(AGENDAS)?;
    let lanes = snapshot.open_table(LANES)?;
    let queues = snapshot.open_table(QUEUES)?;
    let entries = snapshot.open_table(ENTRIES)?;
    let last_entry = |queue: &str| -> Result<Option<u64>, Error> {
        let mut last = None;
        for row in entries.range((queue, 0)..=(queue, u64::MAX))? {
            last = last.max(Some(row?.1.value().0));
        }
        Ok(last)
    };
    let complete = each(&values, prefix, upper.as_deref(), |_, row| Ok(note(Some(row.0))))?
        && each(&agendas, prefix, upper.as_deref(), |_, expiry| Ok(note(Some(expiry))))?
        && each(&lanes, prefix, upper.as_deref(), |_, row| Ok(note(Some(row.2))))?
        && each(&queues, prefix, upper.as_deref(), |name, _| Ok(note(last_entry(name)?)))?;
    census.complete = complete;
    Ok(census)
}

/// Shows every row under a prefix until the visitor has seen enough; says whether it saw all.
fn each<V: redb::Value + 'static>(
    table: &impl ReadableTable<&'static str, V>,
    prefix: &Key,
    upper: Option<&str>,
    mut visit: impl FnMut(&str, V::SelfType<'_>) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let rows = match upper {
        Some(upper) => table.range::<&str>(prefix.as_str()..upper)?,
        None => table.range::<&str>(prefix.as_str()..)?,
    };
    for row in rows {
        let (name, value) = row?;
        if !visit(name.value(), value.value())? {
            return Ok(false);
        }
    }
    Ok(true)
}
