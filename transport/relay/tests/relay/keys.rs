//! Bundles: each one-time key once, the last-resort key for ever.

use std::collections::HashSet;
use std::time::Duration;

use waxseal_protocol::Error;
use waxseal_protocol::proto::PublishKeysRequest;
use waxseal_relay::Rate;

use crate::support::{TestRelay, pre_keys, soon};

/// Fetching is not what the test is about.
fn often(config: &mut waxseal_relay::Config) {
    let rate = Rate {
        capacity: 100_000,
        refill: Duration::from_micros(1),
    };
    config.limits.bundles_per_pair = rate;
    config.limits.bundles_per_consumer = rate;
}

#[tokio::test]
async fn one_time_keys_are_handed_out_once_under_concurrency() {
    let relay = TestRelay::start_with(often).await;
    let business = relay.business("+15550100").await;
    let counts = business.client.publish_keys(&business.account, pre_keys(1, 1..201)).await.unwrap();
    assert_eq!((counts.one_time_ec, counts.one_time_kyber, counts.signed_pre_key_id), (200, 200, 1));
    let mut requesters = Vec::new();
    for i in 0..10 {
        let person = relay.consumer(&format!("+1555000{i}")).await;
        requesters.push(tokio::spawn(async move {
            let fetches = (0..25).map(|_| person.client.fetch_bundle(&person.account, "+15550100"));
            futures_util::future::join_all(fetches).await
        }));
    }
    let (mut ec, mut kyber) = (HashSet::new(), HashSet::new());
    let (mut without_ec, mut last_resort) = (0, 0);
    for requester in requesters {
        for bundle in requester.await.unwrap() {
            let bundle = bundle.map_err(|error| panic!("{error}")).unwrap();
            assert_eq!((bundle.registration_id, bundle.signed_pre_key.unwrap().id), (7, 1));
            match bundle.one_time_ec {
                Some(key) => assert!(ec.insert(key.id), "handed out twice"),
                None => without_ec += 1,
            }
            match bundle.kyber_pre_key.unwrap().id {
                9_999 => last_resort += 1,
                id => assert!(kyber.insert(id), "handed out twice"),
            }
        }
    }
    assert_eq!((ec.len(), kyber.len(), without_ec, last_resort), (200, 200, 50, 50));
}

#[tokio::test]
async fn a_handed_out_key_stays_handed_out_after_a_restart_and_a_second_publication() {
    let mut relay = TestRelay::start_with(often).await;
    let (ann, business) = (relay.consumer("+15550001").await, relay.business("+15550100").await);
    business.client.publish_keys(&business.account, pre_keys(1, 1..4)).await.unwrap();
    let first = ann.client.fetch_bundle(&ann.account, "+15550100").await.ok().unwrap();
    assert_eq!(first.one_time_ec.unwrap().id, 1);
    relay.crash().await;
    let (ann, business) = (ann.at(relay.client()), business.at(relay.client()));
    // As a client does that did not see the answer to its publication.
    let counts = business.client.publish_keys(&business.account, pre_keys(1, 1..4)).await.unwrap();
    assert_eq!((counts.one_time_ec, counts.one_time_kyber), (2, 2));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let bundle = ann.client.fetch_bundle(&ann.account, "+15550100").await.ok().unwrap();
        ids.push((bundle.one_time_ec.map(|key| key.id), bundle.kyber_pre_key.unwrap().id));
    }
    assert_eq!(ids, [(Some(2), 2), (Some(3), 3), (None, 9_999)]);
    // The same ids with other keys are other keys.
    let counts = business.client.publish_keys(&business.account, pre_keys(2, 1..4)).await.unwrap();
    assert_eq!((counts.one_time_ec, counts.one_time_kyber), (3, 3));
}

