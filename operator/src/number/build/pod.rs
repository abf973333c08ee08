//! The pod of a sidecar. It keeps to the Pod Security Standard `restricted`, writes nothing to its disk, and runs on the region's nodes only.
//!
//! Every change here restarts every sidecar of everyone who upgrades the operator. See the golden test.

mod placement;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, ObjectFieldSelector, PodSecurityContext, PodSpec,
        PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecurityContext,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use waxseal_crds::{
    pod::{ADMIN_PORT, API_PORT},
    v1alpha1::Resources,
};

use super::{Target, non_empty};
use crate::{names, number::validate::Validated, region::amount};

/// The name of the container.
pub const CONTAINER: &str = "sidecar";
/// The name of the port of the HTTP API.
pub const API_PORT_NAME: &str = "api";
/// The name of the port of `/livez`, `/readyz` and `/metrics`.
pub const ADMIN_PORT_NAME: &str = "admin";

/// User and group in the images.
const USER_ID: i64 = 65532;
/// Handing over (about 10 s at most) and passing requests on (5 s), with room to spare.
///
/// There is no `preStop` hook: the program itself goes on accepting requests for 5 s after SIGTERM, so that Services learn that the pod
/// goes. A hook would only let the number's owner start handing over later.
const TERMINATION_GRACE_PERIOD_SECONDS: i64 = 40;

/// The template of the number's pods.
pub(super) fn template(target: &Target, validated: &Validated) -> PodTemplateSpec {
    let mut annotations = validated.pod_annotations.clone();
    annotations.insert("kubectl.kubernetes.io/default-container".to_owned(), CONTAINER.to_owned());
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(target.labels()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(names::sidecar(&target.name)),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(TERMINATION_GRACE_PERIOD_SECONDS),
            priority_class_name: validated.priority_class_name.clone(),
            affinity: placement::affinity(validated),
            tolerations: non_empty(placement::tolerations(validated)),
            topology_spread_constraints: Some(placement::spread(target)),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(USER_ID),
                run_as_group: Some(USER_ID),
                // So that mounted Secrets need not be readable for everyone.
                fs_group: Some(USER_ID),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    localhost_profile: None,
                }),
                ..PodSecurityContext::default()
            }),
            containers: vec![container(validated)],
            volumes: Some(volumes::volumes(target, validated)),
            ..PodSpec::default()
        }),
    }
}

fn container(validated: &Validated) -> Container {
    Container {
        name: CONTAINER.to_owned(),
        image: Some(validated.image.clone()),
        args: Some(vec!["serve".to_owned()]),
        env: Some(vec![
            from_field("POD_NAME", "metadata.name"),
            from_field("POD_NAMESPACE", "metadata.namespace"),
            from_field("POD_IP", "status.podIP"),
        ]),
        ports: Some(vec![port(API_PORT_NAME, API_PORT), port(ADMIN_PORT_NAME, ADMIN_PORT)]),
        // What is wrong at the start shows within seconds; what is stuck later restarts after half a minute.
        startup_probe: Some(probe("/livez", 1, 2, 60)),
        liveness_probe: Some(probe("/livez", 10, 5, 3)),
        readiness_probe: Some(probe("/readyz", 2, 2, 2)),
        resources: Some(resources(&validated.resources)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(volumes::mounts(validated)),
        ..Container::default()
    }
}

fn from_field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: None,
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, period_seconds: i32, timeout_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(ADMIN_PORT_NAME.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(timeout_seconds),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

/// What is asked for, with defaults where nothing is. A default gives way to a limit below it, or a request above it.
fn resources(asked: &Resources) -> ResourceRequirements {
    let lower = |default: &str, limit: Option<&String>| match limit {
        Some(limit) if amount(limit) < amount(default) => limit.clone(),
        _ => default.to_owned(),
    };
    let higher = |default: &str, request: Option<&String>| match request {
        Some(request) if amount(request) > amount(default) => request.clone(),
        _ => default.to_owned(),
    };
    let cpu_request = asked.cpu_request.clone().unwrap_or_else(|| lower("50m", asked.cpu_limit.as_ref()));
    let memory_request = asked
        .memory_request
        .clone()
        .unwrap_or_else(|| lower("64Mi", asked.memory_limit.as_ref()));
    let memory_limit = asked
        .memory_limit
        .clone()
        .unwrap_or_else(|| higher("256Mi", asked.memory_request.as_ref()));
    let mut limits = BTreeMap::from([("memory".to_owned(), Quantity(memory_limit))]);
    limits.extend(asked.cpu_limit.clone().map(|limit| ("cpu".to_owned(), Quantity(limit))));
    ResourceRequirements {
        requests: Some(BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu_request)),
            ("memory".to_owned(), Quantity(memory_request)),
        ])),
        limits: Some(limits),
        claims: None,
    }
}
