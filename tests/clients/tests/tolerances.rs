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
async fn uploads() -> Result<()> {
    let (world, _chat) = World::start().await?;
    let id = &world.number.phone_number_id;
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\x10P0\0\0\0s\0A\xda\xe5\xcf\xbb\0\0\0\0IEND\xaeB`\x82";
    let file = |kind: &str| {
        [
            format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"żółć.png\"\r\n{kind}\r\n").as_bytes(),
            png,
            b"\r\n",
        ]
        .concat()
    };
    let member =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes();
    let typed = "Content-Type: image/png\r\n";
    let end = b"--b--\r\n".to_vec();
    let product = member("messaging_product", "whatsapp");
    let kind = "multipart/form-data; boundary=b";
    let form = |path: String, parts: Vec<Vec<u8>>| Request::new("POST", &path, &world.number).body(kind, parts.concat());
    let mut chunked = form(format!("/v24.0/{id}/media"), vec![product.clone(), file(typed), end.clone()]);
    chunked.chunked = true;
    let rows = [
        (
            "file first",
            form(
                format!("/v24.0/{id}/media"),
                vec![file(typed), product.clone(), member("type", "image/png"), end.clone()],
            ),
        ),
        (
            "file last",
            form(
                format!("/v24.0/{id}/media"),
                vec![product.clone(), member("type", "image/png"), file(typed), end.clone()],
            ),
        ),
        (
            "no type but that of the part",
            form(format!("/v24.0/{id}/media"), vec![product.clone(), file(typed), end.clone()]),
        ),
        (
            "a part without a type",
            form(
                format!("/v24.0/{id}/media"),
                vec![product.clone(), member("type", "image/png"), file(""), end.clone()],
            ),
        ),
        (
            "the product in the query",
            form(
                format!("/v24.0/{id}/media?messaging_product=whatsapp"),
                vec![file(typed), end.clone()],
            ),
        ),
        ("chunked", chunked),
        (
            "no version",
            form(format!("/{id}/media"), vec![product.clone(), file(typed), end.clone()]),
        ),
        ("a boundary in quotes", {
            let mut request = form(format!("/v24.0/{id}/media"), vec![product.clone(), file(typed), end.clone()]);
            "Content-Type: multipart/form-data; boundary=\"b\"\r\n".clone_into(&mut request.headers);
            request
        }),
    ];
    for (what, request) in rows {
        let has_id = |answer: &Answer| {
            answer.status == 200
                && answer.json["id"]
                    .as_str()
                    .is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let answer = world.expect(what, &request, has_id).await?;
        let media = answer.json["id"].as_str().unwrap_or_default().to_owned();
        for target in [format!("/v24.0/{media}"), format!("/v24.0/{media}/?phone_number_id={id}")] {
            let found = |answer: &Answer| answer.status == 200 && answer.json["mime_type"] == "image/png";
            world.expect(what, &Request::new("GET", &target, &world.number), found).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_wherever_they_are_written() -> Result<()> {
    let (world, chat) = World::start().await?;
    let (id, waba) = (&world.number.phone_number_id, &world.number.business_account_id);
    let request = |method: &str, target: String| Request::new(method, &target, &world.number);
    let is_code = |answer: &Answer| answer.status == 200 && answer.json["code"].as_str().is_some_and(|code| code.len() == 14);
    // whatsapp-api-js and pywa write these into the query.
    let made = world
        .expect(
            "a code in the query",
            &request(
                "POST",
                format!("/v24.0/{id}/message_qrdls?generate_qr_image=png&prefilled_message=Hello%20there"),
            ),
            is_code,
        )
        .await?;
    ensure!(made.json["prefilled_message"] == "Hello there", "{}", made.json);
    let code = made.json["code"].as_str().unwrap_or_default().to_owned();
    world
        .expect(
            "a change in the query",
            &request("POST", format!("/v24.0/{id}/message_qrdls/{code}?prefilled_message=now")),
            |answer| answer.status == 200,
        )
        .await?;
    world
        .expect(
            "a list with a trailing slash",
            &request("GET", format!("/v24.0/{id}/message_qrdls/")),
            |answer| answer.json["data"].as_array().is_some_and(|codes| codes.len() == 1),
        )
        .await?;
    // DELETE with a body; without a version.
    let mut chat = chat;
    chat.say("hello")?;
    let users = json!({"messaging_product": "whatsapp", "block_users": [{"user": world.to, "user_id": null}]}).to_string();
    for (method, list) in [("POST", "added_users"), ("DELETE", "removed_users")] {
        let has_user = |answer: &Answer| answer.json["block_users"][list].as_array().is_some_and(|users| users.len() == 1);
        let block = request(method, format!("/{id}/block_users")).json(users.clone());
        let end = std::time::Instant::now() + PATIENCE;
        // Whether the consumer has written is known once that has arrived.
        while !has_user(&block.send(&world.up).await?) && std::time::Instant::now() < end {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        if method == "DELETE" {
            continue;
        }
        world.expect("blocked", &block, |answer| answer.status == 200).await?;
    }
    world
        .expect("nobody is blocked", &request("GET", format!("/v24.0/{id}/block_users")), |answer| {
            answer.json["data"].as_array().is_some_and(Vec::is_empty)
        })
        .await?;
    // null members, a trailing slash on the node, an empty body.
    let storage =
        json!({"user_identity_change": {"enable_identity_key_check": true}, "storage_configuration": null, "calling": null}).to_string();
    world
        .expect(
            "null members",
            &request("POST", format!("/v24.0/{id}/settings")).json(storage),
            succeeded,
        )
        .await?;
    let pin = json!({"pin": "135790"}).to_string();
    world
        .expect(
            "a PIN at the node with a slash",
            &request("POST", format!("/v24.0/{id}/")).json(pin),
            succeeded,
        )
        .await?;
    world
        .expect(
            "an empty body",
            &request("POST", format!("/v24.0/{waba}/subscribed_apps")),
            succeeded,
        )
        .await?;
    // Forms and queries for codes.
    let form = "application/x-www-form-urlencoded";
    world
        .expect(
            "a form",
            &request("POST", format!("/v24.0/{id}/request_code")).body(form, "code_method=SMS&language=en_US"),
            |answer| answer.status == 200 || answer.code() == Some(136_024),
        )
        .await?;
    // Numbers and flags as texts.
    let commerce = json!({"is_catalog_visible": "true", "is_cart_enabled": "false"}).to_string();
    world
        .expect(
            "flags as texts",
            &request("POST", format!("/v24.0/{id}/whatsapp_commerce_settings")).json(commerce),
            succeeded,
        )
        .await?;
    let target = format!("/v24.0/{id}/whatsapp_commerce_settings?is_catalog_visible=false&is_cart_enabled=true");
    world.expect("flags in the query", &request("POST", target), succeeded).await?;
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
