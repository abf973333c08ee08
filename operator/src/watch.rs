//! Watches: streams of what happens at the API server, tried again for ever with pauses.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    Stream, StreamExt as _, pin_mut,
    stream::{self, BoxStream},
};
use kube::{
    Api, Client, Resource,
    api::DynamicObject,
    core::{ApiResource, NamespaceResourceScope},
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::metrics::LastSeen;

/// How many objects of ours are asked for at a time. A page is in memory as a whole.
const PAGE_OF_DECLARED: u32 = 100;
/// How many objects that belong to numbers are asked for at a time; several kinds are listed at once.
const PAGE_OF_CHILDREN: u32 = 50;
/// How often it is looked whether a kind has come that was not there.
pub const DISCOVERY_PERIOD: Duration = Duration::from_secs(60);

/// The watches whose first list is not complete, by kind.
#[derive(Clone, Default)]
pub struct Pending(Arc<(Mutex<Vec<String>>, Notify)>);

/// One watch whose first list is not complete.
pub struct Ticket {
    kind: String,
    pending: Option<Pending>,
}

impl Pending {
    /// One more to wait for.
    #[must_use]
    pub fn ticket(&self, kind: &str) -> Ticket {
        self.kinds().push(kind.to_owned());
        Ticket {
            kind: kind.to_owned(),
            pending: Some(self.clone()),
        }
    }

    /// Until there is none to wait for.
    pub async fn none(&self) {
        loop {
            let notified = self.0.1.notified();
            if self.kinds().is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// What is waited for, in words.
    #[must_use]
    pub fn text(&self) -> String {
        let mut kinds = self.kinds().clone();
        kinds.sort();
        kinds.dedup();
        format!("the first list of {}", kinds.join(", "))
    }

    fn kinds(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The first list is complete, or need not be waited for.
    pub fn done(&mut self) {
        if let Some(pending) = self.pending.take() {
            let mut kinds = pending.kinds();
            if let Some(at) = kinds.iter().position(|kind| *kind == self.kind) {
                kinds.swap_remove(at);
            }
            drop(kinds);
            pending.0.1.notify_waiters();
        }
    }
}

/// The API of a kind of ours in a namespace, or in all.
#[must_use]
pub fn namespaced<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// The API of any namespaced kind in a namespace, or in all.
#[must_use]
pub fn dynamic(client: &Client, namespace: Option<&str>, resource: &ApiResource) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// How declared objects are watched.
#[must_use]
pub fn of_declared() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_OF_DECLARED)
}

/// How objects that belong to numbers are watched.
#[must_use]
pub fn of_children() -> watcher::Config {
    let selector = format!("{}={}", crate::names::MANAGED_BY_LABEL, crate::names::FIELD_MANAGER);
    watcher::Config::default().labels(&selector).page_size(PAGE_OF_CHILDREN)
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The API server does not know the kind.
    KindMissing,
}

/// Hands every event to `handle`, for ever; ends only when the kind is not there, or no more, and `ends_without_kind`.
pub async fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    kind: &str,
    seen: &LastSeen,
    ends_without_kind: bool,
    mut handle: impl FnMut(Event<K>),
) -> Ended
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let events = whole(watcher(api, config).boxed()).default_backoff();
    pin_mut!(events);
    let mut complained = false;
    loop {
        match events.next().await {
            Some(Ok(event)) => {
                seen.touch();
                complained = false;
                handle(event);
            }
            Some(Err(error)) => {
                if ends_without_kind && is_missing(&error) {
                    return Ended::KindMissing;
                }
                // Once for each outage.
                if complained {
                    debug!(kind, %error, "a watch failed");
                } else {
                    warn!(kind, %error, "a watch failed; it is tried again");
                }
                complained = true;
            }
            // The watcher never ends by itself.
            None => return Ended::KindMissing,
        }
    }
}

/// The same events, but the beginning of a list is told only when the list could be had. Otherwise each failed attempt would look like a
/// success at first, and the pauses between attempts would never grow.
fn whole<K: Send + 'static>(
    events: BoxStream<'static, watcher::Result<Event<K>>>,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static {
    stream::unfold((events, None), |(mut events, held)| async move {
        if let Some(event) = held {
            return Some((Ok(event), (events, None)));
        }
        match events.next().await? {
            Ok(Event::Init) => match events.next().await? {
                Ok(event) => Some((Ok(Event::Init), (events, Some(event)))),
                Err(error) => Some((Err(error), (events, None))),
            },
            other => Some((other, (events, None))),
        }
    })
}

fn is_missing(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            // Whoever may not look at an optional kind does without it.
            status.code == 404 || status.is_forbidden()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_list_that_fails_does_not_begin() {
        let events = [
            Ok(Event::Init),
            Err(watcher::Error::NoResourceVersion),
            Ok(Event::Init),
            Ok(Event::InitApply(1)),
            Ok(Event::InitDone),
            Ok(Event::Apply(2)),
        ];
        let told: Vec<String> = whole(stream::iter(events).boxed())
            .map(|event| match event {
                Ok(Event::Init) => "Init".to_owned(),
                Ok(Event::InitApply(n) | Event::Apply(n)) => n.to_string(),
                Ok(_) => "InitDone".to_owned(),
                Err(_) => "error".to_owned(),
            })
            .collect()
            .await;
        assert_eq!(told, ["error", "Init", "1", "InitDone", "2"]);
    }

    #[test]
    fn waits_until_every_ticket_is_done() {
        let pending = Pending::default();
        let (mut one, mut other) = (pending.ticket("Pod"), pending.ticket("Pod"));
        one.done();
        one.done();
        assert_eq!(pending.text(), "the first list of Pod");
        assert!(pending.none().now_or_never().is_none());
        other.done();
        assert!(pending.none().now_or_never().is_some());
    }
}
