//! Meta's own SDK, as it is on npm.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use waxseal_clients::{
    contained,
    driver::{Driver, Kind},
    play::Play,
};

#[tokio::test(flavor = "multi_thread")]
async fn everything() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    // This library sends templates and leaves declaring them to others.
    let declare = Driver::start(Kind::Python, "templates_for_others.py", &play.stage, &play.facts())?;
    declare.finish(&["order_sent", "sale"]).await?;
    let port = waxseal_harness::ports::reserve()?.port();
    let mut facts = play.facts();
    facts["port"] = Value::from(port);
    let driver = Driver::start(Kind::Node, "whatsapp_sdk/all.mjs", &play.stage, &facts)?;
    driver.line("listening").await?;
    // What it receives it falls over: it is registered, and taken off again at once.
    let register = Driver::start(Kind::Python, "register.py", &play.stage, &json!({"port": port, "path": "hook"}))?;
    register.finish(&["registered"]).await?;
    let expected = [
        "text",
        "reply",
        "image",
        "location",
        "contacts",
        "buttons",
        "list",
        "template",
        "read mark",
        "PIN",
        "a template of nobody",
        "a file that is none",
        "a number that is none",
        "listening",
    ];
    driver.finish(&expected).await?;
    let texts = play.person.texts(2).await?;
    ensure!(texts == ["Zażółć 🦆", "a reply"], "{texts:?}");
    play.arrived(&["media", "location", "contacts", "template"], 2).await
}