#[tokio::test]
async fn publications_add_replace_and_are_bounded() {
    let relay = TestRelay::start_with(|config| config.limits.one_time_keys = 100).await;
    let business = relay.business("+15550100").await;
    let publish = |keys: PublishKeysRequest| async { soon(business.client.publish_keys(&business.account, keys)).await };
    let one_time = |generation, ids| PublishKeysRequest {
        signed_pre_key: None,
        last_resort_kyber: None,
        ..pre_keys(generation, ids)
    };
    assert_eq!(publish(pre_keys(1, 1..61)).await.map(|counts| counts.one_time_ec), Ok(60));
    assert_eq!(
        publish(one_time(1, 51..101)).await.map(|counts| counts.one_time_ec),
        Ok(100),
        "ten were there already"
    );
    assert_eq!(publish(one_time(1, 101..102)).await, Err(Error::Full));
    assert_eq!(publish(one_time(1, 200..301)).await, Err(Error::Full));
    let replace = PublishKeysRequest {
        replace_one_time: true,
        ..one_time(2, 1..31)
    };
    assert_eq!(
        publish(replace)
            .await
            .map(|counts| (counts.one_time_ec, counts.one_time_kyber, counts.signed_pre_key_id)),
        Ok((30, 30, 1))
    );
    let nothing = PublishKeysRequest::default();
    assert_eq!(
        publish(nothing).await.map(|counts| (counts.one_time_ec, counts.signed_pre_key_id)),
        Ok((30, 1))
    );

    let mut empty_key = one_time(3, 1..2);
    empty_key.one_time_ec[0].key = bytes::Bytes::new();
    assert_eq!(publish(empty_key).await, Err(Error::Malformed));
    let mut long_key = one_time(3, 1..2);
    long_key.one_time_kyber[0].key = vec![0; 3_000].into();
    assert_eq!(publish(long_key).await, Err(Error::Malformed));
    let mut unsigned = pre_keys(3, 1..1);
    unsigned.signed_pre_key.as_mut().unwrap().signature = bytes::Bytes::new();
    assert_eq!(publish(unsigned).await, Err(Error::Malformed));
}

#[tokio::test]
async fn a_number_without_keys_says_so() {
    let relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    assert_eq!(ann.client.fetch_bundle(&ann.account, "+15550002").await.err(), Some(Error::NoKeys));
    assert_eq!(
        ann.client.fetch_bundle(&ann.account, "+15550003").await.err(),
        Some(Error::NotRegistered)
    );
    // Neither half a set of keys is enough, nor is a one-time key spent on it.
    let half = PublishKeysRequest {
        signed_pre_key: None,
        ..pre_keys(1, 1..3)
    };
    bob.client.publish_keys(&bob.account, half).await.unwrap();
    assert_eq!(ann.client.fetch_bundle(&ann.account, "+15550002").await.err(), Some(Error::NoKeys));
    let counts = bob.client.publish_keys(&bob.account, pre_keys(1, 1..1)).await.unwrap();
    assert_eq!((counts.one_time_ec, counts.one_time_kyber), (2, 2));
    assert!(ann.client.fetch_bundle(&ann.account, "+15550002").await.is_ok());
}

#[tokio::test]
async fn one_time_keys_expire_when_their_owner_forgets_them() {
    let relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let short = PublishKeysRequest {
        one_time_ttl_seconds: 3_600,
        ..pre_keys(1, 1..11)
    };
    bob.client.publish_keys(&bob.account, short).await.unwrap();
    let counts = bob.client.publish_keys(&bob.account, pre_keys(1, 11..14)).await.unwrap();
    assert_eq!(counts.one_time_ec, 13);
    relay.pass(Duration::from_secs(3_601));
    assert_eq!(
        bob.client
            .count_keys(&bob.account)
            .await
            .map(|counts| (counts.one_time_ec, counts.one_time_kyber)),
        Ok((3, 3))
    );
    let bundle = ann.client.fetch_bundle(&ann.account, "+15550002").await.ok().unwrap();
    assert_eq!(bundle.one_time_ec.unwrap().id, 11);
    relay.pass(Duration::from_secs(31 * 24 * 3_600));
    let bundle = ann.client.fetch_bundle(&ann.account, "+15550002").await.ok().unwrap();
    assert!(bundle.one_time_ec.is_none() && bundle.kyber_pre_key.unwrap().id == 9_999);
}

#[tokio::test]
async fn the_owner_hears_when_keys_run_low() {
    let relay = TestRelay::start_with(often).await;
    let (ann, business) = (relay.consumer("+15550001").await, relay.business("+15550100").await);
    let mut inbox = business.connect(1).await;
    assert_eq!(inbox.keys_low().await.one_time_ec, 0, "nothing published yet");
    business.client.publish_keys(&business.account, pre_keys(1, 1..101)).await.unwrap();
    for _ in 0..81 {
        ann.client.fetch_bundle(&ann.account, "+15550100").await.ok().unwrap();
    }
    let low = inbox.keys_low().await;
    assert_eq!((low.one_time_ec, low.one_time_kyber), (19, 19), "below a fifth, once");
    for _ in 0..19 {
        ann.client.fetch_bundle(&ann.account, "+15550100").await.ok().unwrap();
    }
    assert_eq!(inbox.keys_low().await.one_time_ec, 0, "and when it is empty");
    assert!(inbox.keys_low.is_empty());
}
