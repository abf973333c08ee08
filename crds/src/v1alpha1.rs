//! Version `v1alpha1` of the custom resources.
//!
//! One file per kind. Fields are camelCase with the unit in the name, references end in `Ref`, enum values are PascalCase, integers are
//! `i32` or `i64`: what Kubernetes' API conventions ask for. What one object can tell of itself is in its schema: bounds, formats, and
//! rules in CEL whose messages say what is allowed. [`crate::declared`] says the same, and what only several objects together can tell, all
//! at once, for `waxseal up`.
//!
//! Specs refuse fields that they do not know, in the cluster too: an operator that is older than the resources must not run a number by half
//! of what was declared. Statuses accept them.

mod business_account;
mod business_phone_number;
mod data_region;
mod retention_policy;
mod sidecar_status;

pub use business_account::{BusinessAccount, BusinessAccountSpec, BusinessAccountStatus, OverLimit, Token, Webhook};
pub use business_phone_number::{
    Autoscaling, BusinessPhoneNumber, BusinessPhoneNumberSpec, BusinessPhoneNumberStatus, DeletionPolicy, Durability, DurabilityMode,
    HttpRoute, Switch,
};
pub use data_region::{
    DataRegion, DataRegionSpec, DataRegionStatus, KeyManagement, LocalMedia, MediaStore, Placement, RedisEndpoint, RelayEndpoint,
    Resources, SidecarSettings, TaintEffect, Toleration,
};
pub use retention_policy::{ContentDeletion, NoStorage, RetentionPolicy, RetentionPolicySpec, RetentionPolicyStatus};
pub use sidecar_status::{ProblemReason, Quality, SidecarProblem, SidecarStatus, WebhookState};

/// The `apiVersion` of all kinds of this module.
pub const API_VERSION: &str = "waxseal.dev/v1alpha1";
