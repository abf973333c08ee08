//! The ordered map: redb in a private file, or a `BTreeMap`. Every change goes through [`Store::commit`], which is one atomic write.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, DatabaseError, Durability, ReadableDatabase as _, TableDefinition};

use crate::Error;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("state");
const FILE: &str = "state.redb";

/// redb's default is a gigabyte; a chat needs little.
const CACHE_BYTES: usize = 16 << 20;

type Key = Vec<u8>;
type Value = Vec<u8>;
pub(super) type Entry = (Key, Value);

/// What one commit changes: a value to put, or `None` to delete.
pub(crate) type Changes = BTreeMap<Key, Option<Value>>;

/// Whether a commit must survive the process and the machine when it returns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Durable when the commit returns: something will be emitted that relies on it.
    Durable,
    /// May be lost with the process: it is found out again, at the cost of a re-send.
    Lazy,
}

/// A cheap handle to the state of one consumer.
#[derive(Clone)]
pub(crate) struct Store(Backend);

#[derive(Clone)]
enum Backend {
    Disk(Arc<Database>),
    Memory(Arc<Mutex<BTreeMap<Key, Value>>>),
}

impl Store {
    pub(crate) fn memory() -> Self {
        Self(Backend::Memory(Arc::default()))
    }

    /// Opens or creates the state in a directory that only its owner may read. redb's file lock keeps a second process out.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| Error::io(directory, source))?;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).map_err(|source| Error::io(directory, source))?;
        let path = directory.join(FILE);
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| Error::io(&path, source))?;
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(&path)
            .map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => Error::InUse {
                    directory: directory.to_owned(),
                },
                other => Error::storage(other),
            })?;
        // The table must exist before the first read.
        let transaction = database.begin_write().map_err(Error::storage)?;
        transaction.open_table(TABLE).map_err(Error::storage)?;
        transaction.commit().map_err(Error::storage)?;
        Ok(Self(Backend::Disk(Arc::new(database))))
    }

    /// Removes the state in a directory; nothing else that is there.
    pub(crate) fn remove(directory: &Path) -> Result<(), Error> {
        let path = directory.join(FILE);
        std::fs::remove_file(&path).map_err(|source| Error::io(&path, source))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>, Error> {
        match &self.0 {
            Backend::Memory(map) => Ok(lock(map).get(key).cloned()),
            Backend::Disk(database) => {
                let transaction = database.begin_read().map_err(Error::storage)?;
                let table = transaction.open_table(TABLE).map_err(Error::storage)?;
                Ok(table.get(key).map_err(Error::storage)?.map(|guard| guard.value().to_vec()))
            }
        }
    }

    /// The first `limit` entries whose key starts with `prefix`, after the key `after`, in order.
    pub(crate) fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, Error> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        match &self.0 {
            Backend::Memory(map) => Ok(lock(map)
                .range::<[u8], _>((from, Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .take(limit)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()),
            Backend::Disk(database) => {
                let transaction = database.begin_read().map_err(Error::storage)?;
                let table = transaction.open_table(TABLE).map_err(Error::storage)?;
                let mut page = Vec::new();
                for entry in table.range::<&[u8]>((from, Bound::Unbounded)).map_err(Error::storage)?.take(limit) {
                    let (key, value) = entry.map_err(Error::storage)?;
                    if !key.value().starts_with(prefix) {
                        break;
                    }
                    page.push((key.value().to_vec(), value.value().to_vec()));
                }
                Ok(page)
            }
        }
    }

    /// Visits the entries whose key starts with `prefix`, the last first, until `visit` returns `false`.
    pub(crate) fn backwards(&self, prefix: &[u8], mut visit: impl FnMut(&[u8]) -> bool) -> Result<(), Error> {
        let end = end_of(prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        match &self.0 {
            Backend::Memory(map) => {
                let _stopped = lock(map)
                    .range::<[u8], _>((Bound::Included(prefix), to))
                    .rev()
                    .all(|(_, value)| visit(value));
            }
            Backend::Disk(database) => {
                let transaction = database.begin_read().map_err(Error::storage)?;
                let table = transaction.open_table(TABLE).map_err(Error::storage)?;
                for entry in table.range::<&[u8]>((Bound::Included(prefix), to)).map_err(Error::storage)?.rev() {
                    let (_, value) = entry.map_err(Error::storage)?;
                    if !visit(value.value()) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Applies all changes or none.
    pub(crate) async fn commit(&self, changes: Changes, persistence: Persistence) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        match &self.0 {
            Backend::Memory(map) => {
                let mut map = lock(map);
                for (key, value) in changes {
                    match value {
                        Some(value) => map.insert(key, value),
                        None => map.remove(&key),
                    };
                }
                Ok(())
            }
            Backend::Disk(database) => {
                let database = Arc::clone(database);
                tokio::task::spawn_blocking(move || write(&database, &changes, persistence))
                    .await
                    .map_err(Error::storage)?
            }
        }
    }
}

impl Store {
    /// Makes lazy commits durable: an orderly end leaves nothing to find out again.
    pub(crate) async fn settle(&self) -> Result<(), Error> {
        if let Backend::Disk(database) = &self.0 {
            let database = Arc::clone(database);
            tokio::task::spawn_blocking(move || write(&database, &Changes::new(), Persistence::Durable))
                .await
                .map_err(Error::storage)??;
        }
        Ok(())
    }
}

fn write(database: &Database, changes: &Changes, persistence: Persistence) -> Result<(), Error> {
    let mut transaction = database.begin_write().map_err(Error::storage)?;
    if persistence == Persistence::Lazy {
        transaction.set_durability(Durability::None).map_err(Error::storage)?;
    }
    {
        let mut table = transaction.open_table(TABLE).map_err(Error::storage)?;
        for (key, value) in changes {
            match value {
                Some(value) => table.insert(key.as_slice(), value.as_slice()).map_err(Error::storage)?,
                None => table.remove(key.as_slice()).map_err(Error::storage)?,
            };
        }
    }
    transaction.commit().map_err(Error::storage)
}

/// The smallest key after every key with this prefix.
fn end_of(prefix: &[u8]) -> Option<Key> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// A panic while the lock was held cannot have left a change half made: changes are applied by code that does not panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(entries: &[(&str, Option<&str>)]) -> Changes {
        entries
            .iter()
            .map(|(key, value)| (key.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec())))
            .collect()
    }

    #[tokio::test]
    async fn both_backends_agree() {
        let directory = tempfile::tempdir().unwrap();
        for store in [Store::memory(), Store::open(&directory.path().join("c")).unwrap()] {
            let persistence = Persistence::Durable;
            store
                .commit(
                    change(&[("a1", Some("x")), ("a2", Some("y")), ("a3", Some("z")), ("b1", Some("w"))]),
                    persistence,
                )
                .await
                .unwrap();
            store
                .commit(change(&[("a2", None), ("a9", Some("v"))]), Persistence::Lazy)
                .await
                .unwrap();
            assert_eq!(store.get(b"a1").unwrap().unwrap(), b"x");
            assert!(store.get(b"a2").unwrap().is_none());
            let keys = |page: Vec<(Key, Value)>| page.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect::<Vec<_>>();
            assert_eq!(keys(store.page(b"a", None, 10).unwrap()), ["a1", "a3", "a9"]);
            assert_eq!(keys(store.page(b"a", Some(b"a1"), 1).unwrap()), ["a3"]);
            assert_eq!(keys(store.page(b"b", None, 10).unwrap()), ["b1"]);
            let mut seen = Vec::new();
            store
                .backwards(b"a", |value| {
                    seen.push(value.to_vec());
                    seen.len() < 2
                })
                .unwrap();
            assert_eq!(seen, [b"v".to_vec(), b"z".to_vec()]);
        }
    }

    #[tokio::test]
    async fn what_is_lazy_is_durable_after_settling() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.commit(change(&[("a", Some("x"))]), Persistence::Lazy).await.unwrap();
        store.settle().await.unwrap();
        // As the disk is now, had the process been killed.
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(directory.path().join(FILE), copy.path().join(FILE)).unwrap();
        let copy = Store::open(copy.path()).unwrap();
        assert_eq!(copy.get(b"a").unwrap().unwrap(), b"x");
    }

    #[tokio::test]
    async fn the_state_is_private_and_has_one_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("consumers/15550123");
        let store = Store::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(path.join(FILE).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Store::open(&path), Err(Error::InUse { .. })));
        drop(store);
        assert!(Store::open(&path).is_ok());
    }

    #[test]
    fn ends_of_prefixes() {
        assert_eq!(end_of(b"m/").unwrap(), b"m0");
        assert_eq!(end_of(&[1, 0xff]).unwrap(), [2]);
        assert_eq!(end_of(&[0xff]), None);
    }
}
