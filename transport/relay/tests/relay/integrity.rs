//! What the relay notices about a business and tells it: counts, and what they come to. Nobody else hears of it.

use std::time::Duration;

use tokio_stream::wrappers::ReceiverStream;
use waxseal_protocol::proto::relay_client::RelayClient;
use waxseal_protocol::proto::{Hello, Integrity, Quality, SpamReason, ToRelay, Verdict, from_relay, to_relay};
use waxseal_protocol::{Account, Credential, Error};

use crate::hostile::{authorized, channel};
use crate::support::{Inbox, Person, TestRelay, envelope, numbered, soon, until};

const BUSINESS: &str = "+15550100";
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Longer than the relay pauses between two things it tells a business.
const PAUSE: Duration = Duration::from_secs(6);

async fn people(relay: &TestRelay, count: usize) -> Vec<Person> {
    let mut people = Vec::new();
    for n in 0..count {
        people.push(relay.consumer(&format!("+155500{n:02}")).await);
    }
    people
}

impl Inbox {
    /// Reads until the relay has told something like this.
    async fn told(&mut self, what: impl Fn(&Integrity) -> bool) -> Integrity {
        soon(async {
            loop {
                match self.integrity {
                    Some(integrity) if what(&integrity) => return integrity,
                    _ => self.step().await.unwrap(),
                }
            }
        })
        .await
    }
}

/// Moves the clock to noon, so that no day ends by itself.
fn begin_at_noon(relay: &TestRelay) {
    let now_s = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    relay.pass(Duration::from_secs(24 * 3_600 + 12 * 3_600 - now_s % (24 * 3_600)));
}

async fn write_to(inbox: &mut Inbox, people: &[Person]) {
    let envelopes = people.iter().map(|person| envelope(&person.account.number, "x"));
    inbox.submit_all_accepted(envelopes.collect()).await;
}

async fn report(person: &Person, number: &str) -> Result<bool, Error> {
    soon(person.client.report_spam(&person.account, number, SpamReason::NotRequested)).await
}

#[tokio::test]
async fn a_business_hears_of_itself_after_the_welcome_and_when_it_changes() {
    let relay = TestRelay::start().await;
    let (people, business) = (people(&relay, 20).await, relay.business(BUSINESS).await);
    let mut inbox = business.connect(1).await;
    assert_eq!(inbox.told(|_| true).await, Integrity::default());
    write_to(&mut inbox, &people).await;
    write_to(&mut inbox, &people).await;
    relay.pass(PAUSE);
    let told = inbox.told(|told| told.unique_recipients_24h > 0).await;
    assert_eq!(told.quality(), Quality::Green);
    assert_eq!(
        (told.reports_7d, told.unique_recipients_24h, told.unknown_recipients_24h),
        (0, 20, 0)
    );

    // Numbers that do not exist, asked for or written to.
    for n in 0..10 {
        let asked = business.client.fetch_bundle(&business.account, &format!("+166600{n:02}")).await;
        assert_eq!(asked.err(), Some(Error::NotRegistered));
    }
    let unknown = (5..20).map(|n| envelope(&format!("+166600{n:02}"), "x")).collect();
    assert!(
        inbox
            .submit(unknown)
            .await
            .iter()
            .all(|verdict| *verdict == Verdict::UnknownRecipient)
    );
    relay.pass(PAUSE);
    let told = inbox.told(|told| told.unknown_recipients_24h == 20).await;
    assert_eq!(told.quality(), Quality::Yellow, "half of what it tried");

    relay.pass(2 * DAY);
    let told = inbox.told(|told| told.unique_recipients_24h == 0).await;
    assert_eq!((told.quality(), told.unknown_recipients_24h), (Quality::Green, 0));
    relay.pass(7 * DAY);
    assert_eq!(inbox.told(|told| told.quality() == Quality::Unknown).await, Integrity::default());
}

#[tokio::test]
async fn consumers_hear_nothing_of_it_and_neither_does_who_did_not_ask() {
    let relay = TestRelay::start().await;
    let (people, business) = (people(&relay, 2).await, relay.business(BUSINESS).await);
    let mut from_ann = people[0].connect(0).await;
    write_to(&mut from_ann, &people).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    for frame in [
        to_relay::Frame::Hello(Hello {
            epoch: 1,
            wants_integrity: false,
        }),
        to_relay::Frame::Submit(waxseal_protocol::proto::Submit {
            envelopes: numbered(&people[1].account.number, 0..3),
        }),
    ] {
        sender.try_send(ToRelay { frame: Some(frame) }).unwrap();
    }
    let mut client = RelayClient::new(channel(&relay).await);
    let mut old = soon(client.connect(authorized(&business, ReceiverStream::new(receiver))))
        .await
        .unwrap()
        .into_inner();
    report(&people[0], BUSINESS).await.unwrap();
    let mut asked = relay.business("+15550200").await.connect(1).await;
    report(&people[0], "+15550200").await.unwrap();
    relay.pass(PAUSE);
    // By now the other would have heard too.
    asked.told(|told| told.reports_7d == 1).await;
    drop(sender);
    let mut outcomes = 0;
    while let Ok(Some(frame)) = soon(old.message()).await {
        match frame.frame.unwrap() {
            from_relay::Frame::Integrity(_) => panic!("it did not ask"),
            from_relay::Frame::Outcomes(some) => outcomes += some.outcomes.len(),
            _ => {}
        }
    }
    assert_eq!(outcomes, 3);
    from_ann.drained().await;
    from_ann.submit_all_accepted(numbered(BUSINESS, 0..1)).await;
    assert!(from_ann.integrity.is_none());
}

