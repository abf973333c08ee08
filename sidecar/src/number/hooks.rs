//! The number's webhook endpoint: verified first, then posted to.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::mpsc;
use waxseal_store::EntryId;

use crate::{
    config::{Secret, Webhook},
    conversation::lane::{Event, Post, Poster},
    webhook::{
        deliver::{Endpoint, Failure, InvalidEndpoint, Outcome},
        handshake,
        schedule::Backoff,
        sign::EventId,
    },
};

/// How it stands with a number's webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookState {
    /// What the endpoint did last.
    pub result: WebhookResult,
    /// Since when it has been doing that.
    pub since: SystemTime,
}

/// What a webhook endpoint did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookResult {
    /// It has not answered the verification handshake as it should; events wait.
    NotVerified,
    /// It answered the handshake; nothing has been posted since.
    Verified,
    /// It acknowledged an event.
    Delivered,
    /// It answered an event with this status, which is none of 2xx.
    HttpStatus(u16),
    /// It gave no answer to an event: no connection, a broken one, or not in time.
    Unreachable,
}

impl From<Outcome> for WebhookResult {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::Failed {
                failure: Failure::Status(status),
                ..
            } => Self::HttpStatus(status),
            Outcome::Failed {
                failure: Failure::Connect | Failure::Timeout | Failure::Broken,
                ..
            } => Self::Unreachable,
        }
    }
}

pub(super) struct Hooks {
    endpoint: Option<(Endpoint, Secret)>,
    verified: AtomicBool,
    state: Arc<Mutex<WebhookState>>,
}

impl Hooks {
    pub(super) fn new(webhook: Option<&Webhook>, app_secret: &str, now: SystemTime) -> Result<Arc<Self>, InvalidEndpoint> {
        let endpoint = match webhook {
            Some(webhook) => Some((
                Endpoint::new(&webhook.url, app_secret, webhook.timeout)?,
                webhook.verify_token.clone(),
            )),
            None => None,
        };
        Ok(Arc::new(Self {
            endpoint,
            verified: AtomicBool::new(false),
            state: Arc::new(Mutex::new(WebhookState {
                result: WebhookResult::NotVerified,
                since: now,
            })),
        }))
    }

    /// Verifies the endpoint, however long it takes; never ends when there is none.
    pub(super) async fn verify(&self) {
        let Some((endpoint, token)) = &self.endpoint else {
            return std::future::pending().await;
        };
        handshake::until_verified(endpoint, token.reveal(), Backoff::ENDPOINT, |reason| {
            tracing::warn!(%reason, "the webhook is not verified; events wait");
        })
        .await;
        tracing::info!("the webhook is verified");
        self.verified.store(true, Ordering::Release);
        note(&self.state, WebhookResult::Verified, SystemTime::now());
    }

    pub(super) fn state(&self) -> Option<WebhookState> {
        self.endpoint
            .as_ref()
            .map(|_| *self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn verified(&self) -> Option<bool> {
        self.endpoint.as_ref().map(|_| self.verified.load(Ordering::Acquire))
    }
}

impl Poster for Hooks {
    fn is_ready(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }

    fn post(&self, entry: EntryId, post: Post, lane: mpsc::Sender<Event>) {
        let Some((endpoint, _)) = &self.endpoint else { return };
        let (endpoint, state) = (endpoint.clone(), Arc::clone(&self.state));
        tokio::spawn(async move {
            let outcome = endpoint.attempt(EventId::new(post.event_id), post.body, SystemTime::now()).await;
            note(&state, outcome.into(), SystemTime::now());
            let _ = lane.send(Event::Posted(entry, outcome.into())).await;
        });
    }
}

fn note(state: &Mutex<WebhookState>, result: WebhookResult, now: SystemTime) {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if state.result != result {
        *state = WebhookState { result, since: now };
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_state_begins_when_the_result_changes() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let state = Mutex::new(WebhookState {
            result: WebhookResult::NotVerified,
            since: at(0),
        });
        let failed = |failure| {
            WebhookResult::from(Outcome::Failed {
                failure,
                retry_after: None,
            })
        };
        for (result, second, since) in [
            (WebhookResult::Verified, 1, 1),
            (Outcome::Delivered.into(), 2, 2),
            (Outcome::Delivered.into(), 3, 2),
            (failed(Failure::Status(500)), 4, 4),
            (failed(Failure::Status(503)), 5, 5),
            (failed(Failure::Timeout), 6, 6),
            (failed(Failure::Connect), 7, 6),
        ] {
            note(&state, result, at(second));
            assert_eq!(*state.lock().unwrap(), WebhookState { result, since: at(since) });
        }
    }
}
