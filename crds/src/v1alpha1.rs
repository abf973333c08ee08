//! Version `v1alpha1` of the custom resources.
//!
//! One file per kind. Fields are camelCase with the unit in the name, references end in `Ref`, enum values are PascalCase, integers are
//! `i32`: what Kubernetes' API conventions ask for, so that these types become custom resource definitions without a change in the YAML.
//! Bounds are checked by [`crate::declared`], which can say all that is wrong at once.

mod business_account;
mod business_phone_number;
mod data_region;
mod retention_policy;

pub use business_account::{BusinessAccountSpec, Token, Webhook};
pub use business_phone_number::{Autoscaling, BusinessPhoneNumberSpec, DeletionPolicy, Durability, DurabilityMode};
pub use data_region::{DataRegionSpec, KeyManagement, MediaStore, Placement, RedisEndpoint, RelayEndpoint};
pub use retention_policy::{ContentDeletion, NoStorage, RetentionPolicySpec};
use serde::Deserialize;

use crate::meta::{Ignored, ObjectMeta};

/// The `apiVersion` of all kinds of this module.
pub const API_VERSION: &str = "waxseal.dev/v1alpha1";

/// One custom resource: metadata and spec. A `status`, as in the output of `kubectl get -o yaml`, is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Custom<S> {
    #[serde(rename = "apiVersion", default)]
    _api_version: Ignored,
    #[serde(rename = "kind", default)]
    _kind: Ignored,
    /// Name and namespace.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: S,
    #[serde(rename = "status", default)]
    _status: Ignored,
}

/// A business: its name, its secrets and where its events go.
pub type BusinessAccount = Custom<BusinessAccountSpec>;
/// One phone number of a business.
pub type BusinessPhoneNumber = Custom<BusinessPhoneNumberSpec>;
/// A place where data may live, and what is there to keep it.
pub type DataRegion = Custom<DataRegionSpec>;
/// How long anything about a consumer may exist.
pub type RetentionPolicy = Custom<RetentionPolicySpec>;
