//! The tables of the database file.
//!
//! Every row that can expire has a row in [`EXPIRIES`], so that the sweeper finds it without looking at the others. Expiries are milliseconds
//! since 1970 by the clock of the options; a row is gone when its expiry is not above now.

use redb::{Error, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

/// Name -> expiry, value.
pub(super) const VALUES: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("values");
/// Queue, number -> expiry, value. Numbers are given once per file.
pub(super) const ENTRIES: TableDefinition<'_, (&str, u64), (u64, &[u8])> = TableDefinition::new("entries");
/// Queue -> number of entries; no row when there is none.
pub(super) const QUEUES: TableDefinition<'_, &str, u64> = TableDefinition::new("queues");
/// Agenda, member -> due.
pub(super) const MEMBERS: TableDefinition<'_, (&str, &[u8]), u64> = TableDefinition::new("members");
/// Agenda, due, member.
pub(super) const DUE: TableDefinition<'_, (&str, u64, &[u8]), ()> = TableDefinition::new("due");
/// Agenda -> expiry; no row when it is empty.
pub(super) const AGENDAS: TableDefinition<'_, &str, u64> = TableDefinition::new("agendas");
/// Lane -> epoch, seq, expiry.
pub(super) const LANES: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("lanes");
/// Expiry, kind, name, entry number.
pub(super) const EXPIRIES: TableDefinition<'_, (u64, u8, &str, u64), ()> = TableDefinition::new("expiries");
/// Counters of the file.
pub(super) const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");

/// The number of the last entry of any queue.
pub(super) const LAST_ENTRY: &str = "last_entry";
/// The layout described here.
const FORMAT: &str = "format";
const FORMAT_NOW: u64 = 1;

/// What a row of [`EXPIRIES`] points at.
pub(super) mod kind {
    pub(crate) const VALUE: u8 = 0;
    pub(crate) const ENTRY: u8 = 1;
    pub(crate) const AGENDA: u8 = 2;
    pub(crate) const LANE: u8 = 3;
}

/// All tables of one write transaction.
pub(super) struct Tables<'t> {
    pub(super) values: Table<'t, &'static str, (u64, &'static [u8])>,
    pub(super) entries: Table<'t, (&'static str, u64), (u64, &'static [u8])>,
    pub(super) queues: Table<'t, &'static str, u64>,
    pub(super) members: Table<'t, (&'static str, &'static [u8]), u64>,
    pub(super) due: Table<'t, (&'static str, u64, &'static [u8]), ()>,
    pub(super) agendas: Table<'t, &'static str, u64>,
    pub(super) lanes: Table<'t, &'static str, (u64, u64, u64)>,
    pub(super) expiries: Table<'t, (u64, u8, &'static str, u64), ()>,
    pub(super) counters: Table<'t, &'static str, u64>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            values: transaction.open_table(VALUES)?,
            entries: transaction.open_table(ENTRIES)?,
            queues: transaction.open_table(QUEUES)?,
            members: transaction.open_table(MEMBERS)?,
            due: transaction.open_table(DUE)?,
            agendas: transaction.open_table(AGENDAS)?,
            lanes: transaction.open_table(LANES)?,
            expiries: transaction.open_table(EXPIRIES)?,
            counters: transaction.open_table(COUNTERS)?,
        })
    }

    /// Marks a new file, and says whether an old one has the layout that this code knows.
    pub(super) fn check_format(&mut self) -> Result<bool, Error> {
        let format = self.counters.get(FORMAT)?.map(|format| format.value());
        if format.is_none() {
            self.counters.insert(FORMAT, FORMAT_NOW)?;
        }
        Ok(format.is_none_or(|format| format == FORMAT_NOW))
    }
}

/// When an agenda or a value exists and has not expired.
pub(super) fn alive(expiry: u64, now: u64) -> bool {
    expiry > now
}

/// The first key above all members of an agenda: no name lies between a name and the same name with a zero byte behind it.
pub(super) fn after(name: &str) -> String {
    let mut after = String::with_capacity(name.len() + 1);
    after.push_str(name);
    after.push('\0');
    after
}

/// Whether an agenda is alive, for readers.
pub(super) fn agenda_alive(transaction: &ReadTransaction, agenda: &str, now: u64) -> Result<bool, Error> {
    let agendas = transaction.open_table(AGENDAS)?;
    Ok(agendas.get(agenda)?.is_some_and(|expiry| alive(expiry.value(), now)))
}
