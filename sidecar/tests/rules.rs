//! Limits, windows and templates, through a whole sidecar: its port, a real relay, consumers, and a webhook receiver.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use waxseal_consumer::{Consumer, Event, Options, SpamReason};
use waxseal_content::{Body, PhoneNumber, Text};
use waxseal_harness::{business::http_client, receiver::Receiver};
use waxseal_protocol::Tls;
use waxseal_relay::Relay;
use waxseal_sidecar::{
    Running, Sidecar,
    config::{Config, CustodyLocation, Deletion, Number, OverLimit, Retention, Rules, Secret, StoreLocation, Surface, Webhook},
    faults::{Faults, Rule},
};
use waxseal_store::Durability;

const PATIENCE: Duration = Duration::from_secs(60);
const BUSINESS: &str = "+15550100";
const ID: &str = "15550100";
const ACCOUNT: &str = "77001";
const TOKEN: &str = "token";

struct World {
    _folder: TempDir,
    relay: waxseal_relay::Running,
    sidecar: Running,
    receiver: Receiver,
    client: reqwest::Client,
    faults: Faults,
}

impl World {
    async fn start(rules: Rules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let mut relay = waxseal_relay::Config::new(any, folder.path().join("relay"));
        // One report is bad enough.
        relay.limits.integrity.least_recipients = 1;
        relay.limits.integrity.red.least_reports = 1;
        relay.limits.integrity.pause = Duration::from_millis(10);
        let relay = Relay::start(relay).await.unwrap();
        let receiver = Receiver::start().unwrap();
        let faults = Faults::default();
        let config = Config {
            api_listen: any,
            admin_listen: any,
            relay_url: format!("http://{}", relay.addr()),
            relay_tls: Tls::default(),
            store_ca: None,
            store: StoreLocation::Embedded(folder.path().join("store.redb")),
            durability: Durability::Memory,
            numbers: vec![Number {
                phone_number: PhoneNumber::parse(BUSINESS).unwrap(),
                phone_number_id: ID.to_owned(),
                waba_id: ACCOUNT.to_owned(),
                display_name: "Shop".to_owned(),
                pin: Secret::from("123456"),
                tokens: vec![Secret::from(TOKEN)],
                app_secret: Secret::from("secret"),
                webhook: Some(Webhook {
                    url: receiver.url(),
                    verify_token: Secret::from("verify"),
                    timeout: Duration::from_secs(5),
                    retry_window: Duration::from_secs(600),
                }),
                retention: Retention::Days(3),
                deletion: Deletion::OnDelivery,
                custody: CustodyLocation::File(folder.path().join("keys")),
                surface: surface(rules, &faults),
            }],
            api_certificate: None,
            source_url: "s".to_owned(),
        };
        let sidecar = Sidecar::start(config).await.unwrap();
        let linked = async {
            while !sidecar.is_linked() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, linked).await.expect("not linked");
        Self {
            _folder: folder,
            relay,
            sidecar,
            receiver,
            client: http_client().unwrap(),
            faults,
        }
    }

    async fn consumer(&self, number: &str) -> Consumer {
        let options = Options::in_memory(PhoneNumber::parse(number).unwrap(), format!("http://{}", self.relay.addr()));
        let consumer = Consumer::open(options).await.unwrap();
        let connected = async { while !matches!(consumer.next_event().await.unwrap(), Event::Connected { .. }) {} };
        timeout(PATIENCE, connected).await.unwrap();
        consumer
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}/v23.0/{path}", self.sidecar.api);
        let response = self
            .client
            .request(method, url)
            .bearer_auth(TOKEN)
            .json(&body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(reqwest::Method::POST, path, body).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(reqwest::Method::GET, path, json!({})).await
    }

    async fn send(&self, mut message: Value) -> Response {
        message["messaging_product"] = "whatsapp".into();
        let url = format!("http://{}/v23.0/{ID}/messages", self.sidecar.api);
        self.client.post(url).bearer_auth(TOKEN).json(&message).send().await.unwrap()
    }

    async fn text(&self, to: &str, text: &str) -> Response {
        self.send(json!({"to": to, "type": "text", "text": {"body": text}})).await
    }

    /// The code of the status that says that a message failed.
    async fn failure(&self, wamid: &str) -> u64 {
        let find = |deliveries: &[waxseal_harness::receiver::Delivery]| {
            deliveries.iter().find_map(|delivery| {
                let status = &delivery.json["entry"][0]["changes"][0]["value"]["statuses"][0];
                (status["id"] == wamid && status["status"] == "failed").then(|| status["errors"][0]["code"].as_u64())?
            })
        };
        self.receiver.wait_for("a failed status", PATIENCE, find).await.unwrap()
    }

