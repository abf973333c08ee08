//! What real clients send that a strict server would refuse, byte for byte. One row for each thing.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use waxseal_clients::{
    PATIENCE,
    raw::{Answer, Request},
};
use waxseal_harness::{
    business::text_to,
    chat::{Chat, Consumer},
    numbers,
    up::{Number, Options, Up},
};

struct World {
    up: Up,
    number: Number,
    to: String,
}

impl World {
    async fn start() -> Result<(Self, Chat)> {
        let up = Up::start(Options::default()).await?;
        let consumer = Consumer::of(&up, &numbers::consumer())?;
        let chat = Chat::connected(&consumer, PATIENCE).await?;
        let number = up.endpoints().numbers[0].clone();
        let to = numbers::wa_id(consumer.number()).to_owned();
        Ok((Self { up, number, to }, chat))
    }

    fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Request {
        Request::new("POST", path, &self.number).json(body)
    }

    fn messages(&self) -> String {
        format!("/v24.0/{}/messages", self.number.phone_number_id)
    }

    fn text(&self, text: &str) -> Value {
        text_to(&self.to, text)
    }

    /// A text, with something changed in what is sent.
    fn changed(&self, text: &str, change: impl FnOnce(&mut Value)) -> Request {
        let mut body = self.text(text);
        change(&mut body);
        self.post(&self.messages(), body.to_string())
    }

    async fn expect(&self, what: &str, request: &Request, good: impl FnOnce(&Answer) -> bool) -> Result<Answer> {
        let answer = request.send(&self.up).await?;
        ensure!(
            good(&answer),
            "{what}: {} {}: {} {}",
            request.method,
            request.target,
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(answer)
    }
}

fn succeeded(answer: &Answer) -> bool {
    answer.status == 200 && answer.json["success"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn messages() -> Result<()> {
    let (world, chat) = World::start().await?;
    let (to, id) = (world.to.clone(), world.number.phone_number_id.clone());
    let spaced = format!("+{} ({}) {}-{}", &to[..1], &to[1..4], &to[4..7], &to[7..]);
    let number: u64 = to.parse()?;
    let plain = |text: &str| world.text(text).to_string();
    let mut chunked = world.post(&world.messages(), plain("chunked"));
    chunked.chunked = true;
    let raw = |text: &str, body: String| (text.to_owned(), world.post(&world.messages(), body));
    let at = |text: &str, path: String| (text.to_owned(), world.post(&path, plain(text)));
    let rows = vec![
        (
            "a leading plus".to_owned(),
            world.changed("a leading plus", |body| body["to"] = json!(format!("+{to}"))),
        ),
        (
            "spaces and hyphens".to_owned(),
            world.changed("spaces and hyphens", |body| body["to"] = json!(spaced)),
        ),
        (
            "a number as a number".to_owned(),
            world.changed("a number as a number", |body| body["to"] = json!(number)),
        ),
        (
            "recipient_type".to_owned(),
            world.changed("recipient_type", |body| body["recipient_type"] = json!("individual")),
        ),
        raw(
            "no type",
            format!(r#"{{"messaging_product":"whatsapp","to":"{to}","text":{{"body":"no type"}}}}"#),
        ),
        raw(
            "raw UTF-8: żółć 🦆",
            format!(r#"{{"messaging_product":"whatsapp","to":"{to}","type":"text","text":{{"body":"raw UTF-8: żółć 🦆"}}}}"#),
        ),
        raw(
            "escaped: żółć 🦆",
            format!(
                r#"{{"messaging_product":"whatsapp","to":"{to}","type":"text","text":{{"body":"escaped: \u017c\u00f3\u0142\u0107 \ud83e\udd86"}}}}"#
            ),
        ),
        (
            "null members".to_owned(),
            world.changed("null members", |body| {
                for name in ["context", "biz_opaque_callback_data", "recipient_type", "recipient", "image"] {
                    body[name] = Value::Null;
                }
                body["text"]["preview_url"] = Value::Null;
            }),
        ),
        (
            "members nobody knows".to_owned(),
            world.changed("members nobody knows", |body| {
                body["phoneId"] = json!("1");
                body["text"]["format"] = json!({"x": [1]});
            }),
        ),
        ("chunked".to_owned(), chunked),
        at("no version", format!("/{id}/messages")),
        at("a version without its v", format!("/23.0/{id}/messages")),
        at("an old version", format!("/v14.0/{id}/messages")),
        at("a version to come", format!("/v30.1/{id}/messages")),
        at("a trailing slash", format!("/v23.0/{id}/messages/")),
        ("no content type".to_owned(), {
            let mut request = world.post(&world.messages(), plain("no content type"));
            request.headers.clear();
            request
        }),
        ("a content type with a charset".to_owned(), {
            let mut request = world.post(&world.messages(), plain("a content type with a charset"));
            "Content-Type: application/json; charset=utf-8\r\n".clone_into(&mut request.headers);
            request
        }),
    ];
    let mut sent = Vec::new();
    for (text, request) in rows {
        let is_accepted =
            |answer: &Answer| answer.status == 200 && answer.json["messages"][0]["id"].as_str().is_some_and(|id| id.starts_with("wamid."));
        let answer = world.expect(&text, &request, is_accepted).await?;
        ensure!(answer.json["contacts"][0]["wa_id"] == to.as_str(), "{text}: {}", answer.json);
        sent.push(text);
    }
    assert_eq!(chat.wait_for_texts(sent.len(), PATIENCE).await?, sent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_in_capitals_and_not() -> Result<()> {
    let (world, chat) = World::start().await?;
    let waba = &world.number.business_account_id;
    for (name, kind) in [("upper", "BODY"), ("lower", "body")] {
        let template = json!({
            "name": name, "language": "en_US", "category": "utility", "cta_url_link_tracking_opted_out": null,
            "components": [{"type": kind, "text": "Hello {{1}}", "example": {"body_text": [["Ana"]]}}],
        });
        let create = world.post(&format!("/v24.0/{waba}/message_templates"), template.to_string());
        world
            .expect(name, &create, |answer| answer.status == 200 && answer.json["id"].is_string())
            .await?;
    }
    let mut sent = 0;
    for (name, kind) in [("upper", "body"), ("lower", "BODY")] {
        let template = json!({"messaging_product": "whatsapp", "to": world.to, "type": "template", "template": {
            "name": name, "language": {"code": "en_US", "policy": "deterministic"},
            "components": [{"type": kind, "parameters": [{"type": "text", "text": "Ana", "parameter_name": null}]}],
        }});
        let send = world.post(&world.messages(), template.to_string());
        world
            .expect(name, &send, |answer| {
                answer.status == 200 && answer.json["messages"][0]["id"].is_string()
            })
            .await?;
        sent += 1;
    }
    assert_eq!(sent, 2);
    drop(chat);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_with_what_clients_add() -> Result<()> {
    let (world, _chat) = World::start().await?;
    let id = &world.number.phone_number_id;
    let request = |edge: &str| Request::new("POST", &format!("/v24.0/{id}/{edge}"), &world.number);
    let pin = json!({"pin": "135790"}).to_string();
    world
        .expect("the PIN", &world.post(&format!("/v24.0/{id}"), pin), succeeded)
        .await?;
    world.expect("deregister without a body", &request("deregister"), succeeded).await?;
    let register = json!({"messaging_product": "whatsapp", "pin": "135790", "phoneId": id, "data_localization_region": null}).to_string();
    world.expect("register", &request("register").json(register), succeeded).await?;
    Ok(())
}
