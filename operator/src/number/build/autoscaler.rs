//! What makes the number of sidecars follow the load. While it is there, the Deployment says nothing about replicas.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget, ResourceMetricSource,
};

use super::Target;
use crate::{
    names,
    number::validate::{Replicas, Validated},
};

pub(super) fn build(target: &Target, validated: &Validated) -> Option<HorizontalPodAutoscaler> {
    let Replicas::Automatic {
        min,
        max,
        target_cpu_percent,
    } = validated.replicas
    else {
        return None;
    };
    let name = names::sidecar(&target.name);
    (!validated.suspended).then(|| HorizontalPodAutoscaler {
        metadata: target.metadata(name.clone()),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name,
            },
            min_replicas: Some(min),
            max_replicas: max,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(target_cpu_percent),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            behavior: None,
        },
        status: None,
    })
}
