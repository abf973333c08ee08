//! Scripted consumers against a real `waxseal up`, with a business that answers, and with faults on purpose.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use waxseal_e2e::{Kind, PATIENCE, World, numbers};
use waxseal_harness::{business::text_to, program, up};

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples/scenarios")
}

fn with_faults(options: up::Options) -> up::Options {
    up::Options {
        args: vec!["--allow-faults".to_owned()],
        ..options
    }
}

/// Plays a scenario of its own against a world.
async fn play(world: &World, scenario: &str) -> Result<(bool, Vec<Value>)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("scenario.yaml");
    std::fs::write(&file, scenario)?;
    let (file, state_dir) = (file.display().to_string(), world.up.state_dir().display().to_string());
    let output = program::run(&["scenario", &file, "--state-dir", &state_dir, "--json"], PATIENCE).await?;
    let lines = String::from_utf8(output.stdout)?;
    let events: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let done = events
        .last()
        .with_context(|| format!("it says nothing: {}", String::from_utf8_lossy(&output.stderr)))?;
    ensure!(done["type"] == "scenario_done" && done["ok"] == output.status.success(), "{done}");
    Ok((output.status.success(), events))
}

fn interactive(to: &str, interactive: &Value) -> Value {
    json!({"messaging_product": "whatsapp", "to": to, "type": "interactive", "interactive": interactive})
}

