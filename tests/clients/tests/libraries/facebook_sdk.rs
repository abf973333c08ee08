//! facebook-sdk, as it is on PyPI: a library for all of the Graph, which writes the token and everything else as parameters.

use anyhow::{Result, ensure};
use waxseal_clients::{
    contained,
    driver::{Driver, Kind},
    play::Play,
};

#[tokio::test(flavor = "multi_thread")]
async fn parameters() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    let driver = Driver::start(Kind::Python, "facebook_sdk/all.py", &play.stage, &play.facts())?;
    let expected = [
        "text",
        "reply",
        "image",
        "read mark",
        "number",
        "account",
        "numbers",
        "profile is changed",
        "profile",
        "template",
        "another",
        "templates",
        "template is sent",
        "token of the app",
        "token is looked at",
        "a template of nobody",
        "a message that is none",
        "a token of nobody",
    ];
    driver.finish(&expected).await?;
    let texts = play.person.texts(2).await?;
    ensure!(texts == ["Zażółć 🦆 & more", "a reply"], "{texts:?}");
    play.arrived(&["media", "template"], 0).await
}
