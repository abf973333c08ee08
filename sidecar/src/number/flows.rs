//! The flows of a number, kept in its book; and whether a message may name one of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

use serde_json::{Value, json};

use super::Number;
use crate::{
    book::{self, Book},
    flow::{
        Flow, Kept, Refused, Status, Unsendable,
        catalogue::{Catalogue, Draft},
    },
    message::Refusal,
    moment::Moment,
};

/// What the documents' names start with; the flow's id follows.
const PREFIX: &str = "flow:";
/// Messages of a throttled flow in an hour.
const THROTTLED: usize = 10;
const HOUR_US: u64 = 60 * 60 * 1_000_000;

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

/// The flows, in memory as they are kept, but for their documents.
pub(super) struct Flows {
    catalogue: RwLock<Arc<Catalogue>>,
    /// Held while one change is made.
    turn: tokio::sync::Mutex<()>,
    /// When messages of throttled flows were sent, by the flow's id.
    sent: Mutex<HashMap<String, Vec<u64>>>,
    clock: crate::limits::Clock,
}

impl Flows {
    pub(super) fn open(book: &Book) -> Self {
        Self {
            catalogue: RwLock::new(Arc::new(read(book))),
            turn: tokio::sync::Mutex::new(()),
            sent: Mutex::default(),
            clock: crate::limits::Clock::system(),
        }
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, catalogue: Catalogue) {
        *self.catalogue.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
    }

    /// Takes one of the messages that a throttled flow may have in an hour.
    fn take(&self, id: &str) -> Result<(), Unsendable> {
        let now_us = self.clock.now_us();
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        // What is deleted or well again need not be remembered.
        sent.retain(|_, times| times.last().is_some_and(|last| now_us.saturating_sub(*last) < HOUR_US));
        let times = sent.entry(id.to_owned()).or_default();
        times.retain(|time| now_us.saturating_sub(*time) < HOUR_US);
        if times.len() >= THROTTLED {
            return Err(Unsendable::Throttled);
        }
        times.push(now_us);
        Ok(())
    }
}

fn read(book: &Book) -> Catalogue {
    let names = book.names(PREFIX);
    let kept = names.iter().filter_map(|name| book.read::<Option<Kept>>(name).flatten());
    Catalogue::of(kept.map(|kept| kept.flow))
}

fn now_ms() -> u64 {
    Moment::of(SystemTime::now()).ms
}

fn document(id: &str) -> String {
    format!("{PREFIX}{id}")
}

impl Number {
    /// The flows as they are now, without their documents.
    #[must_use]
    pub fn flows(&self) -> Arc<Catalogue> {
        self.flows.catalogue()
    }

    /// The document of a flow; `None` when there is no such flow, or it has none.
    #[must_use]
    pub fn flow_json(&self, id: &str) -> Option<String> {
        self.flows().by_id(id)?;
        self.book.read::<Option<Kept>>(&document(id)).flatten()?.json
    }

