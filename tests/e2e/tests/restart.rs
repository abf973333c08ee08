//! Stopping and starting: Ctrl-C, what stays, who may read it, and `waxseal status`.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::{Context as _, Result, ensure};
use waxseal_e2e::{Business, Chat, Kind, Options, PATIENCE, Up, World, numbered};
use waxseal_harness::program;

const TEXTS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn started_again_conversations_go_on() -> Result<()> {
    let mut world = World::start().await?;
    let (consumer, mut chat) = world.online().await?;
    chat.say("before")?;
    world.receiver.wait_for_messages(consumer.number(), 1, PATIENCE).await?;
    world.business.send_text(consumer.number(), "before").await?;
    chat.wait_for_texts(1, PATIENCE).await?;
    chat.say("/safety")?;
    let safety = chat.wait_for_kind(&Kind::SafetyNumber, PATIENCE).await?.json["safety_number"].clone();
    let token = world.business.number().token.clone();

    ensure!(world.up.sigint_and_wait().await?.code() == Some(0), "Ctrl-C is an ordinary end");
    world.up.restart().await?;
    let business = Business::new(world.up.endpoints())?;
    assert_eq!(business.number().token, token, "scripts keep working");

    // The chat that was open all the time, and one that is opened anew.
    chat.say("after")?;
    let messages = world.receiver.wait_for_messages(consumer.number(), 2, PATIENCE).await?;
    assert_eq!(messages[1].text, "after");
    business.send_text(consumer.number(), "after").await?;
    assert_eq!(chat.wait_for_texts(2, PATIENCE).await?, ["before", "after"]);
    chat.close().await?;
    let mut again = Chat::connected(&consumer, PATIENCE).await?;
    again.say("/safety")?;
    assert_eq!(
        again.wait_for_kind(&Kind::SafetyNumber, PATIENCE).await?.json["safety_number"],
        safety
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_while_messages_flow_loses_none() -> Result<()> {
    let mut world = World::start().await?;
    let (consumer, chat) = world.online().await?;
    world.business.send_text(consumer.number(), "first").await?;
    chat.wait_for_texts(1, PATIENCE).await?;
    let (business, to) = (world.business.clone(), consumer.number().to_owned());
    let sender = tokio::spawn(async move {
        let mut accepted = Vec::new();
        for text in numbered("text", 2_000) {
            // The first refusal is the end: the port is closed.
            match business.send_text(&to, &text).await {
                Ok(_) => accepted.push(text),
                Err(_) => break,
            }
        }
        accepted
    });
    chat.wait_for_texts(TEXTS, PATIENCE).await?;
    ensure!(world.up.sigint_and_wait().await?.code() == Some(0));
    let accepted = sender.await?;
    ensure!(accepted.len() < 2_000, "it did not stop while messages flowed");
    world.up.restart().await?;
    let texts = chat.wait_for_texts(accepted.len() + 1, PATIENCE).await?;
    ensure!(
        texts[1..=accepted.len()] == accepted,
        "what was accepted did not arrive in order, once"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_kept_is_for_its_owner_alone() -> Result<()> {
    let mut world = World::start().await?;
    let (consumer, mut chat) = world.online().await?;
    chat.say("hello")?;
    world.receiver.wait_for_messages(consumer.number(), 1, PATIENCE).await?;
    for domain in ["relay", "sidecar", "keys", "consumers", "logs"] {
        ensure!(world.up.state_dir().join(domain).is_dir(), "{domain} is missing");
    }
    ensure!(world.up.state_dir().join("endpoints.json").is_file());
    let files = check_modes(world.up.state_dir())?;
    ensure!(files >= 5, "only {files} files were looked at");
    ensure!(world.up.sigint_and_wait().await?.success());
    check_modes(world.up.state_dir())?;
    Ok(())
}

/// Fails if group or others may do anything; returns how many files there are.
fn check_modes(path: &Path) -> Result<usize> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "{} has mode {:o}", path.display(), mode & 0o777);
    if !path.is_dir() {
        return Ok(1);
    }
    let mut files = 0;
    for entry in std::fs::read_dir(path)? {
        files += check_modes(&entry?.path())?;
    }
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_is_for_one_at_a_time() -> Result<()> {
    let world = World::start().await?;
    let state_dir = world.up.state_dir().display().to_string();
    let args = ["up", "--listen", "127.0.0.1:0", "--state-dir", &state_dir];
    let second = program::run(&args, PATIENCE).await?;
    ensure!(!second.status.success());
    ensure!(
        String::from_utf8_lossy(&second.stderr).contains("--state-dir"),
        "it does not say what to do"
    );
    let (consumer, chat) = world.online().await?;
    world.business.send_text(consumer.number(), "still here").await?;
    chat.wait_for_texts(1, PATIENCE).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_what_waits_and_names_no_consumer() -> Result<()> {
    let mut world = World::start().await?;
    let (consumer, mut chat) = world.online().await?;
    world.receiver.down();
    chat.say("hello")?;
    chat.wait_for_kind(&Kind::Delivered, PATIENCE).await?;
    let state_dir = world.up.state_dir().display().to_string();
    let shown = program::run(&["status", "--state-dir", &state_dir], PATIENCE).await?;
    let text = String::from_utf8_lossy(&shown.stdout);
    ensure!(shown.status.success() && text.contains("+15550100"), "{text}");
    let json = world.up.status().await?;
    let number = json["numbers"].get(0).context("no number")?;
    assert_eq!(number["waiting_webhooks"], 1);
    assert_eq!(number["sessions"], 1);
    ensure!(
        number["oldest_message_age_seconds"].is_u64() && number["next_expiry_seconds"].as_u64() > Some(0),
        "{number}"
    );
    for said in [text.into_owned(), json.to_string()] {
        ensure!(
            !said.contains(consumer.number().trim_start_matches('+')),
            "a consumer's number is shown"
        );
    }
    ensure!(world.up.sigint_and_wait().await?.success());
    let gone = program::run(&["status", "--state-dir", &state_dir], PATIENCE).await?;
    assert_eq!(gone.status.code(), Some(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_output_says_what_to_do_next() -> Result<()> {
    let up = Up::start(Options::default()).await?;
    let number = up.endpoints().numbers.first().context("no number")?;
    let told = up.output();
    let curl = format!("curl {}", up.endpoints().api);
    for expected in [
        &curl,
        &number.phone_number_id,
        "chat --as",
        "--to +15550100",
        &up.state_dir().display().to_string(),
        "days",
    ] {
        ensure!(told.contains(expected), "{expected} is not in:\n{told}");
    }
    // With the built-in receiver what arrives is printed.
    let chat = waxseal_e2e::Consumer::of(&up, &waxseal_e2e::numbers::consumer())?;
    chat.once(&["hello from the consumer"], 0, PATIENCE).await?.ok()?;
    waxseal_e2e::until("the text is printed", || async {
        Ok(up.output().contains("hello from the consumer"))
    })
    .await
}
