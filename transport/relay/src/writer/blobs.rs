//! Which blobs count.

use super::{Refusal, Reply, Writer};
use crate::blobs::Stored;
use crate::number::Number;
use crate::store::blobs::{self, Blob};
use crate::store::{self, Tables};

/// Expired blobs that are dropped in one transaction.
const EXPIRED_AT_ONCE: usize = 256;

/// What is there under an id that somebody wants to use.
enum Present {
    Nothing,
    /// Of the same account, with the same size.
    Same(Blob),
    Refused(Refusal),
}

impl Writer {
    /// Enters a blob whose file is durable. Whoever comes first has the id; who comes again with the same size has it already.
    pub(super) fn store_blob(
        &mut self,
        tables: &mut Tables<'_>,
        id: u128,
        credential_hash: &[u8; 32],
        stored: Box<Stored>,
        reply: Reply<bool>,
    ) -> Result<(), store::Error> {
        let owner = stored.owner;
        let is_registered = self
            .shared
            .accounts()
            .get(&owner)
            .is_some_and(|account| account.has_credential(credential_hash));
        let answer = match (is_registered, self.present_blob(tables, id, owner, stored.size_bytes)?) {
            (false, _) => Err(Refusal::Unauthenticated),
            (true, Present::Refused(refusal)) => Err(refusal),
            (true, Present::Same(blob)) => {
                self.prolong(tables, id, &blob, stored.expires_s)?;
                Ok(true)
            }
            (true, Present::Nothing) => {
                blobs::put(tables, id, &stored.blob())?;
                self.soonest_blob_expiry_s = self.soonest_blob_expiry_s.min(stored.expires_s);
                let shared = std::sync::Arc::clone(&self.shared);
                self.after(move || {
                    shared.metrics.blobs_stored.inc();
                    shared.metrics.blob_bytes_stored.inc_by(stored.size_bytes);
                    stored.keep();
                });
                Ok(false)
            }
        };
        // What was not kept is gone by now, and so is its reservation.
        self.reply(reply, answer);
        Ok(())
    }

    pub(super) fn prolong_blob(
        &mut self,
        tables: &mut Tables<'_>,
        id: u128,
        owner: Number,
        size_bytes: u64,
        expires_s: u64,
    ) -> Result<Result<(), Refusal>, store::Error> {
        Ok(match self.present_blob(tables, id, owner, size_bytes)? {
            Present::Nothing => Err(Refusal::NoBlob),
            Present::Refused(refusal) => Err(refusal),
            Present::Same(blob) => {
                self.prolong(tables, id, &blob, expires_s)?;
                Ok(())
            }
        })
    }

    /// What is there under `id`; what has expired is dropped first.
    fn present_blob(&mut self, tables: &mut Tables<'_>, id: u128, owner: Number, size_bytes: u64) -> Result<Present, store::Error> {
        let Some(blob) = blobs::get(tables, id)? else {
            return Ok(Present::Nothing);
        };
        if blob.expires_s <= self.now_ms / 1_000 {
            blobs::remove(tables, id, &blob)?;
            self.shared.metrics.blobs_expired.inc();
            self.forget_files(vec![blob]);
            return Ok(Present::Nothing);
        }
        Ok(match (blob.owner() == owner, blob.size_bytes == size_bytes) {
            (true, true) => Present::Same(blob),
            (true, false) => Present::Refused(Refusal::BlobSize),
            (false, _) => Present::Refused(Refusal::BlobTaken),
        })
    }

    fn prolong(&mut self, tables: &mut Tables<'_>, id: u128, blob: &Blob, expires_s: u64) -> Result<(), store::Error> {
        if expires_s <= blob.expires_s {
            return Ok(());
        }
        blobs::remove(tables, id, blob)?;
        blobs::put(tables, id, &Blob { expires_s, ..blob.clone() })
    }

    /// Forgets everything that `owner` has stored.
    pub(super) fn forget_blobs(&mut self, tables: &mut Tables<'_>, owner: Number) -> Result<(), store::Error> {
        let gone = blobs::take_of(tables, owner)?;
        self.forget_files(gone);
        Ok(())
    }

    /// Forgets what has expired, a bounded part of it; returns whether anything had and whether there is more.
    pub(super) fn drop_expired_blobs(&mut self, tables: &mut Tables<'_>) -> Result<(bool, bool), store::Error> {
        let now_s = self.now_ms / 1_000;
        if self.soonest_blob_expiry_s > now_s {
            return Ok((false, false));
        }
        let (gone, next) = blobs::take_expired(tables, now_s, EXPIRED_AT_ONCE)?;
        self.soonest_blob_expiry_s = next.unwrap_or(u64::MAX);
        self.shared.metrics.blobs_expired.inc_by(gone.len() as u64);
        let is_changed = !gone.is_empty();
        self.forget_files(gone);
        Ok((is_changed, self.soonest_blob_expiry_s <= now_s))
    }

    /// Lets go of files once it is durable that nothing names them.
    fn forget_files(&mut self, gone: Vec<Blob>) {
        if gone.is_empty() {
            return;
        }
        let shared = std::sync::Arc::clone(&self.shared);
        self.after(move || gone.iter().for_each(|blob| shared.blobs.removed(blob)));
    }
}
