//! The third step: the objects that run a number, from what was validated.
//!
//! Needs no client and decides nothing: equal input gives equal objects, in a fixed order, without empty collections, so that applying them
//! again changes nothing. One file a kind.
//!
//! **Pod templates are stable.** Whatever changes in a template restarts every sidecar there is as soon as an operator is upgraded. So no
//! version, no digest and no setting of the operator is in it; configuration goes into the ConfigMap, which sidecars reload by themselves.
//! A golden test fails when a template changes.

pub mod autoscaler;
pub mod config_map;
pub mod deployment;
pub mod erase_job;
pub mod http_route;
pub mod keys_secret;
pub mod network_policy;
pub mod pod;
pub mod pod_disruption_budget;
pub mod role;
pub mod service;
pub mod service_account;
pub mod service_monitor;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::Job,
        core::v1::{ConfigMap, PodTemplateSpec, Secret, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
        rbac::v1::{Role, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference},
};
use kube::{Resource, ResourceExt, api::DynamicObject};
use waxseal_crds::v1alpha1::BusinessPhoneNumber;

use super::{dereference::phone_number_id, validate::Validated};
use crate::{names, settings::Settings};

/// Everything that runs a number, in the order in which it is to be applied: what a pod needs comes before the Deployment.
///
/// Whoever applies takes it apart without `..`, so that a new kind cannot be forgotten there. What is `None` is to be gone.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// Where the sidecar keeps the number's keys. To be created if it is not there, and never read, changed or owned: it survives
    /// the number when its data is to be retained.
    pub keys_secret: Secret,
    /// Who the sidecar is to the API server.
    pub service_account: ServiceAccount,
    /// What it may do there.
    pub role: Role,
    /// That it may.
    pub role_binding: RoleBinding,
    /// What it is told.
    pub config_map: ConfigMap,
    /// Whom it may talk to.
    pub network_policy: NetworkPolicy,
    /// Where it is reached.
    pub service: Service,
    /// How many of them may be away at a time, if there are several.
    pub pod_disruption_budget: Option<PodDisruptionBudget>,
    /// The pods.
    pub deployment: Deployment,
    /// What makes their number follow the load, if asked for.
    pub autoscaler: Option<HorizontalPodAutoscaler>,
    /// What tells Prometheus' operator to read the metrics, if asked for.
    pub service_monitor: Option<DynamicObject>,
    /// The way in from outside, if asked for.
    pub http_route: Option<DynamicObject>,
    /// Which configuration this is; the sidecar says so once it runs with it.
    pub digest: String,
}

/// Everything that is needed to erase a number, in the order in which it is to be applied.
///
/// Nothing here has an owner: when the number is deleted in the foreground, the garbage collector takes at once what the number owns, and
/// the Job has to run nonetheless. So whoever applies these has to delete them, before the finalizer goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Erasure {
    /// Who the Job is to the API server.
    pub service_account: ServiceAccount,
    /// What it may do there.
    pub role: Role,
    /// That it may.
    pub role_binding: RoleBinding,
    /// What it is told.
    pub config_map: ConfigMap,
    /// Whom it may talk to, where that is known anew; else the one that is there stays.
    pub network_policy: Option<NetworkPolicy>,
    /// Runs `waxseal-sidecar erase`.
    pub job: Job,
}

/// Where it is known from how to erase a number.
pub enum Source<'a> {
    /// All references of the number still lead somewhere.
    Declared(&'a Validated),
    /// The account, the region or the policy is gone already, as when all are deleted together: what ran until now says it.
    Running {
        /// The number's Deployment.
        deployment: &'a Deployment,
        /// The number's ConfigMap.
        config_map: &'a ConfigMap,
    },
}

/// Why objects could not be built. Not the fault of any input that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be written as YAML.
    #[error("failed to write the sidecar's configuration as YAML")]
    WriteConfiguration(#[source] serde_saphyr::ser::Error),
}

/// The objects that run a number.
///
/// # Errors
/// [`Error`].
pub fn build(validated: &Validated, settings: &Settings) -> Result<Objects, Error> {
    let target = Target::of(validated);
    let (config_map, digest) = config_map::build(&target, validated)?;
    Ok(Objects {
        keys_secret: keys_secret::build(&target),
        service_account: service_account::build(&target, settings),
        role: role::role(&target),
        role_binding: role::binding(&target),
        config_map,
        network_policy: network_policy::build(&target, validated),
        service: service::build(&target, validated),
        pod_disruption_budget: pod_disruption_budget::build(&target, validated),
        deployment: deployment::build(&target, validated),
        autoscaler: autoscaler::build(&target, validated),
        service_monitor: service_monitor::build(&target, validated),
        http_route: http_route::build(&target, validated),
        digest,
    })
}

/// What erases a number.
///
/// # Errors
/// [`Error`].
pub fn erasure(number: &BusinessPhoneNumber, source: &Source<'_>, settings: &Settings) -> Result<Erasure, Error> {
    let target = Target {
        name: number.name_any(),
        namespace: number.namespace().unwrap_or_default(),
        phone_number_id: phone_number_id(number),
        owner: None,
    };
    let (config_map, network_policy, template): (_, _, PodTemplateSpec) = match source {
        Source::Declared(validated) => (
            config_map::build(&target, validated)?.0,
            Some(network_policy::build(&target, validated)),
            pod::template(&target, validated),
        ),
        Source::Running { deployment, config_map } => (
            ConfigMap {
                metadata: target.metadata(names::sidecar(&target.name)),
                data: config_map.data.clone(),
                ..ConfigMap::default()
            },
            None,
            deployment.spec.template.clone(),
        ),
    };
    Ok(Erasure {
        service_account: service_account::build(&target, settings),
        role: role::role(&target),
        role_binding: role::binding(&target),
        config_map,
        network_policy,
        job: erase_job::build(&target, template, settings),
    })
}

/// The number that objects are built for, as far as every one of them needs it.
pub struct Target {
    name: String,
    namespace: String,
    phone_number_id: String,
    owner: Option<OwnerReference>,
}

impl Target {
    fn of(validated: &Validated) -> Self {
        Self {
            name: validated.name.clone(),
            namespace: validated.namespace.clone(),
            phone_number_id: validated.phone_number_id.clone(),
            owner: Some(OwnerReference {
                api_version: BusinessPhoneNumber::api_version(&()).into_owned(),
                kind: BusinessPhoneNumber::kind(&()).into_owned(),
                name: validated.name.clone(),
                uid: validated.uid.clone(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }),
        }
    }

    /// The metadata of an object that goes with the number.
    fn metadata(&self, name: String) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels()),
            owner_references: self.owner.clone().map(|owner| vec![owner]),
            ..ObjectMeta::default()
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        names::labels(&self.name, &self.phone_number_id)
    }

    fn selector(&self) -> LabelSelector {
        selector(names::selector(&self.name))
    }
}

fn selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        match_expressions: None,
    }
}

/// `None` rather than an empty list.
fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}

#[cfg(test)]
mod tests;
