//! pywa, as it is on PyPI: what it sends, what it asks, what it receives.

use anyhow::{Result, ensure};
use serde_json::json;
use waxseal_clients::{
    PATIENCE, contained,
    driver::{Driver, Kind},
    play::{FILES, Play},
};
use waxseal_content::PhoneNumber;

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
            "profile with a picture",
            "picture's address",
            "picture",
            "template with an example",
            "an example is kept",
            "session",
            "half a file",
            "what is there",
            "the rest",
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
async fn flows() -> Result<()> {
    contained!();
    let play = Play::start().await?;
    run(
        &play,
        "flows.py",
        &[
            "created",
            "created twice",
            "published without a document",
            "a document with errors",
            "errors are kept",
            "published with errors",
            "a document without",
            "renamed",
            "read",
            "assets",
            "fetched",
            "sent as a draft that it is not said to be",
            "sent as a draft",
            "published",
            "sent",
            "changed after that",
            "deleted after that",
            "cloned and published",
            "cloned",
            "listed",
            "listed in pages",
            "deprecated",
            "deprecated twice",
            "deleted",
            "listed without it",
        ],
    )
    .await?;
    play.arrived(&[], 2).await
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

#[tokio::test(flavor = "multi_thread")]
async fn receives_with_flask_at_the_numbers_address() -> Result<()> {
    contained!();
    receives("flask", "PHONE").await
}

#[tokio::test(flavor = "multi_thread")]
async fn receives_with_fastapi_at_the_accounts_address() -> Result<()> {
    contained!();
    receives("fastapi", "WABA").await
}

async fn receives(server: &str, scope: &str) -> Result<()> {
    let play = Play::start().await?;
    let port = waxseal_harness::ports::reserve()?.port();
    let facts = json!({"server": server, "scope": scope, "port": port});
    let driver = Driver::start(Kind::Python, "receive.py", &play.stage, &facts)?;
    let registered = driver.line("registered").await?;
    ensure!(registered["ok"] == true, "{registered}");
    let wa_id = play.person.wa_id().to_owned();
    let seen = |check: &'static str, member: &'static str, value: serde_json::Value| {
        let driver = &driver;
        async move {
            driver
                .wait_for(&format!("{check} with {member} {value}"), PATIENCE, |lines| {
                    let line = lines
                        .iter()
                        .find(|line| line.check == check && *line.json.pointer(member).unwrap_or(&json!(null)) == value);
                    line.map(|line| line.json.clone())
                })
                .await
        }
    };
    let text = play.say("Zażółć 🦆").await?;
    let line = seen("message text", "/text", json!("Zażółć 🦆")).await?;
    ensure!(
        line["from"]["wa_id"] == wa_id.as_str() && line["from"]["bsuid"].is_string(),
        "{line}"
    );
    play.reply("a reply", text).await?;
    let reply = seen("message text", "/text", json!("a reply")).await?;
    ensure!(reply["reply_to"] == line["id"], "{reply}");
    play.react(text, "👍").await?;
    let reaction = seen("message reaction", "/reaction/emoji", json!("👍")).await?;
    ensure!(reaction["reaction"]["message_id"] == line["id"], "{reaction}");
    play.locate().await?;
    seen(
        "message location",
        "/location",
        json!({"latitude": 52.2297, "longitude": 21.0122, "name": "Office", "address": "Main street 1"}),
    )
    .await?;
    play.cards().await?;
    seen("message contacts", "/contacts", json!(["Ana Żak"])).await?;
    play.order().await?;
    seen(
        "message order",
        "/order",
        json!({"catalog_id": "194836987003835", "text": "błękitne", "products": [["shirt", 2, 12.5, "EUR"]]}),
    )
    .await?;
    play.move_to(PhoneNumber::parse("+15550199")?).await?;
    let moved = seen("number changed", "/new", json!("15550199")).await?;
    ensure!(moved["old"] == wa_id.as_str() && moved["bsuid"].is_string(), "{moved}");
    for (check, member, kind) in FILES {
        let bytes = play.send_file(kind).await?;
        let line = seen(check, member, json!(kind)).await?;
        let received = &line[check.trim_start_matches("message ")];
        ensure!(received["bytes"] == bytes, "{line}");
    }
    ensure!(driver.line("message image").await?["caption"] == "żółć");
    ensure!(driver.line("message document").await?["filename"] == "żółć.pdf");
    play.say("please offer").await?;
    play.choose("Yes").await?;
    let pressed = seen("button", "/data", json!("yes:1")).await?;
    ensure!(
        pressed["title"] == "Yes" && pressed["reply_to"].as_str().is_some_and(|id| id.starts_with("wamid.")),
        "{pressed}"
    );
    play.choose("Ten").await?;
    seen("selection", "/description", json!("in the morning")).await?;
    play.edit(text, "Zażółć gęślą").await?;
    seen("edited", "/text", json!("Zażółć gęślą")).await?;
    play.revoke(text).await?;
    seen("deleted", "/original", line["id"].clone()).await?;
    let mark = play.say("please reply").await?;
    let asked = seen("message text", "/text", json!("please reply")).await?;
    let replied = play.person.text("replied").await?;
    play.person.consumer.mark_read(&play.person.business, &[replied]).await?;
    for status in ["status sent", "status delivered", "status read"] {
        let line = driver.line(status).await?;
        ensure!(line["to"]["wa_id"] == wa_id.as_str() && line["to"]["bsuid"].is_string(), "{line}");
    }
    play.person.read_of(mark).await?;
    drop(asked);
    Ok(())
}
