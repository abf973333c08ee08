//! From the outbox to the client.

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::Status;
use waxseal_protocol::proto::{Deliver, Displaced, Drained, FromRelay, Outcomes, Welcome, from_relay::Frame};

use super::outbox::Next;
use super::{Connection, End};
use crate::shared::Shared;
use crate::store::queue::{self, Page, Queued};
use crate::writer::Opened;
use crate::{status, store};

/// Frames under way to a client.
pub(crate) type Frames = mpsc::Sender<Result<FromRelay, Status>>;

/// Sends frames until the stream ends or the client is gone.
pub(crate) async fn run(connection: &Arc<Connection>, shared: &Arc<Shared>, frames: Frames, opened: Opened) {
    let recipient = connection.number.reveal();
    connection.outbox().drain_at(opened.last_sequence);
    let welcome = Welcome {
        queued: opened.queued,
        highest_epoch: opened.highest_epoch,
    };
    let mut frame = Frame::Welcome(welcome);
    loop {
        if frames.send(Ok(FromRelay { frame: Some(frame) })).await.is_err() {
            return;
        }
        frame = match next(connection, shared, &frames).await {
            Step::Frame(frame) => frame,
            Step::Deliver(queued) => {
                shared.metrics.delivered.inc_by(queued.len() as u64);
                let deliveries = queued.into_iter().map(|queued| queued.into_delivery(&recipient)).collect();
                Frame::Deliver(Deliver { deliveries })
            }
            Step::End(Some(status)) => {
                let _ = frames.send(Err(status)).await;
                return;
            }
            Step::End(None) => return,
        };
    }
}

enum Step {
    Frame(Frame),
    Deliver(Vec<Queued>),
    End(Option<Status>),
}

async fn next(connection: &Arc<Connection>, shared: &Arc<Shared>, frames: &Frames) -> Step {
    loop {
        let next = connection.outbox().next(&shared.limits, &shared.live_bytes, shared.now_ms());
        match next {
            Next::Outcomes(outcomes) => {
                connection.unanswered.add_permits(outcomes.len());
                return Step::Frame(Frame::Outcomes(Outcomes { outcomes }));
            }
            Next::KeysLow(counts) => return Step::Frame(Frame::KeysLow(counts)),
            Next::Integrity(integrity) => return Step::Frame(Frame::Integrity(integrity)),
            Next::Deliver(queued) => return Step::Deliver(queued),
            Next::Drained => return Step::Frame(Frame::Drained(Drained {})),
            Next::Read { after, envelopes, bytes } => {
                let Ok(page) = read(connection, shared, after, envelopes, bytes).await else {
                    return Step::End(Some(status::unavailable()));
                };
                let queued = connection.outbox().read(page, &shared.live_bytes);
                if !queued.is_empty() {
                    return Step::Deliver(queued);
                }
            }
            Next::End(End::Displaced { by_epoch }) => {
                // The last frame; then the stream ends in good order.
                let frame = Frame::Displaced(Displaced { by_epoch });
                let _ = frames.send(Ok(FromRelay { frame: Some(frame) })).await;
                return Step::End(None);
            }
            Next::End(End::Closed) => return Step::End(None),
            Next::End(End::Deregistered) => return Step::End(Some(status::unauthenticated())),
            Next::End(End::Stopping) => return Step::End(Some(status::unavailable())),
            Next::End(End::Malformed) => return Step::End(Some(status::malformed())),
            Next::Wait => tokio::select! {
                () = connection.wake.notified() => {}
                () = frames.closed() => return Step::End(None),
            },
        }
    }
}

async fn read(
    connection: &Arc<Connection>,
    shared: &Arc<Shared>,
    after: u64,
    envelopes: usize,
    bytes: usize,
) -> Result<Page, store::Error> {
    let (number, now_ms, shared) = (connection.number, shared.now_ms(), Arc::clone(shared));
    let read = move || queue::page(&shared.store.read()?, number, after, envelopes, bytes, now_ms);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(page)) => Ok(page),
        Ok(Err(error)) => {
            tracing::error!(%error, "reading a queue failed");
            Err(error)
        }
        Err(_) => Err(store::Error::Damaged("queue")),
    }
}
