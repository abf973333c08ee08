//! The calls to the relay, and the connection: one task reads, one writes, so that neither direction waits for the other. The only file
//! that knows the wire types.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use waxseal_content::{EnvelopeId, PhoneNumber};
use waxseal_protocol::{Account, Client, Link, proto};
use waxseal_signal::{Bundle, OneTimePublicKey, SignedPublicKey};

use crate::engine::{Counts, ONE_TIME_TTL, Upload, WaitingFile};
use crate::spool::Spool;
use crate::state::rows;
use crate::{Down, Failure, Stop};

/// Frames read ahead of the actor.
const READ_AHEAD: usize = 4;

/// How much of a file is read at a time.
const PART_BYTES: usize = 128 << 10;

/// What a call came to.
pub(super) enum Done {
    Counted {
        counts: Result<Counts, waxseal_protocol::Error>,
        dial: bool,
    },
    Published,
    Dialled(Result<(Box<Online>, u64), waxseal_protocol::Error>),
    Fetched {
        number: PhoneNumber,
        bundle: Result<Bundle, waxseal_protocol::Error>,
    },
    Uploaded {
        file: WaitingFile,
        outcome: Result<(), waxseal_protocol::Error>,
    },
    /// A file of the spool is not there, or not what was put there.
    Lost {
        file: WaitingFile,
    },
}

/// What the relay sends.
pub(super) enum Frame {
    Deliver(Vec<(u64, proto::Envelope)>),
    Outcomes(Vec<(EnvelopeId, Outcome)>),
    Drained,
    KeysLow(Counts),
    Lost(Option<waxseal_protocol::Error>),
}

#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Accepted,
    UnknownRecipient,
    TooLarge,
    QueueFull,
    Malformed,
}

pub(super) struct Registration {
    pub(super) identity_key: Vec<u8>,
    pub(super) registration_id: u32,
}

/// A connection. Its tasks end with it.
pub(super) struct Online {
    frames: mpsc::Receiver<Frame>,
    /// Unbounded by type; bounded by the window of the outbox and by what the relay delivers before it is acknowledged.
    outgoing: mpsc::UnboundedSender<Outgoing>,
    tasks: [JoinHandle<()>; 2],
    pub(super) since: Instant,
}

enum Outgoing {
    Submit(Vec<proto::Envelope>),
    Ack(Vec<u64>),
}

impl Drop for Online {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Online {
    fn start(link: Link) -> Self {
        let Link { sender, mut receiver, .. } = link;
        let (frame_sender, frames) = mpsc::channel(READ_AHEAD);
        let (outgoing, mut work) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            loop {
                let frame = match receiver.next().await {
                    Some(Ok(frame)) => read(frame),
                    Some(Err(error)) => Some(Frame::Lost(Some(error))),
                    None => Some(Frame::Lost(None)),
                };
                let Some(frame) = frame else { continue };
                let last = matches!(frame, Frame::Lost(_));
                if frame_sender.send(frame).await.is_err() || last {
                    return;
                }
            }
        });
        let writer = tokio::spawn(async move {
            while let Some(work) = work.recv().await {
                let written = match work {
                    Outgoing::Submit(envelopes) => sender.submit(envelopes).await,
                    Outgoing::Ack(sequences) => sender.ack(sequences).await,
                };
                if written.is_err() {
                    // The reader learns of it, too, and tells.
                    return;
                }
            }
        });
        Self {
            frames,
            outgoing,
            tasks: [reader, writer],
            since: Instant::now(),
        }
    }

    pub(super) fn try_next(&mut self) -> Option<Frame> {
        self.frames.try_recv().ok()
    }

    pub(super) fn submit(&self, envelopes: Vec<proto::Envelope>) {
        let _lost_with_the_connection = self.outgoing.send(Outgoing::Submit(envelopes));
    }

    pub(super) fn ack(&self, sequences: Vec<u64>) {
        if !sequences.is_empty() {
            let _lost_with_the_connection = self.outgoing.send(Outgoing::Ack(sequences));
        }
    }
}

