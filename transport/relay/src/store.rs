//! The state file: its tables, opening and closing it.
//!
//! One file, `relay.redb`. Only the writer thread writes it, one transaction per group of jobs, durable when it returns. Connections read
//! it to catch up on what was queued before. After a crash redb walks the file once when it is opened.

pub(crate) mod blobs;
pub(crate) mod keys;
pub(crate) mod marks;
pub(crate) mod queue;
pub(crate) mod reports;
pub(crate) mod spent;

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use prost::Message as _;
use redb::{Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, WriteTransaction};

use crate::account::Account;
use crate::number::Number;

/// The state file's name.
const FILE: &str = "relay.redb";
/// Of the tables below; a file written by a later version is refused.
const FORMAT: u64 = 1;

const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// number -> [`Account`].
const ACCOUNTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("accounts");
/// number -> [`keys::Lasting`].
const KEYS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("keys");
/// (number, kind, key id) -> [`keys::OneTime`].
const POOL: TableDefinition<'static, keys::PoolKey, &[u8]> = TableDefinition::new("pool");
/// (number, kind, hash of the key) -> Unix seconds until which it must not be published again.
const SPENT: TableDefinition<'static, spent::Key, u64> = TableDefinition::new("spent");
/// (recipient, sequence) -> [`queue::Queued`].
pub(crate) const QUEUE: TableDefinition<'static, (u64, u64), &[u8]> = TableDefinition::new("queue");
/// (sender, envelope id) -> when accepted and until when remembered.
const MARKS: TableDefinition<'static, (u64, u128), u64> = TableDefinition::new("marks");
/// minute -> how many marks were made in it and are still there.
const MARK_MINUTES: TableDefinition<'static, u32, u64> = TableDefinition::new("mark_minutes");
/// id -> [`blobs::Blob`].
const BLOBS: TableDefinition<'static, u128, &[u8]> = TableDefinition::new("blobs");
/// (Unix seconds, id): when blobs expire.
const BLOB_EXPIRIES: TableDefinition<'static, (u64, u128), ()> = TableDefinition::new("blob_expiries");
/// (number, id): whose they are.
const BLOB_OWNERS: TableDefinition<'static, (u64, u128), ()> = TableDefinition::new("blob_owners");
/// (day, business, hash of the consumer) -> reason.
const REPORTS: TableDefinition<'static, reports::Key, u8> = TableDefinition::new("reports");
/// business -> [`crate::integrity::Activity`], as of a few minutes ago.
const ACTIVITIES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("activities");

const META_FORMAT: &str = "format";
const META_SEQUENCE: &str = "sequence";
/// Two halves of what numbers are hashed with.
const META_HASH_KEYS: [&str; 2] = ["hash_key_0", "hash_key_1"];

/// The state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state folder or file cannot be made.
    #[error("the relay's state folder cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    /// Another process has the file open.
    #[error("the relay's state is in use by another process")]
    InUse,
    /// A later version of the relay wrote the file.
    #[error("the relay's state has format {0}, this version knows {FORMAT}")]
    Format(u64),
    /// An entry cannot be read.
    #[error("the relay's state is damaged: an entry of {0} cannot be read")]
    Damaged(&'static str),
    /// The file cannot be read or written.
    #[error("the relay's state cannot be read or written: {0}")]
    Database(#[source] Box<redb::Error>),
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        }
    )*};
}
from_redb!(redb::TableError, redb::StorageError, redb::CommitError, redb::TransactionError);

impl From<redb::DatabaseError> for Error {
    fn from(error: redb::DatabaseError) -> Self {
        match error {
            redb::DatabaseError::DatabaseAlreadyOpen => Self::InUse,
            error => Self::Database(Box::new(error.into())),
        }
    }
}

/// The open state file. The writer closes it when it ends, whoever still holds the handle.
pub(crate) struct Store(RwLock<Option<Database>>);

