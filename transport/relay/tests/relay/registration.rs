//! Who may register a number, and what that changes.

use waxseal_protocol::proto::{Role, Verdict};
use waxseal_protocol::{Account, Credential, Error};
use waxseal_relay::Reregistration;

use crate::support::{PIN, Person, TestRelay, envelope, numbered, pre_keys, soon};

fn someone_else(person: &Person) -> Account {
    Account {
        number: person.account.number.clone(),
        credential: Credential::random(&mut rand::rng()),
    }
}

#[tokio::test]
async fn a_business_number_belongs_to_whoever_has_the_pin() {
    let relay = TestRelay::start().await;
    let client = relay.client();
    let business = relay.business("+15550100").await;
    let other = someone_else(&business);
    for pin in [None, Some("654321")] {
        assert_eq!(
            client.register(&other, Role::Business, pin, &[6; 33], 8).await,
            Err(Error::PinMismatch)
        );
    }
    assert_eq!(
        client.register(&other, Role::Consumer, None, &[6; 33], 8).await,
        Err(Error::PinMismatch)
    );
    assert_eq!(
        client.register(&business.account, Role::Business, Some(PIN), &[5; 33], 7).await,
        Ok(false),
        "the same again"
    );
    assert_eq!(client.register(&other, Role::Business, Some(PIN), &[6; 33], 8).await, Ok(true));
    assert_eq!(business.connect_error(1).await, Error::Unauthenticated);
    assert!(client.connect(&other, 1).await.is_ok());
}

#[tokio::test]
async fn a_pin_has_six_digits_and_a_business_needs_one() {
    let relay = TestRelay::start().await;
    let account = Account {
        number: "+15550100".into(),
        credential: Credential::random(&mut rand::rng()),
    };
    for pin in ["1", "12345", "1234567", "12345x"] {
        assert_eq!(
            relay.client().register(&account, Role::Business, Some(pin), &[5; 33], 7).await,
            Err(Error::Malformed)
        );
    }
    assert_eq!(
        relay.client().register(&account, Role::Business, None, &[5; 33], 7).await,
        Err(Error::PinMismatch)
    );
    assert_eq!(
        relay.client().register(&account, Role::Unspecified, Some(PIN), &[5; 33], 7).await,
        Err(Error::Malformed)
    );
    assert_eq!(
        relay.client().register(&account, Role::Business, Some(PIN), &[], 7).await,
        Err(Error::Malformed)
    );
    assert_eq!(
        relay.client().register(&account, Role::Business, Some(PIN), &[5; 65], 7).await,
        Err(Error::Malformed)
    );
}

#[tokio::test]
async fn guessing_a_pin_is_stopped_and_the_owner_comes_in_later() {
    let relay = TestRelay::start().await;
    let business = relay.business("+15550100").await;
    let thief = someone_else(&business);
    let client = relay.client();
    let mut wrong = 0;
    let refused = loop {
        match client.register(&thief, Role::Business, Some("000000"), &[6; 33], 8).await {
            Err(Error::PinMismatch) => wrong += 1,
            other => break other,
        }
        assert!(wrong <= 10);
    };
    assert!(matches!(refused, Err(Error::RateLimited { .. })), "{refused:?}");
    assert_eq!(wrong, 10);
    relay.pass(std::time::Duration::from_secs(61));
    assert_eq!(
        client.register(&business.account, Role::Business, Some(PIN), &[5; 33], 7).await,
        Ok(false)
    );
}

