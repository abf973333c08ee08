//! The templates of a number, kept in its book.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::Number;
use crate::{
    book::{self, Book},
    template::{
        catalogue::{Catalogue, Draft, Edit, Refused},
        definition::Entry,
    },
};

/// What the documents' names start with; the template's id follows.
const PREFIX: &str = "template:";

/// Why a change did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not allowed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not be kept.
    #[error(transparent)]
    Book(#[from] book::Error),
}

/// The templates, in memory as they are kept.
pub(super) struct Templates {
    catalogue: RwLock<Arc<Catalogue>>,
    /// Held while one change is made.
    turn: tokio::sync::Mutex<()>,
}

impl Templates {
    pub(super) fn open(book: &Book) -> Self {
        Self {
            catalogue: RwLock::new(Arc::new(read(book))),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, catalogue: Catalogue) {
        *self.catalogue.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
    }
}

fn read(book: &Book) -> Catalogue {
    let names = book.names(PREFIX);
    Catalogue::of(names.iter().filter_map(|name| book.read::<Option<Entry>>(name).flatten()))
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Number {
    /// The templates as they are now.
    #[must_use]
    pub fn templates(&self) -> Arc<Catalogue> {
        self.templates.catalogue()
    }

    /// Registers a template under this id.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_template(&self, draft: Draft, id: String) -> Result<Arc<Entry>, Error> {
        let _turn = self.templates.turn.lock().await;
        let entry = self.templates.catalogue().draft(draft, id, now_s())?;
        self.keep(entry).await
    }

    /// Changes a template.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn edit_template(&self, id: &str, edit: Edit) -> Result<Arc<Entry>, Error> {
        let _turn = self.templates.turn.lock().await;
        let entry = self.templates.catalogue().edited(id, edit, now_s())?;
        self.keep(entry).await
    }

    /// Removes a template; `None` when there is none of this id.
    ///
    /// # Errors
    /// [`Error::Book`].
    pub async fn delete_template(&self, id: &str) -> Result<Option<Arc<Entry>>, Error> {
        let _turn = self.templates.turn.lock().await;
        let Some(entry) = self.templates.catalogue().by_id(id).cloned() else {
            return Ok(None);
        };
        match self.book.remove(&document(id)).await {
            Ok(_) => self.templates.put(self.templates.catalogue().without(id)),
            Err(error) => return Err(self.read_again(error)),
        }
        Ok(Some(entry))
    }

    /// Tells the business, as the Cloud API does once it has looked at a template, that its status is now this. The change stands whether or
    /// not the event could be kept.
    pub async fn announce_template(&self, entry: &Entry, event: &str) {
        let id: Value = entry.id.parse::<u64>().map_or_else(|_| json!(entry.id), Value::from);
        let told = self.announce(
            "message_template_status_update",
            json!({
                "event": event,
                "message_template_id": id,
                "message_template_name": entry.name,
                "message_template_language": entry.language,
                "message_template_category": entry.category.as_str(),
                "reason": "NONE",
            }),
        );
        if let Err(error) = told.await {
            tracing::warn!(%error, template = %entry.id, "the business could not be told of a template's status");
        }
    }

    async fn keep(&self, entry: Entry) -> Result<Arc<Entry>, Error> {
        let (kept, name) = (entry.clone(), document(&entry.id));
        let changed = self.book.change(&name, move |page: &mut Option<Entry>| {
            *page = Some(kept);
            Ok::<_, book::Error>(())
        });
        if let Err(error) = changed.await {
            return Err(self.read_again(error));
        }
        let entry = Arc::new(entry);
        self.templates.put(self.templates.catalogue().with(Arc::clone(&entry)));
        Ok(entry)
    }

    /// What could not be kept may have been, all the same.
    fn read_again(&self, error: book::Error) -> Error {
        self.templates.put(read(&self.book));
        error.into()
    }
}

fn document(id: &str) -> String {
    format!("{PREFIX}{id}")
}
