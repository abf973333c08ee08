//! Webhook receivers that are down, fail, hang, or answer as real ones do.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Result, ensure};
use waxseal_e2e::{Answer, Chat, Kind, PATIENCE, World, numbered, numbers};
use waxseal_harness::receiver::{self, Delivery};

const TEXTS: usize = 10;

async fn all_delivered(chat: &Chat, count: usize) -> Result<()> {
    chat.wait_for("delivered ticks", PATIENCE, |events| {
        (events.iter().filter(|event| event.kind == Kind::Delivered).count() >= count).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_it_was_down_arrives_afterwards_in_order() -> Result<()> {
    let mut world = World::start().await?;
    let (ada, mut ada_chat) = world.online().await?;
    let (ben, mut ben_chat) = world.online().await?;
    world.receiver.down();
    for text in numbered("text", TEXTS) {
        ada_chat.say(&text)?;
        ben_chat.say(&text)?;
    }
    // The consumers see them delivered: the sidecar has them, whatever the business's endpoint does.
    all_delivered(&ada_chat, TEXTS).await?;
    all_delivered(&ben_chat, TEXTS).await?;
    world.up.restart().await?;
    world.receiver.up()?;
    for consumer in [&ada, &ben] {
        let messages = world.receiver.wait_for_messages(consumer.number(), TEXTS, PATIENCE).await?;
        assert_eq!(
            messages.into_iter().map(|message| message.text).collect::<Vec<_>>(),
            numbered("text", TEXTS)
        );
    }
    world.no_events_wait().await?;
    world.check_events()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_failed_is_repeated_with_the_same_bytes() -> Result<()> {
    let world = World::start().await?;
    let attempts: Mutex<HashMap<Vec<u8>, usize>> = Mutex::default();
    world.receiver.answer_with(move |delivery| {
        let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = attempts.entry(delivery.body.clone()).or_default();
        *attempt += 1;
        Answer::Status(if *attempt < 3 { 500 } else { 200 })
    });
    let (consumer, mut chat) = world.online().await?;
    chat.say("first, with ümläuts")?;
    chat.say("second")?;
    let messages = world.receiver.wait_for_messages(consumer.number(), 2, PATIENCE).await?;
    assert_eq!(
        (messages[0].text.as_str(), messages[1].text.as_str()),
        ("first, with ümläuts", "second")
    );

    let deliveries = world.receiver.deliveries();
    for message in &messages {
        let attempts: Vec<&Delivery> = deliveries
            .iter()
            .filter(|delivery| delivery.message().is_some_and(|other| other.id == message.id))
            .collect();
        assert_eq!(attempts.len(), 3);
        for attempt in &attempts {
            assert_eq!(attempt.body, attempts[0].body);
            assert_eq!(
                attempt.headers.get("x-hub-signature-256"),
                attempts[0].headers.get("x-hub-signature-256")
            );
        }
    }
    let first_of_second = deliveries
        .iter()
        .position(|delivery| delivery.message().is_some_and(|message| message.text == "second"));
    let last_of_first = deliveries
        .iter()
        .rposition(|delivery| delivery.message().is_some_and(|message| message.text.starts_with("first")));
    ensure!(last_of_first < first_of_second, "the second was tried before the first was taken");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_2xx_acknowledges() -> Result<()> {
    let world = World::start().await?;
    world.receiver.answer(Answer::Status(202));
    let (consumer, mut chat) = world.online().await?;
    for text in numbered("text", TEXTS) {
        chat.say(&text)?;
    }
    let wamid = world.business.send_text(consumer.number(), "answer").await?;
    world.receiver.wait_for_messages(consumer.number(), TEXTS, PATIENCE).await?;
    world.receiver.wait_for_status(&wamid, "read", PATIENCE).await?;
    world.no_events_wait().await?;
    // Ten messages and three statuses, each once.
    assert_eq!(world.receiver.deliveries().len(), TEXTS + 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_never_taken_holds_up_only_its_own_consumer() -> Result<()> {
    let world = World::start().await?;
    for (trouble, answer) in [("fails", Answer::Status(500)), ("hangs", Answer::Hang)] {
        let (poison, mut poison_chat) = world.online().await?;
        let (fine, mut fine_chat) = world.online().await?;
        let wa_id = numbers::wa_id(poison.number()).to_owned();
        // Healed in the end, so that what waited is seen to arrive.
        let healed = std::sync::Arc::new(AtomicBool::new(false));
        let heal = std::sync::Arc::clone(&healed);
        world.receiver.answer_with(move |delivery| {
            let troubled = delivery.consumer() == wa_id && !healed.load(Ordering::Relaxed);
            if troubled { answer } else { Answer::Status(200) }
        });
        poison_chat.say("poison")?;
        poison_chat.say("after the poison")?;
        world
            .receiver
            .wait_for("the poison", PATIENCE, |deliveries| {
                deliveries
                    .iter()
                    .any(|delivery| delivery.consumer() == numbers::wa_id(poison.number()))
                    .then_some(())
            })
            .await?;
        for text in numbered("fine", TEXTS) {
            fine_chat.say(&text)?;
        }
        let messages = world.receiver.wait_for_messages(fine.number(), TEXTS, PATIENCE).await?;
        assert_eq!(
            messages.into_iter().map(|message| message.text).collect::<Vec<_>>(),
            numbered("fine", TEXTS),
            "while the other {trouble}"
        );
        ensure!(receiver::messages(&world.receiver.deliveries(), poison.number()).is_empty());
        heal.store(true, Ordering::Relaxed);
        let messages = world.receiver.wait_for_messages(poison.number(), 2, PATIENCE).await?;
        assert_eq!(
            (messages[0].text.as_str(), messages[1].text.as_str()),
            ("poison", "after the poison")
        );
    }
    Ok(())
}