#[tokio::test]
async fn the_credential_changes_the_pin_and_registering_does_not() {
    let mut relay = TestRelay::start().await;
    let business = relay.business("+15550100").await;
    let client = relay.client();
    let renew = async |client: &waxseal_protocol::Client, account: &Account, pin| {
        client.register(account, Role::Business, Some(pin), &[5; 33], 7).await
    };
    assert_eq!(renew(&client, &business.account, "777777").await, Err(Error::PinMismatch));
    assert_eq!(renew(&client, &business.account, PIN).await, Ok(false));

    assert_eq!(
        client.change_pin(&someone_else(&business), "777777").await,
        Err(Error::Unauthenticated)
    );
    for pin in ["", "77777", "77777x", "7777777"] {
        assert_eq!(client.change_pin(&business.account, pin).await, Err(Error::Malformed), "{pin}");
    }
    assert_eq!(
        renew(&client, &business.account, PIN).await,
        Ok(false),
        "nothing has changed it so far"
    );

    let inbox = business.connect(1).await;
    assert_eq!(client.change_pin(&business.account, "777777").await, Ok(()));
    assert_eq!(client.change_pin(&business.account, "777777").await, Ok(()), "the same again");
    drop(inbox);
    relay.crash().await;
    let client = relay.client();
    assert_eq!(renew(&client, &business.account, PIN).await, Err(Error::PinMismatch));
    assert_eq!(renew(&client, &business.account, "777777").await, Ok(false));
    assert_eq!(client.deregister(&business.account, Some(PIN)).await, Err(Error::PinMismatch));
    assert_eq!(client.deregister(&business.account, Some("777777")).await, Ok(()));
}

#[tokio::test]
async fn a_consumer_sets_its_first_pin_and_changes_are_rationed() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    for _ in 0..10 {
        assert_eq!(ann.client.change_pin(&ann.account, "424242").await, Ok(()));
    }
    let refused = ann.client.change_pin(&ann.account, "424242").await;
    assert!(matches!(refused, Err(Error::RateLimited { .. })), "{refused:?}");
    let other = someone_else(&ann);
    assert_eq!(
        ann.client.register(&other, Role::Consumer, None, &[6; 33], 8).await,
        Err(Error::PinMismatch)
    );
    relay.pass(std::time::Duration::from_secs(61));
    assert_eq!(ann.client.change_pin(&ann.account, "424243").await, Ok(()));
}

#[tokio::test]
async fn two_first_registrations_at_once_both_succeed_with_the_same_pin() {
    let relay = TestRelay::start().await;
    let account = Account {
        number: "+15550100".into(),
        credential: Credential::random(&mut rand::rng()),
    };
    let attempts = (0..8).map(|_| {
        let (client, account) = (relay.client(), account.clone());
        async move { client.register(&account, Role::Business, Some(PIN), &[5; 33], 7).await }
    });
    for outcome in futures_util::future::join_all(attempts).await {
        assert_eq!(outcome, Ok(false));
    }
}

#[tokio::test]
async fn open_reregistration_displaces_the_old_credential_and_keeps_the_queue() {
    let relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    bob.client.publish_keys(&bob.account, pre_keys(1, 1..21)).await.unwrap();
    ann.connect(0).await.submit_all_accepted(numbered("+15550002", 0..3)).await;
    let mut old = bob.connect(0).await;

    let new = Person {
        client: bob.client.clone(),
        account: someone_else(&bob),
    };
    assert_eq!(new.client.register(&new.account, Role::Consumer, None, &[8; 33], 9).await, Ok(true));
    assert!(matches!(old.end().await, Some(Error::Displaced { .. })));
    assert_eq!(bob.connect_error(0).await, Error::Unauthenticated);
    assert_eq!(
        ann.client.fetch_bundle(&ann.account, "+15550002").await.err(),
        Some(Error::NoKeys),
        "they belong to the old identity"
    );
    assert_eq!(new.client.count_keys(&new.account).await.map(|counts| counts.one_time_ec), Ok(0));
    assert_eq!(new.connect(0).await.receive_bodies(3).await, ["0", "1", "2"]);
}

#[tokio::test]
async fn pin_or_credential_protects_a_consumers_number() {
    let relay = TestRelay::start_with(|config| config.reregistration = Reregistration::PinOrCredential).await;
    let client = relay.client();
    let ann = relay.consumer("+15550001").await;
    assert_eq!(
        client.register(&someone_else(&ann), Role::Consumer, None, &[6; 33], 8).await,
        Err(Error::Taken)
    );
    assert_eq!(
        client
            .register(&someone_else(&ann), Role::Consumer, Some("111111"), &[6; 33], 8)
            .await,
        Err(Error::Taken)
    );
    assert_eq!(
        client.register(&ann.account, Role::Consumer, Some("111111"), &[6; 33], 8).await,
        Ok(true),
        "new phone, PIN set"
    );
    assert_eq!(
        client
            .register(&someone_else(&ann), Role::Consumer, Some("111111"), &[7; 33], 9)
            .await,
        Ok(true)
    );
}

