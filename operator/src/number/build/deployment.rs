//! The pods of a number, and how they are replaced: a new one is there before an old one goes.

use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{Target, pod};
use crate::{
    names,
    number::validate::{Replicas, Validated},
};

/// How long a sidecar has to be ready before the next is replaced: long enough for Services to know it everywhere.
const MIN_READY_SECONDS: i32 = 5;
/// How long a roll-out may make no progress before it counts as failed.
const PROGRESS_DEADLINE_SECONDS: i32 = 180;

pub(super) fn build(target: &Target, validated: &Validated) -> Deployment {
    Deployment {
        metadata: target.metadata(names::sidecar(&target.name)),
        spec: DeploymentSpec {
            replicas: match validated.replicas {
                _ if validated.suspended => Some(0),
                Replicas::Fixed(replicas) => Some(replicas),
                // The autoscaler's, who would lose it if it were said here.
                Replicas::Automatic { .. } => None,
            },
            selector: target.selector(),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            min_ready_seconds: Some(MIN_READY_SECONDS),
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
            revision_history_limit: Some(2),
            paused: None,
            template: pod::template(target, validated),
        },
        status: None,
    }
}
