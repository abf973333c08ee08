//! The embedded backend: one redb file, one thread that writes, reads from snapshots.
//!
//! A group of batches is one write transaction, committed to the disk before anybody hears of it (unless the options say memory).

mod apply;
mod committer;
#[cfg(test)]
mod faults;
mod read;
mod tables;

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase};
use tokio::sync::{Mutex, oneshot};
use tokio::task::spawn_blocking;

use self::committer::{Committer, Job, Opener, Slot, unavailable};
use self::tables::Tables;
use crate::census::Census;
use crate::work::{Admitted, closed};
use crate::{Clock, Durability, EntryId, Error, Key, Options};

pub(crate) struct Backend {
    slot: Slot,
    clock: Clock,
    /// Gone when closed.
    jobs: RwLock<Option<Sender<Job>>>,
    thread: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Backend {
    pub(crate) async fn open(path: &Path, options: Options) -> Result<Self, Error> {
        let path = path.to_owned();
        let cache_bytes = options.cache_bytes;
        let file = path.clone();
        let opener: Opener = Box::new(move || {
            create_private(&file)?;
            Builder::new().set_cache_size(cache_bytes).create(&file)
        });
        Self::open_with(opener, &path, options).await
    }

    async fn open_with(opener: Opener, path: &Path, options: Options) -> Result<Self, Error> {
        if matches!(options.durability, Durability::Replicated(_)) {
            return Err(Error::refused(
                "the embedded database has no replicas: use durability Fsync or Memory",
            ));
        }
        let path = path.to_owned();
        let (jobs, receiver) = channel();
        let clock = options.clock.clone();
        let (opener, database) = spawn_blocking({
            let path = path.clone();
            move || prepare(&opener, &path).map(|database| (opener, database))
        })
        .await
        .map_err(|_| Error::unavailable("opening the database was cut off"))??;
        let slot: Slot = Arc::new(RwLock::new(Some(Arc::new(database))));
        let committer = Committer {
            slot: Arc::clone(&slot),
            opener,
            path,
            jobs: receiver,
            options,
        };
        let (ended, thread) = oneshot::channel();
        // A thread of its own: a runtime that shuts down waits for its blocking tasks, and this one runs as long as the store.
        let run = move || {
            committer.run();
            // Nobody may be waiting for the end.
            let _ = ended.send(());
        };
        std::thread::Builder::new()
            .name("waxseal-store".to_owned())
            .spawn(run)
            .map_err(|error| Error::unavailable(error.to_string()))?;
        Ok(Self {
            slot,
            clock,
            jobs: RwLock::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) fn submit(&self, admitted: Admitted) -> Result<(), Error> {
        self.send(Job::Admitted(admitted))
    }

    fn send(&self, job: Job) -> Result<(), Error> {
        match &*self.jobs.read().unwrap_or_else(PoisonError::into_inner) {
            Some(jobs) => jobs.send(job).map_err(|_| closed()),
            None => Err(closed()),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction, u64) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let slot = Arc::clone(&self.slot);
        let now_ms = self.clock.now_ms();
        let reading = spawn_blocking(move || {
            let database = slot.read().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(database) = database else {
                return Err(Error::unavailable("the database is closed or being opened again"));
            };
            let snapshot = database.begin_read().map_err(|error| unavailable(&error.into()))?;
            read(&snapshot, now_ms).map_err(|error| unavailable(&error))
        });
        reading.await.map_err(|_| Error::unavailable("the read was cut off"))?
    }

    pub(crate) async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, Error> {
        let keys = keys.to_vec();
        self.read(move |snapshot, now_ms| read::get(snapshot, &keys, now_ms)).await
    }

    pub(crate) async fn range(&self, queue: &Key, after: EntryId, limit: usize) -> Result<Vec<(EntryId, Bytes)>, Error> {
        let queue = queue.clone();
        self.read(move |snapshot, now_ms| read::range(snapshot, &queue, after, limit, now_ms))
            .await
    }

    pub(crate) async fn queue_len(&self, queue: &Key) -> Result<u64, Error> {
        let queue = queue.clone();
        self.read(move |snapshot, _| read::queue_len(snapshot, &queue)).await
    }

    pub(crate) async fn due(&self, agenda: &Key, until_ms: u64, limit: usize) -> Result<Vec<(Bytes, u64)>, Error> {
        let agenda = agenda.clone();
        self.read(move |snapshot, now_ms| read::due(snapshot, &agenda, until_ms, limit, now_ms))
            .await
    }

    pub(crate) async fn census(&self, prefix: &Key) -> Result<Census, Error> {
        let prefix = prefix.clone();
        self.read(move |snapshot, now_ms| read::census(snapshot, &prefix, now_ms)).await
    }

    pub(crate) async fn erase(&self, prefix: &Key) -> Result<u64, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Erase(prefix.clone(), reply))?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.read(|_, _| Ok(())).await
    }

    pub(crate) async fn close(&self) {
        drop(self.jobs.write().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().await.take()
            && thread.await.is_err()
        {
            tracing::error!("the committer ended badly");
        }
    }
}

/// Opens the file and makes sure that all tables are there and have the layout that this code knows.
fn prepare(opener: &Opener, path: &Path) -> Result<Database, Error> {
    let database = opener().map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => Error::refused(format!("{} is in use by another process", path.display())),
        DatabaseError::UpgradeRequired(_) => Error::refused(format!("{} was written by another version", path.display())),
        error => Error::unavailable(format!("{}: {error}", path.display())),
    })?;
    let transaction = database.begin_write().map_err(|error| unavailable(&error.into()))?;
    let known = Tables::open(&transaction)
        .and_then(|mut tables| tables.check_format())
        .map_err(|error| unavailable(&error))?;
    if !known {
        return Err(Error::refused(format!("{} was written by another version", path.display())));
    }
    transaction.commit().map_err(|error| unavailable(&error.into()))?;
    Ok(database)
}

/// The file is readable and writable by its owner only, from its first byte on.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(0o600);
        options.open(path)?.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    #[cfg(not(unix))]
    options.open(path)?;
    Ok(())
}
