//! How many envelopes a second the relay accepts, delivers and forgets, with its clients on the same machine.
//!
//! `cargo run --release -p waxseal-relay --example throughput -- [seconds] [body bytes] [state folder]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement for people"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use waxseal_protocol::proto::from_relay::Frame;
use waxseal_protocol::proto::{Envelope, Role, Verdict};
use waxseal_protocol::{Account, Client, Credential, Link};
use waxseal_relay::{Config, Relay};

/// Envelopes of one sender that have no outcome yet.
const UNDER_WAY: usize = 1_024;

struct Person {
    client: Client,
    account: Account,
}

async fn register(client: &Client, number: String, role: Role) -> Person {
    let account = Account {
        number,
        credential: Credential::random(&mut rand::rng()),
    };
    client.register(&account, role, Some("123456"), &[5; 33], 7).await.unwrap();
    Person {
        client: client.clone(),
        account,
    }
}

/// Reads, acknowledges, and gives room back for every outcome.
fn drive(mut link: Link, room: Arc<Semaphore>, received: Arc<AtomicU64>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(Ok(frame)) = link.receiver.next().await {
            match frame {
                Frame::Outcomes(outcomes) => {
                    if let Some(refused) = outcomes.outcomes.iter().find(|outcome| outcome.verdict() != Verdict::Accepted) {
                        println!("an envelope was refused: {:?}", refused.verdict());
                        std::process::exit(1);
                    }
                    room.add_permits(outcomes.outcomes.len());
                }
                Frame::Deliver(deliver) => {
                    received.fetch_add(deliver.deliveries.len() as u64, Ordering::Relaxed);
                    let sequences = deliver.deliveries.iter().map(|delivery| delivery.sequence).collect();
                    if link.sender.ack(sequences).await.is_err() {
                        return;
                    }
                }
                _ => {}
            }
        }
    })
}

async fn run(name: &str, senders: usize, recipients: usize, batch: usize, seconds: u64, body_bytes: usize, state_dir: Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = state_dir.map_or(dir.path().to_owned(), Into::into);
    let mut config = Config::new("127.0.0.1:0".parse().unwrap(), state_dir.join(name.replace(' ', "-")));
    // Where recipients are slower than senders, that shows in what waits.
    (config.limits.queue_envelopes, config.limits.queue_bytes) = (u32::MAX, u64::MAX);
    let relay = Relay::start(config).await.unwrap();
    let url = format!("http://{}", relay.addr());
    let clients: Vec<_> = (0..4).map(|_| Client::new(&url).unwrap()).collect();
    let (received, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = Vec::new();
    let mut numbers = Vec::new();
    for i in 0..recipients {
        let person = register(&clients[i % 4], format!("+1556{i:07}"), Role::Consumer).await;
        let link = person
            .client
            .connect(&person.account, 0)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        numbers.push(person.account.number.clone());
        tasks.push(drive(link, Arc::new(Semaphore::new(0)), Arc::clone(&received)));
    }
    let numbers = Arc::new(numbers);
    let go = tokio::sync::watch::Sender::new(false);
    let body = bytes::Bytes::from(vec![7; body_bytes]);
    for i in 0..senders {
        let person = register(&clients[i % 4], format!("+1555{i:07}"), Role::Business).await;
        let link = person
            .client
            .connect(&person.account, 1)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let (sender, room) = (link.sender.clone(), Arc::new(Semaphore::new(UNDER_WAY)));
        tasks.push(drive(link, Arc::clone(&room), Arc::clone(&received)));
        let (numbers, body, stop) = (Arc::clone(&numbers), body.clone(), Arc::clone(&stop));
        let mut go = go.subscribe();
        tasks.push(tokio::spawn(async move {
            go.wait_for(|go| *go).await.unwrap();
            let mut next = i;
            while !stop.load(Ordering::Relaxed) {
                room.acquire_many(u32::try_from(batch).unwrap()).await.unwrap().forget();
                let envelopes = (0..batch).map(|_| {
                    next += 1;
                    let recipient = numbers[next % numbers.len()].clone();
                    Envelope {
                        id: rand::random::<[u8; 16]>().to_vec().into(),
                        recipient,
                        body: body.clone(),
                        ..Envelope::default()
                    }
                });
                sender.submit(envelopes.collect()).await.unwrap();
            }
        }));
    }
    go.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = (relay.stats(), Instant::now(), cpu_seconds());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (after, took, cpu) = (relay.stats(), before.1.elapsed().as_secs_f64(), cpu_seconds() - before.2);
    stop.store(true, Ordering::Relaxed);
    let rate = |before: u64, after: u64| (after - before) as f64 / took;
    let accepted = rate(before.0.accepted, after.accepted);
    println!(
        "{name:<22} accepted {accepted:>7.0}/s  delivered {:>7.0}/s  acknowledged {:>7.0}/s  waiting {:>6}  CPU {:>5.1} us each, clients included",
        rate(before.0.delivered, after.delivered),
        rate(before.0.acknowledged, after.acknowledged),
        after.queued_envelopes,
        cpu / took / accepted * 1e6,
    );
    let text = relay.metrics_text();
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_default()
    };
    let commits = value("waxseal_relay_commit_seconds_count");
    println!(
        "{:<22} {:.0} commits, {:.1} envelopes and {:.2} ms each",
        "",
        commits,
        value("waxseal_relay_group_envelopes_sum") / commits,
        value("waxseal_relay_commit_seconds_sum") / commits * 1e3
    );
    for task in tasks {
        task.abort();
    }
    relay.shutdown().await;
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(5);
    let body_bytes = arguments.next().and_then(|bytes| bytes.parse().ok()).unwrap_or(500);
    let state_dir = arguments.next();
    for (name, senders, recipients, batch) in [
        ("1 to 1", 1, 1, 32),
        ("1 to 1000", 1, 1000, 32),
        ("200 to 1", 200, 1, 4),
        ("200 to 1 singly", 200, 1, 1),
        ("100 to 100", 100, 100, 1),
    ] {
        run(name, senders, recipients, batch, seconds, body_bytes, state_dir.clone()).await;
    }
}
