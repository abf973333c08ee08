//! Broken sessions, re-installations, and how often a message is sent anew.

use super::*;

async fn forget(side: &mut Side, peer: &PhoneNumber) {
    let mut step = side.engine.begin();
    side.engine.forget_session(&mut step, peer).unwrap();
    side.engine.commit(step, side.now).await.unwrap();
}

#[tokio::test]
async fn a_lost_session_heals_and_the_messages_arrive_in_order() {
    let (mut a, mut b) = pair().await;
    b.say(&a.number(), "first").await;
    settle(&mut a, &mut b).await;
    a.say(&b.number(), "answer").await;
    settle(&mut a, &mut b).await;

    forget(&mut b, &a.number()).await;
    for n in 0..3 {
        a.say(&b.number(), &format!("unreadable {n}")).await;
    }
    let (to_a, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_b), ["unreadable 0", "unreadable 1", "unreadable 2"]);
    assert_eq!(receipts(&to_a, ReceiptKind::Delivered).len(), 3);
    assert!(
        !to_b.iter().any(|event| matches!(event, Event::IdentityChanged { .. })),
        "the identity stays pinned"
    );
    b.say(&a.number(), "works again").await;
    let (to_a, _) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_a), ["works again"]);
}

#[tokio::test]
async fn both_sides_lost_the_session() {
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "one").await;
    settle(&mut a, &mut b).await;
    forget(&mut a, &b.number()).await;
    forget(&mut b, &a.number()).await;
    a.say(&b.number(), "two").await;
    b.say(&a.number(), "three").await;
    let (to_a, to_b) = settle(&mut a, &mut b).await;
    assert_eq!((texts(&to_a), texts(&to_b)), (vec!["three"], vec!["two"]));
}

#[tokio::test]
async fn a_re_installation_is_told_and_the_conversation_goes_on() {
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "to the old phone").await;
    settle(&mut a, &mut b).await;
    let mut b = Side::new("+15550100", 4).await;
    a.say(&b.number(), "to the new phone").await;
    let (to_a, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_b), ["to the new phone"]);
    assert_eq!(
        to_a.iter().filter(|event| matches!(event, Event::IdentityChanged { .. })).count(),
        1
    );
    b.say(&a.number(), "hi again").await;
    let (to_a, _) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_a), ["hi again"]);
    assert_eq!(
        a.engine.safety_number(&b.number()).unwrap(),
        b.engine.safety_number(&a.number()).unwrap()
    );
}

#[tokio::test]
async fn a_message_is_sent_anew_five_times_then_given_up() {
    let (mut a, mut b) = pair().await;
    let (message, _) = a.say(&b.number(), "never readable").await;
    let mut bodies = Vec::new();
    let mut events = Vec::new();
    for attempt in 0..=RetryReceipt::MAX_ATTEMPTS {
        if !a.engine.waited_for().unwrap().is_empty() {
            b.publish().await;
            let bundle = b.bundle();
            events.extend(a.bundle_came(&b.number(), &bundle).await.events);
        }
        let (envelopes, _) = a.accepted().await;
        assert_eq!(envelopes.len(), 1, "attempt {attempt}");
        let ciphertext = waxseal_signal::Ciphertext::from_body(&envelopes[0].body).unwrap();
        let receipt = RetryReceipt {
            envelope_id: EnvelopeId::from_slice(&envelopes[0].id).unwrap(),
            attempt: 1,
            reason: 4,
            decryption_error: waxseal_signal::decryption_error(&ciphertext, 0).unwrap(),
        };
        // Twice, and from somebody else: each envelope is answered once, and only to its recipient.
        let id = EnvelopeId::random(&mut b.engine.rng);
        events.extend(a.get("+15550999", id.as_bytes(), &receipt.to_body()).await.events);
        for _ in 0..2 {
            let id = EnvelopeId::random(&mut b.engine.rng);
            events.extend(a.get(b.number().reveal(), id.as_bytes(), &receipt.to_body()).await.events);
        }
        bodies.push(envelopes[0].body.clone());
    }
    assert!(a.engine.is_idle());
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 6, "each time encrypted anew");
    let failed =
        |event: &Event| matches!(event, Event::Failed { message_id, reason: Failure::Undecryptable, .. } if *message_id == message);
    assert_eq!(events.iter().filter(|event| failed(event)).count(), 1);
    assert_eq!(statuses(&a, &b.number()), [Status::Failed]);
}

#[tokio::test]
async fn a_retry_for_a_message_that_arrived_is_ignored() {
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "hello").await;
    let bundle = b.bundle();
    a.bundle_came(&b.number(), &bundle).await;
    let (envelopes, _) = a.accepted().await;
    b.get(a.number().reveal(), &envelopes[0].id, &envelopes[0].body).await;
    settle(&mut a, &mut b).await;
    let receipt = RetryReceipt {
        envelope_id: EnvelopeId::from_slice(&envelopes[0].id).unwrap(),
        attempt: 1,
        reason: 4,
        decryption_error: Vec::new(),
    };
    let effects = a.get(b.number().reveal(), &[7; 16], &receipt.to_body()).await;
    assert!(effects.events.is_empty() && effects.fetch.is_empty() && a.engine.is_idle());
}

#[tokio::test]
async fn a_damaged_session_record_heals() {
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "one").await;
    settle(&mut a, &mut b).await;
    for damaged in [&b"\xff\xff\xff"[..], b"\x01\xff\xff"] {
        for (side, peer) in [(&a, b.number()), (&b, a.number())] {
            let mut step = side.engine.begin();
            let row = rows::Peer {
                id: vec![3; 16],
                state: damaged.to_vec(),
            };
            step.tx.put_row(names::peer(&peer), &row);
            side.engine
                .store
                .commit(step.tx.into_changes(), Persistence::Durable)
                .await
                .unwrap();
        }
        a.say(&b.number(), "two").await;
        b.say(&a.number(), "three").await;
        let (to_a, to_b) = settle(&mut a, &mut b).await;
        assert_eq!((texts(&to_a), texts(&to_b)), (vec!["three"], vec!["two"]));
    }
}

#[tokio::test]
async fn a_hopeless_bundle_is_not_the_end() {
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "patience").await;
    let mut bundle = b.bundle();
    bundle.signed_pre_key.signature[5] ^= 1;
    let effects = a.bundle_came(&b.number(), &bundle).await;
    assert!(effects.fetch == [b.number()], "another one is asked for");
    let (_, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_b), ["patience"]);
}
