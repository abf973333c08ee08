//! Sessions break, and heal.

use waxseal_content::{EnvelopeId, RetryReceipt};

use super::world::{BUSINESS, Posted, World};

#[test]
fn a_phone_that_lost_its_session_gets_the_message_in_a_new_one() {
    let mut world = World::new(1);
    world.send(0, "one");
    world.settle();
    world.phones[0].lose_session();
    let message = world.send(0, "two");
    world.settle();
    assert_eq!(world.shown(0), ["one", "two"]);
    assert_eq!(world.phones[0].asked, 1);
    assert_eq!(
        world.statuses(0, message),
        ["sent", "delivered"],
        "the business does not hear of the detour"
    );
    world.send(0, "three");
    world.write(0, "four");
    world.settle();
    assert_eq!(world.shown(0), ["one", "two", "three"]);
    assert_eq!(world.texts(0), ["four"]);
    assert_eq!(world.phones[0].asked, 1);
}

#[test]
fn a_whole_backlog_heals() {
    let mut world = World::new(1);
    world.send(0, "before");
    world.settle();
    let messages: Vec<_> = (0..50).map(|number| world.send(0, &format!("{number}"))).collect();
    world.turn();
    world.phones[0].lose_session();
    world.settle();
    let mut shown = world.shown(0)[1..].to_vec();
    shown.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(shown, (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
    for message in messages {
        assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
    }
}

#[test]
fn a_consumer_whose_session_the_sidecar_lost_is_asked_and_writes_again() {
    let mut world = World::new(1);
    world.send(0, "hello");
    world.settle();
    world.write(0, "one");
    world.settle();
    // The record is gone from the store and from memory.
    let key = world.shared.names.peer(&world.peer(0));
    let ops = vec![waxseal_store::Op::Delete { key }];
    world.store.commit(&waxseal_store::Batch { ops, ..Default::default() });
    world.start();
    for number in 0..40 {
        world.write(0, &format!("{number}"));
    }
    world.settle();
    let mut texts = world.texts(0)[1..].to_vec();
    texts.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(
        texts,
        (0..40).map(|number| number.to_string()).collect::<Vec<_>>(),
        "each once, none lost"
    );
}

#[test]
fn a_new_phone_is_accepted_and_counted() {
    let mut world = World::new(1);
    world.send(0, "to the old phone");
    world.settle();
    world.phones[0].reinstall(world.now);
    world.send(0, "to the new phone");
    world.settle();
    assert_eq!(world.shown(0), ["to the old phone", "to the new phone"]);
    assert_eq!(world.total(|counts| counts.identity_changes), 1);
    // The other way round: the new phone writes first.
    world.phones[0].reinstall(world.now);
    world.write(0, "from a newer phone");
    world.settle();
    world.send(0, "welcome");
    world.settle();
    assert_eq!(world.texts(0), ["from a newer phone"]);
    assert_eq!(world.shown(0).last(), Some(&"welcome"));
    assert_eq!(world.total(|counts| counts.identity_changes), 2);
}

#[test]
fn asked_for_more_than_five_times_a_message_fails() {
    let mut world = World::new(1);
    world.send(0, "works");
    world.settle();
    let message = world.send(0, "never");
    world.turn();
    let mut attempts = 0;
    // A phone that loses its session before every single message.
    for _ in 0..30 {
        world.phones[0].lose_session();
        let number = world.phones[0].number.reveal().to_owned();
        let waiting = world.relay.waiting(&number);
        for envelope in waiting {
            attempts += 1;
            world.relay.acknowledge(&number, envelope.sequence);
            let decryption_error = waxseal_signal::Ciphertext::from_body(&envelope.body)
                .and_then(|ciphertext| waxseal_signal::decryption_error(&ciphertext, 0))
                .unwrap();
            let receipt = RetryReceipt {
                envelope_id: envelope.id,
                attempt: 1,
                reason: 4,
                decryption_error,
            };
            let id = EnvelopeId::random(&mut rand::rng());
            world.relay.submit(&number, BUSINESS, id, &receipt.to_body());
        }
        while world.turn() | world.fetch() | world.answer() | world.deliver(false) | world.post() {}
    }
    assert_eq!(attempts, 6, "once, and five times again");
    assert_eq!(world.statuses(0, message), ["sent", "failed"]);
    assert!(world.holding("never").is_empty(), "what failed is forgotten");
    assert_eq!(world.store.scheduled(), 0);
}

#[test]
fn a_retry_receipt_in_somebody_elses_name_does_nothing() {
    let mut world = World::new(2);
    world.phones[0].tells_delivered = false;
    world.send(0, "mine");
    world.settle();
    let sent = world.shared.names.message(world.phones[0].shown[0].0);
    assert!(world.store.get(&sent).is_some());
    let envelope_id = crate::id::envelope_id(world.phones[0].shown[0].0, 0);
    let receipt = RetryReceipt {
        envelope_id,
        attempt: 1,
        reason: 4,
        decryption_error: vec![1, 2, 3],
    };
    world
        .relay
        .submit("+15550121", BUSINESS, EnvelopeId::random(&mut rand::rng()), &receipt.to_body());
    world.settle();
    assert_eq!(world.total(|counts| counts.retries_answered), 0);
    assert_eq!(world.shown(0), ["mine"]);
    assert!(world.phones[1].shown.is_empty());
}

#[test]
fn the_same_retry_receipt_counts_once() {
    let mut world = World::new(1);
    world.send(0, "works");
    world.settle();
    world.phones[0].lose_session();
    world.send(0, "again");
    while world.turn() | world.fetch() {}
    world.receive(0, true);
    let receipt = world.relay.waiting(BUSINESS).pop().unwrap();
    assert_eq!(receipt.body[0], 8);
    // The relay makes five of it.
    for _ in 0..4 {
        world.relay.inject(
            &receipt.sender,
            BUSINESS,
            EnvelopeId::random(&mut rand::rng()),
            receipt.body.clone(),
        );
    }
    world.settle();
    assert_eq!(world.shown(0), ["works", "again"]);
    assert_eq!(world.total(|counts| counts.retries_answered), 1);
}

#[test]
fn what_was_asked_for_again_and_arrived_meanwhile_is_not_sent_again() {
    let mut world = World::new(1);
    world.send(0, "works");
    world.settle();
    let message = world.send(0, "arrives");
    world.turn();
    let number = world.phones[0].number.reveal().to_owned();
    let envelope = world.relay.waiting(&number).pop().unwrap();
    // A phone that asks again and then manages after all.
    let decryption_error = waxseal_signal::Ciphertext::from_body(&envelope.body)
        .and_then(|ciphertext| waxseal_signal::decryption_error(&ciphertext, 0))
        .unwrap();
    let receipt = RetryReceipt {
        envelope_id: envelope.id,
        attempt: 1,
        reason: 4,
        decryption_error,
    };
    world
        .relay
        .submit(&number, BUSINESS, EnvelopeId::random(&mut rand::rng()), &receipt.to_body());
    world.receive(0, true);
    world.settle();
    assert_eq!(world.shown(0), ["works", "arrives"]);
    assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
}

#[test]
fn a_one_time_key_serves_one_lane_and_the_other_heals() {
    let mut world = World::new(8);
    let other = (1..8).find(|phone| world.lane_of(*phone) != world.lane_of(0)).unwrap();
    // A relay that hands the same one-time key to two consumers.
    let bundle = world.bundle();
    for phone in [0, other] {
        let now = world.now;
        world.phones[phone].establish(&bundle, now);
        world.write(phone, "hello");
    }
    world.deliver(false);
    // Both lanes have loaded the key before either has committed.
    let lanes = [world.lane_of(0), world.lane_of(other)];
    let gathered = lanes.map(|lane| world.gather(lane).unwrap());
    for (lane, (input, loaded)) in lanes.into_iter().zip(gathered) {
        world.run(lane, input, loaded);
    }
    assert!(
        world.private_key(bundle.one_time_ec.as_ref().unwrap().id).is_none(),
        "used keys are deleted"
    );
    assert_eq!(world.total(|counts| counts.decrypted), 1);
    assert_eq!(world.total(|counts| counts.retries_asked), 1);
    world.settle();
    assert_eq!(world.texts(0), ["hello"]);
    assert_eq!(world.texts(other), ["hello"]);
}

#[test]
fn a_first_message_on_the_last_resort_key_cannot_be_replayed() {
    let mut world = World::new(1);
    world.exhaust_one_time_keys();
    world.write(0, "first");
    let envelope = world.relay.waiting(BUSINESS).pop().unwrap();
    world.settle();
    assert_eq!(world.texts(0), ["first"]);
    // The session is lost; an old first message comes in a new envelope, before and after a restart.
    let key = world.shared.names.peer(&world.peer(0));
    world.store.commit(&waxseal_store::Batch {
        ops: vec![waxseal_store::Op::Delete { key }],
        ..Default::default()
    });
    world.start();
    for _ in 0..2 {
        world.relay.inject(
            &envelope.sender,
            BUSINESS,
            EnvelopeId::random(&mut rand::rng()),
            envelope.body.clone(),
        );
        world.settle();
    }
    assert_eq!(world.texts(0), ["first"]);
    world.write(0, "second");
    world.settle();
    assert_eq!(world.texts(0), ["first", "second"]);
}

#[test]
fn a_bundle_that_is_refused_keeps_its_message_waiting() {
    let mut world = World::new(2);
    world.send(0, "waits");
    world.send(1, "goes");
    world.turn();
    let peer = world.peer(0);
    let lane = world.lane_of(0);
    let mut bundle = world.phones[0].bundle();
    bundle.signed_pre_key.signature[0] ^= 1;
    world.lanes[lane].wanted.remove(&peer);
    world.lanes[lane].input.bundles.insert(peer, bundle);
    world.turn();
    assert!(world.lanes[lane].wanted.contains(&peer), "it is parked again");
    world.settle();
    assert_eq!(world.shown(0), ["waits"]);
    assert_eq!(world.shown(1), ["goes"]);
    assert!(
        world
            .posted
            .iter()
            .all(|posted| !matches!(posted, Posted::Status { status, .. } if status == "failed"))
    );
}
