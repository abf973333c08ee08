//! A business's webhook endpoint: answers the handshake, keeps every event as it came, and answers as a test tells it to: any status, not
//! at all, or with its port closed.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use tokio::{net::TcpListener, runtime::Runtime, sync::Notify};

use crate::ports;

const BIND_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// How an event is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With this status at once.
    Status(u16),
    /// Never; the sender's patience ends it.
    Hang,
}

/// An event as it came.
#[derive(Clone)]
pub struct Delivery {
    /// When.
    pub at: Instant,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// All headers.
    pub headers: HeaderMap,
    /// The bytes as JSON.
    pub json: Value,
    /// How it was answered.
    pub answer: Answer,
}

/// A consumer's message within an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `wa_id` of the consumer.
    pub from: String,
    /// `wamid.`
    pub id: String,
    /// `text`, `reaction`, …
    pub kind: String,
    /// The text; empty for another kind.
    pub text: String,
}

/// A status within an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `wamid.` of the business's message.
    pub id: String,
    /// `sent`, `delivered`, `read`, `failed`.
    pub status: String,
    /// `wa_id` of the consumer.
    pub recipient: String,
}

impl Delivery {
    fn value(&self) -> &Value {
        &self.json["entry"][0]["changes"][0]["value"]
    }

    /// The message it tells of.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        let message = self.value()["messages"].get(0)?;
        Some(Message {
            from: word(&message["from"]),
            id: word(&message["id"]),
            kind: word(&message["type"]),
            text: word(&message["text"]["body"]),
        })
    }

    /// The status it tells of.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let status = self.value()["statuses"].get(0)?;
        Some(Status {
            id: word(&status["id"]),
            status: word(&status["status"]),
            recipient: word(&status["recipient_id"]),
        })
    }

    /// The consumer it is about.
    #[must_use]
    pub fn consumer(&self) -> String {
        word(&self.value()["contacts"][0]["wa_id"])
    }

    /// Whether it was acknowledged.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.answer, Answer::Status(200..=299))
    }

    /// Fails unless the body is ASCII, holds exactly one event with its contact, and is signed with this secret.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, app_secret: &str) -> Result<()> {
        ensure!(self.body.is_ascii(), "the body is not ASCII");
        let entries = self.json["entry"].as_array().context("no entry")?;
        let changes = entries
            .first()
            .and_then(|entry| entry["changes"].as_array())
            .context("no changes")?;
        let list = |name| self.value()[name].as_array().map_or(0, Vec::len);
        let events = list("messages") + list("statuses");
        ensure!(
            entries.len() == 1 && changes.len() == 1 && events == 1,
            "{events} events in one body"
        );
        let contact = &self.value()["contacts"][0];
        ensure!(
            contact["wa_id"].is_string() && contact["user_id"].is_string(),
            "contacts lacks wa_id or user_id"
        );
        let header = self.headers.get("x-hub-signature-256").context("no signature")?.to_str()?;
        let signature = hex::decode(header.strip_prefix("sha256=").context("no sha256= in the signature")?)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes())?;
        mac.update(&self.body);
        mac.verify_slice(&signature).ok().context("the signature is wrong")
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

type Rule = Box<dyn Fn(&Delivery) -> Answer + Send + Sync>;

struct Shared {
    deliveries: Mutex<Vec<Delivery>>,
    verify_tokens: Mutex<Vec<String>>,
    rule: Mutex<Rule>,
    arrived: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A receiver on a port of its own.
pub struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    // A runtime of its own: to go down means that open connections end, too.
    runtime: Option<Runtime>,
}

