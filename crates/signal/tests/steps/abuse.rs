//! What an attacker on the way, or a peer that means ill, can send.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::Rng as _;
use waxseal_signal::{Answer, Ciphertext, Error, Kind, Trust, needed};

use crate::forge;
use crate::party::{Party, Stock, acquainted, exchange};

/// A receiver with a current and five archived sessions, and an honest message of the current one.
fn receiver_with_archive(seed: u64) -> (Party, Party) {
    let (mut alice, mut bob) = acquainted(seed);
    for _ in 0..5 {
        alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
        exchange(&mut alice, &mut bob);
        exchange(&mut bob, &mut alice);
    }
    assert_eq!(forge::record(&bob.peer()).previous.len(), 5);
    (alice, bob)
}

/// Such a message costs the library alone up to twelve seconds.
#[test]
fn forged_counters_are_refused_in_under_five_milliseconds() {
    let (mut alice, mut bob) = receiver_with_archive(100);
    let honest = alice.send(b"honest").unwrap();
    let key = forge::random_key(&mut bob);
    for counter in [1_001, 2_000, 24_999, 25_001, u32::MAX] {
        let unknown_chain = forge::inner(&honest, |message| {
            message.ratchet_key = Some(key.clone());
            message.counter = Some(counter);
        });
        let known_chain = forge::inner(&honest, |message| message.counter = Some(counter + u32::from(counter < 2_000)));
        for forged in [unknown_chain, known_chain] {
            let fastest = (0..5)
                .map(|_| {
                    let started = Instant::now();
                    assert_eq!(bob.receive(&forged).unwrap_err(), Error::ForgedCounter);
                    started.elapsed()
                })
                .min()
                .unwrap();
            assert!(fastest < Duration::from_millis(5), "counter {counter}: {fastest:?}");
        }
    }
    assert_eq!(bob.receive(&honest).unwrap(), b"honest");
}

#[test]
fn forged_counters_in_first_messages_are_refused() {
    let (mut alice, mut bob) = (Party::new(102), Party::new(103));
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    let honest = alice.send(b"honest").unwrap();
    let forged = forge::inner(&honest, |message| message.counter = Some(24_999));
    assert_eq!(
        bob.receive(&forged).unwrap_err(),
        Error::ForgedCounter,
        "for a session that does not exist yet"
    );
    assert_eq!(bob.receive(&honest).unwrap(), b"honest");
    assert_eq!(bob.receive(&forged).unwrap_err(), Error::ForgedCounter, "and for one that does");
}

/// The guard reads the true positions out of a real record: one step further, and it refuses.
#[test]
fn the_guard_knows_where_each_chain_stands() {
    let (mut alice, mut bob) = acquainted(104);
    for _ in 0..30 {
        exchange(&mut alice, &mut bob);
    }
    bob.policy.max_skip_budget = 10;
    let honest = alice.send(b"honest").unwrap();
    let ahead = |by: u32| forge::inner(&honest, |message| message.counter = message.counter.map(|counter| counter + by));
    assert_eq!(
        bob.receive(&ahead(10)).unwrap_err(),
        Error::Undecryptable,
        "the library looked at it"
    );
    assert_eq!(bob.receive(&ahead(11)).unwrap_err(), Error::ForgedCounter);

    // Two messages left out: their keys are stored, and each weighs like a step that was made before.
    let left_out = [alice.send(b"").unwrap(), alice.send(b"").unwrap()];
    let next = alice.send(b"next").unwrap();
    assert_eq!(bob.receive(&honest).unwrap(), b"honest");
    assert_eq!(bob.receive(&next).unwrap(), b"next");
    let honest = alice.send(b"honest").unwrap();
    let ahead = |by: u32| forge::inner(&honest, |message| message.counter = message.counter.map(|counter| counter + by));
    assert_eq!(bob.receive(&ahead(8)).unwrap_err(), Error::Undecryptable, "8 (2 * 2 + 8) = 96");
    assert_eq!(bob.receive(&ahead(9)).unwrap_err(), Error::ForgedCounter, "9 (2 * 2 + 9) = 117");
    for message in left_out {
        assert_eq!(bob.receive(&message).unwrap(), b"");
    }
}

