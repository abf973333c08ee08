//! Uploads and downloads of blobs, part by part: in memory there are never more than a few parts of each.

mod download;

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};
use waxseal_protocol::proto::blobs_server::Blobs;
use waxseal_protocol::proto::put_blob::Frame;
use waxseal_protocol::proto::{BlobHeader, GetBlob, PutBlob, PutBlobResponse};
use waxseal_protocol::wire;

use super::{Caller, Service};
use crate::blobs::{Stored, TooMuch};
use crate::config::{BlobLimits, Rate};
use crate::number::Number;
use crate::shared::{Shared, Stage};
use crate::store::{self, blobs::Blob};
use crate::writer::Job;
use crate::{status, store::Error as StoreError};

/// The header comes at once.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Parts of a download, and writes of an upload.
const PART_BYTES: usize = 128 * 1024;
/// Hourly quotas are counted in units of this.
const UNIT_BYTES: u64 = 64 * 1024;
const HOUR: Duration = Duration::from_secs(60 * 60);

#[tonic::async_trait]
impl Blobs for Service {
    async fn put(&self, request: Request<Streaming<PutBlob>>) -> Result<Response<PutBlobResponse>, Status> {
        let caller = self.authenticate(&request)?;
        let _open = self.open.clone();
        let put = self.put_blob(&caller, request.into_inner()).await;
        self.shared.report_blobs();
        let existed = put.inspect_err(|status| self.shared.metrics.blob_refused(reason(status)))?;
        Ok(Response::new(PutBlobResponse { existed }))
    }

    type GetStream = download::Parts;

