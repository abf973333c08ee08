//! From the relay to the webhook: consumers write, each with a few messages on their way; receipts come back and turn the ratchet. The
//! consumers run in this process and cost about as much processor as the sidecar does.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::task::JoinSet;
use waxseal_consumer::{Consumer, Event};
use waxseal_content::{PhoneNumber, ReceiptKind, Text};

use crate::{
    bare::{collect, per_second},
    latency::Latencies,
    report::{Figures, INBOUND},
    world::World,
};

/// Consumers that write at the same time; their state is in memory, so that their disks are not what is measured.
const WRITERS: usize = 16;

pub async fn flat_out(world: &World, duration: Duration, window: usize) -> Result<Figures> {
    let business = world.business()?;
    let mut consumers = Vec::new();
    for index in 0..WRITERS {
        consumers.push(world.writer(index).await?);
    }
    let (used, before, begun) = (world.used()?, world.messages.load(Ordering::Relaxed), Instant::now());
    let mut tasks = JoinSet::new();
    for consumer in consumers {
        tasks.spawn(write(consumer, business.clone(), begun, duration, window));
    }
    let mut latencies = collect(tasks).await?;
    let written = latencies.count();
    world.settle(&world.messages, before + written).await;
    let elapsed = begun.elapsed();
    let received = world.messages.load(Ordering::Relaxed) - before;
    Ok(Figures {
        part: INBOUND,
        rate_per_second: per_second(received, elapsed),
        p50_ms: latencies.quantile_ms(0.5),
        p99_ms: latencies.quantile_ms(0.99),
        cpu_us: world.cpu_us(used, received)?,
        failed: written - received.min(written),
    })
}

/// Writes with `window` messages on their way; the latency is from writing to the sidecar's receipt.
async fn write(consumer: Consumer, business: PhoneNumber, begun: Instant, duration: Duration, window: usize) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    let mut under_way = std::collections::HashMap::new();
    while begun.elapsed() < duration {
        while under_way.len() < window {
            let id = consumer
                .send_text(&business, Text::from("a text of a consumer, about as long as people write them"))
                .await?;
            under_way.insert(id, Instant::now());
        }
        let Some(event) = consumer.next_event().await else { break };
        if let Event::Receipt {
            kind: ReceiptKind::Delivered,
            message_ids,
            ..
        } = event
        {
            for id in message_ids {
                if let Some(sent) = under_way.remove(&id) {
                    latencies.add(sent.elapsed());
                }
            }
        }
    }
    consumer.flush(Duration::from_secs(30)).await;
    Ok(latencies)
}
