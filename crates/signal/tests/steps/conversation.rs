//! Honest conversations, whatever the network does to them.

use std::time::Duration;

use waxseal_signal::{Answer, Ciphertext, Error, Kind, Trust, archive, burn, decryption_error, encrypt_many, must_archive};

use crate::party::{Party, Stock, acquainted, exchange};

#[test]
fn a_first_message_creates_the_session_on_the_other_side_and_uses_up_the_keys() {
    let (mut alice, mut bob) = (Party::new(1), Party::new(2));
    let bundle = bob.bundle(Stock::Plenty);
    assert!(!alice.establish(&bundle).unwrap());
    assert_eq!(alice.peer().identity(), Some(&bob.identity.public_key()));
    let first = alice.send(b"hello").unwrap();
    let second = alice.send(b"there").unwrap();
    assert_eq!((first.kind, second.kind), (Kind::PreKey, Kind::PreKey));

    let (one_time, kyber) = (bundle.one_time_ec.unwrap().id, bundle.kyber_pre_key.id);
    assert!(bob.one_time_ec.contains_key(&one_time) && bob.kyber.contains_key(&kyber));
    assert_eq!(bob.receive(&second).unwrap(), b"there");
    assert!(!bob.one_time_ec.contains_key(&one_time) && !bob.kyber.contains_key(&kyber));
    assert_eq!(
        bob.receive(&first).unwrap(),
        b"hello",
        "the other first message needs no key any more"
    );
    assert_eq!(bob.peer().identity(), Some(&alice.identity.public_key()));

    let answer = bob.send(b"yes").unwrap();
    assert_eq!(answer.kind, Kind::Whisper);
    assert_eq!(alice.receive(&answer).unwrap(), b"yes");
    assert_eq!(alice.send(b"now acknowledged").unwrap().kind, Kind::Whisper);
}

#[test]
fn messages_arrive_in_reverse_and_only_once() {
    let (mut alice, mut bob) = acquainted(3);
    let messages: Vec<_> = (0..200_u32).map(|n| (n, alice.send(&n.to_be_bytes()).unwrap())).collect();
    for (n, message) in messages.iter().rev() {
        assert_eq!(bob.receive(message).unwrap(), n.to_be_bytes());
    }
    for (_, message) in &messages {
        let error = bob.receive(message).unwrap_err();
        assert_eq!((error, error.answer()), (Error::Duplicate, Answer::Acknowledge));
    }
    exchange(&mut bob, &mut alice);
}

#[test]
fn both_may_initiate_at_once() {
    let (mut alice, mut bob) = (Party::new(5), Party::new(6));
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    bob.establish(&alice.bundle(Stock::Plenty)).unwrap();
    let from_alice: Vec<_> = (0..3_u8).map(|n| alice.send(&[n]).unwrap()).collect();
    let from_bob: Vec<_> = (0..3_u8).map(|n| bob.send(&[n]).unwrap()).collect();
    for n in 0..3 {
        assert_eq!(bob.receive(&from_alice[n]).unwrap(), [u8::try_from(n).unwrap()]);
        assert_eq!(alice.receive(&from_bob[n]).unwrap(), [u8::try_from(n).unwrap()]);
    }
    for _ in 0..10 {
        exchange(&mut alice, &mut bob);
        exchange(&mut bob, &mut alice);
    }
    assert_eq!(alice.send(b"").unwrap().kind, Kind::Whisper);
    assert_eq!(bob.send(b"").unwrap().kind, Kind::Whisper);
}

#[test]
fn without_one_time_keys_the_last_resort_serves_many() {
    let mut bob = Party::new(7);
    let bundle = bob.bundle(Stock::Exhausted);
    assert!(bundle.one_time_ec.is_none());
    let shared = bob.stored_peer.clone();
    for seed in 0..3 {
        let mut alice = Party::new(8 + seed);
        bob.stored_peer = shared.clone();
        alice.establish(&bundle).unwrap();
        exchange(&mut alice, &mut bob);
        exchange(&mut bob, &mut alice);
    }
    assert_eq!(bob.kyber.len(), 1);
}

#[test]
fn a_first_message_replayed_after_the_session_is_lost_is_refused() {
    let (mut alice, mut bob) = (Party::new(12), Party::new(13));
    alice.establish(&bob.bundle(Stock::Exhausted)).unwrap();
    let first = alice.send(b"once").unwrap();
    assert_eq!(bob.receive(&first).unwrap(), b"once");
    assert_eq!(bob.receive(&first).unwrap_err(), Error::Duplicate, "while the session is there");
    bob.lose_sessions();
    assert_eq!(bob.receive(&first).unwrap_err(), Error::ReusedBaseKey);
    assert!(matches!(Error::ReusedBaseKey.answer(), Answer::Retry { .. }));

    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    let first = alice.send(b"with one-time keys").unwrap();
    bob.receive(&first).unwrap();
    bob.lose_sessions();
    assert_eq!(bob.receive(&first).unwrap_err(), Error::UnknownPreKey);
}

