//! What the whole path runs in: a Redis (or the embedded store), `waxseal up`, a webhook receiver that only counts, and consumers with
//! sessions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use axum::{Router, extract::Query, routing::get};
use tokio::{net::TcpListener, task::JoinHandle};
use waxseal_consumer::{Consumer, Event, Options as ConsumerOptions};
use waxseal_content::{PhoneNumber, Text};
use waxseal_harness::{
    redis::{AppendOnly, RedisOptions, RedisServer},
    up::{Number, Options, Up},
};

use crate::cpu;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    up: Up,
    redis: Option<RedisServer>,
    receiver: JoinHandle<()>,
    /// Webhook events received: messages, and statuses `sent`.
    pub messages: Arc<AtomicU64>,
    pub sent: Arc<AtomicU64>,
    pub numbers: Vec<PhoneNumber>,
}

/// Processor time of the processes of the path so far.
#[derive(Clone, Copy)]
pub struct Used {
    up: Duration,
    redis: Duration,
}

impl World {
    /// Starts everything and lets every consumer write once, so that there are sessions both ways.
    pub async fn start(embedded: bool, consumers: usize) -> Result<Self> {
        let (messages, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let receiver = tokio::spawn(receive(listener, Arc::clone(&messages), Arc::clone(&sent)));
        let redis = match embedded {
            true => None,
            false => Some(
                RedisServer::start(RedisOptions {
                    appendonly: AppendOnly::EverySecond,
                    ..RedisOptions::default()
                })
                .await?,
            ),
        };
        let mut options = Options::webhook(url);
        if let Some(redis) = &redis {
            options = options.redis(redis.url());
        }
        let up = Up::start(options).await?;
        let mut world = Self {
            up,
            redis,
            receiver,
            messages,
            sent,
            numbers: Vec::new(),
        };
        for index in 0..consumers {
            world.numbers.push(PhoneNumber::parse(&format!("+1555{:07}", 2_000_000 + index))?);
        }
        let business = world.business()?;
        for number in &world.numbers {
            let consumer = world.consumer(number).await?;
            consumer.send_text(&business, Text::from("hello")).await?;
            if !consumer.flush(PATIENCE).await {
                bail!("a consumer could not send");
            }
            wait_for_receipt(&consumer).await?;
            consumer.close().await;
        }
        Ok(world)
    }

    pub fn number(&self) -> Result<&Number> {
        self.up.endpoints().numbers.first().context("no number")
    }

    pub fn business(&self) -> Result<PhoneNumber> {
        Ok(PhoneNumber::parse(&self.number()?.phone_number)?)
    }

    pub fn api(&self) -> &str {
        &self.up.endpoints().api
    }

    /// Opens a consumer whose state survives in the world's folder.
    pub async fn consumer(&self, number: &PhoneNumber) -> Result<Consumer> {
        let relay = self.up.endpoints().relay.clone();
        Ok(Consumer::open(ConsumerOptions::new(number.clone(), relay, self.up.state_dir())).await?)
    }

    /// A new consumer that has written once, with its state in memory.
    pub async fn writer(&self, index: usize) -> Result<Consumer> {
        let number = PhoneNumber::parse(&format!("+1555{:07}", 3_000_000 + index))?;
        let consumer = Consumer::open(ConsumerOptions::in_memory(number, self.up.endpoints().relay.clone())).await?;
        consumer.send_text(&self.business()?, Text::from("hello")).await?;
        wait_for_receipt(&consumer).await?;
        Ok(consumer)
    }

    pub fn used(&self) -> Result<Used> {
        let redis = match self.redis.as_ref().and_then(RedisServer::pid) {
            Some(pid) => cpu::used(pid)?,
            None => Duration::ZERO,
        };
        Ok(Used {
            up: cpu::used(self.pid()?)?,
            redis,
        })
    }

    /// Processor time per message since `before`, by process.
    pub fn cpu_us(&self, before: Used, count: u64) -> Result<Vec<(&'static str, f64)>> {
        let now = self.used()?;
        let mut all = vec![(
            "waxseal up (sidecar and relay)",
            crate::bare::micros_each(now.up.saturating_sub(before.up), count),
        )];
        if self.redis.is_some() {
            all.push(("redis", crate::bare::micros_each(now.redis.saturating_sub(before.redis), count)));
        }
        Ok(all)
    }

    pub fn resident_mib(&self) -> Result<f64> {
        cpu::resident_mib(self.pid()?)
    }

    fn pid(&self) -> Result<u32> {
        self.up.pid().context("waxseal up has ended")
    }

    /// Waits until nothing new has come for a second, or a minute has passed.
    pub async fn settle(&self, counter: &AtomicU64, expected: u64) {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if counter.load(Ordering::Relaxed) >= expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn stop(mut self) -> Result<()> {
        self.up.sigint_and_wait().await?;
        self.receiver.abort();
        Ok(())
    }
}

async fn wait_for_receipt(consumer: &Consumer) -> Result<()> {
    let wait = async {
        while let Some(event) = consumer.next_event().await {
            if matches!(event, Event::Receipt { .. }) {
                return Ok(());
            }
        }
        bail!("the consumer has ended")
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .context("no receipt came from the sidecar")?
}

#[derive(serde::Deserialize)]
struct Handshake {
    #[serde(rename = "hub.challenge")]
    challenge: String,
}

async fn receive(listener: TcpListener, messages: Arc<AtomicU64>, sent: Arc<AtomicU64>) {
    let count = move |body: bytes::Bytes| {
        let (messages, sent) = (Arc::clone(&messages), Arc::clone(&sent));
        async move {
            let holds = |needle: &[u8]| body.windows(needle.len()).any(|window| window == needle);
            if holds(b"\"statuses\":") {
                sent.fetch_add(u64::from(holds(b"\"status\":\"sent\"")), Ordering::Relaxed);
            } else {
                messages.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let router = Router::new().route(
        "/",
        get(|Query(handshake): Query<Handshake>| async move { handshake.challenge }).post(count),
    );
    // Ends with the process.
    let _ = axum::serve(listener, router).await;
}
