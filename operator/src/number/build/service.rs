//! Where the number's HTTP API and its metrics are reached in the cluster.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use waxseal_crds::pod::ADMIN_PORT;

use super::{Target, pod};
use crate::names;

/// The port of the HTTP API.
pub const HTTP_PORT: i32 = 80;

/// The URL of the HTTP API in the cluster.
#[must_use]
pub fn endpoint(namespace: &str, number: &str) -> String {
    format!("http://{}.{namespace}.svc", names::sidecar(number))
}

pub(super) fn build(target: &Target) -> Service {
    Service {
        metadata: target.metadata(names::sidecar(&target.name)),
        spec: Some(ServiceSpec {
            selector: Some(names::selector(&target.name)),
            ports: Some(vec![
                port("http", HTTP_PORT, pod::API_PORT_NAME, Some("http")),
                port("admin", i32::from(ADMIN_PORT), pod::ADMIN_PORT_NAME, Some("http")),
            ]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn port(name: &str, port: i32, target: &str, app_protocol: Option<&str>) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        target_port: Some(IntOrString::String(target.to_owned())),
        protocol: Some("TCP".to_owned()),
        app_protocol: app_protocol.map(str::to_owned),
        node_port: None,
    }
}
