//! Whom the sidecars of a number may talk to: who calls the API or reads metrics, and what the number needs; its region's Redis and relay
//! and no other's.
//!
//! What has a name in the cluster is named by its namespace and without a port: policies see the port of the pod, a URL has the port of the
//! Service, and these are often not the same. What is outside is named by its port.

use k8s_openapi::{
    api::networking::v1::{
        NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
        util::intstr::IntOrString,
    },
};
use std::collections::BTreeMap;
use waxseal_crds::pod::{ADMIN_PORT, API_PORT};

use super::{Target, selector};
use crate::{endpoint::Place, names, number::validate::Validated};

/// The API server's Service and, where policies see behind it, the API server itself.
const API_SERVER_PORTS: [u16; 2] = [443, 6443];
const DNS_PORT: u16 = 53;

pub(super) fn build(target: &Target, validated: &Validated) -> NetworkPolicy {
    NetworkPolicy {
        metadata: target.metadata(names::sidecar(&target.name)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods(target)),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress(validated)),
            egress: Some(egress(target, validated)),
        }),
    }
}

/// The sidecars, and the pods that erase the number.
fn pods(target: &Target) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(names::INSTANCE_LABEL.to_owned(), target.name.clone())])),
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: names::NAME_LABEL.to_owned(),
            operator: "In".to_owned(),
            values: Some(vec![names::ERASE_APP_NAME.to_owned(), names::APP_NAME.to_owned()]),
        }]),
    }
}

fn ingress(validated: &Validated) -> Vec<NetworkPolicyIngressRule> {
    // The number's own pods are in the namespace: they pass requests on to each other.
    let mut callers = vec![all_pods(), namespace_labelled(names::CLIENT_LABEL, "true")];
    let gateway = validated.http_route.as_ref().and_then(|route| route.gateway_namespace.as_deref());
    callers.extend(gateway.map(namespace));
    // The kubelet's probes come from the node and pass every policy.
    vec![
        NetworkPolicyIngressRule {
            from: Some(callers),
            ports: Some(vec![tcp(API_PORT)]),
        },
        NetworkPolicyIngressRule {
            from: Some(vec![namespace_labelled(names::METRICS_LABEL, "true")]),
            ports: Some(vec![tcp(ADMIN_PORT)]),
        },
    ]
}

fn egress(target: &Target, validated: &Validated) -> Vec<NetworkPolicyEgressRule> {
    let mut rules = vec![
        NetworkPolicyEgressRule {
            to: None,
            ports: Some(vec![port("UDP", DNS_PORT), tcp(DNS_PORT)]),
        },
        NetworkPolicyEgressRule {
            to: None,
            ports: Some(API_SERVER_PORTS.into_iter().map(tcp).collect()),
        },
        NetworkPolicyEgressRule {
            to: Some(vec![NetworkPolicyPeer {
                pod_selector: Some(target.selector()),
                ..NetworkPolicyPeer::default()
            }]),
            ports: Some(vec![tcp(API_PORT)]),
        },
    ];
    let (mut peers, mut ports) = (Vec::new(), Vec::new());
    for endpoint in validated.endpoints() {
        match endpoint.place() {
            Place::SameNamespace => peers.push(Place::SameNamespace),
            Place::Namespace(name) => peers.push(Place::Namespace(name)),
            Place::Perhaps(name) => {
                peers.push(Place::Namespace(name));
                ports.push(endpoint.port);
            }
            Place::Anywhere => ports.push(endpoint.port),
        }
    }
    peers.sort();
    peers.dedup();
    rules.extend(peers.iter().filter_map(|place| {
        let peer = match place {
            Place::SameNamespace => all_pods(),
            Place::Namespace(name) => namespace(name),
            Place::Perhaps(_) | Place::Anywhere => return None,
        };
        Some(NetworkPolicyEgressRule {
            to: Some(vec![peer]),
            ports: None,
        })
    }));
    ports.sort_unstable();
    ports.dedup();
    rules.extend(ports.into_iter().map(|port| NetworkPolicyEgressRule {
        to: None,
        ports: Some(vec![tcp(port)]),
    }));
    rules
}

/// All pods of the number's namespace.
fn all_pods() -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }
}

fn namespace(name: &str) -> NetworkPolicyPeer {
    namespace_labelled("kubernetes.io/metadata.name", name)
}

fn namespace_labelled(key: &str, value: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(selector(BTreeMap::from([(key.to_owned(), value.to_owned())]))),
        ..NetworkPolicyPeer::default()
    }
}

fn tcp(number: u16) -> NetworkPolicyPort {
    port("TCP", number)
}

fn port(protocol: &str, number: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(i32::from(number))),
        end_port: None,
    }
}
