//! A transaction being put together: reads see what it already changed; nothing is in the store until the changes are committed.

use std::ops::Bound;

use prost::Message;

use super::store::{Changes, Entry, Store};
use crate::Error;

/// Changes on top of a store.
pub(crate) struct Transaction {
    store: Store,
    changes: Changes,
}

impl Transaction {
    pub(crate) const fn new(store: Store) -> Self {
        Self {
            store,
            changes: Changes::new(),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.store.get(key),
        }
    }

    pub(crate) fn row<M: Message + Default>(&self, key: &[u8]) -> Result<Option<M>, Error> {
        match self.get(key)? {
            None => Ok(None),
            Some(bytes) => M::decode(bytes.as_slice()).map(Some).map_err(|_| Error::Corrupt),
        }
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    pub(crate) fn put_row<M: Message>(&mut self, key: Vec<u8>, row: &M) {
        self.put(key, row.encode_to_vec());
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// The first entry with the prefix after the key `after`.
    pub(crate) fn next(&self, prefix: &[u8], after: Option<&[u8]>) -> Result<Option<Entry>, Error> {
        let mut after = after.map(<[u8]>::to_vec);
        loop {
            let stored = self.store.page(prefix, after.as_deref(), 1)?.pop();
            let from = after.as_deref().map_or(Bound::Included(prefix), Bound::Excluded);
            let changed = self
                .changes
                .range::<[u8], _>((from, Bound::Unbounded))
                .next()
                .filter(|(key, _)| key.starts_with(prefix));
            let (key, value) = match (stored, changed) {
                (None, None) => return Ok(None),
                (Some(stored), None) => return Ok(Some(stored)),
                (Some(stored), Some((key, _))) if stored.0 < *key => return Ok(Some(stored)),
                (_, Some((key, value))) => (key.clone(), value.clone()),
            };
            match value {
                Some(value) => return Ok(Some((key, value))),
                None => after = Some(key),
            }
        }
    }

    /// All keys with the prefix. For prefixes that are bounded by their meaning.
    pub(crate) fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        while let Some((key, _)) = self.next(prefix, keys.last().map(Vec::as_slice))? {
            keys.push(key);
        }
        Ok(keys)
    }

    /// What to commit.
    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Persistence;

    #[tokio::test]
    async fn reads_see_the_changes() {
        let store = Store::memory();
        let mut transaction = Transaction::new(store.clone());
        for key in ["q/1", "q/3", "q/5"] {
            transaction.put(key.into(), b"old".to_vec());
        }
        store.commit(transaction.into_changes(), Persistence::Durable).await.unwrap();

        let mut transaction = Transaction::new(store.clone());
        transaction.delete(b"q/1".to_vec());
        transaction.put(b"q/2".to_vec(), b"new".to_vec());
        transaction.put(b"q/5".to_vec(), b"new".to_vec());
        transaction.delete(b"q/9".to_vec());
        transaction.put(b"r/1".to_vec(), b"other".to_vec());
        assert_eq!(
            transaction.keys(b"q/").unwrap(),
            [b"q/2".to_vec(), b"q/3".to_vec(), b"q/5".to_vec()]
        );
        assert!(transaction.get(b"q/1").unwrap().is_none());
        assert_eq!(transaction.next(b"q/", Some(b"q/3")).unwrap().unwrap().1, b"new");
        assert_eq!(store.page(b"q/", None, 9).unwrap().len(), 3, "nothing is committed yet");
    }
}
