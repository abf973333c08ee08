//! Where the pods of a number may be: on nodes of its region, spread over them.

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Toleration, TopologySpreadConstraint,
};
use waxseal_crds::v1alpha1::TaintEffect;

use super::super::Target;
use crate::number::validate::Validated;

/// Only nodes with all labels of the region. Without them, every node is in it.
pub(super) fn affinity(validated: &Validated) -> Option<Affinity> {
    if validated.node_selector.is_empty() {
        return None;
    }
    let labels = validated
        .node_selector
        .iter()
        .map(|(key, value)| NodeSelectorRequirement {
            key: key.clone(),
            operator: "In".to_owned(),
            values: Some(vec![value.clone()]),
        })
        .collect();
    Some(Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![NodeSelectorTerm {
                    match_expressions: Some(labels),
                    match_fields: None,
                }],
            }),
            preferred_during_scheduling_ignored_during_execution: None,
        }),
        ..Affinity::default()
    })
}

/// The taints of the region's nodes that the pods bear.
pub(super) fn tolerations(validated: &Validated) -> Vec<Toleration> {
    validated
        .tolerations
        .iter()
        .map(|toleration| Toleration {
            key: Some(toleration.key.clone()),
            operator: Some(if toleration.value.is_some() { "Equal" } else { "Exists" }.to_owned()),
            value: toleration.value.clone(),
            effect: toleration.effect.map(|effect| {
                match effect {
                    TaintEffect::NoSchedule => "NoSchedule",
                    TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                    TaintEffect::NoExecute => "NoExecute",
                }
                .to_owned()
            }),
            toleration_seconds: None,
        })
        .collect()
}

/// In different zones and on different nodes where that is possible.
pub(super) fn spread(target: &Target) -> Vec<TopologySpreadConstraint> {
    ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        .into_iter()
        .map(|key| TopologySpreadConstraint {
            max_skew: 1,
            topology_key: key.to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(target.selector()),
            ..TopologySpreadConstraint::default()
        })
        .collect()
}