#[test]
fn a_changed_identity_is_refused_until_it_is_accepted() {
    let (mut alice, mut bob) = acquainted(14);
    let old = bob.peer().identity().copied();
    alice.reinstall();
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    let message = alice.send(b"new telephone").unwrap();

    let keys_before = bob.one_time_ec.len();
    let error = bob.receive(&message).unwrap_err();
    assert_eq!((error, error.answer()), (Error::IdentityChanged, Answer::Identity));
    assert_eq!(bob.one_time_ec.len(), keys_before);
    assert_eq!(bob.peer().identity().copied(), old);

    bob.trust = Trust::AcceptChange;
    let decrypted = bob.try_receive(&message).unwrap();
    assert!(decrypted.identity_changed);
    assert_eq!(decrypted.author, alice.identity.public_key());
    assert_eq!(bob.receive(&message).unwrap(), b"new telephone");
    assert_eq!(bob.peer().identity(), Some(&alice.identity.public_key()));
    bob.trust = Trust::Pinned;
    exchange(&mut alice, &mut bob);
    exchange(&mut bob, &mut alice);
}

#[test]
fn a_bundle_with_another_identity_is_refused_until_it_is_accepted() {
    let (mut alice, mut bob) = acquainted(15);
    bob.reinstall();
    let bundle = bob.bundle(Stock::Plenty);
    let before = alice.stored_peer.clone();
    assert_eq!(alice.establish(&bundle), Err(Error::IdentityChanged));
    assert_eq!(alice.stored_peer, before);
    alice.trust = Trust::AcceptChange;
    assert_eq!(alice.establish(&bundle), Ok(true));
    alice.trust = Trust::Pinned;
    exchange(&mut alice, &mut bob);
    exchange(&mut bob, &mut alice);
}

/// A message that the old telephone wrote arrives after the new one was met: read under the lenient policy, but the conversation stays
/// with the new identity, and the session that was opened towards it stays intact.
#[test]
fn late_messages_of_a_replaced_identity_do_not_bring_it_back() {
    for reply_first in [false, true] {
        let (mut alice, mut bob) = acquainted(16);
        let old_identity = alice.identity.public_key();
        // With and without a new ratchet key in the late message.
        if reply_first {
            exchange(&mut bob, &mut alice);
        }
        let late = [alice.send(b"late").unwrap(), alice.send(b"later").unwrap()];
        alice.reinstall();
        bob.trust = Trust::AcceptChange;
        assert_eq!(bob.establish(&alice.bundle(Stock::Plenty)), Ok(true));

        bob.trust = Trust::Pinned;
        assert_eq!(bob.receive(&late[0]).unwrap_err(), Error::IdentityChanged);
        bob.trust = Trust::AcceptChange;
        for (message, text) in late.iter().zip([&b"late"[..], b"later"]) {
            let decrypted = bob.try_receive(message).unwrap();
            assert!(!decrypted.identity_changed);
            assert_eq!(decrypted.author, old_identity);
            assert_eq!(bob.receive(message).unwrap(), text);
            assert_eq!(bob.receive(message).unwrap_err(), Error::Duplicate);
        }
        assert_eq!(bob.peer().identity(), Some(&alice.identity.public_key()));
        let first = bob.send(b"to the new telephone").unwrap();
        assert_eq!(
            first.kind,
            Kind::PreKey,
            "not yet acknowledged: the receiver needs the first message's shell"
        );
        assert_eq!(alice.receive(&first).unwrap(), b"to the new telephone");
        exchange(&mut alice, &mut bob);
    }
}

#[test]
fn a_lost_session_heals_by_a_retry() {
    let (mut alice, mut bob) = acquainted(17);
    bob.lose_sessions();
    let message = alice.send(b"for nothing").unwrap();
    let error = bob.receive(&message).unwrap_err();
    assert_eq!((error, error.answer()), (Error::NoSession, Answer::Retry { reason: 1 }));

    let report = decryption_error(&message, 1_750_000_000_000).unwrap();
    assert!(must_archive(&alice.peer(), &report).unwrap());
    let peer = archive(&alice.peer()).unwrap();
    alice.store(&peer);
    assert!(!must_archive(&alice.peer(), &report).unwrap(), "already archived");
    assert!(!alice.peer().has_session().unwrap());
    assert_eq!(alice.send(b"").err(), Some(Error::NoSession));

    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    assert!(!must_archive(&alice.peer(), &report).unwrap(), "meanwhile replaced");
    exchange(&mut alice, &mut bob);
    exchange(&mut bob, &mut alice);
}

