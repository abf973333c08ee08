//! Batches, claims, erasing and sweeping on the tables of one write transaction. An error here ends the whole transaction, so nothing is ever
//! applied by halves.

use redb::{Error, ReadableTable};

use super::tables::{LAST_ENTRY, Tables, after, alive, kind};
use crate::options::millis;
use crate::work::ClaimRequest;
use crate::{Batch, Claim, EntryId, Fence, Key, Op, Outcome};

/// The moment and the rules of one transaction.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now_ms: u64,
    pub(super) ttl_cap_ms: u64,
}

impl Moment {
    fn expiry(self, ttl_ms: u64) -> u64 {
        self.now_ms.saturating_add(ttl_ms)
    }
}

impl Tables<'_> {
    pub(super) fn commit(&mut self, batch: &Batch, moment: Moment) -> Result<Outcome, Error> {
        if let Some(fence) = &batch.fence
            && let Some(outcome) = self.fence(fence, moment)?
        {
            return Ok(outcome);
        }
        for (index, key) in batch.absent.iter().enumerate() {
            if self
                .values
                .get(key.as_str())?
                .is_some_and(|row| alive(row.value().0, moment.now_ms))
            {
                return Ok(Outcome::Exists(index));
            }
        }
        let mut appended = Vec::new();
        for op in &batch.ops {
            match op {
                Op::Put { key, value, ttl } => self.put(key, value, moment.expiry(millis(*ttl)))?,
                Op::Delete { key } => self.delete(key.as_str())?,
                Op::Append { queue, value, ttl } => appended.push(self.append(queue, value, moment.expiry(millis(*ttl)))?),
                Op::Remove { queue, id } => self.remove(queue.as_str(), *id)?,
                Op::Schedule {
                    agenda,
                    member,
                    due_ms,
                    ttl,
                } => self.schedule(agenda, member, *due_ms, millis(*ttl), moment)?,
                Op::Unschedule { agenda, member } => self.unschedule(agenda.as_str(), member)?,
            }
        }
        if let Some(fence) = &batch.fence {
            self.write_lane(&fence.lane, fence.epoch, fence.seq, moment)?;
        }
        Ok(Outcome::Applied { appended })
    }

    fn fence(&mut self, fence: &Fence, moment: Moment) -> Result<Option<Outcome>, Error> {
        let (epoch, seq) = self.lane(&fence.lane, moment)?;
        Ok(if epoch > fence.epoch {
            Some(Outcome::Stale { epoch })
        } else if epoch < fence.epoch || epoch == 0 || seq + 1 < fence.seq {
            Some(Outcome::Gap { epoch, seq })
        } else if fence.seq <= seq {
            Some(Outcome::AlreadyApplied)
        } else {
            None
        })
    }

    /// Epoch and sequence; zeros when the lane is not known (any more).
    fn lane(&self, lane: &Key, moment: Moment) -> Result<(u64, u64), Error> {
        let row = self.lanes.get(lane.as_str())?.map(|row| row.value());
        Ok(row
            .filter(|(.., expiry)| alive(*expiry, moment.now_ms))
            .map_or((0, 0), |(epoch, seq, _)| (epoch, seq)))
    }

    fn write_lane(&mut self, lane: &Key, epoch: u64, seq: u64, moment: Moment) -> Result<(), Error> {
        let old = self.lanes.get(lane.as_str())?.map(|row| row.value().2);
        // The expiry moves only when it has lost a hundredth: that spares the index two writes in almost every batch.
        let full = moment.expiry(moment.ttl_cap_ms);
        let expiry = old
            .filter(|old| *old >= full.saturating_sub(moment.ttl_cap_ms / 100))
            .unwrap_or(full);
        self.lanes.insert(lane.as_str(), (epoch, seq, expiry))?;
        self.reindex(kind::LANE, lane.as_str(), 0, old, Some(expiry))
    }

    pub(super) fn claim(&mut self, claim: &ClaimRequest, moment: Moment) -> Result<Claim, Error> {
        let (previous_epoch, seq) = self.lane(&claim.lane, moment)?;
        let epoch = previous_epoch.max(claim.at_least) + 1;
        self.write_lane(&claim.lane, epoch, seq, moment)?;
        Ok(Claim {
            epoch,
            seq,
            previous_epoch,
        })
    }

    fn reindex(&mut self, kind: u8, name: &str, number: u64, old: Option<u64>, new: Option<u64>) -> Result<(), Error> {
        if old == new {
            return Ok(());
        }
        if let Some(old) = old {
            self.expiries.remove((old, kind, name, number))?;
        }
        if let Some(new) = new {
            self.expiries.insert((new, kind, name, number), ())?;
        }
        Ok(())
    }

    fn put(&mut self, key: &Key, value: &[u8], expiry: u64) -> Result<(), Error> {
        let old = self.values.insert(key.as_str(), (expiry, value))?.map(|row| row.value().0);
        self.reindex(kind::VALUE, key.as_str(), 0, old, Some(expiry))
    }

    fn delete(&mut self, name: &str) -> Result<(), Error> {
        let old = self.values.remove(name)?.map(|row| row.value().0);
        self.reindex(kind::VALUE, name, 0, old, None)
    }

    fn append(&mut self, queue: &Key, value: &[u8], expiry: u64) -> Result<EntryId, Error> {
        let number = self.counters.get(LAST_ENTRY)?.map_or(0, |last| last.value()) + 1;
        self.counters.insert(LAST_ENTRY, number)?;
        self.entries.insert((queue.as_str(), number), (expiry, value))?;
        let length = self.queues.get(queue.as_str())?.map_or(0, |length| length.value());
        self.queues.insert(queue.as_str(), length + 1)?;
        self.reindex(kind::ENTRY, queue.as_str(), number, None, Some(expiry))?;
        Ok(EntryId(0, number))
    }

    fn remove(&mut self, queue: &str, id: EntryId) -> Result<(), Error> {
        if id.0 != 0 {
            // Not one of ours: it names nothing here.
            return Ok(());
        }
        let Some(expiry) = self.entries.remove((queue, id.1))?.map(|row| row.value().0) else {
            return Ok(());
        };
        let length = self.queues.get(queue)?.map_or(0, |length| length.value());
        if length > 1 {
            self.queues.insert(queue, length - 1)?;
        } else {
            self.queues.remove(queue)?;
        }
        self.reindex(kind::ENTRY, queue, id.1, Some(expiry), None)
    }

    fn schedule(&mut self, agenda: &Key, member: &[u8], due_ms: u64, ttl_ms: u64, moment: Moment) -> Result<(), Error> {
        let name = agenda.as_str();
        let mut old = self.agendas.get(name)?.map(|expiry| expiry.value());
        if old.is_some_and(|expiry| !alive(expiry, moment.now_ms)) {
            self.clear_agenda(name)?;
            old = None;
        }
        let expiry = moment.expiry(ttl_ms).max(old.unwrap_or_default());
        if old != Some(expiry) {
            self.agendas.insert(name, expiry)?;
            self.reindex(kind::AGENDA, name, 0, old, Some(expiry))?;
        }
        let before = self.members.insert((name, member), due_ms)?.map(|due| due.value());
        if let Some(before) = before.filter(|before| *before != due_ms) {
            self.due.remove((name, before, member))?;
        }
        self.due.insert((name, due_ms, member), ())?;
        Ok(())
    }

    fn unschedule(&mut self, name: &str, member: &[u8]) -> Result<(), Error> {
        let Some(due) = self.members.remove((name, member))?.map(|due| due.value()) else {
            return Ok(());
        };
        self.due.remove((name, due, member))?;
        let after = after(name);
        let none: &[u8] = &[];
        if self.members.range((name, none)..(after.as_str(), none))?.next().is_none() {
            let expiry = self.agendas.remove(name)?.map(|expiry| expiry.value());
            self.reindex(kind::AGENDA, name, 0, expiry, None)?;
        }
        Ok(())
    }

    fn clear_agenda(&mut self, name: &str) -> Result<(), Error> {
        let after = after(name);
        let none: &[u8] = &[];
        self.members.retain_in((name, none)..(after.as_str(), none), |_, _| false)?;
        self.due.retain_in((name, 0, none)..(after.as_str(), 0, none), |_, ()| false)?;
        let expiry = self.agendas.remove(name)?.map(|expiry| expiry.value());
        self.reindex(kind::AGENDA, name, 0, expiry, None)
    }

    /// Removes up to `limit` things that have expired; says how many there were.
    pub(super) fn sweep(&mut self, now_ms: u64, limit: usize) -> Result<usize, Error> {
        let mut expired = Vec::new();
        for row in self.expiries.range(..(now_ms.saturating_add(1), 0, "", 0))?.take(limit) {
            let (key, ()) = (row?.0, ());
            let (_, kind, name, number) = key.value();
            expired.push((kind, name.to_owned(), number));
        }
        for (kind, name, number) in &expired {
            self.drop_row(*kind, name, *number)?;
        }
        Ok(expired.len())
    }

    fn drop_row(&mut self, kind: u8, name: &str, number: u64) -> Result<(), Error> {
        match kind {
            kind::VALUE => self.delete(name),
            kind::ENTRY => self.remove(name, EntryId(0, number)),
            kind::AGENDA => self.clear_agenda(name),
            _ => {
                let old = self.lanes.remove(name)?.map(|row| row.value().2);
                self.reindex(kind::LANE, name, 0, old, None)
            }
        }
    }

    /// Removes everything whose name starts with `prefix`; says how many values, queues, agendas and lanes there were.
    pub(super) fn erase(&mut self, prefix: &Key) -> Result<u64, Error> {
        let mut rows = Vec::new();
        names_under(&self.values, prefix, kind::VALUE, &mut rows)?;
        names_under(&self.queues, prefix, kind::ENTRY, &mut rows)?;
        names_under(&self.agendas, prefix, kind::AGENDA, &mut rows)?;
        names_under(&self.lanes, prefix, kind::LANE, &mut rows)?;
        for (kind, name) in &rows {
            if *kind == kind::ENTRY {
                let numbers = self.entries.range((name.as_str(), 0)..=(name.as_str(), u64::MAX))?;
                let numbers = numbers
                    .map(|row| row.map(|(key, _)| key.value().1))
                    .collect::<Result<Vec<_>, _>>()?;
                for number in numbers {
                    self.remove(name, EntryId(0, number))?;
                }
            } else {
                self.drop_row(*kind, name, 0)?;
            }
        }
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }
}

fn names_under<V: redb::Value + 'static>(
    table: &impl ReadableTable<&'static str, V>,
    prefix: &Key,
    kind: u8,
    names: &mut Vec<(u8, String)>,
) -> Result<(), Error> {
    let rows = match prefix.upper_bound() {
        Some(upper) => table.range::<&str>(prefix.as_str()..upper.as_str())?,
        None => table.range::<&str>(prefix.as_str()..)?,
    };
    for row in rows {
        names.push((kind, row?.0.value().to_owned()));
    }
    Ok(())
}
