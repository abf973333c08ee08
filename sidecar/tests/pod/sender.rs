//! A business that goes on posting to whatever pods a Service would name.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::task::JoinHandle;

use crate::world::{ID, TOKEN};

const BETWEEN: Duration = Duration::from_millis(8);

/// The endpoints of a Service.
#[derive(Clone, Default)]
pub struct Endpoints(Arc<Mutex<Vec<SocketAddr>>>);

impl Endpoints {
    pub fn of(addresses: &[SocketAddr]) -> Self {
        Self(Arc::new(Mutex::new(addresses.to_vec())))
    }

    pub fn add(&self, address: SocketAddr) {
        self.0.lock().unwrap().push(address);
    }

    pub fn remove(&self, address: SocketAddr) {
        self.0.lock().unwrap().retain(|known| *known != address);
    }

    fn pick(&self, turn: usize) -> SocketAddr {
        let addresses = self.0.lock().unwrap();
        addresses[turn % addresses.len()]
    }
}

/// What became of the posts.
pub struct Ledger {
    /// The texts, and whether each was answered with 200.
    pub sent: Vec<(String, bool)>,
    /// What was answered otherwise.
    pub failures: Vec<String>,
    /// The longest time an answer took.
    pub slowest: Duration,
}

pub struct Sender {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<Ledger>,
}

impl Sender {
    /// Posts one text after the other, to one endpoint after the other. Never repeats one.
    pub fn start(client: &reqwest::Client, endpoints: &Endpoints, to: &str) -> Self {
        let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (count, to) = (Arc::clone(&accepted), to.to_owned());
        let task = tokio::spawn(send_on(client.clone(), endpoints.clone(), to, Arc::clone(&stop), count));
        Self { stop, accepted, task }
    }

    /// How many were answered with 200 so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    pub async fn stop(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn send_on(client: reqwest::Client, endpoints: Endpoints, to: String, stop: Arc<AtomicBool>, accepted: Arc<AtomicUsize>) -> Ledger {
    let mut ledger = Ledger {
        sent: Vec::new(),
        failures: Vec::new(),
        slowest: Duration::ZERO,
    };
    for index in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let text = format!("text {index:06}");
        let address = endpoints.pick(index);
        let (begun, answer) = (Instant::now(), post(&client, address, &to, &text).await);
        ledger.slowest = ledger.slowest.max(begun.elapsed());
        if let Err(failure) = &answer {
            ledger
                .failures
                .push(format!("{text} to {address} after {:?}: {failure}", begun.elapsed()));
        }
        accepted.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
        ledger.sent.push((text, answer.is_ok()));
        tokio::time::sleep(BETWEEN).await;
    }
    ledger
}

/// Posts a text.
pub async fn post(client: &reqwest::Client, address: SocketAddr, to: &str, text: &str) -> Result<(), String> {
    let body = json!({"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}});
    let answer = client
        .post(format!("http://{address}/v23.0/{ID}/messages"))
        .bearer_auth(TOKEN)
        .json(&body)
        .send()
        .await
        .map_err(|error| format!("{error:?}"))?;
    match answer.status().as_u16() {
        200 => Ok(()),
        status => Err(format!("{status} {}", answer.text().await.unwrap_or_default())),
    }
}
