//! What the references of a number lead to, as of one moment. The types only: whoever holds the caches fills them.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use waxseal_crds::{
    declared,
    v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion, RetentionPolicy},
};

/// A number with everything that its references lead to.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The number.
    pub number: Arc<BusinessPhoneNumber>,
    /// What `spec.accountRef` names, in the number's namespace.
    pub account: Option<Arc<BusinessAccount>>,
    /// What `spec.regionRef` names.
    pub region: Option<Arc<DataRegion>>,
    /// What `spec.retentionPolicyRef` names.
    pub policy: Option<Arc<RetentionPolicy>>,
    /// Every other number, in any namespace, that is the same in a field that must be unique. [`Rival::of`] tells.
    pub rivals: Vec<Rival>,
}

/// Another number that is the same in a field that must be unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, which decides between two of the same second.
    pub uid: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// The field in common.
    pub shared: Shared,
}

/// A field that must be unique in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// `spec.phoneNumber`.
    PhoneNumber,
    /// `spec.phoneNumberId`, given or derived.
    PhoneNumberId,
}

impl Rival {
    /// `other` as a rival of `number`, if it is one.
    #[must_use]
    pub fn of(number: &BusinessPhoneNumber, other: &BusinessPhoneNumber) -> Option<Self> {
        let same_object = match (&number.metadata.uid, &other.metadata.uid) {
            (Some(uid), Some(other)) => uid == other,
            _ => number.namespace() == other.namespace() && number.name_any() == other.name_any(),
        };
        let shared = if same_object {
            None
        } else if number.spec.phone_number == other.spec.phone_number {
            Some(Shared::PhoneNumber)
        } else if phone_number_id(number) == phone_number_id(other) {
            Some(Shared::PhoneNumberId)
        } else {
            None
        };
        Some(Self {
            namespace: other.namespace().unwrap_or_default(),
            name: other.name_any(),
            uid: other.uid().unwrap_or_default(),
            created: created(other),
            shared: shared?,
        })
    }
}

/// The id under which the HTTP API knows a number: given, or derived from the number.
#[must_use]
pub fn phone_number_id(number: &BusinessPhoneNumber) -> String {
    number
        .spec
        .phone_number_id
        .clone()
        .unwrap_or_else(|| declared::phone_number_id(&number.spec.phone_number))
}

/// When the API server first saw a number.
pub(super) fn created(number: &BusinessPhoneNumber) -> Option<Timestamp> {
    number.metadata.creation_timestamp.as_ref().map(|time| time.0)
}
