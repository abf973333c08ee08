//! Epochs, displacement, order, windows.

use waxseal_protocol::proto::Verdict;
use waxseal_protocol::{Error, LinkSender};

use crate::support::{Inbox, TestRelay, body, envelope, numbered, soon, until};

#[tokio::test]
async fn messages_travel_both_ways_in_order() {
    let relay = TestRelay::start().await;
    let (ann, business) = (relay.consumer("+15550001").await, relay.business("+15550100").await);
    let (mut from_ann, mut from_business) = (ann.connect(0).await, business.connect(1).await);
    from_ann.submit_all_accepted(numbered("+15550100", 0..50)).await;
    let deliveries = from_business.receive(50).await;
    for (i, delivery) in deliveries.iter().enumerate() {
        let envelope = delivery.envelope.as_ref().unwrap();
        assert_eq!(body(delivery), i.to_string());
        assert!(envelope.sender == "+15550001" && envelope.recipient == "+15550100");
        assert!(envelope.accepted_at_ms > 1_700_000_000_000);
        assert_eq!(envelope.ttl_seconds, 30 * 24 * 60 * 60);
    }
    assert!(deliveries.is_sorted_by_key(|delivery| delivery.sequence));
    from_business.ack(&deliveries).await;
    until("acknowledged", || relay.running().stats().queued_envelopes == 0).await;
    from_business.submit_all_accepted(numbered("+15550001", 0..3)).await;
    assert_eq!(from_ann.receive_bodies(3).await, ["0", "1", "2"]);
}

#[tokio::test]
async fn a_sender_cannot_pretend_to_be_another() {
    let relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut forged = envelope("+15550002", "x");
    forged.sender = "+15550100".into();
    ann.connect(0).await.submit_all_accepted(vec![forged]).await;
    let delivery = bob.connect(0).await.receive(1).await;
    assert!(delivery[0].envelope.as_ref().unwrap().sender == "+15550001");
}

#[tokio::test]
async fn many_senders_each_keep_their_order() {
    let relay = TestRelay::start().await;
    let business = relay.business("+15550100").await;
    let mut inbox = business.connect(1).await;
    let mut senders = Vec::new();
    for i in 0..8 {
        let person = relay.consumer(&format!("+1555000{i}")).await;
        senders.push(tokio::spawn(async move {
            let mut link = person.connect(0).await;
            for chunk in 0..20 {
                link.submit_all_accepted(numbered("+15550100", chunk * 10..chunk * 10 + 10)).await;
            }
        }));
    }
    let mut next = std::collections::HashMap::<String, usize>::new();
    for _ in 0..16 {
        let deliveries = inbox.receive(100).await;
        inbox.ack(&deliveries).await;
        for delivery in &deliveries {
            let expected = next.entry(delivery.envelope.as_ref().unwrap().sender.clone()).or_default();
            assert_eq!(body(delivery), expected.to_string());
            *expected += 1;
        }
    }
    assert!(next.len() == 8 && next.values().all(|count| *count == 200));
    for sender in senders {
        sender.await.unwrap();
    }
}

#[tokio::test]
async fn a_business_epoch_only_rises() {
    let mut relay = TestRelay::start().await;
    let business = relay.business("+15550100").await;
    let mut first = business.connect(7).await;
    assert_eq!(first.link.welcome.highest_epoch, 7);

    // Another process of the same business, with the same or a lower epoch.
    let other = business.at(relay.client());
    for epoch in [0, 1, 6, 7] {
        assert_eq!(other.connect_error(epoch).await, Error::StaleEpoch { highest: 7 }, "{epoch}");
    }
    // The same process after a broken connection.
    let mut again = business.connect(7).await;
    assert_eq!(first.end().await, Some(Error::Displaced { by_epoch: 7 }));

    let second = other.connect(8).await;
    assert_eq!(again.end().await, Some(Error::Displaced { by_epoch: 8 }));
    assert_eq!(business.connect_error(7).await, Error::StaleEpoch { highest: 8 });
    assert_eq!(business.connect_error(8).await, Error::StaleEpoch { highest: 8 });
    drop(second);

    relay.crash().await;
    let business = business.at(relay.client());
    assert_eq!(
        business.connect_error(8).await,
        Error::StaleEpoch { highest: 8 },
        "also after a restart"
    );
    assert_eq!(business.connect(9).await.link.welcome.highest_epoch, 9);
}

