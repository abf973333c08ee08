//! The Secret for the number's keys: empty. The sidecar fills it.

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::Target;
use crate::names;

/// The type of Secrets with a number's keys.
pub const TYPE: &str = "waxseal.dev/keys";

pub(super) fn build(target: &Target) -> Secret {
    Secret {
        metadata: ObjectMeta {
            // The garbage collector must not take it: without the keys, what is retained is noise.
            owner_references: None,
            ..target.metadata(names::keys(&target.name))
        },
        type_: Some(TYPE.to_owned()),
        ..Secret::default()
    }
}
