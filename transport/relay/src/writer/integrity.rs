//! What is noticed about businesses: kept, told and forgotten.

use waxseal_protocol::proto::SpamReason;

use super::{Refusal, Writer};
use crate::integrity::{DAYS, day};
use crate::number::Number;
use crate::store::{self, Tables, reports};

/// Old reports dropped in one transaction.
const DROPPED_AT_ONCE: usize = 1_000;

impl Writer {
    /// Enters a report of a consumer; answers whether it counts.
    pub(super) fn report(
        &mut self,
        tables: &mut Tables<'_>,
        consumer: Number,
        business: Number,
        reason: SpamReason,
    ) -> Result<Result<bool, Refusal>, store::Error> {
        let is_business = self
            .shared
            .accounts()
            .get(&business)
            .is_some_and(crate::account::Account::is_business);
        if !is_business {
            return Ok(Err(Refusal::NotRegistered));
        }
        let today = day(self.now_ms);
        if self.watch.reports_on(business, today) >= self.shared.limits.integrity.reports_per_day {
            return Ok(Ok(false));
        }
        let reporter = self.watch.hash(consumer);
        let reason_number = u8::try_from(i32::from(reason)).unwrap_or_default();
        let is_new = reports::insert(tables, today, business, reporter, reason_number)?;
        if is_new {
            self.watch.reported(business, today);
            self.oldest_report = Some(self.oldest_report.unwrap_or(today).min(today));
            self.shared.metrics.reported(reason);
        }
        Ok(Ok(is_new))
    }

    /// Tells those businesses that are connected what has changed. Needs no transaction: what is told is an observation, not a promise.
    pub(super) fn tell_integrity(&mut self) {
        for (number, integrity) in self.watch.look(self.now_ms) {
            if let Some(present) = self.present.get(&number) {
                present.connection.integrity(integrity);
            }
        }
    }

    pub(super) fn wants_integrity_chores(&self) -> bool {
        self.has_old_reports() || self.watch.wants_save(self.now_ms)
    }

    fn has_old_reports(&self) -> bool {
        self.oldest_report
            .is_some_and(|oldest| oldest.saturating_add(DAYS) <= day(self.now_ms))
    }

    /// Writes down what is due, and forgets what is old; returns whether anything was.
    pub(super) fn integrity_chores(&mut self, tables: &mut Tables<'_>, is_last: bool) -> Result<bool, store::Error> {
        let mut is_changed = false;
        for (business, activity) in self.watch.take_unsaved(self.now_ms, is_last) {
            reports::put_activity(tables, business, &activity)?;
            is_changed = true;
        }
        if self.has_old_reports() {
            let (dropped, oldest) = reports::drop_old(tables, day(self.now_ms), DROPPED_AT_ONCE)?;
            self.oldest_report = oldest;
            is_changed |= dropped;
        }
        Ok(is_changed)
    }
}
