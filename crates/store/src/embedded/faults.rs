//! Tests: a disk that fails, and then does not fail any more.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::{Builder, StorageBackend};
use tokio::sync::oneshot;

use super::Backend;
use crate::admission::Admission;
use crate::work::{Admitted, Work};
use crate::{Batch, Error, Key, Namespace, Op, Options, Outcome};

/// Bytes that outlive the database that is opened on them. While it is full, nothing is written.
#[derive(Clone, Debug, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn check(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

fn position(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.copy_from_slice(&self.bytes.lock().unwrap()[position(offset)..][..out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.bytes.lock().unwrap().resize(position(len), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.bytes.lock().unwrap()[position(offset)..][..data.len()].copy_from_slice(data);
        Ok(())
    }
}

async fn put(backend: &Backend, key: &Key, value: u32) -> Result<Outcome, Error> {
    let value = Bytes::copy_from_slice(&value.to_be_bytes());
    let batch = Batch {
        ops: vec![Op::Put {
            key: key.clone(),
            value,
            ttl: Duration::from_secs(60),
        }],
        ..Batch::default()
    };
    let permit = Admission::new(&Options::default()).write(batch.size()).unwrap();
    let (reply, answer) = oneshot::channel();
    backend.submit(Admitted {
        work: Work::Commit(batch, reply),
        permit,
    })?;
    answer.await.unwrap()
}

#[tokio::test]
async fn a_full_disk_is_reported_and_got_over() {
    let disk = Disk::default();
    let opener = {
        let disk = disk.clone();
        Box::new(move || Builder::new().create_with_backend(disk.clone()))
    };
    let backend = Backend::open_with(opener, Path::new("disk"), Options::default()).await.unwrap();
    let key = Namespace::new("1").key("v");
    let applied = Ok(Outcome::Applied { appended: vec![] });
    assert_eq!(put(&backend, &key, 1).await, applied);
    disk.full.store(true, Ordering::SeqCst);
    for value in 2..5 {
        let error = put(&backend, &key, value).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    }
    disk.full.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(10);
    while put(&backend, &key, 9).await != applied {
        assert!(Instant::now() < deadline, "it does not come back");
    }
    assert_eq!(
        backend.get(std::slice::from_ref(&key)).await.unwrap(),
        [Some(Bytes::from_static(&[0, 0, 0, 9]))]
    );
    backend.close().await;
    assert!(matches!(backend.get(&[key]).await, Err(Error::Unavailable { in_doubt: false, .. })));
}
