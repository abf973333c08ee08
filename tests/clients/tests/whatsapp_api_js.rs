//! whatsapp-api-js, as it is on npm: what it sends, what it asks, what it receives.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use waxseal_clients::{
    PATIENCE, contained,
    driver::{Driver, Kind},
    play::{FILES, Play},
};

async fn run(play: &Play, script: &str, expected: &[&str]) -> Result<()> {
    let driver = Driver::start(Kind::Node, script, &play.stage, &play.facts())?;
    driver.finish(expected).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "messages.mjs",
        &[
            "text",
            "text that replies",
            "text with a tracker",
            "text to a user id",
            "reaction",
            "reaction taken back",
            "broadcast",
            "read mark",
            "typing",
            "a token of nobody",
            "a number that is none",
        ],
    )
    .await?;
    let texts = play.person.texts(6).await?;
    ensure!(
        texts == ["Zażółć 🦆 *bold*", "a reply", "tracked", "by id", "to all", "to all"],
        "{texts:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    let expected = [
        "location",
        "contacts",
        "buttons",
        "list",
        "link button",
        "location request",
        "catalogue",
        "product",
        "products",
        "flow",
        "contact request",
    ];
    run(&play, "kinds.mjs", &expected).await?;
    play.arrived(&["location", "contacts"], 6).await
}

#[tokio::test(flavor = "multi_thread")]
async fn media() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "media.mjs",
        &[
            "upload of image/png",
            "upload of image/jpeg",
            "upload of image/webp",
            "upload of audio/ogg",
            "upload of audio/mpeg",
            "upload of video/mp4",
            "upload of application/pdf",
            "upload of text/plain",
            "lookup",
            "fetched",
            "image by its id",
            "image by its link",
            "document",
            "video",
            "audio",
            "voice",
            "sticker",
            "buttons under an image",
            "deleted",
            "lookup after that",
        ],
    )
    .await?;
    play.arrived(&["media"; 7], 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn account() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "account.mjs",
        &[
            "code",
            "code with a drawing",
            "code is read",
            "codes are read",
            "code is changed",
            "code is deleted",
            "blocked",
            "unblocked",
            "blocked by user id",
            "unblocked by user id",
            "a call",
        ],
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn templates() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    // This library sends templates and leaves declaring them to others.
    let declare = Driver::start(Kind::Python, "templates_for_others.py", &play.stage, &play.facts())?;
    declare.finish(&["order_sent", "sale"]).await?;
    run(
        &play,
        "templates.mjs",
        &["sent", "sent with names", "a template of nobody", "too few parameters"],
    )
    .await?;
    play.arrived(&["template", "template"], 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn receives() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    let port = waxseal_harness::ports::reserve()?.port();
    let driver = Driver::start(Kind::Node, "receive.mjs", &play.stage, &json!({"port": port}))?;
    driver.line("listening").await?;
    // The library does not register its endpoint; whoever runs it does.
    let register = Driver::start(Kind::Python, "register.py", &play.stage, &json!({"port": port}))?;
    register.finish(&["registered"]).await?;
    let wa_id = play.person.wa_id().to_owned();
    let seen = |check: &'static str, member: &'static str, value: Value| {
        let driver = &driver;
        async move {
            driver
                .wait_for(&format!("{check} with {member} {value}"), PATIENCE, |lines| {
                    let line = lines
                        .iter()
                        .find(|line| line.check == check && *line.json.pointer(member).unwrap_or(&Value::Null) == value);
                    line.map(|line| line.json.clone())
                })
                .await
        }
    };
    let text = play.say("Zażółć 🦆 @/").await?;
    let line = seen("message text", "/message/text/body", json!("Zażółć 🦆 @/")).await?;
    ensure!(
        line["from"]["wa_id"] == wa_id.as_str() && line["from"]["user_id"].is_string(),
        "{line}"
    );
    play.reply("a reply", text).await?;
    let reply = seen("message text", "/message/text/body", json!("a reply")).await?;
    ensure!(reply["message"]["context"]["id"] == line["id"], "{reply}");
    play.react(text, "👍").await?;
    let reaction = seen("message reaction", "/message/reaction/emoji", json!("👍")).await?;
    ensure!(reaction["message"]["reaction"]["message_id"] == line["id"], "{reaction}");
    play.locate().await?;
    seen("message location", "/message/location/name", json!("Office")).await?;
    play.cards().await?;
    seen("message contacts", "/message/contacts/0/name/formatted_name", json!("Ana Żak")).await?;
    for (check, member, kind) in FILES {
        let bytes = play.send_file(kind).await?;
        let line = seen(check, member, json!(kind)).await?;
        let received = &line[check.trim_start_matches("message ")];
        ensure!(received["bytes"] == bytes, "{line}");
    }
    play.say("please offer").await?;
    play.choose("Yes").await?;
    seen("message interactive", "/message/interactive/button_reply/id", json!("yes:1")).await?;
    play.choose("Ten").await?;
    seen(
        "message interactive",
        "/message/interactive/list_reply/description",
        json!("in the morning"),
    )
    .await?;
    let mark = play.say("please reply").await?;
    let replied = play.person.text("replied").await?;
    play.person.consumer.mark_read(&play.person.business, &[replied]).await?;
    for status in ["status sent", "status delivered", "status read"] {
        let line = driver.line(status).await?;
        ensure!(
            line["contact"]["wa_id"] == wa_id.as_str() && line["contact"]["user_id"].is_string(),
            "{line}"
        );
    }
    play.person.read_of(mark).await?;
    let bad: Vec<_> = driver.lines().into_iter().filter(|line| line.json["ok"] != true).collect();
    ensure!(bad.is_empty(), "{bad:?}");
    Ok(())
}
