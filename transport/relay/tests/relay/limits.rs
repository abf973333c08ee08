//! Everything is bounded, and says so.

use std::time::Duration;

use waxseal_protocol::proto::Verdict;
use waxseal_protocol::{Error, wire};

use crate::support::{TestRelay, body, envelope, numbered, pre_keys, soon, until};

#[tokio::test]
async fn a_body_has_a_limit() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    let mut inbox = ann.connect(0).await;
    let sized = |bytes: usize| vec![envelope("+15550001", vec![1; bytes])];
    assert_eq!(inbox.submit(sized(wire::MAX_BODY_BYTES)).await, [Verdict::Accepted]);
    assert_eq!(inbox.submit(sized(wire::MAX_BODY_BYTES + 1)).await, [Verdict::TooLarge]);
    assert_eq!(inbox.submit(sized(0)).await, [Verdict::Malformed]);
    assert_eq!(inbox.link.sender.submit(sized(wire::MAX_FRAME_BYTES)).await, Err(Error::TooLarge));
    let mut short_id = envelope("+15550001", "x");
    short_id.id = vec![1; 15].into();
    assert_eq!(
        inbox.submit(vec![short_id, envelope("+15550001", "y")]).await,
        [Verdict::Malformed, Verdict::Accepted]
    );
    assert_eq!(inbox.receive(2).await.len(), 2);
}

#[tokio::test]
async fn a_queue_is_bounded_in_envelopes_and_has_room_again() {
    let relay = TestRelay::start_with(|config| config.limits.queue_envelopes = 10).await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut from_ann = ann.connect(0).await;
    let twelve = numbered("+15550002", 0..12);
    let verdicts = from_ann.submit(twelve.clone()).await;
    assert!(verdicts[..10].iter().all(|verdict| *verdict == Verdict::Accepted));
    assert_eq!(verdicts[10..], [Verdict::QueueFull; 2]);
    // What was accepted is accepted again, what was refused is not remembered as accepted.
    assert_eq!(
        from_ann.submit(vec![twelve[0].clone(), twelve[10].clone()]).await,
        [Verdict::Accepted, Verdict::QueueFull]
    );
    let mut inbox = bob.connect(0).await;
    let deliveries = inbox.receive(10).await;
    inbox.ack(&deliveries).await;
    until("acknowledged", || relay.running().stats().queued_envelopes == 0).await;
    assert_eq!(from_ann.submit(twelve[10..].to_vec()).await, [Verdict::Accepted; 2]);
    assert_eq!(inbox.receive_bodies(2).await, ["10", "11"]);
}

#[tokio::test]
async fn a_queue_is_bounded_in_bytes() {
    let relay = TestRelay::start_with(|config| config.limits.queue_bytes = 100_000).await;
    let (ann, _bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut from_ann = ann.connect(0).await;
    let large = || envelope("+15550002", vec![1; 40_000]);
    let verdicts = from_ann
        .submit(vec![large(), large(), large(), envelope("+15550002", "small")])
        .await;
    assert_eq!(
        verdicts,
        [Verdict::Accepted, Verdict::Accepted, Verdict::QueueFull, Verdict::Accepted]
    );
    // One full queue does not touch another.
    assert_eq!(from_ann.submit(vec![envelope("+15550001", "x")]).await, [Verdict::Accepted]);
}

#[tokio::test]
async fn what_expired_is_dropped_and_never_delivered() {
    let mut relay = TestRelay::start_with(|config| config.limits.queue_envelopes = 10).await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut from_ann = ann.connect(0).await;
    let with_ttl = |body: &'static str, ttl_seconds| {
        let mut envelope = envelope("+15550002", body);
        envelope.ttl_seconds = ttl_seconds;
        envelope
    };
    from_ann
        .submit_all_accepted(vec![
            with_ttl("short", 60),
            with_ttl("long", 3_600),
            with_ttl("short", 60),
            with_ttl("for ever", u32::MAX),
        ])
        .await;
    relay.pass(Duration::from_secs(61));
    let mut inbox = bob.connect(0).await;
    let deliveries = inbox.drained().await;
    assert!(deliveries.iter().map(body).eq(["long", "for ever"]));
    assert_eq!(
        deliveries[1].envelope.as_ref().unwrap().ttl_seconds,
        30 * 24 * 3_600,
        "the relay's cap"
    );
    drop(inbox);
    // Nobody connects, the relay tidies up by itself.
    relay.pass(Duration::from_secs(3_600));
    until("expired", || relay.running().stats().queued_envelopes == 1).await;
    // Also what expired while the relay was down.
    relay.crash().await;
    assert_eq!(relay.running().stats().queued_envelopes, 1);
    relay.pass(Duration::from_secs(31 * 24 * 3_600));
    until("expired", || relay.running().stats().queued_envelopes == 0).await;
    assert!(bob.at(relay.client()).connect(0).await.drained().await.is_empty());
}

