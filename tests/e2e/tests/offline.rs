//! A consumer that is not there when the business writes.

use anyhow::Result;
use waxseal_e2e::{Chat, Kind, PATIENCE, World, numbered};
use waxseal_harness::receiver;

const TEXTS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn who_was_offline_for_the_whole_exchange_gets_everything_in_order_once() -> Result<()> {
    let mut world = World::start().await?;
    let consumer = world.consumer()?;
    consumer.once(&["I am leaving"], 0, PATIENCE).await?.ok()?;
    world.receiver.wait_for_messages(consumer.number(), 1, PATIENCE).await?;

    let mut wamids = Vec::new();
    for (index, text) in numbered("while away", TEXTS).iter().enumerate() {
        wamids.push(world.business.send_text(consumer.number(), text).await?);
        if index == TEXTS / 2 {
            // What waits at the relay and in the sidecar outlives both.
            world.up.restart().await?;
        }
    }
    for wamid in &wamids {
        assert_eq!(
            world.receiver.wait_for_status(wamid, "sent", PATIENCE).await?,
            ["sent"],
            "nobody is there to receive it"
        );
    }

    let chat = Chat::connected(&consumer, PATIENCE).await?;
    assert_eq!(chat.wait_for_texts(TEXTS, PATIENCE).await?, numbered("while away", TEXTS));
    for wamid in &wamids {
        assert_eq!(
            world.receiver.wait_for_status(wamid, "read", PATIENCE).await?,
            ["sent", "delivered", "read"]
        );
    }
    assert_eq!(chat.texts().len(), TEXTS);
    chat.close().await?;

    let again = Chat::connected(&consumer, PATIENCE).await?;
    again.wait_for_kind(&Kind::Drained, PATIENCE).await?;
    assert!(again.texts().is_empty(), "nothing comes twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_nobody_fails_aloud() -> Result<()> {
    let world = World::start().await?;
    let nobody = waxseal_e2e::numbers::consumer();
    let wamid = world.business.send_text(&nobody, "is anybody there?").await?;
    assert_eq!(world.receiver.wait_for_status(&wamid, "failed", PATIENCE).await?, ["failed"]);
    let deliveries = world.receiver.deliveries();
    let failed = deliveries
        .iter()
        .find(|delivery| delivery.status().is_some_and(|status| status.id == wamid));
    let code = failed.map(|delivery| delivery.json["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"][0]["code"].clone());
    assert_eq!(code, Some(serde_json::json!(131_026)));
    assert!(receiver::messages(&deliveries, &nobody).is_empty());
    Ok(())
}
