//! How far a Deployment is.

use k8s_openapi::api::apps::v1::Deployment;

/// The counts of a Deployment that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// How many pods there shall be.
    pub(super) desired: i32,
    /// How many there are.
    pub(super) existing: i32,
    /// How many of them are as declared now.
    pub(super) updated: i32,
    /// How many have been ready for long enough.
    pub(super) available: i32,
    /// Whether the counts are about what is declared now.
    pub(super) current: bool,
    /// Whether it has made no progress for too long.
    pub(super) deadline_exceeded: bool,
}

impl Progress {
    pub(super) fn of(deployment: Option<&Deployment>) -> Option<Self> {
        let deployment = deployment?;
        let status = deployment.status.clone().unwrap_or_default();
        let current = status.observed_generation >= deployment.metadata.generation;
        Some(Self {
            desired: deployment.spec.replicas.unwrap_or(1),
            existing: status.replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            current,
            deadline_exceeded: current && condition(deployment, "Progressing", "False").is_some(),
        })
    }

    /// Whether all pods are as declared now, and available.
    pub(super) fn is_complete(self) -> bool {
        self.current && self.updated == self.desired && self.existing == self.desired && self.available == self.desired
    }

    pub(super) fn text(self) -> String {
        if self.desired == 0 {
            return format!("{} sidecars are being stopped", self.existing);
        }
        let updated = if self.current { self.updated } else { 0 };
        format!(
            "{updated} of {} sidecars are as declared, {} of {} are available",
            self.desired,
            self.available.min(self.desired),
            self.desired
        )
    }
}

/// Why the cluster does not even accept the pods: a quota, or an admission rule.
pub(super) fn replica_failure(deployment: Option<&Deployment>) -> Option<&str> {
    condition(deployment?, "ReplicaFailure", "True")
}

/// The message of a condition that has this status.
fn condition<'a>(deployment: &'a Deployment, type_: &str, status: &str) -> Option<&'a str> {
    deployment
        .status
        .as_ref()?
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_.as_deref() == Some(type_) && condition.status.as_deref() == Some(status))
        .map(|condition| condition.message.as_deref().unwrap_or_default())
}
