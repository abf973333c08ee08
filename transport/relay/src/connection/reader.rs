//! From the client to the writer.

use std::sync::Arc;

use prost::Message as _;
use tokio::sync::Semaphore;
use tonic::Streaming;
use waxseal_protocol::proto::{Submit, ToRelay, to_relay::Frame};
use waxseal_protocol::wire;

use super::{Connection, End};
use crate::bucket::Pace;
use crate::shared::Shared;
use crate::writer::Job;

/// Passes frames on until the client stops or breaks the protocol; takes none while there is no room. Ends the connection.
pub(crate) async fn run(connection: &Arc<Connection>, shared: &Arc<Shared>, mut stream: Streaming<ToRelay>) {
    let mut pace = shared.limits.submit_per_second.map(Pace::new);
    let end = loop {
        let frame = tokio::select! {
            frame = stream.message() => frame,
            () = connection.stop_reading.notified() => return,
        };
        let passed = match frame {
            Ok(Some(ToRelay {
                frame: Some(Frame::Submit(submit)),
            })) => pass_submit(connection, shared, submit, pace.as_mut()).await,
            Ok(Some(ToRelay {
                frame: Some(Frame::Ack(ack)),
            })) if ack.sequences.len() <= wire::MAX_FRAME_ITEMS => {
                connection.outbox().acknowledge(&ack.sequences);
                connection.wake.notify_one();
                let job = Job::Acknowledge {
                    connection: Arc::clone(connection),
                    sequences: ack.sequences,
                };
                shared.jobs.send(job).await.map_err(|_| End::Stopping)
            }
            // Hello again, no frame, or too many sequences.
            Ok(Some(_)) => Err(End::Malformed),
            Ok(None) => Err(End::Closed),
            Err(status) if status.code() == tonic::Code::Internal || status.code() == tonic::Code::OutOfRange => Err(End::Malformed),
            Err(_) => Err(End::Closed),
        };
        if let Err(end) = passed {
            break end;
        }
    };
    connection.end(end);
}

async fn pass_submit(connection: &Arc<Connection>, shared: &Arc<Shared>, submit: Submit, pace: Option<&mut Pace>) -> Result<(), End> {
    let count = submit.envelopes.len();
    let bytes = submit.encoded_len();
    let (Ok(permits), true) = (u32::try_from(count), count <= wire::MAX_FRAME_ITEMS) else {
        return Err(End::Malformed);
    };
    if count == 0 {
        return Ok(());
    }
    if let Some(pace) = pace {
        let wait = pace.take(permits, shared.now_us());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = connection.stop_reading.notified() => return Err(End::Stopping),
        }
    }
    let room = async {
        let unanswered = connection.unanswered.acquire_many(permits).await.map_err(|_| End::Stopping)?;
        unanswered.forget();
        acquire_bytes(&shared.uncommitted, bytes).await
    };
    let memory = tokio::select! {
        room = room => room?,
        () = connection.stop_reading.notified() => return Err(End::Stopping),
    };
    connection.outbox().submitted(count);
    let job = Job::Submit {
        connection: Arc::clone(connection),
        envelopes: submit.envelopes,
        memory,
    };
    shared.jobs.send(job).await.map_err(|_| End::Stopping)
}

/// In KiB, so that the count fits.
async fn acquire_bytes(semaphore: &Arc<Semaphore>, bytes: usize) -> Result<tokio::sync::OwnedSemaphorePermit, End> {
    let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
    Arc::clone(semaphore).acquire_many_owned(kib).await.map_err(|_| End::Stopping)
}
