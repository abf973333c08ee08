//! Who the sidecar is to the API server.

use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceAccount};

use super::{Target, non_empty};
use crate::{names, settings::Settings};

pub(super) fn build(target: &Target, settings: &Settings) -> ServiceAccount {
    let pull_secrets = settings
        .image_pull_secrets
        .iter()
        .map(|name| LocalObjectReference { name: name.clone() })
        .collect();
    ServiceAccount {
        metadata: target.metadata(names::sidecar(&target.name)),
        // Only the pods built here get a token, and say so themselves.
        automount_service_account_token: Some(false),
        // Here and not in the pod template, so that a change restarts nothing.
        image_pull_secrets: non_empty(pull_secrets),
        secrets: None,
    }
}
