//! Events: what `kubectl describe` shows at the end. One recorder for each controller, so that the same event again makes a series. Whoever
//! publishes does so when an outcome changes, not each time it is looked at.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::timeout;
use tracing::debug;

use crate::{
    metrics::Metrics,
    text::{EVENT_NOTE_MAX_BYTES, clip},
};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes events of one controller.
pub struct Events {
    recorder: Recorder,
    metrics: Metrics,
}

impl Events {
    /// `instance` tells apart several operators.
    #[must_use]
    pub fn new(client: Client, instance: String, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: "waxseal.dev/operator".to_owned(),
            instance: Some(instance),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            metrics,
        }
    }

    /// Something worth to know.
    pub async fn normal(&self, about: &impl Resource<DynamicType = ()>, action: &str, reason: &str, note: &str) {
        self.publish(EventType::Normal, about.object_ref(&()), action, reason, note).await;
    }

    /// Something that somebody should look at.
    pub async fn warning(&self, about: &impl Resource<DynamicType = ()>, action: &str, reason: &str, note: &str) {
        self.publish(EventType::Warning, about.object_ref(&()), action, reason, note).await;
    }

    /// An event that cannot be published, for example in a namespace that is being deleted, is only missed.
    async fn publish(&self, type_: EventType, mut about: ObjectReference, action: &str, reason: &str, note: &str) {
        // The version would make every event one of its own.
        about.resource_version = None;
        let event = Event {
            type_,
            reason: clip(reason, 128),
            note: Some(clip(note, EVENT_NOTE_MAX_BYTES)),
            action: action.to_owned(),
            secondary: None,
        };
        self.metrics.wrote("Event", "create");
        match timeout(REQUEST_TIMEOUT, self.recorder.publish(&event, &about)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "an event was not taken"),
            Err(_) => debug!("an event was not taken in time"),
        }
    }
}
