//! whatsapp-api-js, as it is on npm: what it sends, what it asks, what it receives.

use anyhow::{Result, ensure};
use waxseal_clients::{
    contained,
    driver::{Driver, Kind},
    play::Play,
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
