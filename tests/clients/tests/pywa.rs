//! pywa, as it is on PyPI: what it sends, what it asks, what it receives.

use anyhow::{Result, ensure};
use serde_json::json;
use waxseal_clients::{
    PATIENCE, contained,
    driver::{Driver, Kind},
    people::Person,
    stage::Stage,
};
use waxseal_content::Text;

#[tokio::test(flavor = "multi_thread")]
async fn messages() -> Result<()> {
    contained!();
    let stage = Stage::start().await?;
    let person = Person::new(&stage).await?;
    person.consumer.send_text(&person.business, Text::from("hello")).await?;
    let incoming = stage.receiver.wait_for_messages(person.wa_id(), 1, PATIENCE).await?;
    let facts = json!({"to": person.wa_id(), "incoming": incoming[0].id});
    let driver = Driver::start(Kind::Python, "messages.py", &stage, &facts)?;
    driver
        .finish(&[
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
        ])
        .await?;
    let texts = person.texts(4).await?;
    ensure!(texts[..4] == ["Zażółć 🦆 *bold*", "with a plus", "a reply", "tracked"], "{texts:?}");
    Ok(())
}