/// The next frame; `None` when the connection is gone.
pub(super) async fn next(online: &mut Option<Online>) -> Option<Frame> {
    match online {
        Some(online) => online.frames.recv().await,
        None => std::future::pending().await,
    }
}

/// Asks what the relay holds of our keys; registers first if it does not know us.
pub(super) async fn count(client: Client, account: Arc<Account>, registration: Registration, dial: bool) -> Done {
    let counted = async {
        match client.count_keys(&account).await {
            Err(waxseal_protocol::Error::Unauthenticated | waxseal_protocol::Error::NotRegistered) => {
                let Registration {
                    identity_key,
                    registration_id,
                } = registration;
                client
                    .register(&account, proto::Role::Consumer, None, &identity_key, registration_id)
                    .await?;
                client.count_keys(&account).await
            }
            other => other,
        }
    };
    Done::Counted {
        counts: counted.await.map(counts),
        dial,
    }
}

/// Publishes keys, then connects if asked to.
pub(super) async fn publish(client: Client, account: Arc<Account>, upload: Upload, dial: bool) -> Done {
    if !upload.is_empty() {
        let request = proto::PublishKeysRequest {
            signed_pre_key: upload.signed.map(signed),
            last_resort_kyber: upload.last_resort.map(signed),
            one_time_ec: upload
                .one_time_ec
                .into_iter()
                .map(|key| proto::OneTimeKey {
                    id: key.id,
                    key: key.key.into(),
                })
                .collect(),
            one_time_kyber: upload.one_time_kyber.into_iter().map(signed).collect(),
            replace_one_time: false,
            one_time_ttl_seconds: u32::try_from(ONE_TIME_TTL.as_secs()).unwrap_or(0),
        };
        if let Err(error) = client.publish_keys(&account, request).await {
            tracing::warn!(%error, "keys were not published; they are made again when they are next counted");
            if dial {
                return Done::Dialled(Err(error));
            }
        }
    }
    if !dial {
        return Done::Published;
    }
    Done::Dialled(client.connect(&account, 0).await.map(|link| {
        let queued = link.welcome.queued;
        (Box::new(Online::start(link)), queued)
    }))
}

pub(super) async fn fetch(client: Client, account: Arc<Account>, number: PhoneNumber) -> Done {
    let bundle = client.fetch_bundle(&account, number.reveal()).await;
    Done::Fetched {
        number,
        bundle: bundle.map(bundle_of),
    }
}

/// Brings a file of the spool to the relay.
pub(super) async fn upload(client: Client, account: Arc<Account>, spool: Spool, file: WaitingFile) -> Done {
    let opened = match tokio::fs::File::open(spool.path(file.blob)).await {
        Ok(opened) => opened,
        Err(error) => {
            tracing::warn!(%error, "a file that was to be sent is lost");
            return Done::Lost { file };
        }
    };
    // A file that cannot be read on ends short, which the relay is told and refuses.
    let data = stream::unfold(opened, |mut opened| async {
        let mut part = BytesMut::with_capacity(PART_BYTES);
        match opened.read_buf(&mut part).await {
            Ok(read) if read > 0 => Some((part.freeze(), opened)),
            _ => None,
        }
    });
    let put = client.put_blob(&account, file.blob.as_bytes(), file.ciphertext_bytes, Duration::ZERO, data);
    match put.await {
        Err(waxseal_protocol::Error::BlobSize) => Done::Lost { file },
        outcome => Done::Uploaded {
            file,
            outcome: outcome.map(drop),
        },
    }
}

/// Why a file will never be at the relay; `None` when it is worth another try.
pub(super) const fn refused_file(error: &waxseal_protocol::Error) -> Option<Failure> {
    match error {
        waxseal_protocol::Error::TooLarge => Some(Failure::TooLarge),
        waxseal_protocol::Error::Malformed | waxseal_protocol::Error::BlobTaken | waxseal_protocol::Error::Refused(_) => {
            Some(Failure::Refused)
        }
        _ => None,
    }
}

