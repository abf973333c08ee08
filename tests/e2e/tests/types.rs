//! Messages of every type that needs no file upload, both ways, over HTTP, webhooks and `waxseal chat`.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use waxseal_e2e::{Chat, Kind, PATIENCE, Receiver, World, numbers};

fn to(number: &str, kind: &str, member: Value) -> Value {
    let mut message = json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": number, "type": kind});
    message[kind] = member;
    message
}

/// The messages of a type that the business was told of, whole; waits for the n-th.
async fn told(receiver: &Receiver, kind: &str, count: usize) -> Result<Value> {
    receiver
        .wait_for(&format!("{count} webhooks of type {kind}"), PATIENCE, |deliveries| {
            let values = deliveries
                .iter()
                .map(|delivery| &delivery.json["entry"][0]["changes"][0]["value"]["messages"][0]);
            values.filter(|message| message["type"] == kind).nth(count - 1).cloned()
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_business_offers_is_chosen_from() -> Result<()> {
    let world = World::start().await?;
    let (consumer, mut chat) = world.online().await?;
    let number = consumer.number().to_owned();
    let send = async |chat: &Chat, count: usize, member: Value| -> Result<(String, Value)> {
        let wamid = world.business.post(&to(&number, "interactive", member)).await?.wamid()?;
        let shown = chat.wait_for_message("interactive", count, PATIENCE).await?;
        Ok((wamid, shown.member().clone()))
    };

    let (wamid, shown) = send(
        &chat,
        1,
        json!({"type": "button", "header": {"type": "text", "text": "Über uns"}, "body": {"text": "Well?"}, "footer": {"text": "soon"},
            "action": {"buttons": [{"type": "reply", "reply": {"id": "yes-1", "title": "Ja"}}, {"type": "reply", "reply": {"id": "no-1", "title": "Nein"}}]}}),
    )
    .await?;
    assert_eq!((&shown["body"], &shown["footer"]), (&json!("Well?"), &json!("soon")));
    chat.sent(&json!({"type": "choose", "choice": 2}), PATIENCE).await?;
    let chosen = told(&world.receiver, "interactive", 1).await?;
    assert_eq!(
        chosen["interactive"],
        json!({"type": "button_reply", "button_reply": {"id": "no-1", "title": "Nein"}})
    );
    assert_eq!(chosen["context"]["id"], json!(wamid));

    let (wamid, _) = send(
        &chat,
        2,
        json!({"type": "list", "body": {"text": "Which?"}, "action": {"button": "Open", "sections": [
            {"title": "Hot", "rows": [{"id": "tea", "title": "Tea", "description": "green"}]},
            {"title": "Cold", "rows": [{"id": "ice", "title": "Ice"}]}]}}),
    )
    .await?;
    chat.sent(&json!({"type": "choose", "id": "tea"}), PATIENCE).await?;
    let chosen = told(&world.receiver, "interactive", 2).await?;
    assert_eq!(
        chosen["interactive"],
        json!({"type": "list_reply", "list_reply": {"id": "tea", "title": "Tea", "description": "green"}})
    );
    assert_eq!(chosen["context"]["id"], json!(wamid));

    let flow = json!({"name": "flow", "parameters": {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Book"}});
    send(&chat, 3, json!({"type": "flow", "body": {"text": "Book"}, "action": flow})).await?;
    chat.sent(&json!({"type": "flow_reply", "response": {"flow_token": "t", "size": 7}}), PATIENCE)
        .await?;
    let finished = told(&world.receiver, "interactive", 3).await?;
    let response = finished["interactive"]["nfm_reply"]["response_json"]
        .as_str()
        .context("no response")?;
    assert_eq!(serde_json::from_str::<Value>(response)?, json!({"flow_token": "t", "size": 7}));

    let (_, shown) = send(
        &chat,
        4,
        json!({"type": "cta_url", "body": {"text": "Look"},
            "action": {"name": "cta_url", "parameters": {"display_text": "See", "url": "https://example.com/x"}}}),
    )
    .await?;
    assert_eq!(shown["link"]["url"], "https://example.com/x");

    send(
        &chat,
        5,
        json!({"type": "location_request_message", "body": {"text": "Where?"}, "action": {"name": "send_location"}}),
    )
    .await?;
    chat.sent(&json!({"latitude": 52.5, "longitude": 13.25, "name": "Hier"}), PATIENCE)
        .await?;
    let place = told(&world.receiver, "location", 1).await?;
    assert_eq!(place["location"], json!({"latitude": 52.5, "longitude": 13.25, "name": "Hier"}));
    world.no_events_wait().await?;
    world.check_events()
}

#[tokio::test(flavor = "multi_thread")]
async fn places_and_cards_go_both_ways_and_words_are_taken_back() -> Result<()> {
    let world = World::start().await?;
    let (consumer, mut chat) = world.online().await?;
    let number = consumer.number();
    let place = json!({"latitude": "-37.5", "longitude": 144, "name": "Café"});
    world.business.post(&to(number, "location", place)).await?.wamid()?;
    let shown = chat.wait_for_message("location", 1, PATIENCE).await?;
    assert_eq!(
        (shown.member()["latitude"].as_f64(), &shown.member()["name"]),
        (Some(-37.5), &json!("Café"))
    );
    let cards = json!([{"name": {"formatted_name": "Ada Löwe", "first_name": null}, "phones": [{"phone": "+1 555 0102"}]}]);
    world.business.post(&to(number, "contacts", cards)).await?.wamid()?;
    let shown = chat.wait_for_message("contacts", 1, PATIENCE).await?;
    assert_eq!(shown.member()[0]["name"], json!({"formatted_name": "Ada Löwe"}));

    chat.send(&json!({"type": "request_welcome"}))?;
    told(&world.receiver, "request_welcome", 1).await?;
    chat.sent(&json!({"type": "contacts", "name": "Grace", "phone": "+15550103"}), PATIENCE)
        .await?;
    let cards = told(&world.receiver, "contacts", 1).await?;
    assert_eq!(cards["contacts"][0]["name"]["formatted_name"], "Grace");
    let mine = chat.sent(&json!({"text": "frist"}), PATIENCE).await?;
    let first = told(&world.receiver, "text", 1).await?;
    chat.sent(&json!({"type": "edit", "text": "first", "message_id": mine}), PATIENCE)
        .await?;
    let edit = told(&world.receiver, "edit", 1).await?;
    assert_eq!(
        edit["edit"],
        json!({"original_message_id": first["id"], "message": {"text": {"body": "first"}, "type": "text"}})
    );
    chat.sent(&json!({"type": "revoke", "message_id": mine}), PATIENCE).await?;
    let revoke = told(&world.receiver, "revoke", 1).await?;
    assert_eq!(revoke["revoke"], json!({"original_message_id": first["id"]}));
    world.no_events_wait().await?;
    world.check_events()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_consumer_is_told_with_an_id() -> Result<()> {
    let world = World::start().await?;
    let (_consumer, mut chat) = world.online().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("note.ogg");
    std::fs::write(&path, b"OggS\0\x02 not much of a sound, but OpusHead is in it")?;
    chat.sent(
        &json!({"type": "voice", "file": path, "mime_type": "audio/ogg; codecs=opus"}),
        PATIENCE,
    )
    .await?;
    let message = told(&world.receiver, "audio", 1).await?;
    let audio = &message["audio"];
    ensure!(audio["voice"] == true && audio["mime_type"] == "audio/ogg; codecs=opus", "{audio}");
    let id = audio["id"].as_str().context("no id")?;
    ensure!(!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    world.no_events_wait().await?;
    world.check_events()
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_are_reached_by_their_user_ids() -> Result<()> {
    let world = World::start().await?;
    let (_consumer, mut chat) = world.online().await?;
    chat.say("hello")?;
    let user_id = world
        .receiver
        .wait_for("a user id", PATIENCE, |deliveries| {
            let mut ids = deliveries
                .iter()
                .map(|delivery| &delivery.json["entry"][0]["changes"][0]["value"]["contacts"][0]["user_id"]);
            ids.find_map(|id| id.as_str().map(str::to_owned))
        })
        .await?;
    let by_user_id = |id: &str| json!({"messaging_product": "whatsapp", "recipient": id, "text": {"body": "by user id"}});
    let answer = world.business.post(&by_user_id(&user_id)).await?;
    let wamid = answer.wamid()?;
    assert_eq!(answer.json["contacts"], json!([{"input": user_id, "user_id": user_id}]));
    assert_eq!(chat.wait_for_texts(1, PATIENCE).await?, ["by user id"]);
    world.receiver.wait_for_status(&wamid, "delivered", PATIENCE).await?;
    let unknown = world.business.post(&by_user_id("US.13491208655302741918")).await?;
    assert_eq!(unknown.code(), Some(131_026));
    let parent = world.business.post(&by_user_id("US.ENT.13491208655302741918")).await?;
    assert_eq!(parent.code(), Some(131_026));
    chat.wait_for_kind(&Kind::Delivered, PATIENCE).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_before_it_is_accepted() -> Result<()> {
    let world = World::start().await?;
    let consumer = numbers::consumer();
    for (body, code) in [
        (to(&consumer, "image", json!({"id": "1166846181421424"})), 100),
        (to(&consumer, "document", json!({"link": "http://127.0.0.1:9/a.pdf"})), 131_053),
        (
            to(
                &consumer,
                "template",
                json!({"name": "nobody_made_it", "language": {"code": "en_US"}}),
            ),
            132_001,
        ),
        (to(&consumer, "interactive", json!({"type": "product", "action": {}})), 131_009),
        (to(&consumer, "hologram", json!({})), 131_051),
    ] {
        let answer = world.business.post(&body).await?;
        assert_eq!(answer.code(), Some(code), "{}", answer.json);
    }
    assert!(world.receiver.deliveries().is_empty());
    Ok(())
}