    /// Creates a flow under this id.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_flow(&self, draft: Draft, id: String) -> Result<Arc<Flow>, Error> {
        let _turn = self.flows.turn.lock().await;
        let kept = self.flows.catalogue().draft(draft, id, now_ms())?;
        self.write(&kept.flow.id.clone(), move |page| {
            *page = Some(kept);
            Ok(())
        })
        .await
    }

    /// Changes a flow as `change` does, which gets the time in seconds. A name it gives must be free, and its document must have room.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn change_flow(
        &self,
        id: &str,
        change: impl FnOnce(&mut Kept, u64) -> Result<(), Refused> + Send,
    ) -> Result<Arc<Flow>, Error> {
        let _turn = self.flows.turn.lock().await;
        let (now_s, others) = (now_ms() / 1000, self.flows.catalogue());
        if others.by_id(id).is_none() {
            return Err(Refused::Unknown.into());
        }
        self.write(id, move |page| {
            let kept = page.as_mut().ok_or(Refused::Unknown)?;
            change(kept, now_s)?;
            others.check_free(&kept.flow.name, &kept.flow.id)?;
            others.check_room(&kept.flow.id, kept.flow.json_bytes.unwrap_or_default())
        })
        .await
    }

    /// Removes a draft.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_flow(&self, id: &str) -> Result<(), Error> {
        let _turn = self.flows.turn.lock().await;
        let known = self.flows.catalogue();
        let flow = known.by_id(id).ok_or(Refused::Unknown)?;
        if flow.status != Status::Draft {
            return Err(Refused::NotDeletable.into());
        }
        match self.book.remove(&document(id)).await {
            Ok(_) => self.flows.put(self.flows.catalogue().without(id)),
            Err(error) => return Err(self.read_flows_again(error)),
        }
        Ok(())
    }

    /// Tells the business that a flow's status has changed from this one. The change stands whether or not the event could be kept.
    pub async fn announce_flow(&self, flow: &Flow, from: Status) {
        let (from, to) = (from.as_str(), flow.status.as_str());
        let told = self.announce(
            "flows",
            json!({
                "event": "FLOW_STATUS_CHANGE",
                "message": format!("Flow {} changed status from {from} to {to}", flow.name),
                "flow_id": flow.id,
                "old_status": from,
                "new_status": to,
            }),
        );
        if let Err(error) = told.await {
            tracing::warn!(%error, flow = %flow.id, "the business could not be told of a flow's status");
        }
    }

    /// Whether a message with this action may go: the flow it names must be ready for it. One that is not kept here is none of this number's
    /// business.
    pub(super) fn admit_flow(&self, action_json: &str) -> Result<(), Refusal> {
        let known = self.flows();
        if known.flows().is_empty() {
            return Ok(());
        }
        let Ok(action) = serde_json::from_str::<Value>(action_json) else {
            return Ok(());
        };
        let said = &action["parameters"];
        let named = match (&said["flow_id"], &said["flow_name"]) {
            (Value::String(id), _) => known.by_id(id),
            (Value::Number(id), _) => known.by_id(&id.to_string()),
            (_, Value::String(name)) => known.by_name(name),
            _ => None,
        };
        let Some(flow) = named else { return Ok(()) };
        let as_draft = said["mode"].as_str().is_some_and(|mode| mode.eq_ignore_ascii_case("draft"));
        let admitted = match (flow.status, as_draft) {
            (Status::Draft, true) | (Status::Published, false) => Ok(()),
            (Status::Draft, false) => Err(Unsendable::Draft),
            (Status::Deprecated, _) => Err(Unsendable::Deprecated),
            (Status::Blocked, _) => Err(Unsendable::Blocked),
            (Status::Published | Status::Throttled, true) => Err(Unsendable::NotDraft),
            (Status::Throttled, false) => self.flows.take(&flow.id),
        };
        admitted.map_err(Refusal::Flow)
    }

    async fn write(&self, id: &str, change: impl FnOnce(&mut Option<Kept>) -> Result<(), Refused> + Send) -> Result<Arc<Flow>, Error> {
        let name = document(id);
        let changed = self.book.change(&name, |page: &mut Option<Kept>| {
            change(page)?;
            let kept = page.as_ref().ok_or(Refused::Unknown)?;
            Ok::<_, Error>(Arc::new(kept.flow.clone()))
        });
        match changed.await {
            Ok(flow) => {
                self.flows.put(self.flows.catalogue().with(Arc::clone(&flow)));
                Ok(flow)
            }
            // The document as it is kept, with its quotes escaped.
            Err(Error::Book(book::Error::Full(why))) if why == book::DOCUMENT_FULL => Err(Refused::TooLarge.into()),
            Err(Error::Book(error)) => Err(self.read_flows_again(error)),
            Err(refused) => Err(refused),
        }
    }

    /// What could not be kept may have been, all the same.
    fn read_flows_again(&self, error: book::Error) -> Error {
        self.flows.put(read(&self.book));
        error.into()
    }
}