    async fn get(&self, request: Request<GetBlob>) -> Result<Response<Self::GetStream>, Status> {
        let caller = self.authenticate(&request)?;
        let wish = request.into_inner();
        let id = blob_id(&wish.id)?;
        let shared = Arc::clone(&self.shared);
        let turn = shared.blobs.room.stream(caller.number).ok_or_else(busy)?;
        let now_s = shared.now_ms() / 1_000;
        let (blob, file) = blocking(move || open(&shared, id, now_s)).await?.ok_or_else(status::no_blob)?;
        let rest = blob
            .size_bytes
            .checked_sub(wish.offset)
            .ok_or_else(|| status::invalid("offset: beyond the end"))?;
        let length = if wish.length == 0 { rest } else { rest.min(wish.length) };
        self.allow_bytes(&caller, length, Direction::Down)?;
        let until = deadline(length, &self.shared.limits.blobs);
        let (download, parts) = download::new(&self.shared, blob.size_bytes, length, until);
        let open = self.open.clone();
        tokio::spawn(async move {
            download.run(file, wish.offset).await;
            drop((turn, open));
        });
        Ok(Response::new(parts))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Service {
    async fn put_blob(&self, caller: &Caller, stream: Streaming<PutBlob>) -> Result<bool, Status> {
        let shared = &self.shared;
        let limits = &shared.limits.blobs;
        let mut frames = Frames {
            stream,
            stage: shared.stage.subscribe(),
            idle: limits.idle,
            until: Instant::now() + HEADER_TIMEOUT,
        };
        let Some(Frame::Header(header)) = frames.next().await? else {
            return Err(status::malformed());
        };
        let BlobHeader {
            id,
            size_bytes,
            ttl_seconds,
        } = header;
        let id = blob_id(&id)?;
        if size_bytes == 0 {
            return Err(status::invalid("size_bytes"));
        }
        if size_bytes > limits.bytes {
            return Err(status::blob_too_large());
        }
        let cap_s = shared.limits.ttl_cap.as_secs();
        let ttl_s = match u64::from(ttl_seconds) {
            0 => cap_s,
            ttl_s => ttl_s.min(cap_s),
        };
        let now_s = shared.now_ms() / 1_000;
        let expires_s = now_s.saturating_add(ttl_s);
        if self.has_blob(caller.number, id, size_bytes, expires_s).await? {
            return Ok(true);
        }
        let _turn = shared.blobs.room.stream(caller.number).ok_or_else(busy)?;
        self.allow_bytes(caller, size_bytes, Direction::Up)?;
        let reservation = shared.blobs.room.reserve(caller.number, caller.is_business, size_bytes);
        let reservation = reservation.map_err(|too_much| match too_much {
            // Room comes with what expires; when that is, the account knows best.
            TooMuch::Account => status::too_often(HOUR),
            TooMuch::Relay => status::full("no room for more blobs"),
        })?;
        frames.until = deadline(size_bytes, limits);
        let at = Arc::clone(shared);
        let (upload, file) = blocking(move || {
            // Other uploads under way are not counted here; the spare room is for more than one.
            match at.blobs.free_bytes()?.checked_sub(size_bytes) {
                Some(left) if left >= at.limits.blobs.spare_bytes => at.blobs.create(),
                _ => Err(io::ErrorKind::StorageFull.into()),
            }
        })
        .await?;
        let file = receive(&mut frames, file, size_bytes).await?;
        let mut stored = Box::new(Stored {
            owner: caller.number,
            size_bytes,
            expires_s,
            upload,
            reservation,
        });
        let stored = blocking(move || stored.upload.finish(&file).map(|()| stored)).await?;
        // From here on the file goes with the job: if the client leaves now, what is stored stays stored.
        let existed = self
            .ask(|reply| Job::StoreBlob {
                id,
                credential_hash: caller.credential_hash,
                stored,
                reply,
            })
            .await??;
        Ok(existed)
    }

    /// Whether the account has stored this blob before; then it is kept for as long as is asked now.
    async fn has_blob(&self, owner: Number, id: u128, size_bytes: u64, expires_s: u64) -> Result<bool, Status> {
        let shared = Arc::clone(&self.shared);
        let now_s = shared.now_ms() / 1_000;
        if blocking(move || find(&shared, id, now_s)).await?.is_none() {
            return Ok(false);
        }
        let job = |reply| Job::ProlongBlob {
            id,
            owner,
            size_bytes,
            expires_s,
            reply,
        };
        match self.ask(job).await? {
            Ok(()) => Ok(true),
            // It expired just now.
            Err(crate::writer::Refusal::NoBlob) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn allow_bytes(&self, caller: &Caller, bytes: u64, direction: Direction) -> Result<(), Status> {
        let quota = self.shared.limits.blobs.quota(caller.is_business);
        let (now_us, mut limiter) = (self.shared.now_us(), self.limiter());
        let (buckets, per_hour) = match direction {
            Direction::Up => (&mut limiter.uploads, quota.uploaded_bytes_per_hour),
            Direction::Down => (&mut limiter.downloads, quota.downloaded_bytes_per_hour),
        };
        let units = |bytes: u64| u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).max(1);
        let capacity = units(per_hour);
        let rate = Rate {
            capacity,
            refill: HOUR / capacity,
        };
        let token = buckets.check_many(caller.number, rate, units(bytes), now_us);
        buckets.take(token.map_err(status::too_often)?);
        Ok(())
    }
}

/// What comes in, in time.
struct Frames {
    stream: Streaming<PutBlob>,
    stage: watch::Receiver<Stage>,
    idle: Duration,
    until: Instant,
}

impl Frames {
    /// The next frame; `None` when the client ended the stream in good order.
    async fn next(&mut self) -> Result<Option<Frame>, Status> {
        let until = self.until.min(Instant::now() + self.idle);
        let message = tokio::select! {
            message = tokio::time::timeout_at(until, self.stream.message()) => message,
            _ = self.stage.wait_for(|stage| *stage != Stage::Running) => return Err(status::unavailable()),
        };
        match message {
            Ok(Ok(None)) => Ok(None),
            Ok(Ok(Some(PutBlob { frame: Some(frame) }))) => Ok(Some(frame)),
            Ok(Ok(Some(PutBlob { frame: None }))) => Err(status::malformed()),
            Ok(Err(status)) if matches!(status.code(), tonic::Code::Internal | tonic::Code::OutOfRange) => Err(status::malformed()),
            Ok(Err(_)) => Err(status::client_gone()),
            Err(_) => Err(status::blob_too_slow()),
        }
    }
}

/// Writes what comes in to the file, which has the declared size when this returns.
async fn receive(frames: &mut Frames, mut file: File, size_bytes: u64) -> Result<File, Status> {
    let mut left = size_bytes;
    let mut waiting: Vec<Bytes> = Vec::new();
    let mut waiting_bytes = 0;
    loop {
        let data = match frames.next().await? {
            Some(Frame::Data(data)) if !data.is_empty() && data.len() <= wire::MAX_PART_BYTES => data,
            // A second header, an empty frame or one that is too long.
            Some(_) => return Err(status::malformed()),
            None if left > 0 => return Err(status::not_the_declared_size()),
            None => return write(file, waiting).await,
        };
        left = left.checked_sub(data.len() as u64).ok_or_else(status::not_the_declared_size)?;
        waiting_bytes += data.len();
        waiting.push(data);
        // Small frames are gathered, but not so many that keeping them costs more than they hold.
        if waiting_bytes >= PART_BYTES || waiting.len() >= 64 {
            file = write(file, std::mem::take(&mut waiting)).await?;
            waiting_bytes = 0;
        }
    }
}

async fn write(mut file: File, parts: Vec<Bytes>) -> Result<File, Status> {
    blocking(move || {
        parts.iter().try_for_each(|part| file.write_all(part))?;
        Ok(file)
    })
    .await
}

fn blob_id(id: &Bytes) -> Result<u128, Status> {
    let id: [u8; 16] = id.as_ref().try_into().map_err(|_| status::invalid("id: 16 bytes"))?;
    Ok(u128::from_be_bytes(id))
}

fn find(shared: &Shared, id: u128, now_s: u64) -> io::Result<Option<Blob>> {
    let found = shared.store.read().and_then(|transaction| store::blobs::find(&transaction, id));
    let found = found.map_err(|error: StoreError| io::Error::other(error))?;
    Ok(found.filter(|blob| blob.expires_s > now_s))
}

fn open(shared: &Shared, id: u128, now_s: u64) -> io::Result<Option<(Blob, File)>> {
    let Some(blob) = find(shared, id, now_s)? else {
        return Ok(None);
    };
    match shared.blobs.read(&blob) {
        Ok(file) => Ok(Some((blob, file))),
        // Forgotten just now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// When something of this length has to be done.
fn deadline(bytes: u64, limits: &BlobLimits) -> Instant {
    Instant::now() + limits.grace + Duration::from_secs(bytes / limits.least_bytes_per_second.max(1))
}

/// Does what waits for the disk elsewhere.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            tracing::warn!("the disk has no room for more blobs");
            Err(status::full("no room for more blobs"))
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a blob cannot be read or written");
            Err(status::unavailable())
        }
        Err(_) => Err(status::unavailable()),
    }
}

fn busy() -> Status {
    status::too_often(Duration::from_secs(1))
}

/// For the metric.
fn reason(status: &Status) -> &'static str {
    match status.code() {
        tonic::Code::ResourceExhausted => "quota",
        tonic::Code::OutOfRange => "too_large",
        tonic::Code::DeadlineExceeded => "too_slow",
        tonic::Code::AlreadyExists => "id_taken",
        tonic::Code::Cancelled => "client_gone",
        tonic::Code::Unavailable => "unavailable",
        _ => "malformed",
    }
}
