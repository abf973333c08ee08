//! Accepting what the business sends: durable first, then the answer.

mod compose;

pub(in crate::number) use self::compose::addressee;

use std::{sync::atomic::Ordering, time::SystemTime};

use bytes::Bytes;
use waxseal_content::{Body, Context, MessageId, Payload, PhoneNumber, ReceiptKind};
use waxseal_sealing::Class;
use waxseal_store::{Batch, Key, Op, Outcome};

use super::Number;
use crate::{
    conversation::record::{self, Answer, Job, Kept},
    id::{self, PeerIndex, Wamid},
    limits::Quota,
    message::{Accepted, Addressee, IdempotencyKey, Outbound, Refusal},
    moment::Moment,
};

/// Accepted messages that may wait in one lane, for example while the relay is away; more are refused until some have left.
const MAX_WAITING: u64 = 10_000;
/// A typing indicator is worth nothing after this.
const TYPING_MS: u64 = 25_000;

pub(super) async fn message(number: &Number, message: Outbound) -> Result<Accepted, Refusal> {
    let shared = &number.shared;
    let message_status = compose::message_status(&message.body);
    if let Some(idempotency) = &message.idempotency_key
        && compose::names_something(&message)
        && let Some(answer) = answered_before(number, &shared.names.idempotency(&idempotency.key), idempotency).await?
    {
        // What it names may be gone by now. The answer that was given stands.
        return Ok(Accepted {
            wamid: answer,
            message_status,
            quota: Quota::default(),
        });
    }
    let by_user_id = matches!(message.to, Addressee::UserId(_));
    let to = addressee(number, message.to).await?;
    if to == shared.number {
        return Err(Refusal::ToSelf);
    }
    let peer = shared.blind.of(to.reveal());
    if number.is_blocked(&peer) {
        return Err(Refusal::Blocked);
    }
    let lane = id::lane_of(&peer);
    let handle = number.lanes.get(usize::from(lane)).ok_or(Refusal::Internal)?;
    if handle.waiting.load(Ordering::Relaxed) >= MAX_WAITING {
        return Err(Refusal::Overloaded);
    }
    let context = match &message.quoted {
        Some(quoted) => Some(quoted_context(number, &peer, quoted).await?),
        None => None,
    };
    let composed = compose::compose(number, message.body, by_user_id, |wamid| of_peer(number, &peer, wamid)).await?;
    // The last thing that can be refused before something is written, so that only what is sent counts.
    let quota = number.limiter.accept(&peer).map_err(Refusal::Limited)?;
    let now = Moment::of(SystemTime::now());
    let message_id = id::message_id(lane, &mut rand::rng());
    let wamid = id::wamid(&shared.tokens, &peer, message_id);
    let voice = matches!(&composed.body, Body::Media(media) if media.voice);
    let lifetime_ms = shared.retention_ms() - shared.grace_ms();
    let worth_ms = composed.worth.and_then(|worth| u64::try_from(worth.as_millis()).ok());
    let expires_at_ms = now.ms + worth_ms.map_or(lifetime_ms, |worth_ms| worth_ms.min(lifetime_ms));
    let payload = Payload::new(shared.number.clone(), to.clone(), message_id, now.ms, composed.body)
        .named(Some(shared.display_name.clone()))
        .in_context(context);
    let job = Job {
        message_id: message_id.as_bytes().to_vec(),
        to: to.reveal().to_owned(),
        payload: payload.encode().to_vec(),
        attempt: 0,
        expires_at_ms,
        tracked: true,
        opaque: message.opaque_callback_data.as_ref().map(|text| text.reveal().to_owned()),
        identity_hash: message.identity_key_hash.as_ref().map(|hash| hash.reveal().to_owned()),
    };
    let kept = Kept {
        to: job.to.clone(),
        payload: Some(job.payload.clone()),
        opaque: job.opaque.clone(),
        expires_at_ms,
        accepted_at_ms: now.ms,
        voice,
        identity_hash: job.identity_hash.clone(),
        ..Kept::default()
    };
    let ttl = shared.retention;
    let names = &shared.names;
    let (kept_key, queue, agenda) = (names.message(message_id), names.accepted(lane), names.deadlines(lane));
    let mut ops = vec![
        Op::Put {
            value: seal(number, &kept_key, &kept, now)?,
            key: kept_key.clone(),
            ttl,
        },
        Op::Append {
            value: seal(number, &queue, &job, now)?,
            queue,
            ttl,
        },
        Op::Schedule {
            agenda,
            member: Bytes::copy_from_slice(message_id.as_bytes()),
            due_ms: expires_at_ms,
            ttl,
        },
    ];
    // The mark that makes the batch safe to run again, and a repeated request one message.
    let mark = match &message.idempotency_key {
        None => kept_key,
        Some(idempotency) => {
            let key = names.idempotency(&idempotency.key);
            let answer = Answer {
                wamid: wamid.as_str().to_owned(),
                fingerprint: idempotency.fingerprint.to_vec(),
            };
            ops.push(Op::Put {
                value: seal(number, &key, &answer, now)?,
                key: key.clone(),
                ttl,
            });
            key
        }
    };
    let batch = Batch {
        fence: None,
        absent: vec![mark.clone()],
        ops,
    };
    match number.store.commit(batch).await {
        Ok(Outcome::Applied { .. } | Outcome::AlreadyApplied) => {
            handle.waiting.fetch_add(1, Ordering::Relaxed);
            handle.wake.notify_one();
            Ok(Accepted {
                wamid,
                message_status,
                quota,
            })
        }
        Ok(Outcome::Exists(_)) => match message.idempotency_key {
            Some(idempotency) => answered_before(number, &mark, &idempotency)
                .await?
                .map(|wamid| Accepted {
                    wamid,
                    message_status,
                    quota: Quota::default(),
                })
                .ok_or(Refusal::Unavailable),
            None => Err(Refusal::Internal),
        },
        Ok(Outcome::Stale { .. } | Outcome::Gap { .. }) => Err(Refusal::Internal),
        Err(error) => Err(refusal(&error)),
    }
}

