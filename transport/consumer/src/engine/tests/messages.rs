//! Sending and receiving.

use super::*;

#[tokio::test]
async fn both_ways_with_receipts() {
    let (mut a, mut b) = pair().await;
    let (first, effects) = a.say(&b.number(), "hello").await;
    assert!(effects.fetch == [b.number()], "no session yet");
    let (to_a, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_b), ["hello"]);
    assert!(matches!(to_a[0], Event::Sent { message_id, .. } if message_id == first));
    assert_eq!(receipts(&to_a, ReceiptKind::Delivered), [first]);

    let (second, effects) = b.say(&a.number(), "hi").await;
    assert!(effects.fetch.is_empty(), "the session goes both ways");
    let (to_a, _) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_a), ["hi"]);

    let mut step = a.engine.begin();
    a.engine.mark_read(&mut step, &b.number(), &[second, second, first], a.now).unwrap();
    a.engine.mark_read(&mut step, &b.number(), &[second], a.now).unwrap();
    a.engine.commit(step, a.now).await.unwrap();
    let (_, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(
        receipts(&to_b, ReceiptKind::Read),
        [second],
        "read once, and only what was received"
    );
    assert_eq!(statuses(&b, &a.number()), [Status::Read]);
    assert_eq!(statuses(&a, &b.number()), [Status::Delivered]);
    let numbers = (
        a.engine.safety_number(&b.number()).unwrap(),
        b.engine.safety_number(&a.number()).unwrap(),
    );
    assert!(numbers.0.is_some() && numbers.0 == numbers.1);
}

#[tokio::test]
async fn a_burst_stays_in_order_and_costs_one_receipt() {
    let (mut a, mut b) = pair().await;
    let wanted: Vec<String> = (0..20).map(|n| format!("message {n}")).collect();
    for text in &wanted {
        a.say(&b.number(), text).await;
    }
    let bundle = b.bundle();
    a.bundle_came(&b.number(), &bundle).await;
    let (envelopes, _) = a.accepted().await;
    let mut step = b.engine.begin();
    for (sequence, envelope) in (0..).zip(&envelopes) {
        b.engine
            .receive(&mut step, sequence, a.number().reveal(), &envelope.id, &envelope.body, b.now)
            .unwrap();
    }
    let effects = b.engine.commit(step, b.now).await.unwrap();
    assert_eq!(texts(&effects.events), wanted);
    let (envelopes, _) = b.accepted().await;
    assert_eq!(envelopes.len(), 1, "one receipt for the burst");
    let effects = a.get(b.number().reveal(), &envelopes[0].id, &envelopes[0].body).await;
    assert_eq!(receipts(&effects.events, ReceiptKind::Delivered).len(), 20);
}

#[tokio::test]
async fn nothing_is_in_the_outbox_before_the_commit() {
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "opens a session").await;
    settle(&mut a, &mut b).await;
    let mut step = a.engine.begin();
    a.engine.send(&mut step, saying(&b.number(), "later"), a.now).unwrap();
    assert!(a.engine.store.page(names::OUTBOX, None, 1).unwrap().is_empty());
    assert!(a.engine.store.page(names::QUEUE, None, 1).unwrap().is_empty());
    a.engine.commit(step, a.now).await.unwrap();
    assert_eq!(a.engine.store.page(names::OUTBOX, None, 9).unwrap().len(), 1);
    let history = a.engine.history(&b.number(), 1).unwrap();
    assert!(matches!(&history[0].body, Body::Text { body, .. } if body.reveal() == "later"));
}

#[tokio::test]
async fn a_step_that_is_lost_leaves_the_message_at_the_relay() {
    let (mut a, mut b) = pair().await;
    let store = b.engine.store.clone();
    let (_, _) = a.say(&b.number(), "hello").await;
    let bundle = b.bundle();
    a.bundle_came(&b.number(), &bundle).await;
    let (envelopes, _) = a.accepted().await;
    // The process dies between the decryption and the commit.
    let mut step = b.engine.begin();
    b.engine
        .receive(&mut step, 1, a.number().reveal(), &envelopes[0].id, &envelopes[0].body, b.now)
        .unwrap();
    drop(step);
    let pool = std::mem::take(&mut b.pool);
    let mut b = Side {
        pool,
        ..Side::on(store, "+15550100", 4).await
    };
    let effects = b.get(a.number().reveal(), &envelopes[0].id, &envelopes[0].body).await;
    assert_eq!(texts(&effects.events), ["hello"]);
    let effects = b.get(a.number().reveal(), &envelopes[0].id, &envelopes[0].body).await;
    assert!(effects.events.is_empty(), "and only once");
}

#[tokio::test]
async fn duplicates_are_silent() {
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "hello").await;
    let bundle = b.bundle();
    a.bundle_came(&b.number(), &bundle).await;
    let (envelopes, _) = a.accepted().await;
    let envelope = &envelopes[0];
    assert_eq!(b.get(a.number().reveal(), &envelope.id, &envelope.body).await.events.len(), 1);
    b.accepted().await;
    // The same envelope, and the same ciphertext under another id: the mark refuses the one, the ratchet the other.
    assert!(b.get(a.number().reveal(), &envelope.id, &envelope.body).await.events.is_empty());
    assert!(b.get(a.number().reveal(), &[9; 16], &envelope.body).await.events.is_empty());
    assert!(b.accepted().await.0.is_empty(), "no retry receipt either");
}

