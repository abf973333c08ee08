//! Everything that can be sent and received, and then a search for it wherever it must not be; and what becomes of events that nobody takes.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use waxseal_e2e::{Chat, Options, PATIENCE, World, numbers, until};
use waxseal_harness::{
    business::http_client,
    program,
    redis::{AppendOnly, RedisOptions, RedisServer},
    scan::Scanner,
};

const ADMINISTRATION: &str = r#"
apiVersion: waxseal.dev/v1alpha1
kind: DataRegion
metadata: {name: laptop}
spec: {country: "BR", area: "this computer", retentionCapDays: 30}
---
apiVersion: waxseal.dev/v1alpha1
kind: RetentionPolicy
metadata: {name: two-days}
spec: {days: 2, contentDeletion: AtExpiry, webhookRetryWindowMinutes: 1}
---
apiVersion: v1
kind: Secret
metadata: {name: acme}
stringData: {token: acme-token-0001-for-the-test, appSecret: acme-app-secret-0001-for-the-test, pin: "246810"}
---
apiVersion: waxseal.dev/v1alpha1
kind: BusinessAccount
metadata: {name: acme}
spec:
  displayName: "Acme"
  address: "1 Example Street"
  appSecretRef: {name: acme}
  tokens: [{name: first, secretRef: {name: acme}}]
  conversationWindow: Disabled
---
apiVersion: waxseal.dev/v1alpha1
kind: BusinessPhoneNumber
metadata: {name: acme}
spec:
  phoneNumber: "+15550111"
  displayName: "Acme"
  accountRef: {name: acme}
  regionRef: {name: laptop}
  retentionPolicyRef: {name: two-days}
  pinSecretRef: {name: acme}
"#;
const RETENTION_MS: i64 = 2 * 86_400_000;
/// What the business says of itself lives longer: docs/adr/0013.
const BOOK_MS: i64 = 30 * 86_400_000;

/// Words that are secrets, each under what it is called.
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    fn say(&mut self, name: &'static str) -> String {
        // No space and no umlaut: also where it is part of a file name or a URL it stays what it is.
        let word = numbers::canary("canary");
        self.0.push((name, word.clone()));
        word
    }

    fn scanner(&self) -> Result<Scanner> {
        let mut scanner = Scanner::new();
        for (name, word) in &self.0 {
            scanner.text(name, word)?;
        }
        Ok(scanner)
    }
}

/// The smallest picture, with a canary in it where a decoder does not look.
fn png(canary: &str) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89".to_vec();
    file.extend(canary.as_bytes());
    file
}

/// A server whose every answer is this file. Its address.
async fn file_server(file: Vec<u8>) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                file.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &file].concat()).await;
        }
    });
    Ok(format!("http://{address}"))
}

struct Port<'a> {
    world: &'a World,
    to: String,
}

impl Port<'_> {
    async fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/v23.0/{path}", self.world.up.endpoints().api);
        let number = self.world.business.number();
        let answer = http_client()?.post(url).bearer_auth(&number.token).json(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    async fn upload(&self, file: &[u8], name: &str) -> Result<String> {
        let number = self.world.business.number();
        let url = format!("{}/v23.0/{}/media", self.world.up.endpoints().api, number.phone_number_id);
        let part = |head: &str, value: &[u8]| {
            let head = format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n");
            [head.as_bytes(), value, b"\r\n"].concat()
        };
        let body = [
            part("name=\"messaging_product\"", b"whatsapp"),
            part("name=\"type\"", b"image/png"),
            part(&format!("name=\"file\"; filename=\"{name}\"\r\nContent-Type: image/png"), file),
            b"--XX--\r\n".to_vec(),
        ];
        let request = http_client()?.post(url).bearer_auth(&number.token);
        let request = request
            .header("Content-Type", "multipart/form-data; boundary=XX")
            .body(body.concat());
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        Ok(answer["id"].as_str().context("no media id")?.to_owned())
    }

    async fn send(&self, kind: &str, member: Value) -> Result<String> {
        let mut message = json!({"messaging_product": "whatsapp", "to": self.to, "type": kind});
        message[kind] = member;
        self.world.business.post(&message).await?.wamid().with_context(|| kind.to_owned())
    }
}