/// The message that a request with the same `Idempotency-Key` became.
async fn answered_before(number: &Number, key: &Key, idempotency: &IdempotencyKey) -> Result<Option<Wamid>, Refusal> {
    let values = number.store.get(std::slice::from_ref(key)).await.map_err(|error| refusal(&error))?;
    let Some(sealed) = values.into_iter().next().flatten() else {
        return Ok(None);
    };
    let answer: Answer = number.shared.open(Class::Message, key, &sealed).ok_or(Refusal::Internal)?;
    if answer.fingerprint != idempotency.fingerprint {
        return Err(Refusal::IdempotencyMismatch);
    }
    Wamid::parse(&answer.wamid).map(Some).map_err(|_| Refusal::Internal)
}

/// Tells a consumer that a message was read, and that an answer is being written: both go through the queue like any message, so that
/// they keep their place before the answer.
pub(super) async fn read_mark(number: &Number, wamid: &Wamid, typing: bool) -> Result<(), Refusal> {
    let shared = &number.shared;
    let (peer, read) = id::of_wamid(&shared.tokens, wamid).ok_or(Refusal::UnknownMessage)?;
    let keys = [shared.names.peer(&peer), shared.names.message(read)];
    let mut values = number.store.get(&keys).await.map_err(|error| refusal(&error))?.into_iter();
    let (consumer, own) = (values.next().flatten(), values.next().flatten());
    // A message of the business is not for the business to read.
    let consumer = consumer.filter(|_| own.is_none()).ok_or(Refusal::UnknownMessage)?;
    let consumer = shared.open_peer(&keys[0], &consumer).ok_or(Refusal::UnknownMessage)?.number;
    let now = Moment::of(SystemTime::now());
    let retention_ms = shared.retention_ms();
    let receipt = Body::Receipt {
        kind: ReceiptKind::Read,
        message_ids: vec![read],
    };
    let mut ops = vec![control(number, &peer, &consumer, receipt, now, retention_ms)?];
    if typing {
        ops.push(control(number, &peer, &consumer, Body::Typing, now, TYPING_MS.min(retention_ms))?);
    }
    match number
        .store
        .commit(Batch {
            fence: None,
            absent: Vec::new(),
            ops,
        })
        .await
    {
        Ok(Outcome::Applied { .. } | Outcome::AlreadyApplied) => {
            if let Some(lane) = number.lanes.get(usize::from(id::lane_of(&peer))) {
                lane.wake.notify_one();
            }
            Ok(())
        }
        Ok(_) => Err(Refusal::Internal),
        Err(error) => Err(refusal(&error)),
    }
}

fn control(number: &Number, peer: &PeerIndex, to: &PhoneNumber, body: Body, now: Moment, lifetime_ms: u64) -> Result<Op, Refusal> {
    let shared = &number.shared;
    let lane = id::lane_of(peer);
    let message_id = id::message_id(lane, &mut rand::rng());
    let payload = Payload::new(shared.number.clone(), to.clone(), message_id, now.ms, body);
    let job = Job {
        message_id: message_id.as_bytes().to_vec(),
        to: to.reveal().to_owned(),
        payload: payload.encode().to_vec(),
        attempt: 0,
        expires_at_ms: now.ms + lifetime_ms,
        tracked: false,
        opaque: None,
        identity_hash: None,
    };
    let queue = shared.names.accepted(lane);
    Ok(Op::Append {
        value: seal(number, &queue, &job, now)?,
        queue,
        ttl: shared.retention,
    })
}

/// The message a `wamid` names, if it belongs to the conversation with `peer`.
fn of_peer(number: &Number, peer: &PeerIndex, wamid: &Wamid) -> Result<MessageId, Refusal> {
    id::of_wamid(&number.shared.tokens, wamid)
        .filter(|(of, _)| of == peer)
        .map(|(_, message)| message)
        .ok_or(Refusal::UnknownMessage)
}

async fn quoted_context(number: &Number, peer: &PeerIndex, quoted: &Wamid) -> Result<Context, Refusal> {
    let message_id = of_peer(number, peer, quoted)?;
    let own = number
        .store
        .get(&[number.shared.names.message(message_id)])
        .await
        .map_err(|error| refusal(&error))?;
    let from_recipient = own.into_iter().next().flatten().is_none();
    Ok(Context {
        message_id,
        from_recipient,
        forwarded: false,
    })
}

fn seal<M: prost::Message>(number: &Number, key: &Key, value: &M, now: Moment) -> Result<Bytes, Refusal> {
    let plaintext = record::encode(value);
    let sealed = number
        .shared
        .sealer
        .seal(Class::Message, key.as_str(), 0, &plaintext, now.time, &mut rand::rng());
    sealed.map(Bytes::from).map_err(|error| {
        tracing::error!(%error, "a message could not be sealed");
        Refusal::Internal
    })
}

pub(super) fn refusal(error: &waxseal_store::Error) -> Refusal {
    match error {
        waxseal_store::Error::Overloaded => Refusal::Overloaded,
        waxseal_store::Error::Unavailable { .. } => Refusal::Unavailable,
        _ => Refusal::Internal,
    }
}

/// The payload's sending time: how old a waiting message is.
pub(super) fn sent_at_ms(job: &Job) -> Option<u64> {
    Payload::decode(&job.payload).ok().map(|payload| payload.sent_at_ms)
}