#[test]
fn a_session_unanswered_for_thirty_days_is_not_used() {
    let (mut alice, mut bob) = (Party::new(18), Party::new(19));
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    alice.now += Duration::from_secs(29 * 24 * 60 * 60);
    exchange(&mut alice, &mut bob);
    alice.now += Duration::from_secs(2 * 24 * 60 * 60);
    assert_eq!(alice.send(b"").err(), Some(Error::NoSession));
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    exchange(&mut alice, &mut bob);
}

#[test]
fn several_messages_may_share_one_pass_over_the_record() {
    let (mut alice, mut bob) = acquainted(20);
    let texts: Vec<Vec<u8>> = (0..20_u8).map(|n| vec![n; usize::from(n) * 20]).collect();
    let slices: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let peer = alice.peer();
    let (peer, ciphertexts) = encrypt_many(
        &alice.identity,
        &alice.peer_id,
        &peer,
        &slices,
        &alice.policy,
        alice.now,
        &mut alice.rng,
    )
    .unwrap();
    alice.store(&peer);
    assert_eq!(ciphertexts.len(), texts.len());
    for (ciphertext, text) in ciphertexts.iter().zip(&texts) {
        assert_eq!(&bob.receive(ciphertext).unwrap(), text);
    }
    exchange(&mut alice, &mut bob);

    let peer = alice.peer();
    let (unchanged, none) = encrypt_many(
        &alice.identity,
        &alice.peer_id,
        &peer,
        &[],
        &alice.policy,
        alice.now,
        &mut alice.rng,
    )
    .unwrap();
    assert!(none.is_empty());
    assert_eq!(unchanged.record(), peer.record());
}

#[test]
fn burnt_keys_are_never_used_and_the_conversation_goes_on() {
    let (mut alice, mut bob) = acquainted(21);
    // A rollback: the state before these two messages comes back.
    let rolled_back = alice.stored_peer.clone();
    let lost = [alice.send(b"one").unwrap(), alice.send(b"two").unwrap()];
    alice.stored_peer = rolled_back;
    let peer = burn(
        &alice.identity,
        &alice.peer_id,
        &alice.peer(),
        64,
        &alice.policy,
        alice.now,
        &mut alice.rng,
    )
    .unwrap();
    alice.store(&peer);
    let after = alice.send(b"three").unwrap();
    assert_eq!(counter(&after), counter(&lost[0]) + 64);
    assert_eq!(bob.receive(&after).unwrap(), b"three");
    assert_eq!(bob.receive(&lost[1]).unwrap(), b"two");
    exchange(&mut bob, &mut alice);

    let too_many = burn(
        &alice.identity,
        &alice.peer_id,
        &alice.peer(),
        1001,
        &alice.policy,
        alice.now,
        &mut alice.rng,
    );
    assert_eq!(too_many.err(), Some(Error::Malformed));
    let nobody = Party::new(22);
    let nothing = burn(
        &alice.identity,
        &alice.peer_id,
        &nobody.peer(),
        64,
        &alice.policy,
        alice.now,
        &mut alice.rng,
    );
    assert_eq!(nothing.err(), Some(Error::NoSession));
}

fn counter(ciphertext: &Ciphertext) -> u32 {
    libsignal_protocol::SignalMessage::try_from(&ciphertext.bytes[..])
        .unwrap()
        .counter()
}

#[test]
fn texts_of_similar_length_look_alike() {
    let (mut alice, _) = acquainted(23);
    let mut body = |length: usize| {
        let message = alice.send(&vec![b'x'; length]).unwrap();
        libsignal_protocol::SignalMessage::try_from(&message.bytes[..])
            .unwrap()
            .body()
            .len()
    };
    assert_eq!([0, 1, 100, 158].map(&mut body), [160; 4]);
    assert_eq!([159, 318].map(&mut body), [320; 2]);
    assert_eq!(body(319), 480);
}

#[test]
fn steps_may_move_between_threads() {
    fn is_send<T: Send + Sync>(_: &T) {}
    let (mut alice, mut bob) = acquainted(24);
    is_send(&alice.peer());
    is_send(&alice.identity);
    let bob = std::thread::spawn(move || {
        exchange(&mut alice, &mut bob);
        bob
    });
    assert!(bob.join().unwrap().peer().has_session().unwrap());
}