/// An envelope of the outbox as it goes out.
pub(super) fn envelope(row: rows::Envelope) -> proto::Envelope {
    proto::Envelope {
        id: row.id.into(),
        recipient: row.recipient,
        body: row.body.into(),
        ttl_seconds: row.ttl_seconds,
        ..proto::Envelope::default()
    }
}

/// Errors after which trying again is wrong.
pub(super) const fn is_final(error: &waxseal_protocol::Error) -> Option<Stop> {
    match error {
        waxseal_protocol::Error::Displaced { .. } => Some(Stop::Displaced),
        waxseal_protocol::Error::PinMismatch | waxseal_protocol::Error::Taken => Some(Stop::Refused),
        _ => None,
    }
}

pub(super) const fn retry_after(error: &waxseal_protocol::Error) -> Option<Duration> {
    match error {
        waxseal_protocol::Error::RateLimited { retry_after } => Some(*retry_after),
        _ => None,
    }
}

pub(super) const fn down(error: Option<&waxseal_protocol::Error>) -> Down {
    match error {
        Some(waxseal_protocol::Error::Unavailable) => Down::Unreachable,
        Some(waxseal_protocol::Error::Certificate(_)) => Down::Untrusted,
        Some(waxseal_protocol::Error::RateLimited { .. }) => Down::RateLimited,
        _ => Down::Broken,
    }
}

fn read(frame: proto::from_relay::Frame) -> Option<Frame> {
    use proto::from_relay::Frame as Wire;
    Some(match frame {
        Wire::Deliver(deliver) => Frame::Deliver(
            deliver
                .deliveries
                .into_iter()
                .map(|delivery| (delivery.sequence, delivery.envelope.unwrap_or_default()))
                .collect(),
        ),
        Wire::Outcomes(outcomes) => Frame::Outcomes(outcomes.outcomes.iter().filter_map(outcome).collect()),
        Wire::Drained(_) => Frame::Drained,
        Wire::KeysLow(held) => Frame::KeysLow(counts(held)),
        // Displacement comes as an error; integrity is told to businesses.
        Wire::Welcome(_) | Wire::Displaced(_) | Wire::Integrity(_) => return None,
    })
}

fn outcome(outcome: &proto::Outcome) -> Option<(EnvelopeId, Outcome)> {
    let verdict = match outcome.verdict() {
        proto::Verdict::Accepted => Outcome::Accepted,
        proto::Verdict::UnknownRecipient => Outcome::UnknownRecipient,
        proto::Verdict::TooLarge => Outcome::TooLarge,
        proto::Verdict::QueueFull => Outcome::QueueFull,
        proto::Verdict::Malformed => Outcome::Malformed,
        proto::Verdict::Unspecified => return None,
    };
    Some((EnvelopeId::from_slice(&outcome.envelope_id)?, verdict))
}

const fn counts(held: proto::KeyCounts) -> Counts {
    Counts {
        one_time_ec: held.one_time_ec,
        one_time_kyber: held.one_time_kyber,
        signed_id: held.signed_pre_key_id,
    }
}

fn signed(key: SignedPublicKey) -> proto::SignedKey {
    proto::SignedKey {
        id: key.id,
        key: key.key.into(),
        signature: key.signature.into(),
    }
}

fn bundle_of(bundle: proto::Bundle) -> Bundle {
    let public = |key: Option<proto::SignedKey>| {
        let key = key.unwrap_or_default();
        SignedPublicKey {
            id: key.id,
            key: key.key.into(),
            signature: key.signature.into(),
        }
    };
    Bundle {
        registration_id: bundle.registration_id,
        identity_key: bundle.identity_key.into(),
        signed_pre_key: public(bundle.signed_pre_key),
        kyber_pre_key: public(bundle.kyber_pre_key),
        one_time_ec: bundle.one_time_ec.map(|key| OneTimePublicKey {
            id: key.id,
            key: key.key.into(),
        }),
    }
}
