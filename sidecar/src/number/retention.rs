//! Moves the key chain: once an hour has fallen out of retention, its key is destroyed, in custody first, then in memory. And renews the book,
//! which lives for as long as the number is served.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use waxseal_sealing::Hour;

use super::Number;
use crate::{book, custody};

/// Hours change once an hour; looking every minute keeps the delay small at no cost.
const CHECK: Duration = Duration::from_secs(60);

pub(super) async fn run(number: Arc<Number>, stop: CancellationToken) {
    // How old its documents are is not known: they are renewed at once, and daily from then on.
    let mut renewal = Instant::now();
    loop {
        advance(&number, SystemTime::now()).await;
        if Instant::now() >= renewal {
            match number.book.renew().await {
                Ok(()) => renewal = Instant::now() + book::RENEWAL,
                Err(error) => tracing::warn!(%error, "the book could not be renewed; trying again"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CHECK) => {}
        }
    }
}

/// Destroys the keys of the hours that are past retention at `now`.
async fn advance(number: &Number, now: SystemTime) {
    let oldest = Hour::oldest_needed(now, number.shared.retention);
    if oldest <= number.custody.lock().await.keys().chain.hour() {
        return;
    }
    let moved = match number.shared.sealer.chain_from(oldest) {
        Ok(moved) => moved,
        Err(error) => {
            tracing::error!(%error, "the retention chain cannot be moved");
            return;
        }
    };
    let kept = number.change_keys(|keys| {
        keys.chain = moved.clone();
        Ok::<_, custody::Error>(())
    });
    match kept.await {
        Ok(()) => number.shared.sealer.forget_before(moved),
        Err(error) => tracing::error!(%error, "the retention chain could not be moved; trying again"),
    }
}
