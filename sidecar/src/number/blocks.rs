//! Consumers that the business has blocked.
//!
//! Kept is the blind index, the business-scoped user id and when it was; never a number. Split over many documents by the index, so that blocking
//! one of very many writes little.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use waxseal_content::PhoneNumber;

use super::{Number, accept};
use crate::{
    book::{self, Book},
    conversation::Blocks,
    id::PeerIndex,
    message::{Addressee, Refusal},
    moment::Moment,
    webhook::bsuid,
};

/// What the names of the documents start with.
const DOCUMENTS: &str = "blocked:";
/// Blocked consumers of one number.
const MAX_BLOCKED: usize = 64_000;
/// Who has not written for this long cannot be blocked.
const RECENT: Duration = Duration::from_secs(24 * 60 * 60);

/// A blocked consumer, by the blind index in hex.
type Rows = BTreeMap<String, Row>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    user_id: String,
    since_s: u64,
}

/// One blocked consumer, as the business is told of it.
pub struct Blocked {
    /// The blind index in hex: by it the list is sorted.
    pub key: String,
    /// The business-scoped user id.
    pub user_id: String,
}

/// Whom a request names, and who that is.
pub struct Named {
    peer: PeerIndex,
    /// The business-scoped user id.
    pub user_id: String,
    /// The number.
    pub number: PhoneNumber,
}

/// Why a consumer was not blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotBlocked {
    /// They have not written for 24 hours, or never.
    #[error("the consumer has not written lately")]
    NotRecent,
    /// As many are blocked as may be.
    #[error("as many consumers are blocked as may be")]
    Full,
    /// It is the number itself.
    #[error("the number itself cannot be blocked")]
    Itself,
}

/// Whom the book says the business has blocked.
pub(super) fn read(book: &Book) -> Blocks {
    let documents = book.names(DOCUMENTS);
    let rows = documents.iter().flat_map(|name| rows(book, name));
    Blocks::new(rows.filter_map(|(key, _)| index(&key)))
}

impl Number {
    /// Whether messages of this consumer are dropped.
    #[must_use]
    pub fn is_blocked(&self, peer: &PeerIndex) -> bool {
        self.shared.blocks.contains(peer)
    }

    /// Every blocked consumer, sorted by [`Blocked::key`].
    #[must_use]
    pub fn blocked(&self) -> Vec<Blocked> {
        let documents = self.book.names(DOCUMENTS);
        let rows = documents.iter().flat_map(|name| rows(&self.book, name));
        rows.map(|(key, row)| Blocked { key, user_id: row.user_id }).collect()
    }

    /// The numbers of these blocked consumers, as far as they are still known.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn numbers_of(&self, blocked: &[Blocked]) -> Result<Vec<Option<PhoneNumber>>, Refusal> {
        let keys: Vec<_> = blocked
            .iter()
            .map(|blocked| self.shared.names.peer(&index(&blocked.key).unwrap_or_default()))
            .collect();
        let values = self.store.get(&keys).await.map_err(|_| Refusal::Unavailable)?;
        let opened = keys.iter().zip(values).map(|(key, sealed)| {
            let peer = self.shared.open_peer(key, &sealed?)?;
            Some(peer.number)
        });
        Ok(opened.collect())
    }

    /// Who it is that a request names.
    ///
    /// # Errors
    /// [`Refusal::UnknownUser`] for a user id whose conversation is not known any more; [`Refusal::Unavailable`].
    pub async fn named(&self, named: Addressee) -> Result<Named, Refusal> {
        let number = accept::addressee(self, named).await?;
        Ok(Named {
            peer: self.shared.blind.of(number.reveal()),
            user_id: bsuid::of(&self.shared.user_id_key, &number),
            number,
        })
    }

    /// Blocks consumers: what they write is dropped, and nothing can be sent to them. Says of each whether it was done.
    ///
    /// # Errors
    /// When the store does not answer; then some may be blocked.
    pub async fn block(&self, named: &[Named]) -> Result<Vec<Result<(), NotBlocked>>, book::Error> {
        let now = Moment::of(SystemTime::now());
        let heard = self.heard(named).await?;
        let recent_ms = u64::try_from(RECENT.as_millis()).unwrap_or(u64::MAX);
        let mut outcomes = Vec::with_capacity(named.len());
        for (one, heard_ms) in named.iter().zip(heard) {
            outcomes.push(if one.number == self.shared.number {
                Err(NotBlocked::Itself)
            } else if self.is_blocked(&one.peer) {
                Ok(())
            } else if now.ms.saturating_sub(heard_ms) >= recent_ms {
                Err(NotBlocked::NotRecent)
            } else if self.shared.blocks.len() >= MAX_BLOCKED {
                Err(NotBlocked::Full)
            } else {
                let row = Row {
                    user_id: one.user_id.clone(),
                    since_s: now.ms / 1000,
                };
                self.change_blocked(&hex::encode(one.peer), Some(row)).await?;
                Ok(())
            });
        }
        Ok(outcomes)
    }

    /// Unblocks a consumer; who is not blocked stays so.
    ///
    /// # Errors
    /// [`book::Error`].
    pub async fn unblock(&self, number: &PhoneNumber) -> Result<(), book::Error> {
        self.change_blocked(&hex::encode(self.shared.blind.of(number.reveal())), None).await
    }

    /// Unblocks the consumer with this user id, whose number may be unknown by now; whether there is one.
    ///
    /// # Errors
    /// [`book::Error`].
    pub async fn unblock_user(&self, user_id: &str) -> Result<bool, book::Error> {
        let Some(blocked) = self.blocked().into_iter().find(|blocked| blocked.user_id == user_id) else {
            return Ok(false);
        };
        self.change_blocked(&blocked.key, None).await?;
        Ok(true)
    }

    /// The user id that the business knows a number by.
    #[must_use]
    pub fn user_id_of(&self, number: &PhoneNumber) -> String {
        bsuid::of(&self.shared.user_id_key, number)
    }

    async fn change_blocked(&self, key: &str, row: Option<Row>) -> Result<(), book::Error> {
        let document = format!("{DOCUMENTS}{}", key.get(..2).unwrap_or_default());
        let change = self.book.change(&document, |rows: &mut Rows| {
            match row {
                Some(row) => rows.insert(key.to_owned(), row),
                None => rows.remove(key),
            };
            Ok::<_, book::Error>(())
        });
        change.await?;
        if let Some(peer) = index(key) {
            self.shared.blocks.refresh(peer, || rows(&self.book, &document).contains_key(key));
        }
        Ok(())
    }

    /// When each of them last wrote, Unix milliseconds; 0 for never.
    async fn heard(&self, named: &[Named]) -> Result<Vec<u64>, book::Error> {
        let keys: Vec<_> = named.iter().map(|one| self.shared.names.peer(&one.peer)).collect();
        let values = self.store.get(&keys).await;
        let values = values.map_err(|_| book::Error::Unavailable("the store does not answer"))?;
        let opened = keys.iter().zip(values).map(|(key, sealed)| {
            let peer = self.shared.open_peer(key, &sealed?)?;
            Some(peer.heard_ms)
        });
        Ok(opened.map(Option::unwrap_or_default).collect())
    }
}

fn rows(book: &Book, document: &str) -> Rows {
    book.read(document).unwrap_or_default()
}

fn index(key: &str) -> Option<PeerIndex> {
    hex::decode(key).ok()?.try_into().ok()
}
