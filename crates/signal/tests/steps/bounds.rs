//! Records stay small.

use waxseal_signal::{Error, Kind, archive};

use crate::forge;
use crate::party::{Stock, acquainted, exchange};

#[test]
fn only_the_youngest_archived_states_are_kept() {
    let (mut alice, mut bob) = acquainted(200);
    let old = alice.send(b"old").unwrap();
    for round in 1..=8 {
        alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
        exchange(&mut alice, &mut bob);
        exchange(&mut bob, &mut alice);
        for party in [&alice, &bob] {
            assert_eq!(forge::record(&party.peer()).previous.len(), round.min(5));
        }
        if round == 5 {
            assert!(bob.try_receive(&old).is_ok(), "still kept");
        }
    }
    assert_eq!(bob.receive(&old).unwrap_err(), Error::Undecryptable);

    bob.policy.max_archived = 2;
    exchange(&mut alice, &mut bob);
    assert_eq!(forge::record(&bob.peer()).previous.len(), 2);
}

#[test]
fn archiving_again_and_again_adds_nothing() {
    let (mut alice, _) = acquainted(202);
    for _ in 0..3 {
        let peer = archive(&alice.peer()).unwrap();
        alice.store(&peer);
        let record = forge::record(&alice.peer());
        assert!(record.current.is_none());
        assert_eq!(record.previous.len(), 1);
    }
}

#[test]
fn a_record_that_grows_too_large_is_refused_and_a_new_session_replaces_it() {
    let (mut alice, mut bob) = acquainted(203);
    let left_out: Vec<_> = (0..300).map(|_| alice.send(b"left out").unwrap()).collect();
    let next = alice.send(b"next").unwrap();
    bob.policy.max_record_bytes = 20_000;
    let before = bob.stored_peer.clone();
    assert_eq!(bob.receive(&next).unwrap_err(), Error::RecordTooLarge);
    assert_eq!(bob.stored_peer, before, "refused as a whole");
    bob.policy.max_record_bytes = 64_000;
    assert_eq!(bob.receive(&next).unwrap(), b"next");
    assert!(bob.peer().record().len() > 20_000);

    bob.policy.max_record_bytes = 20_000;
    assert_eq!(bob.send(b"").err(), Some(Error::RecordTooLarge));
    let peer = archive(&bob.peer()).unwrap();
    bob.store(&peer);
    bob.establish(&alice.bundle(Stock::Plenty)).unwrap();
    assert!(bob.peer().record().len() < 20_000, "the large state is gone");
    let first = bob.send(b"anew").unwrap();
    assert_eq!(first.kind, Kind::PreKey);
    assert_eq!(alice.receive(&first).unwrap(), b"anew");
    assert_eq!(bob.receive(&left_out[0]).unwrap_err(), Error::Undecryptable, "the price");
}

#[test]
fn archived_states_make_room_before_the_current_one_is_refused() {
    let (mut alice, mut bob) = acquainted(205);
    for _ in 0..5 {
        alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
        exchange(&mut alice, &mut bob);
    }
    let full = bob.peer().record().len();
    bob.policy.max_record_bytes = full - 1;
    exchange(&mut alice, &mut bob);
    let peer = bob.peer();
    assert!(peer.record().len() < full);
    assert_eq!(forge::record(&peer).previous.len(), 4);
}

#[test]
fn an_idle_conversation_keeps_a_small_record() {
    let (mut alice, mut bob) = acquainted(207);
    let mut largest = 0;
    for _ in 0..150 {
        exchange(&mut alice, &mut bob);
        exchange(&mut bob, &mut alice);
        largest = largest.max(alice.stored_peer.len()).max(bob.stored_peer.len());
    }
    assert!(largest < 10_000, "{largest}");
}