#[tokio::test]
async fn garbage_is_acknowledged_and_harms_nobody() {
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "opens a session").await;
    settle(&mut a, &mut b).await;
    let mut rng = StdRng::seed_from_u64(7);
    for n in 0..600_usize {
        let mut body = vec![0; n % 120];
        rng.fill_bytes(&mut body);
        if let Some(kind) = body.first_mut() {
            *kind = [2, 3, 8, 77][n % 4];
        }
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let sender = ["+15550123", "+15550999", "nobody", ""][n % 4];
        let id: &[u8] = if n % 50 == 0 { &id[..3] } else { &id };
        assert!(b.get(sender, id, &body).await.events.is_empty());
    }
    // Truncated and flipped honest envelopes.
    for n in 0..60 {
        a.say(&b.number(), &format!("hurt {n}")).await;
        let (mut envelopes, _) = a.accepted().await;
        let mut body = envelopes.remove(0).body;
        if n % 2 == 0 {
            body.truncate(body.len() * n / 60);
        } else {
            body[n] ^= 0x40;
        }
        b.get(a.number().reveal(), &EnvelopeId::random(&mut rng).as_bytes()[..], &body)
            .await;
    }
    b.accepted().await;
    a.say(&b.number(), "still fine").await;
    let (_, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_b), ["still fine"]);
}

#[tokio::test]
async fn an_envelope_cannot_borrow_a_name() {
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "hello").await;
    let bundle = b.bundle();
    a.bundle_came(&b.number(), &bundle).await;
    let (envelopes, _) = a.accepted().await;
    let effects = b.get("+15550999", &envelopes[0].id, &envelopes[0].body).await;
    assert!(effects.events.is_empty(), "a message of +15550123 under another sender's name");
    assert!(b.engine.history(&tel("+15550999"), 9).unwrap().is_empty());
}

#[tokio::test]
async fn nobody_home() {
    let (mut a, _) = pair().await;
    let nobody = tel("+15550777");
    let (first, _) = a.say(&nobody, "one").await;
    let (second, _) = a.say(&nobody, "two").await;
    let mut step = a.engine.begin();
    a.engine.unknown_number(&mut step, &nobody).unwrap();
    let effects = a.engine.commit(step, a.now).await.unwrap();
    let failed: Vec<_> = effects
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Failed {
                message_id,
                reason: Failure::UnknownNumber,
                ..
            } => Some(*message_id),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [first, second]);
    assert!(a.engine.is_idle());
    assert_eq!(statuses(&a, &nobody), [Status::Failed, Status::Failed]);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    let (mut a, b) = pair().await;
    let mut step = a.engine.begin();
    let now = a.now;
    let me = a.number();
    let long = "x".repeat(60_001);
    for text in ["", &long] {
        assert!(matches!(
            a.engine.send(&mut step, saying(&b.number(), text), now),
            Err(Error::TextLength { .. })
        ));
    }
    assert!(matches!(a.engine.send(&mut step, saying(&me, "x"), now), Err(Error::ToOneself)));
    for _ in 0..MAX_WAITING {
        a.engine.enqueue(&mut step, &b.number(), b"x", None, 0);
    }
    assert!(matches!(
        a.engine.send(&mut step, saying(&b.number(), "x"), now),
        Err(Error::Overloaded)
    ));
}

#[tokio::test]
async fn typing_is_shown_now_or_never() {
    let (mut a, mut b) = pair().await;
    let typing = async |a: &mut Side, to: &PhoneNumber| {
        let mut step = a.engine.begin();
        a.engine.send_typing(&mut step, to, a.now).unwrap();
        a.engine.commit(step, a.now).await.unwrap();
    };
    typing(&mut a, &b.number()).await;
    assert!(a.engine.is_idle(), "not worth a session");
    a.say(&b.number(), "hello").await;
    settle(&mut a, &mut b).await;
    typing(&mut a, &b.number()).await;
    let (_, to_b) = settle(&mut a, &mut b).await;
    assert!(matches!(to_b.as_slice(), [Event::Typing { .. }]));
    typing(&mut a, &b.number()).await;
    a.now += Duration::from_secs(26);
    let mut step = a.engine.begin();
    a.engine.drop_useless(&mut step, a.now).unwrap();
    a.engine.commit(step, a.now).await.unwrap();
    assert!(a.engine.is_idle());
}

#[tokio::test]
async fn the_log_keeps_ten_thousand() {
    let (mut a, b) = pair().await;
    let peer = b.number();
    let mut step = a.engine.begin();
    let mut first = None;
    for n in 0..10_010_u64 {
        let id = MessageId::random(&mut a.engine.rng);
        first.get_or_insert(id);
        let body = Body::Text {
            body: "x".into(),
            preview_url: false,
        };
        let payload = waxseal_content::Payload::new(peer.clone(), a.number(), id, n, body);
        a.engine.log_incoming(&mut step, &peer, &payload, a.now).unwrap();
    }
    assert!(!Engine::is_logged(&step, &peer, first.unwrap()).unwrap());
    a.engine.commit(step, a.now).await.unwrap();
    assert_eq!(a.engine.history(&peer, usize::MAX).unwrap().len(), 10_000);
    assert_eq!(a.engine.history(&peer, 3).unwrap().len(), 3);
    assert!(a.engine.history(&peer, 0).unwrap().is_empty());
    assert!(a.engine.history(&tel("+15550999"), 9).unwrap().is_empty());
}
