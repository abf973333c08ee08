//! The Job that erases a number: it deregisters at the relay, deletes what is in Redis and in the media store, and overwrites the keys.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::Target;
use crate::{names, settings::Settings};

/// With the pauses between them these last as long as the deadline, which is what counts.
const BACKOFF_LIMIT: i32 = 10;

/// The operator deletes the Job itself; one that it could not delete any more goes after a day.
const TTL_SECONDS: i32 = 24 * 60 * 60;

/// The same pod as the sidecar's, in the same place and with the same mounts, but it erases instead of serving.
pub(super) fn build(target: &Target, sidecar: PodTemplateSpec, settings: &Settings) -> Job {
    let mut template = sidecar;
    // Not a sidecar's labels, or the Service would send requests here.
    let mut labels = BTreeMap::from([(names::NAME_LABEL.to_owned(), names::ERASE_APP_NAME.to_owned())]);
    labels.extend(target.labels().into_iter().filter(|(key, _)| key != names::NAME_LABEL));
    template.metadata = Some(ObjectMeta {
        labels: Some(labels),
        annotations: template.metadata.and_then(|metadata| metadata.annotations),
        ..ObjectMeta::default()
    });
    if let Some(pod) = &mut template.spec {
        // A failed pod stays to be looked at.
        pod.restart_policy = Some("Never".to_owned());
        pod.topology_spread_constraints = None;
        for container in &mut pod.containers {
            container.args = Some(vec!["erase".to_owned()]);
            container.ports = None;
            container.startup_probe = None;
            container.liveness_probe = None;
            container.readiness_probe = None;
            container.lifecycle = None;
        }
    }
    Job {
        metadata: target.metadata(names::erase(&target.name)),
        spec: Some(JobSpec {
            backoff_limit: Some(BACKOFF_LIMIT),
            ttl_seconds_after_finished: Some(TTL_SECONDS),
            active_deadline_seconds: Some(i64::from(settings.erase_deadline_seconds)),
            template,
            ..JobSpec::default()
        }),
        status: None,
    }
}
