//! Settings of a number: what is declared, and what the business chooses through the API.

use serde::{Deserialize, Serialize};

use super::Number;
use crate::{
    book::{self, Book},
    config::Retention,
};

/// The document's name.
const DOCUMENT: &str = "settings";

/// What the business has chosen.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Chosen {
    identity_check: bool,
}

/// Where and how long messages are kept: as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Wherever the number is served.
    Default,
    /// In this country (two capital letters) only.
    InCountry(String),
    /// Nowhere for longer than this.
    NoStorage {
        /// How long a message may wait.
        minutes: u64,
    },
}

/// Whether the business wants to hear of changed identity keys.
pub(super) fn identity_check(book: &Book) -> bool {
    book.read::<Chosen>(DOCUMENT).unwrap_or_default().identity_check
}

impl Number {
    /// Whether webhooks carry the hash of a consumer's identity key, and sends may name one.
    #[must_use]
    pub fn identity_check(&self) -> bool {
        self.shared.conduct.checks_identities()
    }

    /// Chooses that.
    ///
    /// # Errors
    /// [`book::Error`].
    pub async fn set_identity_check(&self, on: bool) -> Result<(), book::Error> {
        let change = self.book.change(DOCUMENT, |chosen: &mut Chosen| {
            chosen.identity_check = on;
            Ok::<_, book::Error>(())
        });
        change.await?;
        // What is durable now, be it another request's choice.
        self.shared.conduct.check_identities(identity_check(&self.book));
        Ok(())
    }

    /// The number's quality as the business is told: GREEN, YELLOW, RED or UNKNOWN.
    #[must_use]
    pub fn quality_rating(&self) -> &'static str {
        self.quality().map_or("GREEN", |standing| standing.rating.as_str())
    }

    /// Where and how long messages are kept.
    #[must_use]
    pub fn storage(&self) -> Storage {
        match (self.config.retention, &self.config.surface.storage_region) {
            (Retention::NoStorage, _) => Storage::NoStorage {
                minutes: self.shared.retention.as_secs() / 60,
            },
            (Retention::Days(_), Some(region)) => Storage::InCountry(region.clone()),
            (Retention::Days(_), None) => Storage::Default,
        }
    }
}
