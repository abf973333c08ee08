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
async fn media() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "media.py",
        &[
            "upload of bytes",
            "upload of a file",
            "upload of a stream",
            "upload of image/jpeg",
            "upload of image/webp",
            "upload of audio/ogg",
            "upload of audio/mpeg",
            "upload of audio/mp4",
            "upload of audio/amr",
            "upload of video/mp4",
            "upload of application/pdf",
            "a type of its own",
            "bytes that are something else",
            "lookup",
            "fetched as bytes",
            "fetched into a file",
            "fetched in pieces",
            "image by its id",
            "image of bytes",
            "image by its link",
            "image that replies",
            "document",
            "video",
            "audio",
            "voice",
            "sticker",
            "buttons under an image",
            "an id of nothing",
            "deleted",
            "lookup after that",
        ],
    )
    .await?;
    play.arrived(&["media"; 9], 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn account() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "account.py",
        &[
            "number",
            "numbers of the account",
            "account",
            "profile is written",
            "profile is read",
            "profile is emptied",
            "profile without it",
            "an about text that is too long",
            "commerce settings are written",
            "commerce settings are read",
            "automation is written",
            "automation is read",
            "settings are read",
            "settings are written",
            "settings are kept",
            "code",
            "code with a drawing",
            "code is read",
            "codes are read",
            "code is changed",
            "code is deleted",
            "code is gone",
            "blocked",
            "blocked users",
            "unblocked",
            "no blocked users",
            "token of the app",
            "token of the app with another secret",
        ],
    )
    .await
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
