//! Messages go both ways, in order, once; what is not a message does no harm.

use waxseal_content::{Body, EnvelopeId, MessageId, Payload, PhoneNumber, ReceiptKind};

use super::{
    relay::message_key,
    world::{BUSINESS, Posted, World},
};
use crate::metrics::refused;

#[test]
fn both_ways() {
    let mut world = World::new(1);
    let message = world.send(0, "hello");
    world.settle();
    assert_eq!(world.shown(0), ["hello"]);
    assert_eq!(world.phones[0].shown[0].0, message);
    let answer = world.write(0, "hi there");
    world.settle();
    let wamid = world.wamid(0, answer);
    assert!(world.posted.contains(&Posted::Text {
        from: "15550120".into(),
        wamid,
        text: "hi there".into()
    }));
    assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
    let delivered = |body: &Body| matches!(body, Body::Receipt { kind: ReceiptKind::Delivered, message_ids } if *message_ids == [answer]);
    assert!(
        world.phones[0].noticed.iter().any(delivered),
        "the consumer sees that the message arrived"
    );
}

#[test]
fn the_consumer_may_begin() {
    let mut world = World::new(1);
    world.write(0, "first");
    world.settle();
    world.send(0, "welcome");
    world.settle();
    assert_eq!(world.texts(0), ["first"]);
    assert_eq!(world.shown(0), ["welcome"]);
    assert_eq!(world.phones[0].bundles, 0, "the session of the consumer serves both ways");
}

#[test]
fn order_is_kept_per_consumer() {
    let mut world = World::new(3);
    for round in 0..40 {
        for phone in 0..3 {
            world.send(phone, &format!("out {round}"));
            world.write(phone, &format!("in {round}"));
        }
        if round % 7 == 0 {
            world.turn();
            world.deliver(false);
        }
        if round % 11 == 0 {
            world.fetch();
        }
    }
    world.settle();
    for phone in 0..3 {
        assert_eq!(world.shown(phone), (0..40).map(|round| format!("out {round}")).collect::<Vec<_>>());
        assert_eq!(world.texts(phone), (0..40).map(|round| format!("in {round}")).collect::<Vec<_>>());
    }
}

#[test]
fn read_marks_reach_the_phone_and_tell_the_business_nothing() {
    let mut world = World::new(1);
    let message = world.write(0, "question");
    world.settle();
    let told = world.posted.len();
    world.mark_read(0, message);
    world.settle();
    let read = |body: &Body| matches!(body, Body::Receipt { kind: ReceiptKind::Read, message_ids } if *message_ids == [message]);
    assert!(world.phones[0].noticed.iter().any(read));
    assert_eq!(world.posted.len(), told);
}

#[test]
fn repeats_are_taken_once() {
    let mut world = World::new(1);
    world.write(0, "once");
    // Twice in one turn.
    world.deliver(true);
    world.turn();
    world.link();
    world.settle();
    // The relay forgets that it was acknowledged.
    world.write(0, "again");
    let envelope = world.relay.waiting(BUSINESS).pop().unwrap();
    world.settle();
    for _ in 0..2 {
        world.relay.inject(&envelope.sender, BUSINESS, envelope.id, envelope.body.clone());
        world.settle();
    }
    assert_eq!(world.texts(0), ["once", "again"]);
    assert!(world.relay.waiting(BUSINESS).is_empty(), "repeats are acknowledged too");
}

