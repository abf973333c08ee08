//! What the transport has noticed about the number, and what follows from it.

use std::sync::PoisonError;

use serde_json::json;
use waxseal_protocol::proto::{Integrity, Quality};

use super::Number;
use crate::{
    book,
    limits::standing::{Rating, Standing, Tier},
};

/// The document that remembers how the number stands.
const DOCUMENT: &str = "standing";
/// The document that remembers whether the business knows of its throughput.
const THROUGHPUT: &str = "throughput";
/// From so many messages a second on a number counts as upgraded.
const HIGH_THROUGHPUT: u32 = 1000;

impl Number {
    /// How the number stands with the transport; `None` where quality is not followed.
    #[must_use]
    pub fn quality(&self) -> Option<Standing> {
        self.rules
            .quality
            .then(|| *self.shared.conduct.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the number may send more than numbers commonly do.
    #[must_use]
    pub fn has_high_throughput(&self) -> bool {
        self.rules.throughput_per_second >= HIGH_THROUGHPUT
    }

    /// Tells the business when its number has been upgraded, once.
    pub(super) async fn note_throughput(&self) {
        let is_high = self.has_high_throughput();
        if self.book.read::<bool>(THROUGHPUT).unwrap_or_default() == is_high {
            return;
        }
        let limit = self.quality().map_or(Tier::Unlimited, |standing| standing.tier);
        let value = json!({
            "display_phone_number": self.display_digits(),
            "event": "THROUGHPUT_UPGRADE",
            "current_limit": limit.as_str(),
            "max_daily_conversations_per_business": limit.as_str(),
        });
        // Told first: rather twice than never.
        if is_high && let Err(error) = self.announce("phone_number_quality_update", value).await {
            tracing::warn!(%error, "the business could not be told of its throughput");
            return;
        }
        let kept = self.book.change(THROUGHPUT, |known: &mut bool| {
            *known = is_high;
            Ok::<_, book::Error>(())
        });
        if let Err(error) = kept.await {
            tracing::warn!(%error, "that the business knows of its throughput could not be kept");
        }
    }

    /// Takes what the transport has noticed: kept first, then the business is told.
    pub(super) async fn take_integrity(&self, integrity: Integrity) {
        if !self.rules.quality {
            return;
        }
        let rating = match integrity.quality() {
            Quality::Unknown => Rating::Unknown,
            Quality::Green => Rating::Green,
            Quality::Yellow => Rating::Yellow,
            Quality::Red => Rating::Red,
        };
        let changed = self.book.change(DOCUMENT, |standing: &mut Standing| {
            let changes = standing.notice(rating, integrity.unique_recipients_24h);
            Ok::<_, book::Error>((*standing, changes))
        });
        let (standing, changes) = match changed.await {
            Ok(changed) => changed,
            Err(error) => {
                tracing::warn!(%error, "how the number stands could not be kept; it counts when the transport tells it again");
                return;
            }
        };
        *self.shared.conduct.standing.write().unwrap_or_else(PoisonError::into_inner) = standing;
        for change in changes {
            let value = json!({
                "display_phone_number": self.facts.phone_number.trim_start_matches('+'),
                "event": change.as_str(),
                "current_limit": standing.tier.as_str(),
            });
            if let Err(error) = self.announce("phone_number_quality_update", value).await {
                tracing::warn!(%error, "the business could not be told how its number stands");
            }
        }
    }
}

/// As it was kept.
pub(super) fn read(book: &book::Book) -> Standing {
    book.read(DOCUMENT).unwrap_or_default()
}
