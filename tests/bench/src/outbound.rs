//! From the HTTP request to the relay: the business sends, the consumers are offline, and a message counts when its `sent` status, which
//! follows the relay's acceptance, has reached the webhook.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::{
    bare::{collect, per_second},
    http1,
    latency::Latencies,
    report::{Figures, OFFERED, OUTBOUND},
    world::World,
};

/// A send request, with a text of 100 characters.
pub fn body(to: &str, count: u64) -> String {
    format!("{{\"messaging_product\":\"whatsapp\",\"to\":\"{to}\",\"type\":\"text\",\"text\":{{\"body\":\"{count:0>100}\"}}}}")
}

/// As many messages as go through `connections` in the time.
pub async fn flat_out(world: &World, duration: Duration, connections: usize) -> Result<Figures> {
    let number = world.number()?;
    let path = format!("/v23.0/{}/messages", number.phone_number_id);
    let (used, sent_before, begun) = (world.used()?, world.sent.load(Ordering::Relaxed), Instant::now());
    let mut tasks = JoinSet::new();
    for index in 0..connections {
        let mut connection = http1::Connection::open(world.api()).await?;
        let (path, token) = (path.clone(), number.token.clone());
        let to: Vec<String> = world
            .numbers
            .iter()
            .skip(index % world.numbers.len())
            .step_by(connections)
            .map(|to| to.wa_id().to_owned())
            .collect();
        tasks.spawn(async move {
            let (mut latencies, mut count) = (Latencies::default(), 0);
            while begun.elapsed() < duration {
                let to = &to[usize::try_from(count)? % to.len()];
                let request = http1::post(&path, &token, &body(to, count));
                let sent = Instant::now();
                if connection.request(&request).await? == 200 {
                    latencies.add(sent.elapsed());
                }
                count += 1;
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = collect(tasks).await?;
    let accepted = latencies.count();
    // What was accepted but had not reached the relay at the end counts in the time it took.
    world.settle(&world.sent, sent_before + accepted).await;
    let elapsed = begun.elapsed();
    let sent = world.sent.load(Ordering::Relaxed) - sent_before;
    Ok(Figures {
        part: OUTBOUND,
        rate_per_second: per_second(sent, elapsed),
        p50_ms: latencies.quantile_ms(0.5),
        p99_ms: latencies.quantile_ms(0.99),
        cpu_us: world.cpu_us(used, sent)?,
        failed: accepted - sent.min(accepted),
    })
}

/// A fixed rate, each request at its time whatever became of the ones before: the latency includes waiting for a free connection.
pub async fn offered(world: &World, duration: Duration, per_second_offered: u64) -> Result<Figures> {
    const CONNECTIONS: u64 = 32;
    let number = world.number()?;
    let path = format!("/v23.0/{}/messages", number.phone_number_id);
    let (used, sent_before, begun) = (world.used()?, world.sent.load(Ordering::Relaxed), Instant::now());
    let total = per_second_offered * duration.as_secs();
    let mut tasks = JoinSet::new();
    for index in 0..CONNECTIONS {
        let mut connection = http1::Connection::open(world.api()).await?;
        let (path, token) = (path.clone(), number.token.clone());
        let to: Vec<String> = world.numbers.iter().map(|to| to.wa_id().to_owned()).collect();
        tasks.spawn(async move {
            let mut latencies = Latencies::default();
            let mut count = index;
            while count < total {
                let due = begun + Duration::from_secs_f64(f64::from(u32::try_from(count)?) / f64::from(u32::try_from(per_second_offered)?));
                tokio::time::sleep_until(due.into()).await;
                let request = http1::post(&path, &token, &body(&to[usize::try_from(count)? % to.len()], count));
                if connection.request(&request).await? == 200 {
                    latencies.add(due.elapsed());
                }
                count += CONNECTIONS;
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = collect(tasks).await?;
    let accepted = latencies.count();
    world.settle(&world.sent, sent_before + accepted).await;
    Ok(Figures {
        part: OFFERED,
        rate_per_second: per_second(accepted, begun.elapsed()),
        p50_ms: latencies.quantile_ms(0.5),
        p99_ms: latencies.quantile_ms(0.99),
        cpu_us: world.cpu_us(used, accepted)?,
        failed: total - accepted.min(total),
    })
}
