//! Blobs: files that travel beside the messages, as ciphertext. Both ways they pass through in parts, with never more than a few in memory.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Streaming;
use tonic::transport::Channel;

use crate::proto::blobs_client::BlobsClient;
use crate::proto::{BlobHeader, BlobPart, GetBlob, PutBlob, put_blob};
use crate::{Account, Error, client, wire};

/// Frames between the source and the connection.
const FRAMES_WAITING: usize = 2;
/// How long the relay may take no part or send none.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the relay may take to make everything durable once it has it.
const STORE_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) async fn put(
    mut blobs: BlobsClient<Channel>,
    account: &Account,
    id: &[u8; 16],
    size_bytes: u64,
    ttl: Duration,
    data: impl Stream<Item = Bytes>,
) -> Result<bool, Error> {
    let (frames, waiting) = mpsc::channel(FRAMES_WAITING);
    let header = put_blob::Frame::Header(BlobHeader {
        id: id.to_vec().into(),
        size_bytes,
        ttl_seconds: u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX),
    });
    frames.try_send(PutBlob { frame: Some(header) }).map_err(|_| Error::Protocol)?;
    let request = account.request(ReceiverStream::new(waiting))?;
    let mut answer = pin!(blobs.put(request));
    // The relay may answer before it has everything: when it has the blob already, and when it wants none of it.
    let fed = {
        let mut feeding = pin!(feed(frames, size_bytes, data));
        tokio::select! {
            biased;
            answer = &mut answer => return Ok(answer?.into_inner().existed),
            fed = &mut feeding => fed,
        }
    };
    match (fed, tokio::time::timeout(STORE_TIMEOUT, answer).await) {
        (Err(Fault::Size), _) => Err(Error::BlobSize),
        // The answer says why nothing more was taken.
        (Err(Fault::Closed) | Ok(()), Ok(answer)) => Ok(answer?.into_inner().existed),
        (Err(Fault::Closed | Fault::Idle) | Ok(()), _) => Err(Error::Unavailable),
    }
}

enum Fault {
    /// The content is not as long as declared.
    Size,
    /// The relay takes no more.
    Closed,
    /// The relay took nothing for too long.
    Idle,
}

/// Passes the content on in frames of a bounded size. Ends the stream when it returns or is dropped, and the relay keeps nothing of what is
/// not whole; so the last frame waits until the content has ended where it should.
async fn feed(frames: mpsc::Sender<PutBlob>, size_bytes: u64, data: impl Stream<Item = Bytes>) -> Result<(), Fault> {
    let mut data = pin!(data);
    let mut left = size_bytes;
    let mut last = None;
    while let Some(mut bytes) = data.next().await {
        left = left.checked_sub(bytes.len() as u64).ok_or(Fault::Size)?;
        while !bytes.is_empty() {
            let part = bytes.split_to(bytes.len().min(wire::MAX_PART_BYTES));
            if let Some(part) = last.replace(part) {
                send(&frames, part).await?;
            }
        }
    }
    match (left, last) {
        (0, Some(part)) => send(&frames, part).await,
        _ => Err(Fault::Size),
    }
}

async fn send(frames: &mpsc::Sender<PutBlob>, part: Bytes) -> Result<(), Fault> {
    let frame = PutBlob {
        frame: Some(put_blob::Frame::Data(part)),
    };
    match tokio::time::timeout(IDLE_TIMEOUT, frames.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Fault::Closed),
        Err(_) => Err(Fault::Idle),
    }
}

pub(crate) async fn get(blobs: BlobsClient<Channel>, account: &Account, id: &[u8; 16], offset: u64, length: u64) -> Result<Parts, Error> {
    let mut blobs = blobs;
    let request = account.request(GetBlob {
        id: id.to_vec().into(),
        offset,
        length,
    })?;
    let (stream, first) = client::in_time(async {
        let mut stream = blobs.get(request).await?.into_inner();
        let first = stream.message().await?;
        Ok((stream, first))
    })
    .await?;
    let BlobPart { data, size_bytes } = first.ok_or(Error::Protocol)?;
    let rest = size_bytes.checked_sub(offset).ok_or(Error::Protocol)?;
    Ok(Parts {
        stream,
        first: Some(data).filter(|data| !data.is_empty()),
        size_bytes,
        left: if length == 0 { rest } else { rest.min(length) },
        idle: Box::pin(tokio::time::sleep(IDLE_TIMEOUT)),
        waits: false,
        ended: false,
    })
}

/// The parts of a blob, in order.
pub struct Parts {
    stream: Streaming<BlobPart>,
    first: Option<Bytes>,
    size_bytes: u64,
    left: u64,
    idle: Pin<Box<Sleep>>,
    /// Whether `idle` counts: only while somebody waits here, for who takes the parts may be slow.
    waits: bool,
    ended: bool,
}

impl Parts {
    /// The size of the whole blob, whatever part of it was asked for.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How many bytes are still to come.
    #[must_use]
    pub fn left_bytes(&self) -> u64 {
        self.left
    }

    fn took(&mut self, data: Bytes) -> Result<Bytes, Error> {
        let left = self.left.checked_sub(data.len() as u64);
        self.left = left.ok_or(Error::Protocol)?;
        Ok(data)
    }

    fn end(&mut self, last: Option<Result<Bytes, Error>>) -> Poll<Option<Result<Bytes, Error>>> {
        self.ended = true;
        Poll::Ready(last)
    }
}

impl Stream for Parts {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let parts = self.get_mut();
        if parts.ended {
            return Poll::Ready(None);
        }
        if let Some(first) = parts.first.take() {
            return match parts.took(first) {
                Ok(data) => Poll::Ready(Some(Ok(data))),
                Err(error) => parts.end(Some(Err(error))),
            };
        }
        loop {
            let next = Pin::new(&mut parts.stream).poll_next(context);
            if std::mem::replace(&mut parts.waits, next.is_pending()) != next.is_pending() {
                parts.idle.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
            }
            return match next {
                Poll::Ready(Some(Ok(part))) if part.data.is_empty() => continue,
                Poll::Ready(Some(Ok(part))) => match parts.took(part.data) {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    Err(error) => parts.end(Some(Err(error))),
                },
                Poll::Ready(Some(Err(status))) => parts.end(Some(Err(status.into()))),
                // A part that is missing must not look like the end of a file.
                Poll::Ready(None) if parts.left > 0 => parts.end(Some(Err(Error::Unavailable))),
                Poll::Ready(None) => parts.end(None),
                Poll::Pending => match parts.idle.as_mut().poll(context) {
                    Poll::Ready(()) => parts.end(Some(Err(Error::Unavailable))),
                    Poll::Pending => Poll::Pending,
                },
            };
        }
    }
}
