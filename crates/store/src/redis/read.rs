//! Reads and readiness, on a connection of their own so that they never wait behind a group. Reads are tried again after a lost
//! connection: they change nothing.

mod names;

use std::sync::Arc;

use bytes::Bytes;
use redis::{Cmd, Pipeline, Value, cmd};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

use super::encode;
use super::endpoint::{Backoff, Endpoint, Link, Reached, reached};
use super::preflight::{Barrier, Unfit};
use super::reply::{entry_id, number, remedy};
use crate::{EntryId, Error, Key};

/// Expired entries that one look at a queue skips before it looks again.
const RANGE_PAGE: usize = 1_000;

pub(crate) struct Reader {
    endpoint: Arc<Endpoint>,
    slot: Mutex<Slot>,
}

struct Slot {
    link: Option<Link>,
    generation: u64,
}

impl Reader {
    pub(super) async fn open(endpoint: Arc<Endpoint>) -> Result<Self, Error> {
        let deadline = Instant::now() + endpoint.options.commit_deadline;
        let mut backoff = Backoff::default();
        let link = loop {
            match endpoint.connect().await {
                Ok(link) => break link,
                Err(unfit @ Unfit::Settings(_)) => return Err(unfit.into()),
                Err(unfit) => {
                    let pause = backoff.next();
                    if Instant::now() + pause >= deadline {
                        return Err(unfit.into());
                    }
                    sleep(pause).await;
                }
            }
        };
        tracing::info!(barrier = ?link.barrier, "connected to Redis");
        Ok(Self {
            endpoint,
            slot: Mutex::new(Slot {
                link: Some(link),
                generation: 0,
            }),
        })
    }

