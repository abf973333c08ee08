//! heyoo, as it is on PyPI: what it sends, and what it reads out of events.

use anyhow::{Result, ensure};
use serde_json::json;
use waxseal_clients::{
    contained,
    driver::{Driver, Kind},
    play::Play,
};

#[tokio::test(flavor = "multi_thread")]
async fn sends() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    // This library sends templates and leaves declaring them to others.
    let declare = Driver::start(Kind::Python, "templates_for_others.py", &play.stage, &play.facts())?;
    declare.finish(&["order_sent", "sale"]).await?;
    let driver = Driver::start(Kind::Python, "heyoo/all.py", &play.stage, &play.facts())?;
    let expected = [
        "text",
        "reply",
        "reaction",
        "location",
        "contacts",
        "upload of a.png",
        "upload of a.mp3",
        "upload of a.mp4",
        "upload of a.pdf",
        "image by its id",
        "image by its link",
        "audio",
        "video",
        "document",
        "lookup",
        "fetched",
        "deleted",
        "lookup after that",
        "list",
        "buttons",
        "anything",
        "template",
        "read mark",
        "a template of nobody",
        "a number that is none",
        "a token of nobody",
    ];
    driver.finish(&expected).await?;
    let texts = play.person.texts(2).await?;
    ensure!(texts == ["Zażółć 🦆", "a reply"], "{texts:?}");
    let kinds = [
        "location", "contacts", "media", "media", "media", "media", "media", "media", "template",
    ];
    play.arrived(&kinds, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn receives() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    let port = waxseal_harness::ports::reserve()?.port();
    let driver = Driver::start(Kind::Python, "heyoo/receive.py", &play.stage, &json!({"port": port}))?;
    driver.line("listening").await?;
    // The library does not register its endpoint; whoever runs it does.
    let register = Driver::start(Kind::Python, "register.py", &play.stage, &json!({"port": port}))?;
    register.finish(&["registered"]).await?;
    play.say("Zażółć 🦆 @/").await?;
    let text = driver.line("message text").await?;
    ensure!(text["said"] == "Zażółć 🦆 @/" && text["mobile"] == play.person.wa_id(), "{text}");
    ensure!(text["name"].is_string() && text["field"] == "messages", "{text}");
    play.locate().await?;
    ensure!(driver.line("message location").await?["said"]["name"] == "Office");
    for (check, kind) in [
        ("message image", "image/png"),
        ("message document", "application/pdf"),
        ("message audio", "audio/ogg"),
    ] {
        play.send_file(kind).await?;
        let line = driver.line(check).await?;
        ensure!(line["said"]["mime_type"] == kind && line["said"]["id"].is_string(), "{line}");
        let is_named = line["said"]["filename"].is_string();
        ensure!(is_named == (check == "message document"), "only documents have names: {line}");
    }
    let sends = Driver::start(Kind::Node, "kapso/offer.mjs", &play.stage, &play.facts())?;
    sends.finish(&["offer", "said"]).await?;
    play.choose("Yes").await?;
    ensure!(driver.line("message interactive").await?["said"]["button_reply"]["id"] == "yes");
    let said = play.person.text("offered").await?;
    play.person.consumer.mark_read(&play.person.business, &[said]).await?;
    for status in ["status sent", "status delivered", "status read"] {
        let line = driver.line(status).await?;
        ensure!(line["mobile"] == play.person.wa_id() && line["name"].is_string(), "{line}");
    }
    let bad: Vec<_> = driver.lines().into_iter().filter(|line| line.json["ok"] != true).collect();
    ensure!(bad.is_empty(), "{bad:?}");
    Ok(())
}
