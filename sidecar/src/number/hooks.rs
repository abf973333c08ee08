//! The number's webhook endpoints: verified first, then posted to.

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use lru::LruCache;
use tokio::sync::{mpsc, watch};
use waxseal_store::EntryId;

use crate::{
    config::{self, Secret},
    conversation::lane::{Event, Post, Poster},
    faults::Faults,
    webhook::{
        deliver::{Endpoint, Failure, InvalidEndpoint, Outcome, Reach},
        handshake,
        line::{Ended, FailureKind},
        route::{Level, Table},
        schedule::Backoff,
        sign::EventId,
    },
};

/// How long an attempt may take where nothing declares it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

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

/// Events whose last failure is remembered; more than the lines hold.
const MAX_TRIED: usize = 16 * 1024;

/// Where the events of a number go, and how the endpoints there are doing.
pub(super) struct Hooks {
    app_secret: Secret,
    declared: Option<Declared>,
    /// How endpoints are reached that were set through the API.
    reach: Reach,
    table: RwLock<Table<Arc<Target>>>,
    /// Counts changes of the table.
    changes: watch::Sender<u64>,
    tried: Arc<Mutex<LruCache<[u8; 16], Tried>>>,
    faults: Option<Faults>,
}

/// A webhook that was declared: it is verified at every start.
struct Declared {
    level: Level,
    target: Arc<Target>,
    verify_token: Secret,
}

/// An endpoint of the table.
pub(super) struct Target {
    url: String,
    endpoint: Endpoint,
    verified: AtomicBool,
    state: Arc<Mutex<WebhookState>>,
}

/// What is known of an event that was tried in vain.
#[derive(Clone, Copy)]
struct Tried {
    attempts: u32,
    last: Failure,
}

impl Hooks {
    pub(super) fn new(config: &config::Number, now: SystemTime) -> Result<Arc<Self>, InvalidEndpoint> {
        let app_secret = config.app_secret.clone();
        let webhooks = &config.surface.webhooks;
        let reach = Reach {
            timeout: config.webhook.as_ref().map_or(DEFAULT_TIMEOUT, |webhook| webhook.timeout),
            ca: webhooks.ca.clone(),
            identity: webhooks.identity.clone(),
            walls: None,
        };
        let declared = match &config.webhook {
            None => None,
            Some(webhook) => Some(Declared {
                level: if webhooks.of_number { Level::Number } else { Level::Account },
                target: Arc::new(Target {
                    url: webhook.url.clone(),
                    endpoint: Endpoint::reached(&webhook.url, app_secret.reveal(), &reach)?,
                    verified: AtomicBool::new(false),
                    state: state(WebhookResult::NotVerified, now),
                }),
                verify_token: webhook.verify_token.clone(),
            }),
        };
        let mut table = Table::default();
        if let Some(declared) = &declared {
            table.set(declared.level, Some(Arc::clone(&declared.target)));
        }
        Ok(Arc::new(Self {
            app_secret,
            declared,
            reach: Reach {
                walls: Some(config.surface.media.egress.clone()),
                ..reach
            },
            table: RwLock::new(table),
            changes: watch::Sender::new(0),
            tried: Arc::new(Mutex::new(LruCache::unbounded())),
            faults: config.surface.faults.clone(),
        }))
    }

    /// An endpoint at an address that was given through the API.
    pub(super) fn endpoint(&self, url: &str) -> Result<Endpoint, InvalidEndpoint> {
        Endpoint::reached(url, self.app_secret.reveal(), &self.reach)
    }

