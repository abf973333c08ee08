//! `kill -9` of `waxseal up` at random moments: nothing accepted is lost, and nothing reaches the consumer twice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rand::Rng as _;
use waxseal_e2e::{Business, PATIENCE, World};
use waxseal_harness::{
    receiver::Delivery,
    redis::{AppendOnly, RedisOptions, RedisServer},
};

const ROUNDS: usize = 6;
const LONGEST_LIFE: Duration = Duration::from_millis(1_200);
const BETWEEN_TEXTS: Duration = Duration::from_millis(10);

/// What the business was told of its texts: in the order of sending, whether each was answered with 200.
struct Ledger(Vec<(String, Option<String>)>);

/// Sends one text after the other, whatever becomes of them, until told to stop. Never repeats one.
async fn send_on(business: Business, to: String, stop: Arc<AtomicBool>) -> Ledger {
    let mut ledger = Ledger(Vec::new());
    for index in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let text = format!("to the consumer {index:06}");
        let wamid = business.send_text(&to, &text).await.ok();
        ledger.0.push((text, wamid));
        tokio::time::sleep(BETWEEN_TEXTS).await;
    }
    ledger
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_and_nothing_comes_twice() -> Result<()> {
    kill_again_and_again(World::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_with_redis() -> Result<()> {
    let options = RedisOptions {
        appendonly: AppendOnly::EverySecond,
        ..RedisOptions::default()
    };
    let redis = RedisServer::start(options).await?;
    kill_again_and_again(World::with(|options| options.redis(redis.url())).await?).await
}

async fn kill_again_and_again(mut world: World) -> Result<()> {
    let (consumer, mut chat) = world.online().await?;
    chat.say("to the business 000000")?;
    world.receiver.wait_for_messages(consumer.number(), 1, PATIENCE).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let sender = tokio::spawn(send_on(world.business.clone(), consumer.number().to_owned(), Arc::clone(&stop)));
    let mut said = 1;
    for round in 0..ROUNDS {
        let life = rand::rng().random_range(Duration::ZERO..LONGEST_LIFE);
        let end = tokio::time::Instant::now() + life;
        while tokio::time::Instant::now() < end {
            chat.say(&format!("to the business {said:06}"))?;
            said += 1;
            tokio::time::sleep(BETWEEN_TEXTS).await;
        }
        world.up.kill9()?;
        // Said to a relay that is not there.
        chat.say(&format!("to the business {said:06}"))?;
        said += 1;
        world.up.restart().await.with_context(|| format!("start after kill {round}"))?;
    }
    stop.store(true, Ordering::Relaxed);
    let ledger = sender.await?;
    let last = world.business.send_text(consumer.number(), "the last").await?;

    let received = chat
        .wait_for("the last text", PATIENCE, |events| {
            let texts = waxseal_harness::chat::event::texts(events);
            texts.iter().any(|text| text == "the last").then_some(texts)
        })
        .await?;
    check_consumer(&ledger, &received)?;

    let arrived = world.receiver.wait_for_messages(consumer.number(), said, PATIENCE).await?;
    let expected: Vec<String> = (0..said).map(|index| format!("to the business {index:06}")).collect();
    ensure!(
        arrived.iter().map(|message| &message.text).eq(&expected),
        "the business did not get every text in order"
    );

    world.receiver.wait_for_status(&last, "read", PATIENCE).await?;
    for (_, wamid) in &ledger.0 {
        if let Some(wamid) = wamid {
            world.receiver.wait_for_status(wamid, "read", PATIENCE).await?;
        }
    }
    let deliveries = world.receiver.deliveries();
    check_repeats(&deliveries)?;
    check_statuses(&deliveries)?;
    world.check_events()
}

/// Every accepted text once, no text twice, all in the order of sending.
fn check_consumer(ledger: &Ledger, received: &[String]) -> Result<()> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in received {
        *counts.entry(text).or_default() += 1;
    }
    let accepted = ledger.0.iter().filter(|(_, wamid)| wamid.is_some()).count();
    ensure!(accepted > ROUNDS, "only {accepted} texts were accepted: the test shows nothing");
    ensure!(accepted < ledger.0.len(), "every text was accepted: no kill hit anything");
    for (text, wamid) in &ledger.0 {
        let count = counts.get(text.as_str()).copied().unwrap_or_default();
        // One that was not answered may have been accepted, or not.
        ensure!(
            count == 1 || (count == 0 && wamid.is_none()),
            "{text} came {count} times; accepted: {}",
            wamid.is_some()
        );
    }
    let order: Vec<&String> = received
        .iter()
        .filter(|text| counts.contains_key(text.as_str()) && *text != "the last")
        .collect();
    ensure!(order.is_sorted(), "texts came out of order");
    ensure!(
        received.last().is_some_and(|text| text == "the last"),
        "something came after the last text"
    );
    Ok(())
}

/// An event that came again came with the same bytes.
fn check_repeats(deliveries: &[Delivery]) -> Result<()> {
    let mut bodies: BTreeMap<String, &[u8]> = BTreeMap::new();
    for delivery in deliveries {
        let message = delivery.message().map(|message| message.id);
        let status = delivery.status().map(|status| format!("{} {}", status.id, status.status));
        let event = message.or(status).context("an event of no kind")?;
        let first = bodies.entry(event).or_insert(&delivery.body);
        ensure!(*first == delivery.body, "an event came again with other bytes");
    }
    Ok(())
}

/// Statuses of a message only ever go forwards, repeats aside.
fn check_statuses(deliveries: &[Delivery]) -> Result<()> {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for status in deliveries.iter().filter_map(Delivery::status) {
        let statuses = seen.entry(status.id).or_default();
        if !statuses.contains(&status.status) {
            statuses.push(status.status);
        }
    }
    for statuses in seen.values() {
        let ranks: Option<Vec<usize>> = statuses
            .iter()
            .map(|status| ["sent", "delivered", "read"].iter().position(|known| known == status))
            .collect();
        ensure!(ranks.is_some_and(|ranks| ranks.is_sorted()), "statuses went {statuses:?}");
    }
    Ok(())
}
