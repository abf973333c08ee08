//! pywa, as it is on PyPI: what it sends, what it asks, what it receives.

use anyhow::{Result, ensure};
use waxseal_clients::{
    contained,
    driver::{Driver, Kind},
    play::Play,
};

async fn run(play: &Play, script: &str, expected: &[&str]) -> Result<()> {
    let driver = Driver::start(Kind::Python, script, &play.stage, &play.facts())?;
    driver.finish(expected).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "messages.py",
        &[
            "text",
            "text to a number with a plus",
            "text that replies",
            "text with a tracker",
            "reaction",
            "reaction taken back",
            "read mark",
            "typing",
            "a text that is too long",
            "a message to the business itself",
            "a number that is none",
            "a token of nobody",
        ],
    )
    .await?;
    let texts = play.person.texts(4).await?;
    ensure!(texts[..4] == ["Zażółć 🦆 *bold*", "with a plus", "a reply", "tracked"], "{texts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "kinds.py",
        &[
            "location",
            "location without a name",
            "contact",
            "contacts",
            "buttons",
            "list",
            "link button",
            "location request",
            "flow",
            "catalogue",
            "product",
            "products",
            "contact request",
        ],
    )
    .await?;
    play.arrived(&["location", "location", "contacts", "contacts"], 6).await
}

#[tokio::test(flavor = "multi_thread")]
async fn templates() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "templates.py",
        &[
            "created",
            "created with names",
            "created for codes",
            "created twice",
            "listed",
            "listed by name",
            "listed by category",
            "read",
            "sent",
            "sent with names",
            "sent with a code",
            "sent as marketing",
            "a template of nobody",
            "another language",
            "too few parameters",
            "changed",
            "read after that",
            "deleted",
            "listed without it",
            "sent after that",
        ],
    )
    .await?;
    play.arrived(&["template"; 4], 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn registration() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "registration.py",
        &[
            "storage of a registered number",
            "deregistered",
            "node after that",
            "code asked for",
            "a wrong PIN",
        ],
    )
    .await
}
