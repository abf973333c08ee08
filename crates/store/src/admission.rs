//! How much may wait. Above the limits a caller hears at once that the store is overloaded, instead of joining a queue without end.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Options};

/// Bytes are counted in steps, because a semaphore hands out at most 2^32 permits.
const STEP_BYTES: usize = 64;

pub(crate) struct Admission {
    batches: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    max_steps: u32,
}

/// The right to be under way; given back on drop.
pub(crate) struct Permit {
    _count: OwnedSemaphorePermit,
    _bytes: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub(crate) fn new(options: &Options) -> Self {
        let max_steps = u32::try_from(options.max_pending_bytes.div_ceil(STEP_BYTES)).unwrap_or(u32::MAX >> 4);
        Self {
            batches: Arc::new(Semaphore::new(options.max_pending_batches.min(Semaphore::MAX_PERMITS))),
            bytes: Arc::new(Semaphore::new(usize::try_from(max_steps).unwrap_or(Semaphore::MAX_PERMITS))),
            reads: Arc::new(Semaphore::new(options.max_pending_reads.min(Semaphore::MAX_PERMITS))),
            max_steps,
        }
    }

    pub(crate) fn write(&self, size: usize) -> Result<Permit, Error> {
        let steps = u32::try_from(size.div_ceil(STEP_BYTES)).unwrap_or(u32::MAX);
        if steps > self.max_steps {
            return Err(Error::refused(
                "the batch alone is larger than everything that may wait (max_pending_bytes)",
            ));
        }
        let count = Arc::clone(&self.batches).try_acquire_owned().map_err(|_| Error::Overloaded)?;
        let bytes = Arc::clone(&self.bytes)
            .try_acquire_many_owned(steps)
            .map_err(|_| Error::Overloaded)?;
        Ok(Permit {
            _count: count,
            _bytes: Some(bytes),
        })
    }

    pub(crate) fn read(&self) -> Result<Permit, Error> {
        let count = Arc::clone(&self.reads).try_acquire_owned().map_err(|_| Error::Overloaded)?;
        Ok(Permit {
            _count: count,
            _bytes: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_are_given_back() {
        let admission = Admission::new(&Options {
            max_pending_batches: 2,
            max_pending_bytes: 1_000,
            max_pending_reads: 1,
            ..Options::default()
        });
        assert!(matches!(admission.write(5_000), Err(Error::Refused(_))));
        let first = admission.write(900).unwrap();
        assert!(matches!(admission.write(900), Err(Error::Overloaded)));
        let second = admission.write(10).unwrap();
        assert!(matches!(admission.write(10), Err(Error::Overloaded)), "two batches are under way");
        drop((first, second));
        admission.write(900).unwrap();
        let read = admission.read().unwrap();
        assert!(matches!(admission.read(), Err(Error::Overloaded)));
        drop(read);
        admission.read().unwrap();
    }
}