#[tokio::test]
async fn deregistering_forgets_everything() {
    let mut relay = TestRelay::start().await;
    let (ann, business) = (relay.consumer("+15550001").await, relay.business("+15550100").await);
    business.client.publish_keys(&business.account, pre_keys(1, 1..11)).await.unwrap();
    let mut from_ann = ann.connect(0).await;
    from_ann.submit_all_accepted(numbered("+15550100", 0..5)).await;
    let mut inbox = business.connect(4).await;
    inbox.receive(5).await;

    assert_eq!(business.client.deregister(&business.account, None).await, Err(Error::PinMismatch));
    assert_eq!(
        business.client.deregister(&business.account, Some("999999")).await,
        Err(Error::PinMismatch)
    );
    assert_eq!(business.client.deregister(&business.account, Some(PIN)).await, Ok(()));
    assert_eq!(inbox.end().await, Some(Error::Unauthenticated));
    assert_eq!(from_ann.submit(numbered("+15550100", 0..1)).await, [Verdict::UnknownRecipient]);
    assert_eq!(
        ann.client.fetch_bundle(&ann.account, "+15550100").await.err(),
        Some(Error::NotRegistered)
    );
    assert_eq!(business.connect_error(9).await, Error::Unauthenticated);
    assert_eq!(relay.running().stats().queued_envelopes, 0);
    relay.crash().await;
    assert_eq!(relay.running().stats().queued_envelopes, 0);
    assert_eq!(relay.running().stats().accounts, 1);

    // Whoever registers next starts from nothing.
    let next = Person::register(relay.client(), "+15550100", Role::Business, Some("777777")).await;
    assert_eq!(
        next.client
            .count_keys(&next.account)
            .await
            .map(|counts| (counts.one_time_ec, counts.signed_pre_key_id)),
        Ok((0, 0))
    );
    let mut inbox = next.connect(1).await;
    assert!(inbox.drained().await.is_empty());
}

#[tokio::test]
async fn registrations_survive_a_restart_and_are_bounded() {
    let mut relay = TestRelay::start_with(|config| {
        config.limits.consumers = 2;
        config.limits.businesses = 1;
    })
    .await;
    let ann = relay.consumer("+15550001").await;
    relay.consumer("+15550002").await;
    relay.business("+15550100").await;
    relay.crash().await;
    let client = relay.client();
    let third = Account {
        number: "+15550003".into(),
        credential: Credential::random(&mut rand::rng()),
    };
    assert_eq!(client.register(&third, Role::Consumer, None, &[5; 33], 7).await, Err(Error::Full));
    assert_eq!(
        client.register(&third, Role::Business, Some(PIN), &[5; 33], 7).await,
        Err(Error::Full)
    );
    let ann = ann.at(client.clone());
    assert_eq!(client.register(&ann.account, Role::Consumer, None, &[5; 33], 7).await, Ok(false));
    client.deregister(&ann.account, None).await.unwrap();
    assert_eq!(client.register(&third, Role::Consumer, None, &[5; 33], 7).await, Ok(false));
}

#[tokio::test]
async fn garbage_numbers_are_refused() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    let mut inbox = ann.connect(0).await;
    for number in [
        "",
        "+",
        "15550100",
        "+0555010000",
        "+1555010x",
        "+123456",
        "+1234567890123456",
        "+1555 0100",
        "../../etc/passwd",
    ] {
        let account = Account {
            number: number.into(),
            credential: Credential::random(&mut rand::rng()),
        };
        assert_eq!(
            ann.client.register(&account, Role::Consumer, None, &[5; 33], 7).await,
            Err(Error::Malformed),
            "{number}"
        );
        assert_eq!(
            ann.client.fetch_bundle(&ann.account, number).await.err(),
            Some(Error::Malformed),
            "{number}"
        );
        assert_eq!(
            soon(inbox.submit(vec![envelope(number, "x")])).await,
            [Verdict::Malformed],
            "{number}"
        );
    }
    assert_eq!(inbox.submit(vec![envelope("+15559999", "x")]).await, [Verdict::UnknownRecipient]);
}
