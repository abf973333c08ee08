//! The picture of the business's profile. It outlives every message and every upload, and so it lies in the book, in parts.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::TryStreamExt as _;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use waxseal_content::MediaKind;

use super::Number;
use crate::{
    book,
    file::{Refusal, most_bytes, suits},
};

/// What the documents' names start with; which picture, and which part of it, follow.
const PREFIX: &str = "picture:";
/// A part of it, so that it fits into a document in Base64.
const PART_BYTES: usize = 512 << 10;
/// How long a change waits for the one before it.
const TURN: Duration = Duration::from_secs(30);

/// Which picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// No other picture has it.
    pub name: String,
    /// `image/jpeg` or `image/png`.
    pub mime_type: String,
    /// How many documents it takes.
    pub parts: usize,
}

/// Why a picture was not kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is none, or cannot be had.
    #[error(transparent)]
    File(#[from] Refusal),
    /// It could not be kept.
    #[error(transparent)]
    Book(#[from] book::Error),
}

impl Number {
    /// One change of the picture at a time: hold this from before [`Number::keep_picture`] until after [`Number::forget_pictures`].
    ///
    /// # Errors
    /// [`Refusal::Overloaded`].
    pub async fn picture_turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, Refusal> {
        let turn = tokio::time::timeout(TURN, self.picturing.lock()).await;
        turn.map_err(|_| Refusal::Overloaded)
    }

    /// Puts the file that a handle names into the book.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn keep_picture(&self, handle: &str, now: SystemTime) -> Result<Picture, Error> {
        let file = self.media().uploaded(handle, now).await?;
        suits(MediaKind::Image, &file.mime_type, file.size_bytes).map_err(Refusal::from)?;
        let most_bytes = usize::try_from(most_bytes(MediaKind::Image)).unwrap_or(usize::MAX);
        let reader = self.media().open(&file, 0..file.size_bytes).await?;
        let content = reader
            .map_err(|_| Refusal::Unavailable)
            .try_fold(Vec::new(), |mut content, part| async move {
                content.extend_from_slice(&part);
                match content.len() > most_bytes {
                    true => Err(Refusal::Internal),
                    false => Ok(content),
                }
            })
            .await?;
        let picture = Picture {
            name: format!("{:016x}", rand::rng().random::<u64>()),
            mime_type: file.mime_type,
            parts: content.len().div_ceil(PART_BYTES),
        };
        for (index, part) in content.chunks(PART_BYTES).enumerate() {
            let text = BASE64_STANDARD.encode(part);
            let name = document(&picture.name, index);
            let change = self.book.change(&name, |page: &mut String| {
                *page = text;
                Ok::<_, book::Error>(())
            });
            change.await?;
        }
        Ok(picture)
    }

    /// Removes every picture but this one.
    ///
    /// # Errors
    /// [`book::Error`].
    pub async fn forget_pictures(&self, but: Option<&Picture>) -> Result<(), book::Error> {
        let kept = but.map(|picture| format!("{PREFIX}{}:", picture.name));
        for name in self.book.names(PREFIX) {
            if kept.as_ref().is_none_or(|kept| !name.starts_with(kept)) {
                self.book.remove(&name).await?;
            }
        }
        Ok(())
    }

    /// The bytes of a picture; `None` when it is gone.
    #[must_use]
    pub fn picture(&self, picture: &Picture) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        for index in 0..picture.parts {
            let text: String = self.book.read(&document(&picture.name, index))?;
            content.extend(BASE64_STANDARD.decode(text).ok()?);
        }
        Some(content)
    }
}

fn document(name: &str, part: usize) -> String {
    format!("{PREFIX}{name}:{part}")
}
