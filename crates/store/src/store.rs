//! The handle that callers hold: checks what they ask for, admits it, and passes it to the backend.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::admission::Admission;
use crate::batch::MAX_NUMBER;
use crate::work::{Admitted, ClaimRequest, Work};
use crate::{Batch, Census, Claim, EntryId, Error, Key, Namespace, Options, Outcome, embedded, redis};

/// State of a sidecar: see the crate's documentation. Cheap to clone; all clones share connections and limits.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Backend,
    admission: Admission,
    ttl_cap: Duration,
}

enum Backend {
    Redis(redis::Backend),
    Embedded(embedded::Backend),
}

impl Store {
    /// Opens, or creates with mode 0600, the database file at `path`. One process at a time.
    ///
    /// # Errors
    /// [`Error::Refused`] when another process holds the file or the options do not fit; [`Error::Unavailable`] when it cannot be read.
    pub async fn open_embedded(path: &Path, options: Options) -> Result<Self, Error> {
        options.check()?;
        let admission = Admission::new(&options);
        let ttl_cap = options.ttl_cap;
        let backend = Backend::Embedded(embedded::Backend::open(path, options).await?);
        Ok(Self {
            inner: Arc::new(Inner {
                backend,
                admission,
                ttl_cap,
            }),
        })
    }

    /// Connects to the Redis at `url` (`redis://`, `rediss://`) and checks that it is fit to hold state.
    ///
    /// # Errors
    /// [`Error::Refused`] with what to do when the server's version, role or settings are not fit; [`Error::Unavailable`] when it cannot be
    /// reached.
    pub async fn open_redis(url: &str, options: Options) -> Result<Self, Error> {
        options.check()?;
        let admission = Admission::new(&options);
        let ttl_cap = options.ttl_cap;
        let backend = Backend::Redis(redis::Backend::open(url, options).await?);
        Ok(Self {
            inner: Arc::new(Inner {
                backend,
                admission,
                ttl_cap,
            }),
        })
    }

    /// Applies a batch, as part of a group. Durable when it returns. Batches of one lane are applied in the order in which their `commit`
    /// was first polled, so that a lane may have several under way. Dropping the future does not take the batch back.
    ///
    /// # Errors
    /// [`Error::Unavailable`], in doubt or not; [`Error::Refused`] when an operation has no or too long a time to live;
    /// [`Error::Overloaded`]. Except when in doubt, nothing was applied.
    pub async fn commit(&self, batch: Batch) -> Result<Outcome, Error> {
        batch.check(self.inner.ttl_cap)?;
        let permit = self.inner.admission.write(batch.size())?;
        let (reply, answer) = oneshot::channel();
        self.submit(Admitted {
            work: Work::Commit(batch, reply),
            permit,
        })?;
        answer.await.unwrap_or_else(|_| Err(closed_in_doubt()))
    }

    /// Makes the caller the owner of a lane: its epoch becomes one more than the stored one and `at_least`. Every batch that is fenced with
    /// an older epoch is refused from then on. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Overloaded`]. When in doubt, claim again: the epoch only rises.
    pub async fn claim(&self, lane: &Key, at_least: u64) -> Result<Claim, Error> {
        if at_least >= MAX_NUMBER {
            return Err(Error::refused("an epoch is at most 2^53 - 1"));
        }
        let permit = self.inner.admission.write(lane.as_str().len())?;
        let (reply, answer) = oneshot::channel();
        self.submit(Admitted {
            work: Work::Claim(
                ClaimRequest {
                    lane: lane.clone(),
                    at_least,
                },
                reply,
            ),
            permit,
        })?;
        answer.await.unwrap_or_else(|_| Err(closed_in_doubt()))
    }

    fn submit(&self, admitted: Admitted) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Redis(backend) => backend.submit(admitted),
            Backend::Embedded(backend) => backend.submit(admitted),
        }
    }

    /// The values with these names, in the same order.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Overloaded`], as for every read.
    pub async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let _permit = self.inner.admission.read()?;
        match &self.inner.backend {
            Backend::Redis(backend) => backend.reader().get(keys).await,
            Backend::Embedded(backend) => backend.get(keys).await,
        }
    }

    /// The first `limit` entries of a queue above `after`, oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Overloaded`].
    pub async fn range(&self, queue: &Key, after: EntryId, limit: usize) -> Result<Vec<(EntryId, Bytes)>, Error> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let _permit = self.inner.admission.read()?;
        match &self.inner.backend {
            Backend::Redis(backend) => backend.reader().range(queue, after, limit).await,
            Backend::Embedded(backend) => backend.range(queue, after, limit).await,
        }
    }

    /// How many entries a queue has. Entries that expired a moment ago may still be counted.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Overloaded`].
    pub async fn queue_len(&self, queue: &Key) -> Result<u64, Error> {
        let _permit = self.inner.admission.read()?;
        match &self.inner.backend {
            Backend::Redis(backend) => backend.reader().queue_len(queue).await,
            Backend::Embedded(backend) => backend.queue_len(queue).await,
        }
    }

    /// The first `limit` members of an agenda that are due at `until_ms` or before, with their times: earliest first, then by their bytes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Overloaded`].
    pub async fn due(&self, agenda: &Key, until_ms: u64, limit: usize) -> Result<Vec<(Bytes, u64)>, Error> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let _permit = self.inner.admission.read()?;
        match &self.inner.backend {
            Backend::Redis(backend) => backend.reader().due(agenda, until_ms, limit).await,
            Backend::Embedded(backend) => backend.due(agenda, until_ms, limit).await,
        }
    }

    /// Counts what exists under a prefix, and when it expires. Looks at a bounded number of names.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Overloaded`].
    pub async fn census(&self, prefix: &Key) -> Result<Census, Error> {
        let _permit = self.inner.admission.read()?;
        match &self.inner.backend {
            Backend::Redis(backend) => backend.reader().census(prefix).await,
            Backend::Embedded(backend) => backend.census(prefix).await,
        }
    }

    /// Deletes everything of one number, lanes included, and says how many keys that were. Meant for when nothing writes to it any more: what
    /// is written meanwhile may stay. The memory of the old values may lie in files until they are rewritten; sealing covers that.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Overloaded`]. Erasing again is always safe.
    pub async fn erase(&self, namespace: &Namespace) -> Result<u64, Error> {
        let _permit = self.inner.admission.read()?;
        match &self.inner.backend {
            Backend::Redis(backend) => backend.reader().erase(&namespace.prefix()).await,
            Backend::Embedded(backend) => backend.erase(&namespace.prefix()).await,
        }
    }

    /// Whether the store answers and is still fit to hold state: for readiness.
    ///
    /// # Errors
    /// As for opening.
    pub async fn ping(&self) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Redis(backend) => backend.reader().ping().await,
            Backend::Embedded(backend) => backend.ping().await,
        }
    }

    /// Commits what waits and closes. Other clones get [`Error::Unavailable`] from then on.
    pub async fn close(self) {
        match &self.inner.backend {
            Backend::Redis(backend) => backend.close().await,
            Backend::Embedded(backend) => backend.close().await,
        }
    }
}

fn closed_in_doubt() -> Error {
    Error::in_doubt("the store was closed before it answered")
}