impl Store {
    pub(crate) fn open(state_dir: &Path, cache_bytes: usize) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(state_dir)?;
        let path = state_dir.join(FILE);
        // Made here first, so that it is never readable by others.
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)?;
        let database = Database::builder().set_cache_size(cache_bytes).create(&path)?;
        let transaction = database.begin_write()?;
        {
            let mut tables = Tables::open(&transaction)?;
            let format = tables.meta.get(META_FORMAT)?.map(|value| value.value());
            match format {
                None => drop(tables.meta.insert(META_FORMAT, FORMAT)?),
                Some(FORMAT) => {}
                Some(other) => return Err(Error::Format(other)),
            }
            reports::prepare(&mut tables, rand::random())?;
        }
        transaction.commit()?;
        Ok(Self(RwLock::new(Some(database))))
    }

    /// Begins the writer's next transaction.
    pub(crate) fn write(&self) -> Result<WriteTransaction, Error> {
        let database = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(redb::StorageError::DatabaseClosed)?;
        Ok(database.begin_write()?)
    }

    /// A snapshot of everything committed.
    pub(crate) fn read(&self) -> Result<ReadTransaction, Error> {
        let database = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(redb::StorageError::DatabaseClosed)?;
        Ok(database.begin_read()?)
    }

    /// Closes the file; later calls fail.
    pub(crate) fn close(&self) {
        drop(self.0.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// The tables of one write transaction.
pub(crate) struct Tables<'txn> {
    meta: Table<'txn, &'static str, u64>,
    accounts: Table<'txn, u64, &'static [u8]>,
    keys: Table<'txn, u64, &'static [u8]>,
    pool: Table<'txn, keys::PoolKey, &'static [u8]>,
    spent: Table<'txn, spent::Key, u64>,
    queue: Table<'txn, (u64, u64), &'static [u8]>,
    marks: Table<'txn, (u64, u128), u64>,
    mark_minutes: Table<'txn, u32, u64>,
    blobs: Table<'txn, u128, &'static [u8]>,
    blob_expiries: Table<'txn, (u64, u128), ()>,
    blob_owners: Table<'txn, (u64, u128), ()>,
    reports: Table<'txn, reports::Key, u8>,
    activities: Table<'txn, u64, &'static [u8]>,
}

impl<'txn> Tables<'txn> {
    pub(crate) fn open(transaction: &'txn WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            accounts: transaction.open_table(ACCOUNTS)?,
            keys: transaction.open_table(KEYS)?,
            pool: transaction.open_table(POOL)?,
            spent: transaction.open_table(SPENT)?,
            queue: transaction.open_table(QUEUE)?,
            marks: transaction.open_table(MARKS)?,
            mark_minutes: transaction.open_table(MARK_MINUTES)?,
            blobs: transaction.open_table(BLOBS)?,
            blob_expiries: transaction.open_table(BLOB_EXPIRIES)?,
            blob_owners: transaction.open_table(BLOB_OWNERS)?,
            reports: transaction.open_table(REPORTS)?,
            activities: transaction.open_table(ACTIVITIES)?,
        })
    }

    pub(crate) fn put_account(&mut self, number: Number, account: &Account) -> Result<(), Error> {
        self.accounts.insert(number.key(), account.encode_to_vec().as_slice())?;
        Ok(())
    }

    pub(crate) fn remove_account(&mut self, number: Number) -> Result<(), Error> {
        self.accounts.remove(number.key())?;
        Ok(())
    }
}

/// Every account.
pub(crate) fn load_accounts(transaction: &ReadTransaction) -> Result<HashMap<Number, Account>, Error> {
    let mut accounts = HashMap::new();
    for entry in transaction.open_table(ACCOUNTS)?.range::<u64>(..)? {
        let (number, account) = entry?;
        let account = Account::decode(account.value()).map_err(|_| Error::Damaged("accounts"))?;
        accounts.insert(Number::from_key(number.value()), account);
    }
    Ok(accounts)
}
