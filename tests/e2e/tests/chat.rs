//! A conversation both ways: HTTP and webhooks on one side, `waxseal chat` on the other.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use waxseal_e2e::{Kind, PATIENCE, World, numbered, numbers};
use waxseal_harness::{business::text_to, receiver::Message};

/// Escapes, an astral character, a right-to-left mark, quotes, and what JSON and shells trip over.
const AWKWARD: &str = "Grüße 👋🏽 \"quoted\" \\ / @ \u{200f}עברית <b>&amp;</b> $HOME `x` 100%";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_travels_both_ways_with_its_ticks() -> Result<()> {
    let world = World::start().await?;
    let (consumer, mut chat) = world.online().await?;
    chat.say(AWKWARD)?;
    let arrived = world.receiver.wait_for_messages(consumer.number(), 1, PATIENCE).await?;
    let expected = Message {
        from: numbers::wa_id(consumer.number()).to_owned(),
        kind: "text".to_owned(),
        text: AWKWARD.to_owned(),
        ..arrived[0].clone()
    };
    assert_eq!(arrived[0], expected);
    assert!(arrived[0].id.starts_with("wamid.") && arrived[0].id.len() <= 128);

    chat.wait_for_kind(&Kind::Delivered, PATIENCE).await?;
    world.business.mark_read(&arrived[0].id, true).await?;
    chat.wait_for_kind(&Kind::Read, PATIENCE).await?;
    chat.wait_for_kind(&Kind::Typing, PATIENCE).await?;
    let order: Vec<Kind> = chat
        .events()
        .into_iter()
        .filter(|event| event.id.is_some())
        .map(|event| event.kind)
        .collect();
    assert_eq!(order, [Kind::Queued, Kind::Sent, Kind::Delivered, Kind::Read]);

    let wamid = world.business.send_text(consumer.number(), AWKWARD).await?;
    assert_eq!(chat.wait_for_texts(1, PATIENCE).await?, [AWKWARD]);
    assert_eq!(
        world.receiver.wait_for_status(&wamid, "read", PATIENCE).await?,
        ["sent", "delivered", "read"]
    );
    world.no_events_wait().await?;
    world.check_events()?;
    assert_eq!(world.receiver.deliveries().len(), 4, "a message and three statuses, each once");
    assert_eq!(
        world.receiver.verify_tokens().last(),
        Some(&world.business.number().verify_token),
        "the handshake came first"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_and_replies_name_the_message_they_are_about() -> Result<()> {
    let world = World::start().await?;
    let (consumer, mut chat) = world.online().await?;
    chat.say("first")?;
    let first = world.receiver.wait_for_messages(consumer.number(), 1, PATIENCE).await?.remove(0);
    let mine = chat
        .wait_for_kind(&Kind::Queued, PATIENCE)
        .await?
        .id
        .context("queued without an id")?;

    world.business.react(consumer.number(), &first.id, "🎉").await?;
    let reaction = chat.wait_for_kind(&Kind::Reaction, PATIENCE).await?;
    assert_eq!(
        (reaction.json["emoji"].as_str(), reaction.json["message_id"].as_str()),
        (Some("🎉"), Some(mine.as_str()))
    );

    let mut reply = text_to(consumer.number(), "second");
    reply["context"] = json!({"message_id": first.id});
    reply["biz_opaque_callback_data"] = json!("order 17");
    let second = world.business.post(&reply).await?.wamid()?;
    let shown = chat.wait_for_kind(&Kind::Message, PATIENCE).await?;
    assert_eq!(
        (shown.text.as_deref(), shown.json["context_id"].as_str()),
        (Some("second"), Some(mine.as_str()))
    );

    chat.say("/react 👍")?;
    let arrived = world
        .receiver
        .wait_for("a reaction", PATIENCE, |deliveries| {
            let mut reactions = deliveries
                .iter()
                .filter(|delivery| delivery.message().is_some_and(|message| message.kind == "reaction"));
            reactions
                .next()
                .map(|delivery| delivery.json["entry"][0]["changes"][0]["value"]["messages"][0]["reaction"].clone())
        })
        .await?;
    assert_eq!(arrived, json!({"message_id": second, "emoji": "👍"}));

    world.receiver.wait_for_status(&second, "read", PATIENCE).await?;
    let deliveries = world.receiver.deliveries();
    let of_second = deliveries
        .iter()
        .filter(|delivery| delivery.status().is_some_and(|status| status.id == second));
    let data: Vec<_> = of_second
        .map(|delivery| delivery.json["entry"][0]["changes"][0]["value"]["statuses"][0]["biz_opaque_callback_data"].clone())
        .collect();
    assert_eq!(data, [json!("order 17"), json!("order 17"), json!("order 17")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_safety_number_stays_the_same() -> Result<()> {
    let world = World::start().await?;
    let (consumer, mut chat) = world.online().await?;
    chat.say("hello")?;
    chat.wait_for_kind(&Kind::Delivered, PATIENCE).await?;
    chat.say("/safety")?;
    let first = chat.wait_for_kind(&Kind::SafetyNumber, PATIENCE).await?.json["safety_number"].clone();
    let digits = first.as_str().context("no safety number after a message")?;
    ensure!(
        digits.len() == 60 && digits.bytes().all(|byte| byte.is_ascii_digit()),
        "{digits} is no safety number"
    );
    ensure!(chat.close().await?.success(), "chat did not end well");

    let mut again = consumer.chat()?;
    again.say("/safety")?;
    assert_eq!(
        again.wait_for_kind(&Kind::SafetyNumber, PATIENCE).await?.json["safety_number"],
        first
    );
    let (_, mut other) = world.online().await?;
    other.say("hello")?;
    other.wait_for_kind(&Kind::Delivered, PATIENCE).await?;
    other.say("/safety")?;
    assert_ne!(
        other.wait_for_kind(&Kind::SafetyNumber, PATIENCE).await?.json["safety_number"],
        first,
        "it depends on the consumer"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shot_chats_send_wait_and_end() -> Result<()> {
    let world = World::start().await?;
    let consumer = world.consumer()?;
    let sent = consumer.once(&["one", "two"], 0, PATIENCE).await?.ok()?;
    assert!(sent.texts().is_empty());
    let texts: Vec<String> = world
        .receiver
        .wait_for_messages(consumer.number(), 2, PATIENCE)
        .await?
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(texts, ["one", "two"]);

    world.business.send_text(consumer.number(), "three").await?;
    world.business.send_text(consumer.number(), "four").await?;
    assert_eq!(consumer.once(&[], 2, PATIENCE).await?.ok()?.texts(), ["three", "four"]);

    let waited = consumer.once(&[], 1, std::time::Duration::from_secs(1)).await?;
    ensure!(
        waited.status.code() == Some(1) && !waited.stderr.is_empty(),
        "nothing came, and nobody was told"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_consumers_talk_at_once_each_in_order() -> Result<()> {
    const CONSUMERS: usize = 4;
    const TEXTS: usize = 15;
    let world = World::start().await?;
    let mut chats = Vec::new();
    for _ in 0..CONSUMERS {
        chats.push(world.online().await?);
    }
    for text in numbered("up", TEXTS) {
        for (_, chat) in &mut chats {
            chat.say(&text)?;
        }
    }
    for text in numbered("down", TEXTS) {
        for (consumer, _) in &chats {
            world.business.send_text(consumer.number(), &text).await?;
        }
    }
    for (consumer, chat) in &chats {
        assert_eq!(chat.wait_for_texts(TEXTS, PATIENCE).await?, numbered("down", TEXTS));
        let messages = world.receiver.wait_for_messages(consumer.number(), TEXTS, PATIENCE).await?;
        assert_eq!(
            messages.into_iter().map(|message| message.text).collect::<Vec<_>>(),
            numbered("up", TEXTS)
        );
    }
    Ok(())
}