/// The same for the counter of SPQR, several epochs into a conversation.
#[test]
fn the_guard_knows_where_the_post_quantum_chain_stands() {
    let (mut alice, mut bob) = acquainted(105);
    for _ in 0..150 {
        exchange(&mut alice, &mut bob);
        exchange(&mut bob, &mut alice);
    }
    bob.policy.max_skip_budget = 80;
    let honest = alice.send(b"honest").unwrap();
    let epoch = std::cell::Cell::new(0);
    let ahead = |by: u64| {
        forge::inner(&honest, |message| {
            let bytes = message.post_quantum.as_mut().unwrap();
            let (version, mut rest) = bytes.split_first().unwrap();
            epoch.set(prost::encoding::decode_varint(&mut rest).unwrap());
            let index = prost::encoding::decode_varint(&mut rest).unwrap();
            let mut changed = vec![*version];
            prost::encoding::encode_varint(epoch.get(), &mut changed);
            prost::encoding::encode_varint(index + by, &mut changed);
            changed.extend_from_slice(rest);
            *bytes = changed;
        })
    };
    // 80 * 80 units, 32 for a key.
    assert_eq!(
        bob.receive(&ahead(200)).unwrap_err(),
        Error::Undecryptable,
        "the library looked at it"
    );
    assert_eq!(bob.receive(&ahead(201)).unwrap_err(), Error::ForgedCounter);
    assert!(epoch.get() >= 3, "the conversation is some epochs old: {}", epoch.get());
    assert_eq!(bob.receive(&honest).unwrap(), b"honest");
}

/// The library indexes past the end of such bytes, before it has authenticated anything.
#[test]
fn broken_post_quantum_parts_are_refused() {
    let (mut alice, mut bob) = acquainted(106);
    let honest = alice.send(b"honest").unwrap();
    for broken in [
        &[1][..],
        &[1, 1],
        &[1, 1, 0],
        &[1, 0, 0, 0],
        &[1, 1, 0, 9],
        &[1, 1, 1, 5, 0],
        &[1; 12],
    ] {
        let forged = forge::inner(&honest, |message| message.post_quantum = Some(broken.to_vec()));
        assert_eq!(bob.receive(&forged).unwrap_err(), Error::Malformed, "{broken:?}");
    }
    assert_eq!(bob.receive(&honest).unwrap(), b"honest");
}

#[test]
fn changed_messages_never_decrypt_to_anything_else() {
    let (mut alice, mut bob) = (Party::new(107), Party::new(108));
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    let first = alice.send(b"first").unwrap();
    changes_are_harmless(&first, b"first", &mut bob, 11);
    assert_eq!(bob.receive(&first).unwrap(), b"first");
    exchange(&mut bob, &mut alice);
    let later = alice.send(b"later").unwrap();
    assert_eq!(later.kind, Kind::Whisper);
    changes_are_harmless(&later, b"later", &mut bob, 1);
    assert_eq!(bob.receive(&later).unwrap(), b"later");
}

fn changes_are_harmless(honest: &Ciphertext, text: &[u8], bob: &mut Party, stride: usize) {
    let before = bob.stored_peer.clone();
    let mut refused = 0;
    for position in (0..honest.bytes.len()).step_by(stride) {
        let mut changed = honest.clone();
        changed.bytes[position] ^= 1 << bob.rng.random_range(0..8);
        match bob.try_receive(&changed) {
            // The registration id in the shell is not authenticated, nor is anything decided by it.
            Ok(decrypted) => assert_eq!(&decrypted.plaintext[..], text, "at {position}"),
            Err(_) => refused += 1,
        }
        let mut short = honest.clone();
        short.bytes.truncate(position);
        assert!(bob.try_receive(&short).is_err());
    }
    assert!(
        refused >= honest.bytes.len() / stride - 3,
        "{refused} of {}",
        honest.bytes.len() / stride
    );
    assert_eq!(bob.stored_peer, before);
}

#[test]
fn messages_for_somebody_else_are_refused() {
    let (mut alice, mut bob) = acquainted(109);
    let (mut carol, mut dave) = acquainted(111);
    let message = alice.send(b"for bob").unwrap();
    let error = dave.receive(&message).unwrap_err();
    assert_eq!((error, error.answer()), (Error::Undecryptable, Answer::Retry { reason: 4 }));
    assert_eq!(Party::new(113).receive(&message).unwrap_err(), Error::NoSession);
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    let first = alice.send(b"for bob").unwrap();
    dave.trust = Trust::AcceptChange;
    assert_eq!(dave.receive(&first).unwrap_err(), Error::UnknownPreKey);
    exchange(&mut carol, &mut dave);
}

