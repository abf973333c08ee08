//! Pre-keys: consumed, used up, replenished, rotated.

use super::*;

fn count(side: &Side, kind: PreKey) -> usize {
    side.engine.store.page(kind.prefix(), None, usize::MAX).unwrap().len()
}

#[tokio::test]
async fn one_time_keys_are_used_once_then_the_last_resort_serves() {
    let mut b = Side::new("+15550100", 2).await;
    assert_eq!((count(&b, PreKey::OneTimeEc), count(&b, PreKey::OneTimeKyber)), (2, 2));
    let mut replay = None;
    for n in 0..4 {
        let mut a = Side::new(&format!("+1555020{n}"), 1).await;
        a.say(&b.number(), "hello").await;
        let bundle = b.bundle();
        assert_eq!(bundle.one_time_ec.is_some(), n < 2);
        a.bundle_came(&b.number(), &bundle).await;
        let (envelopes, _) = a.accepted().await;
        let effects = b.get(a.number().reveal(), &envelopes[0].id, &envelopes[0].body).await;
        assert_eq!(texts(&effects.events), ["hello"]);
        assert_eq!(count(&b, PreKey::OneTimeEc), 1_usize.saturating_sub(n));
        assert_eq!(count(&b, PreKey::OneTimeKyber), 1_usize.saturating_sub(n));
        replay = Some((a, envelopes));
    }
    // A first message to the last-resort key, after the session was lost, as an attacker would replay it.
    let (a, envelopes) = replay.unwrap();
    let mut step = b.engine.begin();
    b.engine.forget_session(&mut step, &a.number()).unwrap();
    b.engine.commit(step, b.now).await.unwrap();
    let effects = b.get(a.number().reveal(), &[9; 16], &envelopes[0].body).await;
    assert!(effects.events.is_empty());
    assert_eq!(b.engine.history(&a.number(), 9).unwrap().len(), 1);

    assert_eq!(b.publish().await, 2, "the pool is filled up");
    assert_eq!(b.publish().await, 0, "once");
}

#[tokio::test]
async fn the_signed_key_rotates_and_old_ones_still_open_sessions() {
    let (mut a, mut b) = pair().await;
    let old = b.bundle();
    b.now += DAY;
    b.publish().await;
    assert_eq!(count(&b, PreKey::Signed), 1, "not yet");
    b.now += DAY;
    b.publish().await;
    assert_eq!((count(&b, PreKey::Signed), count(&b, PreKey::LastResort)), (2, 2));
    assert_ne!(b.pool.signed.as_ref().unwrap().id, old.signed_pre_key.id);
    a.say(&b.number(), "with the old key").await;
    a.bundle_came(&b.number(), &old).await;
    let (_, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_b), ["with the old key"]);
    for _ in 0..40 {
        b.now += DAY * 2;
        b.publish().await;
    }
    assert!(
        (15..=17).contains(&count(&b, PreKey::Signed)),
        "those of about 30 days: {}",
        count(&b, PreKey::Signed)
    );
    assert_eq!(count(&b, PreKey::LastResort), count(&b, PreKey::Signed));
}

#[tokio::test]
async fn a_relay_that_lost_everything_gets_new_keys() {
    let (_, mut b) = pair().await;
    let before = b.pool.signed.as_ref().unwrap().id;
    b.pool = Upload::default();
    assert_eq!(b.publish().await, 4);
    assert!(b.pool.signed.as_ref().unwrap().id > before);
    assert_eq!(
        count(&b, PreKey::OneTimeEc),
        8,
        "the old private halves stay: somebody may have fetched them"
    );
}

#[tokio::test]
async fn private_one_time_keys_are_bounded() {
    let mut b = Side::new("+15550100", 300).await;
    for _ in 0..8 {
        b.pool.one_time_ec.clear();
        b.pool.one_time_kyber.truncate(300);
        b.publish().await;
    }
    assert_eq!(count(&b, PreKey::OneTimeEc), 2_000);
    b.now += DAY * 62;
    b.pool.one_time_ec.clear();
    b.publish().await;
    assert_eq!(count(&b, PreKey::OneTimeEc), 300, "those that nobody can use any more are gone");
}
