//! The link to the transport: registers, connects, carries envelopes between the transport and the lanes, and comes back after every break.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use rand::Rng as _;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use waxseal_content::{EnvelopeId, PhoneNumber};
use waxseal_protocol::{
    Error,
    proto::{self, Verdict, from_relay::Frame},
};

use super::{Number, keys, registration::Standing};
use crate::{
    conversation::{
        input::Delivery,
        lane::{Emit, Event, lane_of_answer},
    },
    custody, id,
    transport::{Incoming, Link, Outgoing},
};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Items put together into one frame to the transport.
const TOGETHER: usize = 512;
/// No number gets there honestly. A relay that claims more is not believed: the store takes no epoch above 2^53, and custody never goes back.
const HIGHEST_EPOCH: u64 = 1 << 52;

/// Keeps the number linked until told to stop.
pub(super) async fn run(number: Arc<Number>, stop: CancellationToken) {
    let _stop = stop.clone().drop_guard();
    let (mut pause, mut linked_before) = (FIRST_PAUSE, false);
    let mut wanted = number.wanted.subscribe();
    loop {
        if !*wanted.borrow_and_update() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = stay_away(&number, &mut wanted) => {}
            }
            // The transport has forgotten the number, or is about to: what it says of epochs begins anew.
            (pause, linked_before) = (FIRST_PAUSE, false);
        }
        let begun = Instant::now();
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = session(&number, &mut wanted) => ended,
        };
        linked_before |= number.linked.swap(false, Ordering::Relaxed);
        let is_refused = matches!(ended, Err(Error::PinMismatch | Error::Taken | Error::ClientCertificate));
        number.refused.store(is_refused, Ordering::Relaxed);
        number.stands_now(if is_refused { Standing::Refused } else { Standing::Unlinked });
        match ended {
            Ok(()) if !*wanted.borrow() => {
                tracing::info!("the number was deregistered; no link to the relay until it is registered again");
                continue;
            }
            Ok(()) => tracing::info!("the link to the relay was closed; linking again"),
            Err(Error::StaleEpoch { highest }) if !linked_before && highest < HIGHEST_EPOCH => match raise_epoch(&number, highest).await {
                Ok(()) => continue,
                Err(error) => tracing::error!(%error, "the epoch could not be kept; trying again"),
            },
            Err(Error::Displaced { .. } | Error::StaleEpoch { .. }) => {
                tracing::error!("another process serves this number at the relay; this one stops");
                return;
            }
            Err(error @ (Error::PinMismatch | Error::Taken)) => {
                tracing::error!(%error, "the relay does not accept this number; check its PIN, or deregister it where it was registered");
                pause = LONGEST_PAUSE;
            }
            Err(error @ Error::ClientCertificate) => {
                tracing::error!(%error, "the relay does not accept this number without a certificate");
                pause = LONGEST_PAUSE;
            }
            Err(error) => tracing::warn!(%error, "no link to the relay; trying again"),
        }
        if begun.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        let jittered = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(jittered) => {}
            _ = wanted.changed() => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The transport remembers a higher epoch than custody does: the keys are newer than the relay's memory of the number, as after a restore.
/// A process that has just started takes over; one that was linked before has been displaced instead.
async fn raise_epoch(number: &Number, highest: u64) -> Result<(), custody::Error> {
    let raised = number.change_keys(|keys| {
        keys.epoch = keys.epoch.max(highest).saturating_add(1);
        Ok::<_, custody::Error>(keys.epoch)
    });
    number.epoch.store(raised.await?, Ordering::Relaxed);
    Ok(())
}