/// The n-th choice of a consumer, as the webhook tells it.
async fn choice(world: &World, from: &str, n: usize) -> Result<Value> {
    let wa_id = numbers::wa_id(from).to_owned();
    world
        .receiver
        .wait_for("a choice", PATIENCE, |deliveries| {
            let messages = deliveries
                .iter()
                .map(|delivery| &delivery.json["entry"][0]["changes"][0]["value"]["messages"][0]);
            let mut choices = messages.filter(|message| message["type"] == "interactive" && message["from"] == wa_id.as_str());
            choices.nth(n - 1).map(|message| message["interactive"].clone())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_play_against_a_business_that_answers() -> Result<()> {
    let world = World::start().await?;
    let (ann, ben) = (numbers::consumer(), numbers::consumer());
    let scenario = format!(
        r#"
name: Both ways
within: 60s
consumers:
  - number: "{ann}"
    name: Ann
    reads: never
    steps:
      - send: Hello
      - expect: {{reaction: "👍"}}
      - expect: {{matches: "^Welcome, \\w+!$"}}
      - expect: {{type: interactive, buttons: [Small, Large]}}
      - choose: Large
      - expect: {{type: interactive, offers: Monday}}
      - choose: 2
      - expect_nothing: 200ms
      - read
  - number: "{ben}"
    steps:
      - repeat:
          times: 3
          steps: [send: Knock]
      - expect: {{status: read}}
"#
    );
    let business = async {
        let hello = world.receiver.wait_for_messages(&ann, 1, PATIENCE).await?.remove(0);
        world.business.react(&ann, &hello.id, "👍").await?;
        let welcome = world.business.post(&text_to(&ann, "Welcome, Ann!")).await?.wamid()?;
        let reply = |id: &str, title: &str| json!({"type": "reply", "reply": {"id": id, "title": title}});
        let buttons =
            json!({"type": "button", "body": {"text": "Which size?"}, "action": {"buttons": [reply("s", "Small"), reply("l", "Large")]}});
        world.business.post(&interactive(&ann, &buttons)).await?.wamid()?;
        let chosen = choice(&world, &ann, 1).await?;
        ensure!(chosen["button_reply"] == json!({"id": "l", "title": "Large"}), "{chosen}");
        let rows = json!([{"id": "sun", "title": "Sunday"}, {"id": "mon", "title": "Monday", "description": "after ten"}]);
        let list =
            json!({"type": "list", "body": {"text": "When?"}, "action": {"button": "Days", "sections": [{"title": "Days", "rows": rows}]}});
        world.business.post(&interactive(&ann, &list)).await?.wamid()?;
        let chosen = choice(&world, &ann, 2).await?;
        ensure!(
            chosen["list_reply"] == json!({"id": "mon", "title": "Monday", "description": "after ten"}),
            "{chosen}"
        );
        let knocks = world.receiver.wait_for_messages(&ben, 3, PATIENCE).await?;
        ensure!(knocks.iter().all(|knock| knock.text == "Knock"));
        world.business.mark_read(&knocks[2].id, false).await?;
        let statuses = world.receiver.wait_for_status(&welcome, "read", PATIENCE).await?;
        ensure!(statuses == ["sent", "delivered", "read"], "{statuses:?}");
        Ok(())
    };
    let (played, answered) = tokio::join!(play(&world, &scenario), business);
    answered?;
    let (well, events) = played?;
    ensure!(well, "{events:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_is_told_with_its_line() -> Result<()> {
    let world = World::start().await?;
    let consumer = numbers::consumer();
    let scenario = format!(
        "consumers:\n  - number: \"{consumer}\"\n    steps:\n      - send: x\n      - expect: {{contains: y, within: 300ms}}\n      - send: z\n"
    );
    let (well, events) = play(&world, &scenario).await?;
    let failure = &events.last().context("no end")?["failures"][0];
    ensure!(!well && failure["line"] == 5, "{failure}");
    let text = failure["message"].as_str().unwrap_or_default();
    ensure!(
        text.starts_with("expected a message that contains \"y\" within 300ms; nothing came"),
        "{text}"
    );

    // Faults are only where they were allowed.
    let fault = format!("faults: [{{webhook: 500}}]\nconsumers: [{{number: \"{consumer}\", steps: []}}]\n");
    let refused = play(&world, &fault).await.err().context("faults were taken")?;
    ensure!(format!("{refused:#}").contains("--allow-faults"), "{refused:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_strike_and_nothing_is_lost() -> Result<()> {
    let world = World::with(with_faults).await?;
    let consumer = numbers::consumer();
    let faults = format!("{}/faults", world.up.endpoints().admin);
    let client = waxseal_harness::business::http_client()?;
    let rules = json!([{"api": 130_429, "times": 1}, {"api": 131_056, "times": 1}]);
    ensure!(client.post(&faults).json(&rules).send().await?.status().is_success());

    let scenario = format!(
        r#"
name: Trouble
within: 60s
faults:
  - {{webhook: 500, times: 1}}
  - {{webhook: timeout, times: 1}}
consumers:
  - number: "{consumer}"
    steps:
      - send: in spite of it
      - expect: {{status: delivered}}
      - damage_next
      - send: damaged
      - expect: {{status: delivered}}
      - garbage: 2
      - offline
      - send: from the tunnel
      - online
      - new_identity
      - send: from a new phone
      - expect: {{status: delivered}}
      - expect: after all
"#
    );
    let business = async {
        let arrived = world.receiver.wait_for_messages(&consumer, 3, PATIENCE).await?;
        let texts: Vec<&str> = arrived.iter().map(|message| message.text.as_str()).collect();
        ensure!(texts[..2] == ["in spite of it", "damaged"], "{texts:?}");
        ensure!(
            texts[2..]
                .iter()
                .any(|text| *text == "from a new phone" || *text == "from the tunnel"),
            "{texts:?}"
        );
        let mut codes = Vec::new();
        for _ in 0..2 {
            codes.push(world.business.post(&text_to(&consumer, "after all")).await?.code());
        }
        ensure!(codes == [Some(130_429), Some(131_056)], "{codes:?}");
        world.business.send_text(&consumer, "after all").await?;
        Ok(())
    };
    let (played, answered) = tokio::join!(play(&world, &scenario), business);
    answered?;
    let (well, events) = played?;
    ensure!(well, "{events:?}");
    // The faults went with the scenario.
    let left: Value = client.get(&faults).send().await?.json().await?;
    ensure!(left == json!([]), "{left}");
    world.check_events()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_play() -> Result<()> {
    for name in ["conversation.yaml", "trouble.yaml"] {
        let file = samples().join(name).display().to_string();
        let args = ["up", "--ephemeral", "--listen", "127.0.0.1:0", "--json", "--scenario", &file];
        let output = program::run(&args, PATIENCE + Duration::from_secs(60)).await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "{name}: {said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(
            said.contains(r#""type":"scenario_done""#) && said.contains(r#""type":"stopped""#),
            "{name}: {said}"
        );
    }
    Ok(())
}

/// What consumers send besides text arrives as the Cloud API tells it, and files go both ways through a real relay.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_a_consumer_can_say_arrives() -> Result<()> {
    let world = World::start().await?;
    let (consumer, mut chat) = world.online().await?;
    let objects = [
        json!({"type": "location", "latitude": 52.5, "longitude": 13.4, "name": "Shop"}),
        json!({"type": "contacts", "name": "Ann Lee", "phone": "+15550199"}),
        json!({"type": "document", "file": samples().join("parcel.png"), "caption": "this"}),
        json!({"type": "button_reply", "id": "yes", "title": "Yes"}),
        json!({"type": "button", "text": "Stop", "payload": "STOP"}),
        json!({"type": "request_welcome"}),
        json!({
            "type": "order", "catalog_id": "7", "text": "both, please",
            "items": [{"product_retailer_id": "shirt", "quantity": 2, "item_price": 12.5, "currency": "EUR"}],
        }),
    ];
    for object in &objects {
        chat.sent(object, PATIENCE).await?;
    }
    let text = chat.sent(&json!({"text": "helo"}), PATIENCE).await?;
    chat.sent(&json!({"type": "edit", "text": "hello", "message_id": text}), PATIENCE)
        .await?;
    chat.sent(&json!({"type": "revoke", "message_id": text}), PATIENCE).await?;
    let moved = numbers::consumer();
    chat.sent(&json!({"type": "number_changed", "number": moved}), PATIENCE).await?;
    let kinds = [
        "location",
        "contacts",
        "document",
        "interactive",
        "button",
        "request_welcome",
        "order",
        "text",
        "edit",
        "revoke",
        "system",
    ];
    let arrived = world.receiver.wait_for_messages(consumer.number(), kinds.len(), PATIENCE).await?;
    let came: Vec<&str> = arrived.iter().map(|message| message.kind.as_str()).collect();
    ensure!(came == kinds, "{came:?}");
    chat.wait_for_kind(&Kind::Delivered, PATIENCE).await?;
    world.check_events()?;
    Ok(())
}

/// The first event that fits, as the value of its change.
async fn told(world: &World, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    let find = |deliveries: &[waxseal_harness::receiver::Delivery]| {
        let mut values = deliveries.iter().map(|delivery| &delivery.json["entry"][0]["changes"][0]["value"]);
        values.find(|value| fits(value)).cloned()
    };
    world.receiver.wait_for(what, PATIENCE, find).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_it_hears_of_another_identity_and_writes_to_no_stranger() -> Result<()> {
    let world = World::start().await?;
    let number = world.business.number().clone();
    let settings = waxseal_harness::business::http_client()?
        .post(format!("{}/{}/settings", world.up.endpoints().api, number.phone_number_id))
        .bearer_auth(&number.token)
        .json(&json!({"user_identity_change": {"enable_identity_key_check": true}}))
        .send()
        .await?;
    ensure!(settings.status().is_success(), "{}", settings.status());
    let consumer = numbers::consumer();
    let scenario = format!(
        r#"
name: A new phone
within: 60s
consumers:
  - number: "{consumer}"
    steps:
      - send: from the old phone
      - expect: for the old phone
      - new_identity
      - send: from the new phone
      - expect: for the new phone
      - expect_nothing: 200ms
"#
    );
    let text = |text: &str, hash: &Value| {
        let mut body = text_to(&consumer, text);
        body["recipient_identity_key_hash"] = hash.clone();
        body
    };
    let of_status = |wamid: &str, status: &str| {
        let (wamid, status) = (wamid.to_owned(), status.to_owned());
        move |value: &Value| value["statuses"][0]["id"] == wamid.as_str() && value["statuses"][0]["status"] == status.as_str()
    };
    let business = async {
        let first = told(&world, "the first message", |value| value["messages"][0]["type"] == "text").await?;
        let old = &first["contacts"][0]["identity_key_hash"];
        ensure!(old.is_string(), "{first}");
        let wamid = world.business.post(&text("for the old phone", old)).await?.wamid()?;
        let delivered = told(&world, "that it arrived", of_status(&wamid, "delivered")).await?;
        ensure!(delivered["statuses"][0]["recipient_identity_key_hash"] == *old, "{delivered}");

        let changed = told(&world, "the change", |value| value["messages"][0]["type"] == "system").await?;
        let (message, new) = (&changed["messages"][0], &changed["contacts"][0]["identity_key_hash"]);
        ensure!(message["system"]["type"] == "customer_identity_changed", "{changed}");
        ensure!(new.is_string() && new != old && message["identity"]["hash"] == *new, "{changed}");
        let wamid = world.business.post(&text("for nobody", old)).await?.wamid()?;
        let failed = told(&world, "that it failed", of_status(&wamid, "failed")).await?;
        ensure!(failed["statuses"][0]["errors"][0]["code"] == 137_000, "{failed}");
        let wamid = world.business.post(&text("for the new phone", new)).await?.wamid()?;
        told(&world, "that it arrived", of_status(&wamid, "delivered")).await?;
        Ok(())
    };
    let (played, answered) = tokio::join!(play(&world, &scenario), business);
    answered?;
    let (well, events) = played?;
    ensure!(well, "{events:?}");
    Ok(())
}