/// Nothing authenticates the shell of a first message: whoever forwards it could otherwise make us pin any identity.
#[test]
fn another_identity_on_the_shell_of_a_known_session_is_refused() {
    let (mut alice, mut bob) = (Party::new(120), Party::new(121));
    let mallory = Party::new(122).identity.public_key();
    bob.trust = Trust::AcceptChange;
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    let messages = [alice.send(b"one").unwrap(), alice.send(b"two").unwrap()];
    let swap = |message: &Ciphertext| forge::shell(message, |shell| shell.identity_key = Some(mallory.to_bytes()));
    assert_eq!(bob.receive(&swap(&messages[0])).unwrap_err(), Error::Undecryptable);
    assert_eq!(bob.peer().identity(), None);
    assert_eq!(bob.receive(&messages[0]).unwrap(), b"one");
    assert_eq!(bob.receive(&swap(&messages[1])).unwrap_err(), Error::Malformed);
    assert_eq!(bob.peer().identity(), Some(&alice.identity.public_key()));
    assert_eq!(bob.receive(&messages[1]).unwrap(), b"two");
}

#[test]
fn a_peer_without_the_post_quantum_ratchet_is_refused() {
    let (mut alice, mut bob) = (Party::new(123), Party::new(124));
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    exchange(&mut alice, &mut bob);
    forge::forget_post_quantum_ratchet(&mut bob);
    assert_eq!(bob.send(b"").err(), Some(Error::Downgrade), "our own record is held to it too");
    bob.policy.require_post_quantum = false;
    let without = bob.send(b"without").unwrap();
    assert_eq!(alice.receive(&without).unwrap_err(), Error::Downgrade);

    // The library alone follows the peer, which is what the refusal is for.
    alice.policy.require_post_quantum = false;
    let undecided = alice.stored_peer.clone();
    assert_eq!(alice.receive(&without).unwrap(), b"without");
    alice.policy.require_post_quantum = true;
    assert_eq!(alice.send(b"").err(), Some(Error::Downgrade));

    // A first message without it is refused as well.
    alice.stored_peer = undecided;
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    forge::forget_post_quantum_ratchet(&mut alice);
    alice.policy.require_post_quantum = false;
    bob.policy.require_post_quantum = true;
    let first = alice.send(b"first").unwrap();
    assert_eq!(bob.receive(&first).unwrap_err(), Error::Downgrade);
}

#[test]
fn first_messages_of_the_old_key_agreement_are_refused() {
    let (mut alice, mut bob) = (Party::new(125), Party::new(126));
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    let first = alice.send(b"first").unwrap();
    let mut without_kyber = forge::shell(&first, |shell| {
        shell.kyber = None;
        shell.kyber_ciphertext = None;
    });
    assert_eq!(bob.receive(&without_kyber).unwrap_err(), Error::Downgrade);
    without_kyber.bytes[0] = 0x34;
    assert_eq!(needed(&without_kyber).err(), Some(Error::Downgrade));
    assert_eq!(bob.receive(&without_kyber).unwrap_err(), Error::Downgrade);
}

#[test]
fn errors_say_nothing_about_the_message() {
    let (mut alice, mut bob) = acquainted(129);
    let message = alice.send(b"a secret text").unwrap();
    bob.lose_sessions();
    let error = bob.receive(&message).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        !text.contains(&hex::encode(bob.peer_id.as_bytes())) && !text.contains("secret"),
        "{text}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_never_decrypts_and_changes_nothing(
        seed: u64,
        first: bool,
        splices in proptest::collection::vec((any::<proptest::sample::Index>(), proptest::collection::vec(any::<u8>(), 0..6), 0..4_usize), 1..4),
    ) {
        let (mut alice, mut bob) = acquainted(seed);
        if first {
            alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
        }
        let honest = alice.send(b"honest").unwrap();
        let mut garbage = honest.clone();
        for (at, insert, remove) in &splices {
            let at = at.index(garbage.bytes.len() + 1);
            let end = (at + remove).min(garbage.bytes.len());
            garbage.bytes.splice(at..end, insert.iter().copied());
        }
        let before = bob.stored_peer.clone();
        match bob.try_receive(&garbage) {
            Ok(decrypted) => prop_assert_eq!(&decrypted.plaintext[..], b"honest"),
            Err(error) => prop_assert!(!matches!(error, Error::Internal(_) | Error::DamagedRecord), "{}", error),
        }
        prop_assert_eq!(&bob.stored_peer, &before);
        prop_assert_eq!(bob.receive(&honest).unwrap(), b"honest");
    }
}