    /// Runs commands that may be run any number of times.
    async fn query(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Error> {
        self.query_until(pipeline, Barrier::None).await
    }

    /// `barrier` is what the pipeline ends with.
    async fn query_until(&self, pipeline: &Pipeline, barrier: Barrier) -> Result<Vec<Value>, Error> {
        let deadline = Instant::now() + self.endpoint.options.commit_deadline;
        let mut backoff = Backoff::default();
        loop {
            let trouble = match timeout_at(deadline, self.attempt(pipeline, barrier)).await {
                Ok(Ok(values)) => return Ok(values),
                Ok(Err(Trouble::Final(error))) => return Err(error),
                Ok(Err(Trouble::Passing(error))) => error,
                Err(_) => return Err(Error::unavailable("Redis does not answer")),
            };
            let pause = backoff.next();
            if Instant::now() + pause >= deadline {
                return Err(trouble);
            }
            sleep(pause).await;
        }
    }

    async fn attempt(&self, pipeline: &Pipeline, barrier: Barrier) -> Result<Vec<Value>, Trouble> {
        let (mut connection, generation) = {
            let mut slot = self.slot.lock().await;
            let slot = &mut *slot;
            // Whatever the channel says, it says that the connection is over.
            if slot
                .link
                .as_mut()
                .is_some_and(|link| !link.events.is_empty() || link.events.is_closed())
            {
                slot.link = None;
            }
            let link = match &mut slot.link {
                Some(link) => link,
                empty => {
                    slot.generation += 1;
                    empty.insert(
                        self.endpoint
                            .connect()
                            .await
                            .map_err(|unfit| Trouble::Passing(Error::unavailable(unfit.text())))?,
                    )
                }
            };
            (link.connection.clone(), slot.generation)
        };
        let sent = connection.send_packed_commands(pipeline, 0, pipeline.len()).await;
        let values = match sent {
            Ok(values) => values,
            Err(error) => {
                self.drop_link(generation).await;
                return Err(Trouble::Passing(Error::unavailable(self.endpoint.describe(&error))));
            }
        };
        for value in &values {
            if let Value::ServerError(error) = value {
                let text = Error::unavailable(format!("Redis answered {} {}", error.code(), error.details().unwrap_or_default()));
                if remedy(error).is_some() {
                    self.drop_link(generation).await;
                    return Err(Trouble::Passing(text));
                }
                return Err(Trouble::Final(text));
            }
        }
        if reached(barrier, values.last()) != Reached::Yes {
            return Err(Trouble::Passing(Error::in_doubt(
                "too few replicas (or the disk) acknowledged in time",
            )));
        }
        Ok(values)
    }

    async fn drop_link(&self, generation: u64) {
        let mut slot = self.slot.lock().await;
        if slot.generation == generation {
            slot.link = None;
        }
    }

    async fn one(&self, command: Cmd) -> Result<Value, Error> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command);
        self.query(&pipeline).await?.pop().ok_or_else(unexpected)
    }

    pub(crate) async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, Error> {
        let mut command = cmd("MGET");
        for key in keys {
            command.arg(key.as_str());
        }
        let Value::Array(values) = self.one(command).await? else {
            return Err(unexpected());
        };
        if values.len() != keys.len() {
            return Err(unexpected());
        }
        let one = |value| match value {
            Value::Nil => Ok(None),
            Value::BulkString(stored) => encode::value(stored).map(Some),
            _ => Err(unexpected()),
        };
        values.into_iter().map(one).collect()
    }

    pub(crate) async fn range(&self, queue: &Key, after: EntryId, limit: usize) -> Result<Vec<(EntryId, Bytes)>, Error> {
        let mut found = Vec::new();
        let mut expired = Vec::new();
        let mut after = after;
        loop {
            let page = (limit - found.len()).min(RANGE_PAGE);
            let mut pipeline = Pipeline::with_capacity(2);
            // The time first: an entry that is alive then was alive.
            pipeline.cmd("TIME");
            pipeline
                .cmd("XRANGE")
                .arg(queue.as_str())
                .arg(format!("({after}"))
                .arg("+")
                .arg("COUNT")
                .arg(page);
            let mut values = self.query(&pipeline).await?.into_iter();
            let now_ms = values.next().and_then(server_time_ms).ok_or_else(unexpected)?;
            let Some(Value::Array(entries)) = values.next() else {
                return Err(unexpected());
            };
            let seen = entries.len();
            for entry in entries {
                let (id, ttl_ms, value) = read_entry(entry).ok_or_else(unexpected)?;
                after = id;
                if id.0.saturating_add(ttl_ms) > now_ms {
                    found.push((id, value));
                } else {
                    expired.push(id);
                }
            }
            if seen < page || found.len() >= limit {
                break;
            }
        }
        self.remove_expired(queue, &expired).await;
        Ok(found)
    }

    /// Entries never come back to life, so removing them needs no guard; a failure only leaves them for the next look.
    async fn remove_expired(&self, queue: &Key, ids: &[EntryId]) {
        if ids.is_empty() {
            return;
        }
        let mut command = cmd("XDEL");
        command.arg(queue.as_str());
        for id in ids {
            command.arg(id.to_string());
        }
        if let Err(error) = self.one(command).await {
            tracing::debug!(%error, "expired entries stay until they are trimmed");
        }
    }

    pub(crate) async fn queue_len(&self, queue: &Key) -> Result<u64, Error> {
        let mut command = cmd("XLEN");
        command.arg(queue.as_str());
        number(&self.one(command).await?).ok_or_else(unexpected)
    }

    pub(crate) async fn due(&self, agenda: &Key, until_ms: u64, limit: usize) -> Result<Vec<(Bytes, u64)>, Error> {
        let mut command = cmd("ZRANGE");
        command
            .arg(agenda.as_str())
            .arg("-inf")
            .arg(until_ms)
            .arg("BYSCORE")
            .arg("LIMIT")
            .arg(0)
            .arg(limit)
            .arg("WITHSCORES");
        let Value::Array(members) = self.one(command).await? else {
            return Err(unexpected());
        };
        let one = |member| {
            let Value::Array(pair) = member else { return None };
            let mut pair = pair.into_iter();
            match (pair.next(), pair.next()) {
                (Some(Value::BulkString(member)), Some(Value::Double(due))) => Some((Bytes::from(member), whole(due)?)),
                _ => None,
            }
        };
        members.into_iter().map(|member| one(member).ok_or_else(unexpected)).collect()
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.one(cmd("PING")).await?;
        let connection = self.slot.lock().await.link.as_ref().map(|link| link.connection.clone());
        let Some(mut connection) = connection else {
            return Err(Error::unavailable("Redis closed the connection"));
        };
        self.endpoint.check(&mut connection, &Pipeline::new()).await?;
        Ok(())
    }
}

enum Trouble {
    Passing(Error),
    Final(Error),
}

fn unexpected() -> Error {
    Error::corrupt("Redis answered a read with something else, or a name holds another kind of thing")
}

fn server_time_ms(value: Value) -> Option<u64> {
    let (seconds, micros) = redis::from_redis_value::<(u64, u64)>(value).ok()?;
    Some(seconds.saturating_mul(1_000).saturating_add(micros / 1_000))
}

/// An entry's only field is named by its time to live.
fn read_entry(entry: Value) -> Option<(EntryId, u64, Bytes)> {
    let Value::Array(entry) = entry else { return None };
    let mut entry = entry.into_iter();
    let id = entry.next().as_ref().and_then(entry_id)?;
    let Some(Value::Array(fields)) = entry.next() else { return None };
    let mut fields = fields.into_iter();
    let ttl_ms = fields.next().as_ref().and_then(number)?;
    match fields.next() {
        Some(Value::BulkString(value)) => Some((id, ttl_ms, Bytes::from(value))),
        _ => None,
    }
}

/// A score that was written as a whole number.
fn whole(score: f64) -> Option<u64> {
    // Formatting is exact for whole numbers, and a cast would hide what is not one.
    format!("{score:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_whole_numbers() {
        assert_eq!(whole(1_763_800_000_123.0), Some(1_763_800_000_123));
        assert_eq!(whole(9_007_199_254_740_991.0), Some(9_007_199_254_740_991));
        assert_eq!(whole(-1.0), None);
        assert_eq!(whole(f64::NAN), None);
    }
}