#[test]
fn repeats_of_what_the_ratchet_cannot_tell_are_known_by_their_envelope() {
    let mut world = World::new(1);
    world.send(0, "works");
    world.settle();
    world.write(0, "before");
    world.settle();
    // Something that does not decrypt: twice in a turn, then again, then again after a restart.
    let (id, mut body) = world.ciphertext(0, b"x");
    *body.last_mut().unwrap() ^= 1;
    world.relay.inject("+15550120", BUSINESS, id, body.clone());
    world.deliver(true);
    world.settle();
    for _ in 0..2 {
        world.relay.inject("+15550120", BUSINESS, id, body.clone());
        world.settle();
        world.start();
    }
    assert_eq!(world.total(|counts| counts.retries_asked), 1);
    assert_eq!(world.total(|counts| counts.refused[refused::DUPLICATE]), 3);
    // A retry receipt.
    world.phones[0].lose_session();
    world.send(0, "again");
    while world.turn() | world.fetch() {}
    world.receive(0, true);
    let receipt = world.relay.waiting(BUSINESS).pop().unwrap();
    world.deliver(true);
    world.settle();
    world.relay.inject(&receipt.sender, BUSINESS, receipt.id, receipt.body);
    world.settle();
    assert_eq!(world.total(|counts| counts.refused[refused::DUPLICATE]), 5);
    assert_eq!(world.shown(0), ["works", "again"]);
}

#[test]
fn a_ciphertext_replayed_under_another_envelope_id_is_no_message() {
    let mut world = World::new(1);
    world.write(0, "first");
    world.write(0, "second");
    let envelopes = world.relay.waiting(BUSINESS);
    world.settle();
    for envelope in envelopes {
        world
            .relay
            .inject(&envelope.sender, BUSINESS, EnvelopeId::random(&mut rand::rng()), envelope.body);
    }
    world.settle();
    assert_eq!(world.texts(0), ["first", "second"]);
}

#[test]
fn a_ciphertext_in_somebody_elses_name_is_no_message() {
    let mut world = World::new(2);
    world.write(0, "mine");
    let envelope = world.relay.waiting(BUSINESS).pop().unwrap();
    // Before the real one arrives, so that the one-time keys are still there.
    world.relay.acknowledge(BUSINESS, envelope.sequence);
    let other = world.phones[1].number.reveal().to_owned();
    world.relay.inject(&other, BUSINESS, envelope.id, envelope.body.clone());
    world.settle();
    assert_eq!(world.total(|counts| counts.refused[refused::MISADDRESSED]), 1);
    assert!(world.texts(0).is_empty() && world.texts(1).is_empty());
    // The real one comes: its one-time key is used up, so it is asked for again.
    world.relay.inject(&envelope.sender, BUSINESS, envelope.id, envelope.body);
    world.settle();
    assert_eq!(world.texts(0), ["mine"]);
    assert!(world.texts(1).is_empty());
}

#[test]
fn a_message_to_another_business_is_no_message() {
    let mut world = World::new(1);
    let other = PhoneNumber::parse("+15550199").unwrap();
    let body = Body::Text {
        body: "for another".into(),
        preview_url: false,
    };
    let payload = Payload::new(world.phones[0].number.clone(), other, MessageId::random(&mut rand::rng()), 0, body).encode();
    let (id, body) = world.ciphertext(0, &payload);
    world.relay.inject("+15550120", BUSINESS, id, body);
    world.settle();
    assert!(world.posted.is_empty());
    assert_eq!(world.total(|counts| counts.refused[refused::MISADDRESSED]), 1);
}

#[test]
fn garbage_disturbs_nobody() {
    let mut world = World::new(2);
    world.write(0, "before");
    world.settle();
    let (_, good) = world.ciphertext(0, b"not a payload");
    let garbage: Vec<Vec<u8>> = vec![
        vec![],
        vec![2],
        vec![3],
        vec![8, 0xff, 0xff],
        vec![9, 1, 2, 3],
        vec![2; 300],
        vec![3; 300],
        good[..good.len() / 2].to_vec(),
        good[..good.len() - 1].to_vec(),
        good.clone(),
    ];
    for body in &garbage {
        world
            .relay
            .inject("+15550120", BUSINESS, EnvelopeId::random(&mut rand::rng()), body.clone());
        world.write(1, "between");
    }
    world.settle();
    assert_eq!(world.texts(1), vec!["between"; garbage.len()]);
    assert_eq!(world.texts(0), ["before"]);
    assert!(world.relay.waiting(BUSINESS).is_empty(), "nothing is left to be delivered again");
    world.write(0, "after");
    world.send(0, "still here");
    world.settle();
    assert_eq!(world.texts(0), ["before", "after"]);
    assert_eq!(world.shown(0), ["still here"]);
}

