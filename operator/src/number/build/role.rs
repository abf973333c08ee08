//! What the sidecar may do at the API server: read and write its own keys, and say how it is. Nothing else, and no other number's.

use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use waxseal_crds::GROUP;

use super::Target;
use crate::names;

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn role(target: &Target) -> Role {
    Role {
        metadata: target.metadata(names::sidecar(&target.name)),
        rules: Some(vec![
            rule("", "secrets", names::keys(&target.name), &["get", "update"]),
            rule(GROUP, "businessphonenumbers/status", target.name.clone(), &["patch"]),
        ]),
    }
}

pub(super) fn binding(target: &Target) -> RoleBinding {
    let name = names::sidecar(&target.name);
    RoleBinding {
        metadata: target.metadata(name.clone()),
        role_ref: RoleRef {
            api_group: Some(RBAC_GROUP.to_owned()),
            kind: "Role".to_owned(),
            name: name.clone(),
        },
        subjects: Some(vec![Subject {
            api_group: None,
            kind: "ServiceAccount".to_owned(),
            name,
            namespace: Some(target.namespace.clone()),
        }]),
    }
}

fn rule(group: &str, resource: &str, name: String, verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        resource_names: Some(vec![name]),
        verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        non_resource_urls: None,
    }
}
