//! `waxseal up --redis`: what is in Redis, and what happens when Redis is not there.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use waxseal_e2e::{Options, PATIENCE, Up, World, numbers, until};
use waxseal_harness::{
    business::text_to,
    redis::{AppendOnly, RedisOptions, RedisServer},
    scan::Scanner,
};

const TEXTS: usize = 100;

async fn redis(appendonly: AppendOnly) -> Result<RedisServer> {
    RedisServer::start(RedisOptions {
        appendonly,
        ..RedisOptions::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_about_a_consumer_can_be_read_from_redis_the_logs_or_the_relay() -> Result<()> {
    let redis = redis(AppendOnly::EverySecond).await?;
    let mut world = World::with(|options| Options {
        log: Some("debug".to_owned()),
        ..options.redis(redis.url())
    })
    .await?;
    let (consumer, mut chat) = world.online().await?;
    let (to_business, to_consumer) = (numbers::canary("Grüße aufwärts"), numbers::canary("Grüße abwärts"));
    for index in 0..TEXTS {
        chat.say(&format!("{to_business} {index}"))?;
        world
            .business
            .send_text(consumer.number(), &format!("{to_consumer} {index}"))
            .await?;
    }
    chat.wait_for_texts(TEXTS, PATIENCE).await?;
    world.receiver.wait_for_messages(consumer.number(), TEXTS, PATIENCE).await?;
    chat.close().await?;

    // Something must be kept while it is searched: a message nobody fetches, an event nobody takes.
    world.receiver.down();
    world.business.send_text(consumer.number(), &format!("{to_consumer} kept")).await?;
    consumer.once(&[&format!("{to_business} kept")], 0, PATIENCE).await?.ok()?;
    until("an event waits", || async {
        let status = world.up.status().await?;
        Ok(status["numbers"][0]["waiting_webhooks"].as_u64().context("no waiting_webhooks")? > 0)
    })
    .await?;

    let mut words = Scanner::new();
    words.text("text to the business", &to_business)?;
    words.text("text to the consumer", &to_consumer)?;
    let mut both = Scanner::new();
    both.text("text to the business", &to_business)?;
    both.text("text to the consumer", &to_consumer)?;
    both.number("number", consumer.number())?;

    let keys = redis.keys().await?;
    ensure!(keys.len() > 3, "Redis holds {} keys: nothing was searched", keys.len());
    for key in &keys {
        ensure!(
            both.bytes("a key name", key.as_bytes()).is_empty(),
            "a key name tells of a consumer"
        );
        let left = redis.command(&["PTTL", key]).await?.int().context("PTTL answers with no number")?;
        // -2: it has expired since.
        ensure!(left > 0 || left == -2, "{key} never expires");
    }
    let hits = both.tree(redis.dir())?;
    ensure!(hits.is_empty(), "Redis's files tell: {hits:?}");

    let state = world.up.state_dir();
    for folder in ["logs", "sidecar", "keys"] {
        let hits = both.tree(&state.join(folder))?;
        ensure!(hits.is_empty(), "{folder} tells: {hits:?}");
    }
    let hits = both.tree(&world.up.output_dir())?;
    ensure!(hits.is_empty(), "the output tells: {hits:?}");
    let hits = words.tree(&state.join("relay"))?;
    ensure!(hits.is_empty(), "the relay stores text: {hits:?}");

    // The search does find what is there: the consumer's own folder, and a planted file.
    ensure!(!both.tree(&state.join("consumers"))?.is_empty());
    std::fs::write(redis.dir().join("planted"), format!("x{to_consumer}"))?;
    ensure!(both.tree(redis.dir())?.len() == 1);

    world.receiver.up()?;
    world.receiver.wait_for_messages(consumer.number(), TEXTS + 1, PATIENCE).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_nothing_is_accepted_and_with_it_everything_goes_on() -> Result<()> {
    let mut redis = redis(AppendOnly::Always).await?;
    let world = World::with(|options| options.redis(redis.url())).await?;
    let (consumer, mut chat) = world.online().await?;
    world.business.send_text(consumer.number(), "before").await?;
    chat.wait_for_texts(1, PATIENCE).await?;

    redis.kill()?;
    let refused = world.business.post(&text_to(consumer.number(), "refused")).await?;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, Some(131_016)), "{}", refused.json);
    chat.say("said meanwhile")?;
    let client = waxseal_harness::business::http_client()?;
    until("not ready", || async {
        Ok(client
            .get(format!("{}/readyz", world.up.endpoints().admin))
            .send()
            .await?
            .status()
            .as_u16()
            == 503)
    })
    .await?;
    ensure!(
        client
            .get(format!("{}/livez", world.up.endpoints().admin))
            .send()
            .await?
            .status()
            .is_success(),
        "a restart would not help"
    );

    redis.restart().await?;
    until("accepted again", || async {
        Ok(world.business.post(&text_to(consumer.number(), "after")).await?.status.is_success())
    })
    .await?;
    let texts = chat.wait_for_texts(2, PATIENCE).await?;
    ensure!(
        texts[0] == "before" && texts[1..].iter().all(|text| text == "after" || text == "refused"),
        "{texts:?}"
    );
    let messages = world.receiver.wait_for_messages(consumer.number(), 1, PATIENCE).await?;
    assert_eq!(messages[0].text, "said meanwhile");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_answered_for_in_time() -> Result<()> {
    let redis = redis(AppendOnly::EverySecond).await?;
    let world = World::with(|options| options.redis(redis.url())).await?;
    let (consumer, chat) = world.online().await?;
    world.business.send_text(consumer.number(), "before").await?;
    chat.wait_for_texts(1, PATIENCE).await?;

    redis.pause()?;
    let began = std::time::Instant::now();
    let refused = world.business.post(&text_to(consumer.number(), "in doubt")).await?;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, Some(131_016)), "{}", refused.json);
    ensure!(began.elapsed() < Duration::from_secs(15), "the answer took {:?}", began.elapsed());
    redis.resume()?;
    until("accepted again", || async {
        Ok(world.business.post(&text_to(consumer.number(), "after")).await?.status.is_success())
    })
    .await?;
    // The one in doubt may have been carried out when Redis woke, but once at most, and before the other.
    let texts = chat
        .wait_for("the text after", PATIENCE, |events| {
            let texts = waxseal_harness::chat::event::texts(events);
            texts.iter().any(|text| text == "after").then_some(texts)
        })
        .await?;
    ensure!(
        texts == ["before", "after"] || texts == ["before", "in doubt", "after"],
        "{texts:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_evict_is_refused_with_the_reason() -> Result<()> {
    let config = vec!["maxmemory 64mb".to_owned(), "maxmemory-policy allkeys-lru".to_owned()];
    let redis = RedisServer::start(RedisOptions {
        config,
        ..RedisOptions::default()
    })
    .await?;
    let refused = Up::refused(Options::default().redis(redis.url()), PATIENCE).await?;
    ensure!(!refused.status.success());
    ensure!(
        refused.output.contains("noeviction") && refused.output.contains("allkeys-lru"),
        "it said: {}",
        refused.output
    );
    ensure!(redis.keys().await?.is_empty(), "it was written to all the same");
    Ok(())
}