/// Submits until the link says that it is over.
async fn submit_until_refused(sender: LinkSender, recipient: &'static str) -> Error {
    loop {
        if let Err(error) = soon(sender.submit(vec![envelope(recipient, "late")])).await {
            return error;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_displaced_connection_changes_nothing_any_more() {
    let relay = TestRelay::start().await;
    let (ann, business) = (relay.consumer("+15550001").await, relay.business("+15550100").await);
    ann.connect(0).await.submit_all_accepted(numbered("+15550100", 0..4)).await;
    let mut old = business.connect(1).await;
    let old_deliveries = old.receive(4).await;

    let mut new = business.at(relay.client()).connect(2).await;
    // The old one need not know yet; whether this still reaches the relay is a race, and must not matter.
    let _ = old
        .link
        .sender
        .ack(old_deliveries.iter().map(|delivery| delivery.sequence).collect())
        .await;
    let _ = old.link.sender.submit(numbered("+15550001", 0..10)).await;
    assert_eq!(old.end().await, Some(Error::Displaced { by_epoch: 2 }));
    assert!(old.outcomes.is_empty());
    assert_eq!(
        submit_until_refused(old.link.sender.clone(), "+15550001").await,
        Error::Displaced { by_epoch: 2 }
    );

    // Its acknowledgements did not count, and its envelopes were not taken: the mark behind them arrives first.
    assert_eq!(new.receive_bodies(4).await, ["0", "1", "2", "3"]);
    new.submit_all_accepted(vec![envelope("+15550001", "mark")]).await;
    assert_eq!(ann.connect(0).await.receive_bodies(1).await, ["mark"]);
    assert_eq!(relay.running().stats().queued_envelopes, 5);
}

#[tokio::test]
async fn a_consumers_newer_connection_displaces_the_older() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    let mut old = ann.connect(0).await;
    let mut new = ann.at(relay.client()).connect(0).await;
    assert_eq!(old.end().await, Some(Error::Displaced { by_epoch: 0 }));
    new.submit_all_accepted(vec![envelope("+15550001", "to myself")]).await;
    assert_eq!(new.receive_bodies(1).await, ["to myself"]);
    until("one connection", || relay.running().stats().connections == 1).await;
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_in_order_with_the_same_sequences() {
    let relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    ann.connect(0).await.submit_all_accepted(numbered("+15550002", 0..10)).await;
    let mut first = bob.connect(0).await;
    assert_eq!(first.link.welcome.queued, 10);
    let deliveries = first.receive(10).await;
    first
        .ack(&[deliveries[0].clone(), deliveries[1].clone(), deliveries[5].clone()])
        .await;
    until("acknowledged", || relay.running().stats().queued_envelopes == 7).await;
    drop(first);

    let mut second = bob.connect(0).await;
    assert_eq!(second.link.welcome.queued, 7);
    let again = second.drained().await;
    assert!(
        again
            .iter()
            .map(|delivery| delivery.sequence)
            .eq([2, 3, 4, 6, 7, 8, 9].map(|i| deliveries[i].sequence))
    );
    // Acknowledging what an earlier connection delivered counts, twice changes nothing.
    second.ack(&deliveries).await;
    second.ack(&deliveries).await;
    until("acknowledged", || relay.running().stats().queued_envelopes == 0).await;
    assert_eq!(relay.running().stats().acknowledged, 10);
}

#[tokio::test]
async fn drained_comes_once_after_what_was_queued_before() {
    let relay = TestRelay::start_with(|config| config.limits.window_envelopes = 4).await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut from_ann = ann.connect(0).await;
    assert_eq!(from_ann.drained().await.len(), 0);
    from_ann.submit_all_accepted(numbered("+15550002", 0..10)).await;
    let mut inbox = bob.connect(0).await;
    let mut received = Vec::new();
    while received.len() < 10 {
        assert_eq!(inbox.drained_after, None);
        let some = inbox.receive(1).await;
        inbox.ack(&some).await;
        received.extend(some);
    }
    inbox.drained().await;
    assert_eq!(inbox.drained_after, Some(10));
    from_ann.submit_all_accepted(numbered("+15550002", 10..12)).await;
    assert_eq!(inbox.receive_bodies(2).await, ["10", "11"]);
}

#[tokio::test]
async fn the_window_bounds_what_is_unacknowledged() {
    let relay = TestRelay::start_with(|config| config.limits.window_envelopes = 5).await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut inbox = bob.connect(0).await;
    let mut from_ann = ann.connect(0).await;
    from_ann.submit_all_accepted(numbered("+15550002", 0..30)).await;
    let mut received = inbox.receive(5).await;
    // Bob's own message overtakes nothing, but shows that the stream is alive and that no sixth delivery was on its way before it.
    inbox.submit_all_accepted(vec![envelope("+15550001", "alive")]).await;
    assert_eq!(inbox.seen, 5);
    while received.len() < 30 {
        let last = received.len() - 1;
        inbox.ack(&received[last.saturating_sub(4)..]).await;
        received.extend(inbox.receive(1).await);
        received.extend(inbox.deliveries.drain(..));
        assert!(received.len() <= last + 1 + 5);
    }
    assert!(received.iter().map(body).eq((0..30).map(|i: usize| i.to_string())));
}

#[tokio::test]
async fn the_window_is_bounded_in_bytes_too() {
    let relay = TestRelay::start_with(|config| config.limits.window_bytes = 100_000).await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut from_ann = ann.connect(0).await;
    let large = (0..10).map(|_| envelope("+15550002", vec![7; 40_000])).collect();
    from_ann.submit_all_accepted(large).await;
    let mut inbox = bob.connect(0).await;
    let mut total = 0;
    while total < 10 {
        let some = inbox.receive(1).await;
        assert!(inbox.deliveries.len() <= 2, "at most three of 40 kB fit");
        inbox.ack(&some).await;
        total += 1;
    }
}

/// A slow reader falls behind what is kept in memory and catches up from the disk, missing none and seeing none twice.
#[tokio::test]
async fn falling_behind_and_catching_up_keeps_order() {
    let relay = TestRelay::start_with(|config| {
        config.limits.live_bytes = 2_000;
        config.limits.window_envelopes = 64;
    })
    .await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut inbox = bob.connect(0).await;
    let sender = tokio::spawn(async move {
        let mut from_ann = ann.connect(0).await;
        for chunk in 0..100 {
            from_ann
                .submit_all_accepted(numbered("+15550002", chunk * 30..chunk * 30 + 30))
                .await;
        }
    });
    let mut expected = 0;
    while expected < 3_000 {
        let mut some = inbox.receive(1).await;
        some.extend(inbox.deliveries.drain(..));
        for delivery in &some {
            assert_eq!(body(delivery), expected.to_string());
            expected += 1;
        }
        inbox.ack(&some).await;
    }
    sender.await.unwrap();
    until("acknowledged", || relay.running().stats().queued_envelopes == 0).await;
    assert_eq!(relay.running().stats().delivered, 3_000);
}

#[tokio::test]
async fn a_resubmitted_id_is_accepted_and_delivered_once() {
    let mut relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let envelopes = numbered("+15550002", 0..5);
    let mut from_ann = ann.connect(0).await;
    from_ann.submit_all_accepted(envelopes.clone()).await;
    from_ann.submit_all_accepted(envelopes.clone()).await;
    let twice_in_one = vec![envelope("+15550002", "5"); 2];
    from_ann.submit_all_accepted(twice_in_one).await;
    // The same id from another sender is another envelope.
    bob.connect(0).await.submit_all_accepted(vec![envelopes[0].clone()]).await;

    relay.crash().await;
    let (ann, bob) = (ann.at(relay.client()), bob.at(relay.client()));
    ann.connect(0).await.submit_all_accepted(envelopes.clone()).await;
    let mut inbox = bob.connect(0).await;
    let deliveries = inbox.drained().await;
    assert!(deliveries.iter().map(body).eq(["0", "1", "2", "3", "4", "5", "0"]));
    inbox.ack(&deliveries).await;
    until("acknowledged", || relay.running().stats().queued_envelopes == 0).await;
    // Also when it was delivered and forgotten.
    ann.connect(0).await.submit_all_accepted(envelopes).await;
    assert_eq!(relay.running().stats().queued_envelopes, 0);
}

#[tokio::test]
async fn closing_the_way_out_still_brings_the_answers() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    let Inbox { link, .. } = ann.connect(0).await;
    let waxseal_protocol::Link { sender, mut receiver, .. } = link;
    sender.submit(numbered("+15550001", 0..100)).await.unwrap();
    drop(sender);
    let mut outcomes = 0;
    while let Some(frame) = soon(receiver.next()).await {
        if let waxseal_protocol::proto::from_relay::Frame::Outcomes(some) = frame.map_err(|error| panic!("{error}")).unwrap() {
            assert!(some.outcomes.iter().all(|outcome| outcome.verdict() == Verdict::Accepted));
            outcomes += some.outcomes.len();
        }
    }
    assert_eq!(outcomes, 100);
}
