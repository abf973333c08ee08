//! The way of a blob from its file to a client. Between the two there is one part; when the client takes none for too long, that is given up
//! too, so that those who stall cost nothing but their connection.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::Status;
use waxseal_protocol::proto::BlobPart;

use super::{PART_BYTES, blocking};
use crate::shared::{Shared, Stage};
use crate::status;

/// A part that can be taken back while nobody has taken it.
#[derive(Clone)]
struct Slot(Arc<Mutex<Option<Bytes>>>);

impl Slot {
    fn take(&self) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads the file.
pub(super) struct Download {
    shared: Arc<Shared>,
    slots: mpsc::Sender<Slot>,
    left: u64,
    until: Instant,
}

/// What the client gets. Ends with an error when it is not everything.
pub(crate) struct Parts {
    slots: mpsc::Receiver<Slot>,
    /// Until it is said.
    size_bytes: u64,
    left: u64,
    is_empty: bool,
    ended: bool,
}

/// A download of `length` bytes of a blob, to be done at `until`.
pub(super) fn new(shared: &Arc<Shared>, size_bytes: u64, length: u64, until: Instant) -> (Download, Parts) {
    let (sender, receiver) = mpsc::channel(1);
    let download = Download {
        shared: Arc::clone(shared),
        slots: sender,
        left: length,
        until,
    };
    let parts = Parts {
        slots: receiver,
        size_bytes,
        left: length,
        is_empty: length == 0,
        ended: false,
    };
    (download, parts)
}

impl Download {
    /// Reads from `offset` on until everything is on its way, the client is gone or too slow, or the relay stops.
    pub(super) async fn run(mut self, file: File, offset: u64) {
        let mut stage = self.shared.stage.subscribe();
        self.shared.metrics.blobs_served.inc();
        let mut last = None;
        let is_done = tokio::select! {
            done = self.read(file, offset, &mut last) => done.is_ok(),
            _ = stage.wait_for(|stage| *stage != Stage::Running) => false,
        };
        if let (false, Some(slot)) = (is_done, last) {
            let _: Option<Bytes> = slot.take();
        }
    }

    async fn read(&mut self, mut file: File, offset: u64, last: &mut Option<Slot>) -> Result<(), Status> {
        file = blocking(move || file.seek(io::SeekFrom::Start(offset)).map(|_| file)).await?;
        while self.left > 0 {
            let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(PART_BYTES);
            let (data, back) = blocking(move || {
                let mut part = vec![0; length];
                file.read_exact(&mut part)?;
                Ok((Bytes::from(part), file))
            })
            .await?;
            file = back;
            let bytes = data.len() as u64;
            let until = self.until.min(Instant::now() + self.shared.limits.blobs.idle);
            let room = match tokio::time::timeout_at(until, self.slots.reserve()).await {
                Ok(Ok(room)) => room,
                Ok(Err(_)) => return Err(status::client_gone()),
                Err(_) => return Err(status::blob_too_slow()),
            };
            let slot = Slot(Arc::new(Mutex::new(Some(data))));
            *last = Some(slot.clone());
            room.send(slot);
            self.left -= bytes;
            self.shared.metrics.blob_bytes_served.inc_by(bytes);
        }
        // The last part must be taken too.
        let until = self.until.min(Instant::now() + self.shared.limits.blobs.idle);
        match tokio::time::timeout_at(until, self.slots.reserve()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(status::blob_too_slow()),
        }
    }
}

impl Stream for Parts {
    type Item = Result<BlobPart, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let parts = self.get_mut();
        if parts.ended {
            return Poll::Ready(None);
        }
        let part = |size_bytes: &mut u64, data| BlobPart {
            data,
            size_bytes: std::mem::take(size_bytes),
        };
        if std::mem::take(&mut parts.is_empty) {
            parts.ended = true;
            return Poll::Ready(Some(Ok(part(&mut parts.size_bytes, Bytes::new()))));
        }
        let Poll::Ready(slot) = parts.slots.poll_recv(context) else {
            return Poll::Pending;
        };
        match slot.and_then(|slot| slot.take()) {
            Some(data) => {
                parts.left = parts.left.saturating_sub(data.len() as u64);
                parts.ended = parts.left == 0;
                Poll::Ready(Some(Ok(part(&mut parts.size_bytes, data))))
            }
            None => {
                parts.ended = true;
                // Whoever was slow, or saw the relay stop, may go on from here later.
                Poll::Ready(Some(Err(status::unavailable())))
            }
        }
    }
}