    /// Takes over what the API says of a level. Such an address was verified when it was given.
    pub(super) fn say(&self, level: Level, url: Option<&str>, now: SystemTime) {
        let known = self.target_of(level);
        if known.as_ref().map(|target| target.url.as_str()) == url {
            return;
        }
        let target = url.and_then(|url| match self.endpoint(url) {
            Ok(endpoint) => Some(Arc::new(Target {
                url: url.to_owned(),
                endpoint,
                verified: AtomicBool::new(true),
                state: state(WebhookResult::Verified, now),
            })),
            Err(error) => {
                tracing::warn!(%error, "a webhook that was set through the API cannot be used any more");
                None
            }
        });
        self.table.write().unwrap_or_else(PoisonError::into_inner).set(level, target);
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Verifies the declared endpoint whenever events go there and it is not verified; `ready` is told when it is. Never ends.
    pub(super) async fn verify<F: Future<Output = ()>>(&self, ready: impl Fn() -> F) {
        let Some(declared) = &self.declared else {
            return std::future::pending().await;
        };
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let is_used = self.current().is_some_and(|target| Arc::ptr_eq(&target, &declared.target));
            if is_used && !declared.target.verified.load(Ordering::Acquire) {
                let verified = handshake::until_verified(
                    &declared.target.endpoint,
                    declared.verify_token.reveal(),
                    Backoff::ENDPOINT,
                    |reason| {
                        tracing::warn!(%reason, "the webhook is not verified; events wait");
                    },
                );
                tokio::select! {
                    () = verified => {
                        tracing::info!("the webhook is verified");
                        declared.target.verified.store(true, Ordering::Release);
                        note(&declared.target.state, WebhookResult::Verified, SystemTime::now());
                        ready().await;
                    }
                    _ = changes.changed() => {}
                }
            } else if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn target_of(&self, level: Level) -> Option<Arc<Target>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.get(level).cloned()
    }

    /// Where events go now.
    fn current(&self) -> Option<Arc<Target>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.target().map(|(_, target)| Arc::clone(target))
    }

    /// The address that a level names.
    pub(super) fn url_of(&self, level: Level) -> Option<String> {
        self.target_of(level).map(|target| target.url.clone())
    }

    /// The address events go to now.
    pub(super) fn url(&self) -> Option<String> {
        self.current().map(|target| target.url.clone())
    }

    pub(super) fn state(&self) -> Option<WebhookState> {
        self.current()
            .map(|target| *target.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn verified(&self) -> Option<bool> {
        self.current().map(|target| target.verified.load(Ordering::Acquire))
    }

    /// How often an event that still waits was tried, and why the last attempt failed; `None` when it was not.
    pub(super) fn tried(&self, event_id: &[u8]) -> Option<(u32, String)> {
        let id: [u8; 16] = event_id.try_into().ok()?;
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.peek(&id).map(|tried| (tried.attempts, tried.last.to_string()))
    }
}

impl Poster for Hooks {
    fn is_ready(&self) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.target().is_some_and(|(_, target)| target.verified.load(Ordering::Acquire))
    }

    fn post(&self, entry: EntryId, post: Post, lane: mpsc::Sender<Event>) {
        let (Some(target), tried) = (self.current(), Arc::clone(&self.tried)) else {
            // There is none any more: the attempt has failed, and the event waits.
            let ended = Ended::Failed {
                kind: FailureKind::Unreachable,
                retry_after_ms: None,
            };
            tokio::spawn(async move { lane.send(Event::Posted(entry, ended)).await });
            return;
        };
        let fault = self.faults.as_ref().and_then(Faults::of_delivery);
        tokio::spawn(async move {
            let outcome = match fault {
                Some(outcome) => outcome,
                None => {
                    target
                        .endpoint
                        .attempt(EventId::new(post.event_id), post.body, SystemTime::now())
                        .await
                }
            };
            note(&target.state, outcome.into(), SystemTime::now());
            remember(&tried, post.event_id, outcome);
            let _ = lane.send(Event::Posted(entry, outcome.into())).await;
        });
    }

    fn given_up(&self, event_id: &[u8; 16]) -> Option<(u32, String)> {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.pop(event_id).map(|tried| (tried.attempts, tried.last.to_string()))
    }
}

fn remember(tried: &Mutex<LruCache<[u8; 16], Tried>>, event_id: [u8; 16], outcome: Outcome) {
    let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Outcome::Delivered => drop(tried.pop(&event_id)),
        Outcome::Failed { failure, .. } => {
            let attempts = tried.peek(&event_id).map_or(0, |tried| tried.attempts).saturating_add(1);
            tried.put(event_id, Tried { attempts, last: failure });
            if tried.len() > MAX_TRIED {
                tried.pop_lru();
            }
        }
    }
}

fn state(result: WebhookResult, since: SystemTime) -> Arc<Mutex<WebhookState>> {
    Arc::new(Mutex::new(WebhookState { result, since }))
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
