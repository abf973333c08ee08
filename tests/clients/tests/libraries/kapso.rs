//! @kapso/whatsapp-cloud-api, as it is on npm: everything it does for a number, and what it receives.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use waxseal_clients::{
    PATIENCE, contained,
    driver::{Driver, Kind},
    play::Play,
};

#[tokio::test(flavor = "multi_thread")]
async fn sends_and_asks() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    let driver = Driver::start(Kind::Node, "kapso/all.mjs", &play.stage, &play.facts())?;
    let expected = [
        "text",
        "reply",
        "text to a user id",
        "image",
        "location",
        "contacts",
        "reaction",
        "read mark",
        "buttons",
        "list",
        "link button",
        "location request",
        "carousel",
        "flow",
        "catalogue",
        "upload",
        "lookup",
        "fetched",
        "image by its id",
        "deleted",
        "lookup after that",
        "template",
        "template with a code",
        "templates are read",
        "template is read",
        "template is sent",
        "template is deleted",
        "a template of nobody",
        "settings",
        "profile is changed",
        "profile",
        "code is asked for",
        "code that is wrong",
        "a token of nobody",
    ];
    driver.finish(&expected).await?;
    let texts = play.person.texts(3).await?;
    ensure!(texts == ["Zażółć 🦆", "a reply", "by id"], "{texts:?}");
    play.arrived(&["media", "location", "contacts", "media", "template"], 6).await
}

#[tokio::test(flavor = "multi_thread")]
async fn receives() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    let port = waxseal_harness::ports::reserve()?.port();
    let driver = Driver::start(Kind::Node, "kapso/receive.mjs", &play.stage, &json!({"port": port}))?;
    driver.line("listening").await?;
    // The library does not register its endpoint; whoever runs it does.
    let register = Driver::start(Kind::Python, "register.py", &play.stage, &json!({"port": port}))?;
    register.finish(&["registered"]).await?;
    let seen = |check: &'static str, member: &'static str, value: Value| {
        let driver = &driver;
        async move {
            driver
                .wait_for(&format!("{check} with {member} {value}"), PATIENCE, |lines| {
                    let fits = |line: &Value| line.pointer(member) == Some(&value);
                    let line = lines.iter().find(|line| line.check == check && fits(&line.json));
                    line.map(|line| line.json.clone())
                })
                .await
        }
    };
    let text = play.say("Zażółć 🦆 @/").await?;
    let line = seen("message text", "/message/text/body", json!("Zażółć 🦆 @/")).await?;
    ensure!(
        line["message"]["from"] == play.person.wa_id() && line["message"]["fromUserId"].is_string(),
        "{line}"
    );
    play.react(text, "👍").await?;
    seen("message reaction", "/message/reaction/emoji", json!("👍")).await?;
    play.locate().await?;
    seen("message location", "/message/location/name", json!("Office")).await?;
    play.cards().await?;
    seen("message contacts", "/message/contacts/0/name/formattedName", json!("Ana Żak")).await?;
    for (check, member, kind) in [
        ("message image", "/message/image/mimeType", "image/png"),
        ("message audio", "/message/audio/mimeType", "audio/ogg"),
        ("message document", "/message/document/mimeType", "application/pdf"),
        ("message sticker", "/message/sticker/mimeType", "image/webp"),
    ] {
        let bytes = play.send_file(kind).await?;
        let line = seen(check, member, json!(kind)).await?;
        ensure!(line["message"]["bytes"] == bytes, "{line}");
    }
    let sends = Driver::start(Kind::Node, "kapso/offer.mjs", &play.stage, &play.facts())?;
    sends.finish(&["offer", "said"]).await?;
    play.choose("Yes").await?;
    seen("message interactive", "/message/interactive/buttonReply/id", json!("yes")).await?;
    let said = play.person.text("offered").await?;
    play.person.consumer.mark_read(&play.person.business, &[said]).await?;
    for status in ["status sent", "status delivered", "status read"] {
        let line = driver.line(status).await?;
        ensure!(line["status"]["recipientUserId"].is_string(), "{line}");
    }
    let bad: Vec<_> = driver.lines().into_iter().filter(|line| line.json["ok"] != true).collect();
    ensure!(bad.is_empty(), "{bad:?}");
    Ok(())
}