impl Receiver {
    /// Listens, and answers every event with 200.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start() -> Result<Self> {
        let shared = Shared {
            deliveries: Mutex::default(),
            verify_tokens: Mutex::default(),
            rule: Mutex::new(Box::new(|_| Answer::Status(200))),
            arrived: Notify::new(),
        };
        let mut receiver = Self {
            shared: Arc::new(shared),
            address: ports::reserve()?,
            runtime: None,
        };
        receiver.up()?;
        Ok(receiver)
    }

    /// What to give to `--webhook`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/webhook", self.address)
    }

    /// From now on events are answered as this rule says.
    pub fn answer_with(&self, rule: impl Fn(&Delivery) -> Answer + Send + Sync + 'static) {
        *lock(&self.shared.rule) = Box::new(rule);
    }

    /// From now on every event gets this answer.
    pub fn answer(&self, answer: Answer) {
        self.answer_with(move |_| answer);
    }

    /// Closes the port and every connection.
    pub fn down(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime must not be waited for on a thread of another one.
            let ended = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5)));
            let _ = ended.join();
        }
    }

    /// Listens again on the same port.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn up(&mut self) -> Result<()> {
        if self.runtime.is_some() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let end = Instant::now() + BIND_TIMEOUT;
        let listener = loop {
            match std::net::TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(error) if Instant::now() > end => return Err(error).context("the receiver cannot listen"),
                Err(_) => std::thread::sleep(POLL),
            }
        };
        listener.set_nonblocking(true)?;
        let router = Router::new()
            .route("/webhook", get(verify).post(receive))
            .with_state(Arc::clone(&self.shared));
        runtime.spawn(async move {
            // Ends with the runtime; a listener that breaks shows as events that do not arrive.
            if let Ok(listener) = TcpListener::from_std(listener) {
                let _ = axum::serve(listener, router).await;
            }
        });
        self.runtime = Some(runtime);
        Ok(())
    }

    /// Everything that arrived so far.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.shared.deliveries).clone()
    }

    /// The verify tokens that handshakes came with.
    #[must_use]
    pub fn verify_tokens(&self) -> Vec<String> {
        lock(&self.shared.verify_tokens).clone()
    }

    /// Waits until `look` finds what it wants among what arrived.
    ///
    /// # Errors
    /// When the time is over; the error says what arrived instead.
    pub async fn wait_for<T>(&self, what: &str, deadline: Duration, mut look: impl FnMut(&[Delivery]) -> Option<T>) -> Result<T> {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(found) = look(&lock(&self.shared.deliveries)) {
                return Ok(found);
            }
            if tokio::time::timeout_at(end, arrived).await.is_err() {
                let arrived: Vec<String> = lock(&self.shared.deliveries).iter().map(summary).collect();
                bail!(
                    "{what}: not within {deadline:?}; {} events arrived: {}",
                    arrived.len(),
                    arrived.join(", ")
                );
            }
        }
    }

    /// Waits until so many different messages of a consumer were acknowledged, and returns them in the order of their first
    /// acknowledgement.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn wait_for_messages(&self, from: &str, count: usize, deadline: Duration) -> Result<Vec<Message>> {
        let what = format!("{count} messages of one consumer");
        self.wait_for(&what, deadline, |deliveries| {
            Some(messages(deliveries, from)).filter(|messages| messages.len() >= count)
        })
        .await
    }

    /// Waits for a status of a message, and returns all statuses of it so far, in order.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn wait_for_status(&self, wamid: &str, status: &str, deadline: Duration) -> Result<Vec<String>> {
        self.wait_for(&format!("the status {status}"), deadline, |deliveries| {
            Some(statuses(deliveries, wamid)).filter(|statuses| statuses.iter().any(|seen| seen == status))
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The acknowledged messages of a consumer, each once, in order.
#[must_use]
pub fn messages(deliveries: &[Delivery], from: &str) -> Vec<Message> {
    let from = crate::numbers::wa_id(from);
    let mut messages: Vec<Message> = Vec::new();
    let acknowledged = deliveries
        .iter()
        .filter(|delivery| delivery.is_acknowledged())
        .filter_map(Delivery::message);
    for message in acknowledged.filter(|message| message.from == from) {
        if !messages.iter().any(|seen| seen.id == message.id) {
            messages.push(message);
        }
    }
    messages
}

/// The acknowledged statuses of a message, in order. An event that came again, byte for byte, counts once.
#[must_use]
pub fn statuses(deliveries: &[Delivery], wamid: &str) -> Vec<String> {
    let mut bodies: Vec<&[u8]> = Vec::new();
    let mut statuses = Vec::new();
    for delivery in deliveries.iter().filter(|delivery| delivery.is_acknowledged()) {
        let status = delivery.status().filter(|status| status.id == wamid);
        if let Some(status) = status.filter(|_| !bodies.contains(&delivery.body.as_slice())) {
            bodies.push(&delivery.body);
            statuses.push(status.status);
        }
    }
    statuses
}

fn summary(delivery: &Delivery) -> String {
    let event = delivery
        .message()
        .map(|message| message.kind)
        .or_else(|| delivery.status().map(|status| status.status));
    format!("{} ({:?})", event.as_deref().unwrap_or("?"), delivery.answer)
}

#[derive(Deserialize)]
struct Handshake {
    #[serde(rename = "hub.challenge")]
    challenge: String,
    #[serde(rename = "hub.verify_token")]
    verify_token: String,
}

async fn verify(State(shared): State<Arc<Shared>>, Query(asked): Query<Handshake>) -> String {
    lock(&shared.verify_tokens).push(asked.verify_token);
    asked.challenge
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut delivery = Delivery {
        at: Instant::now(),
        body: body.to_vec(),
        headers,
        json,
        answer: Answer::Hang,
    };
    delivery.answer = lock(&shared.rule)(&delivery);
    let answer = delivery.answer;
    lock(&shared.deliveries).push(delivery);
    shared.arrived.notify_waiters();
    match answer {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        Answer::Hang => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
