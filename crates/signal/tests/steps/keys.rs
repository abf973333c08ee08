//! Keys that come from outside: refused if they are weak, unsigned, out of range or not the ones named.

use waxseal_signal::{Error, IdentityKey, needed};

use crate::forge;
use crate::party::{Party, Stock};

#[test]
fn weak_keys_in_bundles_are_refused() {
    let zero = [&[5][..], &[0; 32]].concat();
    for which in 0..3 {
        let (mut alice, mut bob) = (Party::new(114), Party::new(115));
        let mut bundle = bob.bundle(Stock::Plenty);
        match which {
            0 => bundle.identity_key = zero.clone(),
            1 => bundle.signed_pre_key.key = zero.clone(),
            _ => bundle.one_time_ec.as_mut().unwrap().key = zero.clone(),
        }
        assert_eq!(alice.establish(&bundle), Err(Error::WeakKey), "{which}");
        assert!(!alice.peer().has_session().unwrap());
    }
}

#[test]
fn weak_keys_in_messages_are_refused() {
    let zero = Some([&[5][..], &[0; 32]].concat());
    let (mut alice, mut bob) = (Party::new(116), Party::new(117));
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    let first = alice.send(b"first").unwrap();
    let weak_identity = forge::shell(&first, |shell| shell.identity_key = zero.clone());
    assert_eq!(needed(&weak_identity).err(), Some(Error::WeakKey));
    assert_eq!(bob.receive(&weak_identity).unwrap_err(), Error::WeakKey);
    let weak_base = forge::shell(&first, |shell| shell.base_key = zero.clone());
    assert_eq!(bob.receive(&weak_base).unwrap_err(), Error::Undecryptable);
    let weak_ratchet = forge::inner(&first, |message| message.ratchet_key = zero.clone());
    assert_eq!(bob.receive(&weak_ratchet).unwrap_err(), Error::WeakKey);
    assert!(!bob.peer().has_session().unwrap());
    assert_eq!(bob.receive(&first).unwrap(), b"first");
}

#[test]
fn bundles_that_are_not_signed_or_out_of_range_are_refused() {
    type Spoil = fn(&mut waxseal_signal::Bundle);
    let spoil: [(Spoil, Error); 10] = [
        (|bundle| bundle.signed_pre_key.signature[5] ^= 1, Error::BadSignature),
        (|bundle| bundle.kyber_pre_key.signature[5] ^= 1, Error::BadSignature),
        (|bundle| bundle.kyber_pre_key.key[500] ^= 1, Error::BadSignature),
        (|bundle| bundle.signed_pre_key.signature.clear(), Error::BadSignature),
        (|bundle| bundle.kyber_pre_key.key.truncate(1000), Error::Malformed),
        (|bundle| bundle.signed_pre_key.key.push(0), Error::Malformed),
        (|bundle| bundle.registration_id = 0x4000, Error::Malformed),
        (|bundle| bundle.registration_id = 0, Error::Malformed),
        (|bundle| bundle.signed_pre_key.id = 0x0100_0000, Error::Malformed),
        (|bundle| bundle.identity_key.clear(), Error::Malformed),
    ];
    for (number, (spoil, error)) in spoil.into_iter().enumerate() {
        let (mut alice, mut bob) = (Party::new(118), Party::new(119));
        let mut bundle = bob.bundle(Stock::Plenty);
        spoil(&mut bundle);
        assert_eq!(alice.establish(&bundle), Err(error), "{number}");
    }
}

#[test]
fn needed_keys_are_named_and_wrong_ones_are_refused() {
    let (mut alice, mut bob) = (Party::new(127), Party::new(128));
    let bundle = bob.bundle(Stock::Plenty);
    alice.establish(&bundle).unwrap();
    let first = alice.send(b"first").unwrap();
    let named = needed(&first).unwrap().unwrap();
    assert_eq!(named.one_time_ec, bundle.one_time_ec.as_ref().map(|key| key.id));
    assert_eq!(
        (named.signed, named.kyber),
        (bundle.signed_pre_key.id, Some(bundle.kyber_pre_key.id))
    );
    assert_eq!(
        named.identity_key,
        IdentityKey::from_bytes(&alice.identity.public_key().to_bytes()).unwrap()
    );
    assert_eq!(named.base_key.len(), 33);

    // Records under the wrong id, as a mixed-up store would give.
    let (one_time, kyber, signed) = (bob.one_time_ec.clone(), bob.kyber.clone(), bob.signed.clone());
    bob.bundle(Stock::Plenty);
    let (new_one_time, new_kyber) = (bob.one_time_ec.clone(), bob.kyber.clone());
    for map in 0..3 {
        bob.one_time_ec.clone_from(&one_time);
        bob.kyber.clone_from(&kyber);
        bob.signed.clone_from(&signed);
        match map {
            0 => {
                let other = new_one_time.iter().find(|(id, _)| Some(**id) != named.one_time_ec).unwrap().1;
                bob.one_time_ec.insert(named.one_time_ec.unwrap(), other.clone());
            }
            1 => {
                let other = new_kyber.iter().find(|(id, _)| Some(**id) != named.kyber).unwrap().1;
                bob.kyber.insert(named.kyber.unwrap(), other.clone());
            }
            _ => {
                bob.signed.clear();
            }
        }
        assert_eq!(bob.receive(&first).unwrap_err(), Error::UnknownPreKey, "{map}");
    }
}
