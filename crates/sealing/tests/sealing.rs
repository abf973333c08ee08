//! The promises of sealing, through its public face.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng};
use waxseal_sealing::{BlindIndex, Chain, Class, Error, Hour, Sealer};
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(86_400);

fn at(hours: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(hours * 3600)
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn sealer(hour: u32) -> Sealer {
    Sealer::new("106540352242922", Chain::generate(Hour(hour), &mut rng()))
}

#[test]
fn opens_only_in_its_place() {
    let chain = Chain::generate(Hour(10), &mut rng());
    let ours = Sealer::new("1", chain.clone());
    let other_number = Sealer::new("2", chain);
    let sealed = ours.seal(Class::Message, "m:1", 3, b"hello", at(12), &mut rng()).unwrap();
    assert_eq!(ours.open(Class::Message, "m:1", &sealed).unwrap().as_slice(), b"hello");
    assert_eq!(ours.open(Class::Message, "m:2", &sealed).err(), Some(Error::NotAuthentic));
    assert_eq!(ours.open(Class::Session, "m:1", &sealed).err(), Some(Error::NotAuthentic));
    assert_eq!(other_number.open(Class::Message, "m:1", &sealed).err(), Some(Error::NotAuthentic));
    for position in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        assert!(
            ours.open(Class::Message, "m:1", &changed).is_err(),
            "byte {position} is not authenticated"
        );
    }
}

/// Retention is a ratchet: a saved copy of everything sealed in an hour cannot be opened once the chain moved on, with every key that
/// still exists: the chain that custody keeps, and what is left in memory.
#[test]
fn a_saved_copy_of_an_expired_hour_is_noise() {
    let sealer = sealer(1000);
    let retention = DAY;
    let names: Vec<String> = (0..50).map(|i| format!("m:{i}")).collect();
    let saved: Vec<Vec<u8>> = names
        .iter()
        .map(|name| sealer.seal(Class::Message, name, 1, b"the text", at(1000), &mut rng()).unwrap())
        .collect();
    let later = sealer
        .seal(Class::Message, "later", 1, b"still there", at(1020), &mut rng())
        .unwrap();

    let now = at(1000) + Duration::from_secs(3600) + retention;
    let kept = sealer.chain_from(Hour::oldest_needed(now, retention)).unwrap();
    assert_eq!(kept.hour(), Hour(1001));
    // Before custody has written the new chain down nothing is destroyed.
    assert!(sealer.open(Class::Message, &names[0], &saved[0]).is_ok());
    sealer.forget_before(kept.clone());

    let restarted = Sealer::new("106540352242922", kept.clone());
    for (name, sealed) in names.iter().zip(&saved) {
        assert_eq!(sealer.open(Class::Message, name, sealed).err(), Some(Error::Shredded));
        assert_eq!(restarted.open(Class::Message, name, sealed).err(), Some(Error::Shredded));
        // An attacker who relabels the hour, to any hour the kept chain can reach, gets nothing either.
        for hour in 1001u32..1001 + 48 {
            let mut relabelled = sealed.clone();
            relabelled[1..5].copy_from_slice(&hour.to_be_bytes());
            assert_eq!(restarted.open(Class::Message, name, &relabelled).err(), Some(Error::NotAuthentic));
        }
    }
    assert_eq!(restarted.open(Class::Message, "later", &later).unwrap().as_slice(), b"still there");
    assert_eq!(sealer.open(Class::Message, "later", &later).unwrap().as_slice(), b"still there");
}

#[test]
fn a_clock_that_goes_back_never_uses_a_destroyed_key() {
    let sealer = sealer(1000);
    let sealed = sealer.seal(Class::Session, "s", 1, b"x", at(10), &mut rng()).unwrap();
    assert_eq!(sealer.open(Class::Session, "s", &sealed).unwrap().as_slice(), b"x");
    assert_eq!(
        sealer.seal(Class::Session, "s", 1, b"x", at(1_000_000), &mut rng()).err(),
        Some(Error::TooFarAhead)
    );
}

#[test]
fn blind_indexes_depend_on_the_key() {
    let one = BlindIndex::new(&Zeroizing::new([1; 32]));
    let two = BlindIndex::new(&Zeroizing::new([2; 32]));
    assert_eq!(one.of("+15550123"), one.of("+15550123"));
    assert_ne!(one.of("+15550123"), one.of("+15550124"));
    assert_ne!(one.of("+15550123"), two.of("+15550123"), "unlinkable between numbers");
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened_at_any_hour(hours in prop::collection::vec(0u64..800, 1..40), text: Vec<u8>) {
        let sealer = sealer(5000);
        let mut rng = rng();
        let sealed: Vec<_> = hours
            .iter()
            .map(|hour| sealer.seal(Class::Webhook, "w", 0, &text, at(5000 + hour), &mut rng).unwrap())
            .collect();
        for value in &sealed {
            let opened = sealer.open(Class::Webhook, "w", value).unwrap();
            prop_assert_eq!(opened.as_slice(), text.as_slice());
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(sealer(5).open(Class::Message, "m", &bytes).is_err());
    }
}