/// Has the transport forget the number, however long that takes, and waits until it is to be registered again.
async fn stay_away(number: &Number, wanted: &mut watch::Receiver<bool>) {
    let mut pause = FIRST_PAUSE;
    loop {
        // Not given up when the wish changes: a deregistration that is under way is not overtaken by a registration.
        match number.transport.deregister().await {
            Ok(()) => break,
            Err(error) => tracing::warn!(%error, "the relay has not forgotten the number yet; trying again"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            _ = wanted.wait_for(|wanted| *wanted) => return,
        }
    }
    number.stands_now(Standing::Gone);
    let _ = wanted.wait_for(|wanted| *wanted).await;
    number.stands_now(Standing::Unlinked);
}

async fn connect(number: &Arc<Number>) -> Result<Link, Error> {
    let identity = &number.shared.identity;
    number
        .transport
        .register(&identity.public_key().to_bytes(), identity.registration_id())
        .await?;
    keys::publish(number).await?;
    number.transport.connect(number.epoch.load(Ordering::Relaxed)).await
}

/// One link, from registration to its end, which comes at the latest when it is not wanted any more.
async fn session(number: &Arc<Number>, wanted: &mut watch::Receiver<bool>) -> Result<(), Error> {
    let Link {
        outgoing, mut incoming, ..
    } = tokio::select! {
        link = connect(number) => link?,
        _ = wanted.wait_for(|wanted| !*wanted) => return Ok(()),
    };
    let (emit, emitted) = mpsc::unbounded_channel();
    for lane in &number.lanes {
        let _ = lane.events.send(Event::Linked(emit.clone())).await;
    }
    drop(emit);
    number.linked.store(true, Ordering::Relaxed);
    number.refused.store(false, Ordering::Relaxed);
    number.stands_now(Standing::Linked);
    number.shared.metrics.linked.inc();
    if number.onboarded_s().is_none() {
        let number = Arc::clone(number);
        tokio::spawn(async move { number.note_onboarding().await });
    }
    let upgraded = Arc::clone(number);
    tokio::spawn(async move { upgraded.note_throughput().await });
    let ended = tokio::select! {
        _ = wanted.wait_for(|wanted| !*wanted) => Ok(()),
        ended = read(number, outgoing.as_ref(), incoming.as_mut()) => ended,
        ended = write(outgoing.as_ref(), emitted) => ended,
        ended = keys::upkeep(number) => ended,
    };
    number.shared.metrics.linked.dec();
    for lane in &number.lanes {
        let _ = lane.events.send(Event::Unlinked).await;
    }
    ended
}

/// From the transport to the lanes.
async fn read(number: &Arc<Number>, outgoing: &dyn Outgoing, incoming: &mut dyn Incoming) -> Result<(), Error> {
    while let Some(frame) = incoming.next().await {
        match frame? {
            Frame::Deliver(deliver) => {
                for delivery in deliver.deliveries {
                    deliver_one(number, outgoing, delivery).await?;
                }
            }
            Frame::Outcomes(outcomes) => {
                for outcome in outcomes.outcomes {
                    let verdict = Verdict::try_from(outcome.verdict).unwrap_or(Verdict::Unspecified);
                    if let Some((lane, envelope)) = lane_of_answer(&outcome.envelope_id) {
                        tell(number, lane, Event::Verdict(envelope, verdict)).await;
                    }
                }
            }
            Frame::Drained(_) => {
                for lane in &number.lanes {
                    let _ = lane.events.send(Event::Drained).await;
                }
            }
            Frame::KeysLow(_) => {
                let number = Arc::clone(number);
                tokio::spawn(async move {
                    if let Err(error) = keys::publish(&number).await {
                        tracing::warn!(%error, "one-time pre-keys could not be published");
                    }
                });
            }
            Frame::Integrity(integrity) => {
                let number = Arc::clone(number);
                tokio::spawn(async move { number.take_integrity(integrity).await });
            }
            Frame::Welcome(_) | Frame::Displaced(_) => {}
        }
    }
    Ok(())
}

async fn deliver_one(number: &Number, outgoing: &dyn Outgoing, delivery: proto::Delivery) -> Result<(), Error> {
    let envelope = delivery.envelope.unwrap_or_default();
    let (Some(envelope_id), Ok(sender)) = (EnvelopeId::from_slice(&envelope.id), PhoneNumber::parse(&envelope.sender)) else {
        // Nothing of it can be answered or kept, so there is nothing to make durable first.
        return outgoing.acknowledge(vec![delivery.sequence]).await;
    };
    let peer = number.shared.blind.of(sender.reveal());
    let event = Delivery {
        sequence: delivery.sequence,
        envelope_id,
        sender,
        peer,
        body: envelope.body,
        accepted_at_ms: envelope.accepted_at_ms,
    };
    tell(number, id::lane_of(&peer), Event::Delivery(event)).await;
    Ok(())
}

async fn tell(number: &Number, lane: u8, event: Event) {
    if let Some(lane) = number.lanes.get(usize::from(lane)) {
        // A lane that is gone has stopped the process already.
        let _ = lane.events.send(event).await;
    }
}

/// From the lanes to the transport: what several lanes let out at the same time goes together.
async fn write(outgoing: &dyn Outgoing, mut emitted: mpsc::UnboundedReceiver<Emit>) -> Result<(), Error> {
    let mut waiting = Vec::new();
    while emitted.recv_many(&mut waiting, TOGETHER).await > 0 {
        let (mut envelopes, mut sequences) = (Vec::new(), Vec::new());
        for emit in waiting.drain(..) {
            match emit {
                Emit::Submit(more) => envelopes.extend(more),
                Emit::Acknowledge(more) => sequences.extend(more),
            }
        }
        if !envelopes.is_empty() {
            outgoing.submit(envelopes).await?;
        }
        if !sequences.is_empty() {
            outgoing.acknowledge(sequences).await?;
        }
    }
    Ok(())
}
