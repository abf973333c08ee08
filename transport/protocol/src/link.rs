//! The message stream of one number: envelopes go out, outcomes and deliveries come in.
//!
//! Both directions are bounded: `submit` and `ack` wait while the relay takes no more, and the relay stops sending while too many
//! deliveries are unacknowledged. A link that broke is not repaired here: connect again; what was not acknowledged is delivered again, and
//! what had no outcome is to be submitted again under the same id.

use std::sync::{Arc, OnceLock};

use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::proto::relay_client::RelayClient;
use crate::proto::{Ack, Envelope, FromRelay, Hello, Submit, ToRelay, Welcome, from_relay, to_relay};
use crate::{Account, Error, client, wire};

/// Frames waiting to be written. At most this many times `FRAME_TARGET_BYTES` wait in memory.
const FRAMES_WAITING: usize = 16;
/// Frames are closed at this size, well below the limit, so that many senders share the connection fairly.
const FRAME_TARGET_BYTES: usize = 256 * 1024;
const FRAME_TARGET_ITEMS: usize = 1024;

/// An open message stream.
pub struct Link {
    /// What the relay said first.
    pub welcome: Welcome,
    /// The way out.
    pub sender: LinkSender,
    /// The way in.
    pub receiver: LinkReceiver,
}

/// The way out; clones share it. Frames of one caller keep their order. When every clone is dropped, the relay answers what is under way
/// and then closes the stream.
#[derive(Clone)]
pub struct LinkSender {
    frames: mpsc::Sender<ToRelay>,
    end: Arc<OnceLock<Error>>,
}

/// The way in.
pub struct LinkReceiver {
    stream: Streaming<FromRelay>,
    end: Arc<OnceLock<Error>>,
    ended: bool,
}

pub(crate) async fn open(mut relay: RelayClient<Channel>, account: &Account, terminator: &str, epoch: u64) -> Result<Link, Error> {
    let (frames, waiting) = mpsc::channel(FRAMES_WAITING);
    let hello = to_relay::Frame::Hello(Hello {
        epoch,
        wants_integrity: true,
    });
    frames.try_send(ToRelay { frame: Some(hello) }).map_err(|_| Error::Protocol)?;
    let mut request = account.request(ReceiverStream::new(waiting))?;
    let terminator: MetadataValue<Ascii> = terminator.parse().map_err(|_| Error::Malformed)?;
    request.metadata_mut().insert(wire::TERMINATOR, terminator);
    let (stream, welcome) = client::in_time(async {
        let mut stream = relay.connect(request).await?.into_inner();
        let first = stream.message().await?;
        Ok((stream, first))
    })
    .await?;
    let welcome = match welcome.and_then(|frame| frame.frame) {
        Some(from_relay::Frame::Welcome(welcome)) => welcome,
        Some(from_relay::Frame::Displaced(displaced)) => {
            return Err(Error::Displaced {
                by_epoch: displaced.by_epoch,
            });
        }
        Some(_) => return Err(Error::Protocol),
        None => return Err(Error::Unavailable),
    };
    let end = Arc::new(OnceLock::new());
    Ok(Link {
        welcome,
        sender: LinkSender {
            frames,
            end: Arc::clone(&end),
        },
        receiver: LinkReceiver { stream, end, ended: false },
    })
}

impl LinkSender {
    /// Submits envelopes in this order; waits while the relay takes no more. An outcome for each comes in through the receiver, in the
    /// order of submission. `Error::TooLarge` (an envelope that fits in no frame) means that none was submitted; after any other error each
    /// may have been.
    pub async fn submit(&self, envelopes: Vec<Envelope>) -> Result<(), Error> {
        let size = |envelope: &Envelope| envelope.encoded_len() + 8;
        if envelopes.iter().any(|envelope| size(envelope) + 8 > wire::MAX_FRAME_BYTES) {
            return Err(Error::TooLarge);
        }
        let mut frame = Vec::with_capacity(envelopes.len().min(FRAME_TARGET_ITEMS));
        let mut frame_bytes = 0;
        for envelope in envelopes {
            let bytes = size(&envelope);
            if !frame.is_empty() && (frame_bytes + bytes > FRAME_TARGET_BYTES || frame.len() == FRAME_TARGET_ITEMS) {
                self.send(to_relay::Frame::Submit(Submit {
                    envelopes: std::mem::take(&mut frame),
                }))
                .await?;
                frame_bytes = 0;
            }
            frame_bytes += bytes;
            frame.push(envelope);
        }
        if frame.is_empty() {
            return Ok(());
        }
        self.send(to_relay::Frame::Submit(Submit { envelopes: frame })).await
    }

    /// Acknowledges deliveries that are durable here; the relay forgets them.
    pub async fn ack(&self, sequences: Vec<u64>) -> Result<(), Error> {
        if sequences.len() <= FRAME_TARGET_ITEMS {
            return match sequences.is_empty() {
                true => Ok(()),
                false => self.send(to_relay::Frame::Ack(Ack { sequences })).await,
            };
        }
        for chunk in sequences.chunks(FRAME_TARGET_ITEMS) {
            self.send(to_relay::Frame::Ack(Ack { sequences: chunk.to_vec() })).await?;
        }
        Ok(())
    }

    async fn send(&self, frame: to_relay::Frame) -> Result<(), Error> {
        if let Some(end) = self.end.get() {
            return Err(end.clone());
        }
        let sent = self.frames.send(ToRelay { frame: Some(frame) }).await;
        sent.map_err(|_| self.end.get().cloned().unwrap_or(Error::Unavailable))
    }
}

impl LinkReceiver {
    /// The next frame; cancel-safe. `None` after the relay closed the stream in good order or after an error was returned. Displacement
    /// comes as `Error::Displaced`, never as a frame.
    pub async fn next(&mut self) -> Option<Result<from_relay::Frame, Error>> {
        if self.ended {
            return None;
        }
        let error = loop {
            break match self.stream.message().await {
                Ok(Some(FromRelay {
                    frame: Some(from_relay::Frame::Displaced(displaced)),
                })) => Error::Displaced {
                    by_epoch: displaced.by_epoch,
                },
                Ok(Some(FromRelay { frame: Some(frame) })) => return Some(Ok(frame)),
                // A kind of frame that a newer relay sends and this client does not know.
                Ok(Some(FromRelay { frame: None })) => continue,
                Ok(None) => {
                    self.ended = true;
                    // First to set wins; there is only this one writer.
                    let _ = self.end.set(Error::Unavailable);
                    return None;
                }
                Err(status) => status.into(),
            };
        };
        self.ended = true;
        let _ = self.end.set(error.clone());
        Some(Err(error))
    }
}