#[test]
fn a_forged_counter_costs_a_retry_and_nothing_else() {
    let mut world = World::new(1);
    // Both have answered, so that messages are plain ones of a session.
    world.send(0, "hello");
    world.settle();
    world.write(0, "hi");
    world.settle();
    let (_, payload) = world.phones[0].payload(&world.shared.number, Body::Typing, 0);
    let (id, body) = world.ciphertext(0, &payload);
    assert_eq!(body[0], 2);
    let (ratchet_key, counter, _) = message_key(&body).unwrap();
    // Version, field 1 with its key, then the tag of the counter.
    let at = 2 + 2 + ratchet_key.len() + 1;
    assert_eq!(u32::from(body[at]), counter);
    let forged = [&body[..at], &[0xff, 0xff, 0x07], &body[at + 1..]].concat();
    world.relay.inject("+15550120", BUSINESS, id, forged);
    let begun = std::time::Instant::now();
    world.settle();
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(2),
        "following the counter would take minutes"
    );
    assert_eq!(world.total(|counts| counts.refused[refused::UNDECRYPTABLE]), 1);
    assert_eq!(world.total(|counts| counts.retries_asked), 1);
    world.write(0, "still fine");
    world.send(0, "yes");
    world.settle();
    assert_eq!(world.texts(0), ["hi", "still fine"]);
    assert_eq!(world.shown(0), ["hello", "yes"]);
}

#[test]
fn garbage_makes_us_ask_within_bounds() {
    let mut world = World::new(1);
    world.write(0, "before");
    world.settle();
    let (_, mut body) = world.ciphertext(0, b"x");
    *body.last_mut().unwrap() ^= 1;
    for _ in 0..1_100 {
        world
            .relay
            .inject("+15550120", BUSINESS, EnvelopeId::random(&mut rand::rng()), body.clone());
        world.deliver(false);
        world.turn();
    }
    assert_eq!(world.total(|counts| counts.refused[refused::UNDECRYPTABLE]), 1_100);
    assert_eq!(world.total(|counts| counts.retries_asked), 1_000);
}

#[test]
fn a_turn_takes_what_fits_into_a_batch() {
    let mut world = World::new(1);
    world.phones[0].tells_delivered = false;
    let messages: Vec<MessageId> = (0..1_024).map(|number| world.send(0, &format!("{number}"))).collect();
    // The model refuses, as the store does, what is above the limit.
    world.settle();
    assert_eq!(world.phones[0].shown.len(), 1_024);
    // The longest receipts there are, and something else in the same turn.
    for kind in [ReceiptKind::Delivered, ReceiptKind::Read] {
        for message_ids in messages.chunks(256).map(<[MessageId]>::to_vec) {
            world.say(0, Body::Receipt { kind, message_ids });
        }
    }
    world.write(0, "that was a lot");
    world.settle();
    assert_eq!(world.texts(0), ["that was a lot"]);
    for message in messages.iter().step_by(100) {
        assert_eq!(world.statuses(0, *message), ["sent", "delivered", "read"]);
    }
}

#[test]
fn many_hopeless_messages_fail_turn_by_turn() {
    let mut world = World::new(1);
    let messages: Vec<MessageId> = (0..1_500).map(|number| world.send(0, &format!("{number}"))).collect();
    let lane = world.lane_of(0);
    let (mut input, _) = world.gather(lane).unwrap();
    let reason = crate::message::FailureReason::UnknownRecipient;
    input.hopeless = std::mem::take(&mut input.jobs)
        .into_iter()
        .map(|accepted| (accepted, reason))
        .collect();
    while !input.hopeless.is_empty() {
        world.run(lane, input, Default::default());
        input = std::mem::take(&mut world.lanes[lane].input);
    }
    world.settle();
    for message in &messages {
        assert_eq!(world.statuses(0, *message), ["failed"]);
    }
    assert_eq!(world.store.scheduled(), 0);
}