#[tokio::test]
async fn expired_envelopes_do_not_fill_a_queue() {
    let relay = TestRelay::start_with(|config| config.limits.queue_envelopes = 10).await;
    let (ann, _bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut from_ann = ann.connect(0).await;
    let mut short = numbered("+15550002", 0..10);
    short.iter_mut().for_each(|envelope| envelope.ttl_seconds = 30);
    from_ann.submit_all_accepted(short).await;
    relay.pass(Duration::from_secs(120));
    from_ann.submit_all_accepted(numbered("+15550002", 0..10)).await;
    until("ten left", || relay.running().stats().queued_envelopes == 10).await;
}

#[tokio::test]
async fn bundles_are_rationed_per_requester_and_number() {
    let relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let business = relay.business("+15550100").await;
    business.client.publish_keys(&business.account, pre_keys(1, 1..101)).await.unwrap();
    bob.client.publish_keys(&bob.account, pre_keys(1, 1..11)).await.unwrap();
    for _ in 0..30 {
        assert!(ann.client.fetch_bundle(&ann.account, "+15550100").await.is_ok());
    }
    let refused = ann.client.fetch_bundle(&ann.account, "+15550100").await.err();
    assert!(
        matches!(refused, Some(Error::RateLimited { retry_after }) if retry_after.as_secs() <= 10),
        "{refused:?}"
    );
    assert_eq!(
        business.client.count_keys(&business.account).await.map(|counts| counts.one_time_ec),
        Ok(70),
        "a refusal costs nothing"
    );
    // Another requester is not held up; nor is a business by the numbers it has not asked for.
    assert!(bob.client.fetch_bundle(&bob.account, "+15550100").await.is_ok());
    for _ in 0..30 {
        assert!(business.client.fetch_bundle(&business.account, "+15550002").await.is_ok());
    }
    assert!(matches!(
        business.client.fetch_bundle(&business.account, "+15550002").await.err(),
        Some(Error::RateLimited { .. })
    ));
    assert!(!matches!(
        business.client.fetch_bundle(&business.account, "+15550001").await.err(),
        Some(Error::RateLimited { .. })
    ));
    relay.pass(Duration::from_secs(11));
    assert!(ann.client.fetch_bundle(&ann.account, "+15550100").await.is_ok());
    assert!(matches!(
        ann.client.fetch_bundle(&ann.account, "+15550100").await.err(),
        Some(Error::RateLimited { .. })
    ));
}

#[tokio::test]
async fn a_fast_sender_is_slowed_down_not_refused() {
    let relay = TestRelay::start_with(|config| config.limits.submit_per_second = Some(200)).await;
    let ann = relay.consumer("+15550001").await;
    let mut inbox = ann.connect(0).await;
    let started = std::time::Instant::now();
    for chunk in 0..10 {
        inbox.submit_all_accepted(numbered("+15550001", chunk * 40..chunk * 40 + 40)).await;
    }
    // 400 at 200 a second, the first 200 at once.
    assert!(started.elapsed() >= Duration::from_millis(950), "{:?}", started.elapsed());
}

#[tokio::test]
async fn open_streams_are_bounded() {
    let relay = TestRelay::start_with(|config| config.limits.connections = 2).await;
    let (ann, bob, cid) = (
        relay.consumer("+15550001").await,
        relay.consumer("+15550002").await,
        relay.consumer("+15550003").await,
    );
    let _first = ann.connect(0).await;
    let second = bob.connect(0).await;
    assert_eq!(cid.connect_error(0).await, Error::Full);
    drop(second);
    until("one left", || relay.running().stats().connections == 1).await;
    soon(cid.client.connect(&cid.account, 0))
        .await
        .map_err(|error| panic!("{error}"))
        .unwrap();
}

#[tokio::test]
async fn metrics_count_and_name_nobody() {
    let relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    bob.client.publish_keys(&bob.account, pre_keys(1, 1..3)).await.unwrap();
    ann.client.fetch_bundle(&ann.account, "+15550002").await.ok().unwrap();
    let mut from_ann = ann.connect(0).await;
    let again = envelope("+15550002", "x");
    from_ann
        .submit(vec![again.clone(), again, envelope("+15559999", "x"), envelope("nobody", "x")])
        .await;
    bob.connect(0).await.receive(1).await;
    let text = relay.running().metrics_text();
    for line in [
        "waxseal_relay_envelopes_accepted_total 1",
        "waxseal_relay_envelopes_duplicate_total 1",
        "waxseal_relay_envelopes_rejected_total{verdict=\"unknown_recipient\"} 1",
        "waxseal_relay_envelopes_rejected_total{verdict=\"malformed\"} 1",
        "waxseal_relay_envelopes_delivered_total 1",
        "waxseal_relay_queued_envelopes 1",
        "waxseal_relay_bundles_total 1",
        "waxseal_relay_accounts 2",
    ] {
        assert!(text.lines().any(|present| present == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("waxseal_relay_group_envelopes_bucket") && text.contains("waxseal_relay_commit_seconds_bucket"));
    assert!(!text.contains("5550"), "{text}");
}