    async fn stop(self) {
        self.sidecar.shutdown(Duration::from_secs(1)).await;
        self.relay.shutdown().await;
    }
}

fn surface(rules: Rules, faults: &Faults) -> Surface {
    let mut surface = Surface {
        rules,
        faults: Some(faults.clone()),
        ..Surface::default()
    };
    let fields = ["messages", "message_template_status_update", "phone_number_quality_update"];
    surface.webhooks.fields = Some(fields.map(str::to_owned).to_vec());
    surface
}

async fn body(consumer: &Consumer) -> Body {
    loop {
        if let Event::Message(message) = timeout(PATIENCE, consumer.next_event()).await.expect("no message").unwrap() {
            return message.body;
        }
    }
}

async fn wamid(response: Response) -> String {
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.unwrap();
    answer["messages"][0]["id"].as_str().unwrap().to_owned()
}

async fn code(response: Response) -> (u16, u64) {
    let status = response.status().as_u16();
    let answer: Value = response.json().await.unwrap();
    (status, answer["error"]["code"].as_u64().unwrap())
}

fn order(parameters: &Value) -> Value {
    json!({"to": "+15550101", "type": "template", "template": {
        "name": "order", "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": parameters}]
    }})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_are_registered_filled_in_and_changed() {
    let world = World::start(Rules::default()).await;
    let consumer = world.consumer("+15550101").await;
    let ada = json!([{"type": "text", "text": "Ada"}]);
    assert_eq!(code(world.send(order(&ada)).await).await, (404, 132_001));
    let (status, created) = world
        .post(
            &format!("{ACCOUNT}/message_templates"),
            json!({"name": "order", "language": "en_US", "category": "utility", "components": [{"type": "body", "text": "Hi {{1}}!"}]}),
        )
        .await;
    assert_eq!(
        (status, &created["status"], &created["category"]),
        (200, &json!("APPROVED"), &json!("UTILITY")),
        "{created}"
    );
    let id = created["id"].as_str().unwrap().to_owned();
    wamid(world.send(order(&ada)).await).await;
    assert!(matches!(body(&consumer).await, Body::Template(template) if template.body.reveal() == "Hi Ada!"));
    assert_eq!(code(world.send(order(&json!([]))).await).await, (400, 132_000));

    let (_, list) = world.get(&format!("{ACCOUNT}/message_templates?status=APPROVED&name=ord")).await;
    assert_eq!(list["summary"]["total_count"], 1, "{list}");
    assert_eq!(list["data"][0]["parameter_format"], "POSITIONAL");
    let (_, one) = world.get(&format!("{id}?fields=name,status")).await;
    assert_eq!(one, json!({"name": "order", "status": "APPROVED", "id": id}));
    let (_, refused) = world.get(&format!("{id}?fields=nonsense")).await;
    assert_eq!(refused["error"]["code"], 100);

    assert_eq!(world.post(&id, json!({"status": "PAUSED"})).await.0, 200);
    assert_eq!(code(world.send(order(&ada)).await).await, (400, 132_015));
    let (_, again) = world.post(&format!("{id}/unpause"), json!({})).await;
    assert_eq!(again, json!({"success": true}));
    wamid(world.send(order(&ada)).await).await;
    let (status, _) = world
        .call(
            reqwest::Method::DELETE,
            &format!("{ACCOUNT}/message_templates?name=order"),
            json!({}),
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(world.get(&id).await.0, 400);
    let told = |deliveries: &[waxseal_harness::receiver::Delivery]| {
        let events: Vec<Value> = deliveries
            .iter()
            .filter(|delivery| delivery.json["entry"][0]["changes"][0]["field"] == "message_template_status_update")
            .map(|delivery| delivery.json["entry"][0]["changes"][0]["value"]["event"].clone())
            .collect();
        (events.len() == 3).then_some(events)
    };
    let events = world.receiver.wait_for("three events", PATIENCE, told).await.unwrap();
    assert_eq!(events, ["APPROVED", "PAUSED", "UNPAUSED"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_above_a_limit_is_refused_with_the_time_to_wait() {
    let rules = Rules {
        throughput_per_second: 1000,
        pair_limit: true,
        call_limits: true,
        ..Rules::default()
    };
    let world = World::start(rules).await;
    for sent in 1..=45 {
        let response = world.text("+15550101", "hello").await;
        let left = response.headers()["ratelimit"].to_str().unwrap().to_owned();
        assert!(left.contains(&format!(r#""pair";r={};"#, 45 - sent)), "{left}");
        wamid(response).await;
    }
    let refused = world.text("+15550101", "hello").await;
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((200..=270).contains(&wait), "{wait}");
    assert_eq!(code(refused).await, (400, 131_056));
    wamid(world.text("+15550102", "others may be written to").await).await;
    let url = format!("http://{}/v23.0/{ID}?fields=id", world.sidecar.api);
    let node = world.client.get(url).bearer_auth(TOKEN).send().await.unwrap();
    let usage: Value = serde_json::from_slice(node.headers()["x-business-use-case-usage"].as_bytes()).unwrap();
    assert_eq!(usage[ACCOUNT][0]["call_count"], 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_above_the_throughput_may_wait_instead() {
    let rules = Rules {
        throughput_per_second: 20,
        over_limit: OverLimit::Queue,
        ..Rules::default()
    };
    let world = World::start(rules).await;
    let consumer = world.consumer("+15550101").await;
    let begun = Instant::now();
    for number in 0..60 {
        wamid(world.text("+15550101", &number.to_string()).await).await;
    }
    for number in 0..60 {
        assert!(matches!(body(&consumer).await, Body::Text { body, .. } if body.reveal() == number.to_string()));
    }
    // Twenty at once, the others at twenty a second.
    assert!(begun.elapsed() >= Duration::from_millis(1900), "{:?}", begun.elapsed());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_has_written_is_written_to() {
    let rules = Rules {
        conversation_window: true,
        ..Rules::default()
    };
    let world = World::start(rules).await;
    let consumer = world.consumer("+15550101").await;
    let cold = wamid(world.text("+15550101", "hello").await).await;
    assert_eq!(world.failure(&cold).await, 131_047);
    let business = PhoneNumber::parse(BUSINESS).unwrap();
    consumer.send_text(&business, Text::from("hi")).await.unwrap();
    world.receiver.wait_for_messages("15550101", 1, PATIENCE).await.unwrap();
    wamid(world.text("+15550101", "welcome").await).await;
    assert!(matches!(body(&consumer).await, Body::Text { body, .. } if body.reveal() == "welcome"));

    // A day later, in no time.
    let skip = Rule {
        skip: Some(25.0 * 3600.0),
        ..Rule::default()
    };
    world.faults.add(vec![skip]).unwrap();
    let late = wamid(world.text("+15550101", "still there?").await).await;
    assert_eq!(world.failure(&late).await, 131_047);
    consumer.send_text(&business, Text::from("yes")).await.unwrap();
    world.receiver.wait_for_messages("15550101", 2, PATIENCE).await.unwrap();
    wamid(world.text("+15550101", "again").await).await;
    assert!(matches!(body(&consumer).await, Body::Text { body, .. } if body.reveal() == "again"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_consumers_report_becomes_the_quality_of_the_number() {
    let rules = Rules {
        quality: true,
        ..Rules::default()
    };
    let world = World::start(rules).await;
    let fields = "quality_rating,messaging_limit_tier,health_status{can_send_message}";
    let consumer = world.consumer("+15550101").await;
    wamid(world.text("+15550101", "buy now").await).await;
    assert!(matches!(body(&consumer).await, Body::Text { .. }));
    let business = PhoneNumber::parse(BUSINESS).unwrap();
    assert!(consumer.report_spam(&business, SpamReason::Spam).await.unwrap());
    let told = |deliveries: &[waxseal_harness::receiver::Delivery]| {
        let change = |delivery: &waxseal_harness::receiver::Delivery| delivery.json["entry"][0]["changes"][0].clone();
        let mut changes = deliveries.iter().map(change);
        changes.find(|change| change["field"] == "phone_number_quality_update")
    };
    let change = world.receiver.wait_for("the quality", PATIENCE, told).await.unwrap();
    assert_eq!(
        change["value"],
        json!({"display_phone_number": "15550100", "event": "FLAGGED", "current_limit": "TIER_250"})
    );
    let (_, node) = world.get(&format!("{ID}?fields={fields}")).await;
    assert_eq!(
        node,
        json!({
            "id": ID, "quality_rating": "RED", "messaging_limit_tier": "TIER_250", "health_status": {"can_send_message": "LIMITED"},
        })
    );
    world.stop().await;
}
