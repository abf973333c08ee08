//! What a number's status has to say of its Deployment, its pods and the Job that erases it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::api::{
    apps::v1::{Deployment, DeploymentCondition, DeploymentStatus},
    core::v1::Pod,
};
use kube::{ResourceExt as _, api::DynamicObject};
use serde_json::Value;

use crate::{names, number::status::Trouble, text};

/// On a Deployment: the digest of the template that was applied last. From it follows, also after a restart of the operator, whether applying
/// a Deployment replaces pods.
pub const TEMPLATE_ANNOTATION: &str = "waxseal.dev/template";

/// The longest text that is kept of a pod or a Deployment: a table holds thousands.
const TEXT_MAX_BYTES: usize = 512;

/// A Deployment, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// How many pods are wanted.
    pub wanted: i32,
    /// How many there are.
    pub replicas: i32,
    /// How many of them are of the current template.
    pub updated: i32,
    /// How many of them can be used.
    pub available: i32,
    /// Whether the counts are about the current template.
    pub is_observed: bool,
    /// The digest of the template that was applied last.
    pub template: Option<Box<str>>,
    /// Why the roll-out does not move, in the words of the Deployment controller.
    pub stuck: Option<Box<str>>,
    /// Why pods cannot be made, in its words.
    pub refused: Option<Box<str>>,
}

impl Workload {
    pub(super) fn of(object: &DynamicObject) -> Self {
        let data = &object.data;
        let count = |path: &str| {
            let count = data.pointer(path).and_then(Value::as_i64);
            count.and_then(|count| i32::try_from(count).ok()).unwrap_or_default()
        };
        let observed = data.pointer("/status/observedGeneration").and_then(Value::as_i64);
        let because = |kind: &str, status: &str| {
            condition(data, kind)
                .filter(|condition| condition["status"] == status)
                .map(|condition| clipped(condition["message"].as_str().unwrap_or_default()))
        };
        Self {
            wanted: count("/spec/replicas"),
            replicas: count("/status/replicas"),
            updated: count("/status/updatedReplicas"),
            available: count("/status/availableReplicas"),
            is_observed: observed.is_some() && observed >= object.metadata.generation,
            template: object.annotations().get(TEMPLATE_ANNOTATION).map(|digest| digest.as_str().into()),
            stuck: because("Progressing", "False"),
            refused: because("ReplicaFailure", "True"),
        }
    }

    /// Whether all pods are of the current template and can be used.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_observed && self.updated == self.wanted && self.available == self.wanted && self.replicas == self.wanted
    }

    /// As much of the Deployment as is known.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        let condition = |kind: &str, status: &str, message: &Option<Box<str>>| {
            message.as_ref().map(|message| DeploymentCondition {
                type_: Some(kind.to_owned()),
                status: Some(status.to_owned()),
                message: Some(message.to_string()),
                ..DeploymentCondition::default()
            })
        };
        let conditions = [
            condition("Progressing", "False", &self.stuck),
            condition("ReplicaFailure", "True", &self.refused),
        ];
        let mut deployment = Deployment::default();
        deployment.metadata.generation = Some(1);
        deployment.spec.replicas = Some(self.wanted);
        deployment.status = Some(DeploymentStatus {
            observed_generation: Some(i64::from(self.is_observed)),
            replicas: Some(self.replicas),
            updated_replicas: Some(self.updated),
            available_replicas: Some(self.available),
            conditions: Some(conditions.into_iter().flatten().collect()),
            ..DeploymentStatus::default()
        });
        deployment
    }
}

/// The Job that erases a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasureJob {
    /// It has done its work.
    pub is_complete: bool,
    /// It has given up.
    pub is_failed: bool,
    /// It is being deleted.
    pub is_going: bool,
    /// How many of its pods have failed.
    pub failures: i32,
}

impl ErasureJob {
    pub(super) fn of(object: &DynamicObject) -> Self {
        let is = |kind: &str| condition(&object.data, kind).is_some_and(|condition| condition["status"] == "True");
        let failures = object.data.pointer("/status/failed").and_then(Value::as_i64);
        Self {
            is_complete: is("Complete"),
            is_failed: is("Failed"),
            is_going: object.metadata.deletion_timestamp.is_some(),
            failures: failures.and_then(|failures| i32::try_from(failures).ok()).unwrap_or_default(),
        }
    }
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// Its name, hashed.
    pub(super) name: u64,
    /// It serves a number; otherwise it erases one.
    is_sidecar: bool,
    /// It has ended and will not start again.
    has_ended: bool,
    /// What keeps it from running.
    trouble: Option<Trouble>,
}

/// The pods of a number, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// How many sidecars have not ended.
    pub sidecars: usize,
    /// What keeps one of them from running, the gravest.
    pub trouble: Option<Trouble>,
    /// What keeps a pod that erases the number from running.
    pub erasure_trouble: Option<Trouble>,
}

impl Note {
    pub(super) fn of(pod: &Pod) -> Self {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        Self {
            name: pod_name(pod),
            is_sidecar: pod.labels().get(names::NAME_LABEL).map(String::as_str) == Some(names::APP_NAME),
            has_ended: matches!(phase, Some("Succeeded" | "Failed")),
            trouble: Trouble::of([pod]).map(shortened),
        }
    }
}

impl Pods {
    pub(super) fn of(pods: &[Note]) -> Self {
        let living = || pods.iter().filter(|pod| !pod.has_ended);
        let gravest = |is_sidecar: bool| {
            let troubles = living()
                .filter(|pod| pod.is_sidecar == is_sidecar)
                .filter_map(|pod| pod.trouble.as_ref());
            troubles.min_by_key(|trouble| trouble.gravity()).cloned()
        };
        Self {
            sidecars: living().filter(|pod| pod.is_sidecar).count(),
            trouble: gravest(true),
            erasure_trouble: gravest(false),
        }
    }
}

fn shortened(trouble: Trouble) -> Trouble {
    let short = |message: String| text::clip(&message, TEXT_MAX_BYTES);
    match trouble {
        Trouble::Unschedulable { message } => Trouble::Unschedulable { message: short(message) },
        Trouble::Waiting { what, message } => Trouble::Waiting {
            what,
            message: short(message),
        },
        Trouble::Crashing => Trouble::Crashing,
    }
}

/// A pod's name, hashed.
pub(super) fn pod_name(pod: &Pod) -> u64 {
    let mut hasher = DefaultHasher::new();
    pod.metadata.name.hash(&mut hasher);
    hasher.finish()
}

fn condition<'v>(data: &'v Value, kind: &str) -> Option<&'v Value> {
    let conditions = data.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

fn clipped(message: &str) -> Box<str> {
    text::clip(message, TEXT_MAX_BYTES).into()
}
