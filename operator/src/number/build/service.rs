//! Where the number's HTTP API and its metrics are reached in the cluster.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use waxseal_crds::pod::ADMIN_PORT;

use super::{Target, pod};
use crate::{names, number::validate::Validated};

/// The scheme and the port of the HTTP API: the usual ones, so that nobody has to name a port.
const fn api(is_secured: bool) -> (&'static str, i32) {
    if is_secured { ("https", 443) } else { ("http", 80) }
}

/// The port of the HTTP API.
pub(super) const fn api_port(is_secured: bool) -> i32 {
    api(is_secured).1
}

/// The URL of the HTTP API in the cluster.
#[must_use]
pub fn endpoint(namespace: &str, number: &str, is_secured: bool) -> String {
    format!("{}://{}.{namespace}.svc", api(is_secured).0, names::sidecar(number))
}

pub(super) fn build(target: &Target, validated: &Validated) -> Service {
    let (scheme, port_number) = api(validated.api_tls);
    Service {
        metadata: target.metadata(names::sidecar(&target.name)),
        spec: Some(ServiceSpec {
            selector: Some(names::selector(&target.name)),
            ports: Some(vec![
                port(scheme, port_number, pod::API_PORT_NAME, Some(scheme)),
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
