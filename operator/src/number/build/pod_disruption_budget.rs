//! How many sidecars may be away at a time when nodes are emptied. With a single one there is nothing to say: it would only block.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::Target;
use crate::{names, number::validate::Validated};

pub(super) fn build(target: &Target, validated: &Validated) -> Option<PodDisruptionBudget> {
    (validated.replicas.max() > 1 && !validated.suspended).then(|| PodDisruptionBudget {
        metadata: target.metadata(names::sidecar(&target.name)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(target.selector()),
            // A sidecar that does not work must not keep a node from being emptied.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            min_available: None,
        }),
        status: None,
    })
}