#[tokio::test]
async fn a_report_counts_once_per_consumer_business_and_day() {
    let mut relay = TestRelay::start().await;
    begin_at_noon(&relay);
    let (people, business) = (people(&relay, 20).await, relay.business(BUSINESS).await);
    relay.business("+15550200").await;
    let mut inbox = business.connect(1).await;
    write_to(&mut inbox, &people).await;
    let ann = &people[0];
    assert_eq!(report(ann, BUSINESS).await, Ok(true));
    assert_eq!(report(ann, BUSINESS).await, Ok(false));
    let other = ann.client.report_spam(&ann.account, BUSINESS, SpamReason::Fraud);
    assert_eq!(soon(other).await, Ok(false), "another reason is no other report");
    assert_eq!(report(ann, "+15550200").await, Ok(true));
    relay.pass(PAUSE);
    let told = inbox.told(|told| told.reports_7d == 1).await;
    assert_eq!(told.quality(), Quality::Green, "one is none");
    assert_eq!(report(&people[1], BUSINESS).await, Ok(true));
    relay.pass(PAUSE);
    assert_eq!(inbox.told(|told| told.reports_7d == 2).await.quality(), Quality::Yellow);

    // Nothing of it is lost in a crash, and the same report is still the same.
    relay.crash().await;
    let at = |person: &Person| person.at(relay.client());
    assert_eq!(report(&at(ann), BUSINESS).await, Ok(false));
    for person in &people[2..5] {
        assert_eq!(report(&at(person), BUSINESS).await, Ok(true));
    }
    let mut inbox = at(&business).connect(2).await;
    let told = inbox.told(|_| true).await;
    assert_eq!(told.reports_7d, 5);
    relay.pass(DAY);
    assert_eq!(report(&at(ann), BUSINESS).await, Ok(true), "another day");
    relay.pass(8 * DAY);
    assert_eq!(inbox.told(|told| told.reports_7d == 0).await.quality(), Quality::Unknown);
}

#[tokio::test]
async fn what_was_noticed_survives_a_restart() {
    let mut relay = TestRelay::start().await;
    let (people, business) = (people(&relay, 12).await, relay.business(BUSINESS).await);
    let mut inbox = business.connect(1).await;
    write_to(&mut inbox, &people).await;
    relay.restart().await;
    let business = business.at(relay.client());
    let mut inbox = business.connect(2).await;
    let told = inbox.told(|_| true).await;
    assert_eq!((told.quality(), told.unique_recipients_24h), (Quality::Green, 12));
    // And the same recipients are known again.
    write_to(&mut inbox, &people[..6]).await;
    relay.pass(PAUSE);
    relay.crash().await;
    let mut inbox = business.at(relay.client()).connect(3).await;
    assert_eq!(inbox.told(|_| true).await.unique_recipients_24h, 12);
    // Long after, nothing of it is left.
    drop(inbox);
    relay.pass(30 * DAY);
    relay.restart().await;
    let mut inbox = business.at(relay.client()).connect(4).await;
    assert_eq!(inbox.told(|_| true).await, Integrity::default());
}

#[tokio::test]
async fn only_consumers_report_and_only_businesses_are_reported() {
    let relay = TestRelay::start_with(|config| config.limits.reports.capacity = 5).await;
    begin_at_noon(&relay);
    let (people, business) = (people(&relay, 2).await, relay.business(BUSINESS).await);
    relay.business("+15550200").await;
    let ann = &people[0];
    assert_eq!(report(ann, &people[1].account.number).await, Err(Error::NotRegistered));
    assert_eq!(report(ann, "+15559999").await, Err(Error::NotRegistered));
    assert_eq!(report(ann, "nobody").await, Err(Error::Malformed));
    assert_eq!(report(&business, "+15550200").await, Err(Error::Malformed));
    let unsaid = ann.client.report_spam(&ann.account, BUSINESS, SpamReason::Unspecified);
    assert_eq!(soon(unsaid).await, Err(Error::Malformed));
    let stranger = Person {
        client: ann.client.clone(),
        account: Account {
            number: ann.account.number.clone(),
            credential: Credential::random(&mut rand::rng()),
        },
    };
    assert_eq!(report(&stranger, BUSINESS).await, Err(Error::Unauthenticated));
    // What was refused as malformed cost nothing.
    for expected in [true, false, false] {
        assert_eq!(report(ann, BUSINESS).await, Ok(expected));
    }
    assert!(matches!(report(ann, "+15550200").await, Err(Error::RateLimited { .. })));
    assert_eq!(report(&people[1], BUSINESS).await, Ok(true));
    until("counted", || {
        let text = relay.running().metrics_text();
        assert!(!text.contains("5550"), "{text}");
        text.lines()
            .any(|line| line == "waxseal_relay_spam_reports_total{reason=\"not_requested\"} 2")
    })
    .await;
}

#[tokio::test]
async fn reports_of_one_day_are_bounded() {
    let relay = TestRelay::start_with(|config| config.limits.integrity.reports_per_day = 2).await;
    begin_at_noon(&relay);
    let (people, _business) = (people(&relay, 3).await, relay.business(BUSINESS).await);
    let mut counted = Vec::new();
    for person in &people {
        counted.push(report(person, BUSINESS).await);
    }
    assert_eq!(counted, [Ok(true), Ok(true), Ok(false)]);
    relay.pass(DAY);
    assert_eq!(report(&people[2], BUSINESS).await, Ok(true));
}