/// The business sends one of everything.
async fn business_says_everything(port: &Port<'_>, words: &mut Canaries) -> Result<Vec<String>> {
    let media = port
        .upload(
            &png(&words.say("uploaded bytes")),
            &format!("{}.png", words.say("name of an upload")),
        )
        .await?;
    let link = file_server(png(&words.say("linked bytes"))).await?;
    let template = format!("order_{:08x}", rand::random::<u32>());
    let account = &port.world.business.number().business_account_id;
    let body = json!({"type": "BODY", "text": "Hello {{1}}, it is here.", "example": {"body_text": [["Ada"]]}});
    let made = json!({"name": template, "language": "en_US", "category": "UTILITY", "components": [body]});
    port.call(&format!("{account}/message_templates"), &made).await?;
    let filled = json!([{"type": "body", "parameters": [{"type": "text", "text": words.say("template parameter")}]}]);
    let card = json!({"name": {"formatted_name": words.say("name on a card"), "first_name": "x"}, "phones": [{"phone": "+1 555 0102"}],
        "emails": [{"email": format!("{}@example.com", words.say("address on a card"))}]});
    let buttons = json!({"buttons": [{"type": "reply", "reply": {"id": words.say("button id"), "title": "Ja"}}]});
    let look = json!({"name": "cta_url", "parameters": {"display_text": "See", "url": format!("https://example.com/{}", words.say("url of a button"))}});
    let flow = json!({"name": "flow", "parameters": {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Book", "flow_token": words.say("flow token")}});
    let mut wamids = Vec::new();
    for (kind, member) in [
        ("image", json!({"id": media, "caption": words.say("caption")})),
        ("image", json!({"link": format!("{link}/{}.png", words.say("link to a file"))})),
        (
            "template",
            json!({"name": template, "language": {"code": "en_US"}, "components": filled}),
        ),
        (
            "location",
            json!({"latitude": 1, "longitude": 2, "name": words.say("name of a place"), "address": words.say("address of a place")}),
        ),
        ("contacts", json!([card])),
        (
            "interactive",
            json!({"type": "button", "body": {"text": words.say("interactive body")}, "footer": {"text": "f"}, "action": buttons}),
        ),
        ("interactive", json!({"type": "cta_url", "body": {"text": "Look"}, "action": look})),
        ("interactive", json!({"type": "flow", "body": {"text": "Book"}, "action": flow})),
    ] {
        wamids.push(port.send(kind, member).await?);
    }
    let marked = json!({"messaging_product": "whatsapp", "to": port.to, "type": "text", "text": {"body": words.say("text")},
        "biz_opaque_callback_data": words.say("callback data")});
    let key = words.say("idempotency key");
    wamids.push(port.world.business.post_once(&marked, &key).await?.wamid()?);
    Ok(wamids)
}

/// The consumer says one of everything.
async fn consumer_says_everything(chat: &mut Chat, folder: &Path, words: &mut Canaries) -> Result<()> {
    let picture = folder.join(format!("{}.png", words.say("name of a consumer's file")));
    std::fs::write(&picture, png(&words.say("bytes of a consumer's file")))?;
    for said in [
        json!({"type": "text", "text": words.say("consumer's text")}),
        json!({"type": "image", "file": picture, "caption": words.say("consumer's caption")}),
        json!({"type": "document", "file": picture, "filename": words.say("consumer's file name")}),
        json!({"type": "location", "latitude": 1, "longitude": 2, "name": words.say("consumer's place"), "url": format!("https://example.com/{}", words.say("consumer's url"))}),
        json!({"type": "contacts", "name": words.say("consumer's card"), "phone": "+15550103"}),
        json!({"type": "flow_reply", "response": {"flow_token": "t", "answer": words.say("answer in a form")}}),
    ] {
        chat.sent(&said, PATIENCE).await?;
    }
    Ok(())
}

async fn waiting(world: &World) -> Result<u64> {
    let status = world.up.status().await?;
    status["numbers"][0]["waiting_webhooks"].as_u64().context("no waiting_webhooks")
}

/// `waxseal webhook …`, as JSON.
async fn webhook(world: &World, arguments: &[&str]) -> Result<Value> {
    let state_dir = world.up.state_dir().display().to_string();
    let arguments = [&["webhook"], arguments, &["--json", "--state-dir", &state_dir]].concat();
    let output = program::run(&arguments, PATIENCE).await?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{arguments:?}: {complaint}");
    serde_json::from_slice(&output.stdout).context("no JSON")
}

fn declared(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("administration.yaml");
    std::fs::write(&path, ADMINISTRATION)?;
    Ok(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_said_in_any_form_can_be_found_also_when_nobody_takes_it() -> Result<()> {
    let (folder, redis) = (
        tempfile::tempdir()?,
        RedisServer::start(RedisOptions {
            appendonly: AppendOnly::EverySecond,
            ..RedisOptions::default()
        })
        .await?,
    );
    let file = declared(folder.path())?.display().to_string();
    let mut world = World::with(|options| Options {
        log: Some("debug".to_owned()),
        args: vec!["--file".to_owned(), file],
        ..options.redis(redis.url())
    })
    .await?;
    let mut words = Canaries(Vec::new());
    let (consumer, mut chat) = world.online().await?;
    let port = Port {
        world: &world,
        to: numbers::wa_id(consumer.number()).to_owned(),
    };
    let wamids = business_says_everything(&port, &mut words).await?;
    chat.wait_for_message("text", 1, PATIENCE).await?;
    consumer_says_everything(&mut chat, folder.path(), &mut words).await?;
    let id = world.business.number().phone_number_id.clone();
    let told = |count: usize| world.receiver.wait_for_messages(consumer.number(), count, PATIENCE);
    told(6).await?;
    // Whom the business does not want to hear, and codes that lead to it.
    port.call(
        &format!("{id}/block_users"),
        &json!({"messaging_product": "whatsapp", "block_users": [{"user": port.to}]}),
    )
    .await?;
    port.call(
        &format!("{id}/message_qrdls"),
        &json!({"prefilled_message": "Hello", "generate_qr_image": "SVG"}),
    )
    .await?;
    let (stranger, mut other) = world.online().await?;
    let history = webhook(&world, &["deliveries", &wamids[0]]).await?;
    ensure!(history["data"][0]["message_id"] == json!(wamids[0]), "{history}");

    // What nobody fetches, and what nobody takes: all of it again.
    world.receiver.down();
    chat.close().await?;
    let port = Port {
        world: &world,
        to: numbers::wa_id(stranger.number()).to_owned(),
    };
    let unread = business_says_everything(&port, &mut words).await?;
    consumer_says_everything(&mut other, folder.path(), &mut words).await?;
    other.close().await?;
    port.send("text", json!({"body": words.say("text that waits")})).await?;
    until("events wait", || async { Ok(waiting(&world).await? > 6) }).await?;
    let open = webhook(&world, &["deliveries"]).await?;
    ensure!(!open["data"].as_array().context("no list")?.is_empty(), "{open}");
    until("the windows end", || async { Ok(waiting(&world).await? == 0) }).await?;
    let letters = webhook(&world, &["dead-letters"]).await?;
    let letters = letters["data"].as_array().context("no list")?.clone();
    ensure!(letters.len() > 6, "{letters:?}");
    let failed = webhook(&world, &["deliveries", &unread[0]]).await?;
    ensure!(failed.to_string().contains("FAILED"), "{failed}");

    // The search.
    let (scanner, mut both) = (words.scanner()?, words.scanner()?);
    for (name, number) in [("number", consumer.number()), ("the other number", stranger.number())] {
        both.number(name, number)?;
    }
    let keys = redis.keys().await?;
    ensure!(keys.len() > 20, "Redis holds {} keys: nothing was searched", keys.len());
    for key in &keys {
        ensure!(
            both.bytes("a key name", key.as_bytes()).is_empty(),
            "a key name tells of a consumer"
        );
        let left = redis.command(&["PTTL", key]).await?.int().context("PTTL answers with no number")?;
        // The book, and the fences of its and the lanes' owners: nothing of a conversation is in them.
        let lasts = key.contains("}:book") || key.contains("}:lane:");
        let most = if lasts { BOOK_MS } else { RETENTION_MS };
        ensure!(left == -2 || (0..=most).contains(&left), "{key} expires in {left} ms");
    }
    let hits = both.tree(redis.dir())?;
    ensure!(hits.is_empty(), "Redis's files tell: {hits:?}");
    let state = world.up.state_dir();
    for place in ["logs", "sidecar", "keys"] {
        let hits = both.tree(&state.join(place))?;
        ensure!(hits.is_empty(), "{place} tells: {hits:?}");
    }
    let hits = both.tree(&world.up.output_dir())?;
    ensure!(hits.is_empty(), "the output tells: {hits:?}");
    let hits = scanner.tree(&state.join("relay"))?;
    ensure!(hits.is_empty(), "the relay stores content: {hits:?}");
    for page in ["metrics", "status", "readyz?verbose"] {
        let answer = http_client()?.get(format!("{}/{page}", world.up.endpoints().admin)).send().await?;
        let hits = both.bytes(page, &answer.bytes().await?);
        ensure!(hits.is_empty(), "{hits:?}");
    }
    let told_of_letters = serde_json::to_vec(&letters)?;
    ensure!(both.bytes("dead letters", &told_of_letters).is_empty());
    // The search finds what is there.
    ensure!(!both.tree(&state.join("consumers"))?.is_empty());

    // Another chance: some by name, the rest at once.
    world.receiver.up()?;
    let first = letters[0]["id"].as_str().context("no id")?;
    ensure!(webhook(&world, &["replay", first]).await?["replayed"] == 1);
    let rest = webhook(&world, &["replay", "--since", "1h"]).await?["replayed"].as_u64();
    ensure!(rest == Some(letters.len() as u64 - 1), "{rest:?} of {}", letters.len());
    ensure!(webhook(&world, &["replay", "--all"]).await?["replayed"] == 0, "replayed twice");
    world.receiver.wait_for_messages(stranger.number(), 6, PATIENCE).await?;
    ensure!(webhook(&world, &["dead-letters"]).await?["data"] == json!([]));
    until("everything is taken", || async { Ok(waiting(&world).await? == 0) }).await?;
    world.check_events()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_command_says_what_is_wrong() -> Result<()> {
    let world = World::start().await?;
    let number = world.business.number();
    let token = tempfile::NamedTempFile::new()?;
    std::fs::write(token.path(), format!("{}\n", number.token))?;
    let (api, state, token_file) = (
        &world.up.endpoints().api,
        world.up.state_dir().display().to_string(),
        token.path().display().to_string(),
    );
    let at = |id: &'static str| {
        ["--url", api, "--token-file", &token_file, "--number", id]
            .map(str::to_owned)
            .to_vec()
    };
    let run = async |arguments: Vec<String>| -> Result<(bool, String)> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = program::run(&[&["webhook"], arguments.as_slice()].concat(), PATIENCE).await?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8(said)?))
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let here = words(&format!("dead-letters --state-dir {state}"));
    let (ok, said) = run(here).await?;
    ensure!(ok && said.starts_with("No dead letters"), "{said}");
    let (ok, said) = run(words(&format!("deliveries wamid.x --state-dir {state}"))).await?;
    ensure!(ok && said.starts_with("Nothing is known of that message"), "{said}");
    // A sidecar anywhere: by its address, a token and the number's id.
    let mut there = words(&format!(
        "replay --all --url {api} --token-file {token_file} --number {}",
        number.phone_number_id
    ));
    let (ok, said) = run(there.clone()).await?;
    ensure!(ok && said.trim() == "Put back into the queue: 0 events.", "{said}");
    std::fs::write(token.path(), "another token")?;
    let (ok, said) = run(there.clone()).await?;
    ensure!(!ok && said.contains("401") && !said.contains("another token"), "{said}");
    there.truncate(2);
    for (arguments, wanted) in [
        ([words("replay"), at("1")].concat(), "required"),
        ([words("drop --since soon"), at("1")].concat(), "--since"),
        ([words("dead-letters"), at("+15550100")].concat(), "digits only"),
        (
            [words("replay evt_nothing --state-dir"), vec![state.clone()]].concat(),
            "ids must be",
        ),
        (words("dead-letters --state-dir /nowhere/at/all"), "waxseal up"),
    ] {
        let (ok, said) = run(arguments).await?;
        ensure!(!ok && said.contains(wanted), "wanted {wanted}: {said}");
    }
    Ok(())
}

/// Longer than the window of an event, and than its last attempt.
const _: () = assert!(PATIENCE.as_secs() > 60 + Duration::from_secs(20).as_secs());
