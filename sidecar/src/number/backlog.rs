//! How much waits for the webhook, for the metrics.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio_util::sync::CancellationToken;
use waxseal_sealing::Class;
use waxseal_store::EntryId;

use super::Number;
use crate::{conversation::record::Event, id::LANES, moment::Moment};

/// Costs a few reads.
const PERIOD: Duration = Duration::from_secs(15);

/// Counts until told to stop.
pub(super) async fn run(number: Arc<Number>, stop: CancellationToken) {
    let backlog = &number.shared.metrics.backlog;
    loop {
        // What cannot be read now is read at the next look.
        if let Ok(counts) = count(&number).await {
            backlog.set(number.id(), Some(counts));
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
    backlog.set(number.id(), None);
}

/// Events, dead letters, and the age of the first event in seconds.
async fn count(number: &Number) -> Result<[i64; 3], waxseal_store::Error> {
    let (names, now) = (&number.shared.names, Moment::of(SystemTime::now()));
    let (mut waiting, mut dead, mut oldest_ms) = (0, 0, now.ms);
    for lane in 0..LANES {
        let events = names.events(lane);
        waiting += number.store.queue_len(&events).await?;
        dead += number.store.queue_len(&names.dead_letters(lane)).await?;
        if let Some((_, sealed)) = number.store.range(&events, EntryId::ZERO, 1).await?.pop() {
            let event: Option<Event> = number.shared.open(Class::Webhook, &events, &sealed);
            let made_at_ms = event.and_then(|event| event.about).map(|about| about.made_at_ms);
            oldest_ms = made_at_ms.unwrap_or(now.ms).min(oldest_ms);
        }
    }
    let age_s = now.ms.saturating_sub(oldest_ms) / 1000;
    Ok([waiting, dead, age_s].map(|count| i64::try_from(count).unwrap_or(i64::MAX)))
}
