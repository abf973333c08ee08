//! A sidecar with one number, its relay, its webhook receiver, and consumers.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use waxseal_consumer::{Consumer, Event, Options as ConsumerOptions};
use waxseal_content::{PhoneNumber, Text};
use waxseal_harness::receiver::Receiver;
use waxseal_protocol::Tls;
use waxseal_sidecar::{
    Running, Sidecar,
    config::{Config, CustodyLocation, Deletion, Number, Retention, Secret, StoreLocation, Surface, Webhook},
};
use waxseal_store::Durability;

pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

pub const NUMBER: &str = "+15550100";
pub const ID: &str = "105550100";
pub const WABA: &str = "775550100";
pub const APP: &str = "995550100";
pub const TOKEN: &str = "token-of-the-business";
pub const APP_SECRET: &str = "app-secret-of-acme";
pub const PIN: &str = "123456";

pub struct World {
    pub relay: waxseal_relay::Running,
    pub receiver: Receiver,
    pub client: reqwest::Client,
    pub sidecar: Option<Running>,
    store: StoreLocation,
    folder: tempfile::TempDir,
    change: fn(&mut Number),
}

/// An answer of the port.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// HTTP status and code of the error.
    pub fn error(&self) -> (u16, u64) {
        (self.status, self.body["error"]["code"].as_u64().unwrap_or_default())
    }

    pub fn details(&self) -> &str {
        self.body["error"]["error_data"]["details"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub fn succeeded(self) {
        assert_eq!(self.ok(), json!({"success": true}));
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(None, |_| {}).await
    }

    /// Over this Redis, or else the embedded store, with a change of the configuration.
    pub async fn with(redis: Option<&str>, change: fn(&mut Number)) -> Self {
        let folder = tempfile::Builder::new().prefix("waxseal-nodes-").tempdir().unwrap();
        let relay = waxseal_relay::Config::new(SocketAddr::from(([127, 0, 0, 1], 0)), folder.path().join("relay"));
        let mut world = Self {
            relay: waxseal_relay::Relay::start(relay).await.unwrap(),
            receiver: Receiver::start().unwrap(),
            client: waxseal_harness::business::http_client().unwrap(),
            sidecar: None,
            store: match redis {
                Some(url) => StoreLocation::Redis(Secret::from(url)),
                None => StoreLocation::Embedded(folder.path().join("store")),
            },
            folder,
            change,
        };
        world.start_sidecar().await;
        world
    }

    async fn start_sidecar(&mut self) {
        let sidecar = Sidecar::start(self.config()).await.unwrap();
        until("linked", || async { sidecar.is_linked() }).await;
        self.sidecar = Some(sidecar);
    }

    /// Starts it anew with a change of the configuration that the relay will not have.
    pub async fn restart_unlinked(&mut self, change: fn(&mut Number)) {
        self.change = change;
        self.sidecar.take().unwrap().shutdown(Duration::from_secs(5)).await;
        self.sidecar = Some(Sidecar::start(self.config()).await.unwrap());
    }

    /// Ends the sidecar and starts it anew, with what is kept.
    pub async fn restart(&mut self) {
        self.sidecar.take().unwrap().shutdown(Duration::from_secs(5)).await;
        self.start_sidecar().await;
    }

    /// The same, with a change of the configuration.
    pub async fn restart_with(&mut self, change: fn(&mut Number)) {
        self.change = change;
        self.restart().await;
    }

    /// Ends the relay that the sidecar knows.
    pub async fn end_relay(&mut self) {
        let other = waxseal_relay::Config::new(SocketAddr::from(([127, 0, 0, 1], 0)), self.folder.path().join("another-relay"));
        let other = waxseal_relay::Relay::start(other).await.unwrap();
        std::mem::replace(&mut self.relay, other).shutdown().await;
    }

    fn config(&self) -> Config {
        let nowhere = "127.0.0.1:0".parse().unwrap();
        let mut number = Number {
            phone_number: PhoneNumber::parse(NUMBER).unwrap(),
            phone_number_id: ID.to_owned(),
            waba_id: WABA.to_owned(),
            display_name: "Acme".to_owned(),
            pin: Secret::from(PIN),
            tokens: vec![Secret::from(TOKEN)],
            app_secret: Secret::from(APP_SECRET),
            webhook: Some(Webhook {
                url: self.receiver.url(),
                verify_token: Secret::from("verify-me"),
                timeout: Duration::from_secs(5),
                retry_window: Duration::from_secs(3600),
            }),
            retention: Retention::Days(1),
            deletion: Deletion::OnDelivery,
            custody: CustodyLocation::File(self.folder.path().join("custody")),
            surface: Surface {
                app_id: Some(APP.to_owned()),
                ..Surface::default()
            },
        };
        (self.change)(&mut number);
        Config {
            api_listen: nowhere,
            api_certificate: None,
            admin_listen: nowhere,
            relay_url: format!("http://{}", self.relay.addr()),
            relay_tls: Tls::default(),
            store: self.store.clone(),
            store_ca: None,
            durability: Durability::Memory,
            numbers: vec![number],
            source_url: "s".to_owned(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.sidecar.as_ref().unwrap().api)
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let request = self.client.request(method.parse().unwrap(), self.url(path)).bearer_auth(TOKEN);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        Answer {
            status: answer.status().as_u16(),
            body: answer.json().await.unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// `GET` below the number.
    pub async fn read(&self, edge: &str) -> Answer {
        self.get(&format!("/v23.0/{ID}{edge}")).await
    }

    /// `POST` below the number.
    pub async fn post(&self, edge: &str, body: Value) -> Answer {
        self.call("POST", &format!("/v23.0/{ID}{edge}"), Some(&body)).await
    }

    pub async fn delete(&self, edge: &str, body: Option<Value>) -> Answer {
        self.call("DELETE", &format!("/v23.0/{ID}{edge}"), body.as_ref()).await
    }

    pub async fn send(&self, to: &str, text: &str) -> Answer {
        let body = json!({"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}});
        self.post("/messages", body).await
    }

    pub async fn consumer(&self, index: usize) -> Chatter {
        let number = format!("+1555{:07}", 2_000_000 + index);
        let relay = format!("http://{}", self.relay.addr());
        let options = ConsumerOptions::in_memory(PhoneNumber::parse(&number).unwrap(), relay);
        Chatter {
            consumer: Consumer::open(options).await.unwrap(),
            number,
        }
    }

    /// The texts of this consumer that the business has been told of.
    pub fn texts_of(&self, chatter: &Chatter) -> Vec<String> {
        let deliveries = self.receiver.deliveries();
        let messages = waxseal_harness::receiver::messages(&deliveries, &chatter.number);
        messages.into_iter().map(|message| message.text).collect()
    }
}

/// Asks again and again until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asked = async {
        while !ask().await {
            tokio::time::sleep(POLL).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, asked).await;
    assert!(in_time.is_ok(), "{what}: not within {PATIENCE:?}");
}

/// A consumer.
pub struct Chatter {
    pub consumer: Consumer,
    pub number: String,
}

impl Chatter {
    pub fn wa_id(&self) -> &str {
        self.number.trim_start_matches('+')
    }

    pub async fn say(&self, text: &str) {
        let business = PhoneNumber::parse(NUMBER).unwrap();
        self.consumer.send_text(&business, Text::from(text)).await.unwrap();
    }

    /// Waits for the next message of the business and says its text.
    pub async fn hear(&mut self) -> String {
        let hear = async {
            loop {
                match self.consumer.next_event().await {
                    Some(Event::Message(message)) => return message.text().map_or_else(String::new, |text| text.reveal().to_owned()),
                    Some(_) => {}
                    None => panic!("the consumer has ended"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, hear).await.unwrap()
    }
}
