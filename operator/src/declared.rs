//! Accounts, regions and policies: nothing is made for them, only their status says whether numbers can use them and how many do.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Resource,
    api::{Patch, PatchParams},
    core::ApiResource,
};
use serde::Serialize;
use serde_json::json;
use waxseal_crds::v1alpha1::{
    BusinessAccount, BusinessAccountStatus, BusinessPhoneNumber, DataRegion, DataRegionStatus, RetentionPolicy, RetentionPolicyStatus,
};

use crate::{
    account,
    announce::announce,
    cache::{Kept, Unreadable},
    conditions::{self, STALLED},
    context::Context,
    index::Referent,
    key::Key,
    metrics::{Controller, Outcome},
    names::STATUS_FIELD_MANAGER,
    policy, region,
    request::{Ask, Failure, send},
    turn::Turn,
    update_status,
};

/// A kind of ours with a status.
pub trait Declared: Resource<DynamicType = ()> + Clone + Send + Sync + 'static {
    /// Its status.
    type Status: Serialize;
    /// Who reconciles it.
    const CONTROLLER: Controller;

    /// The status that it has.
    fn current(&self) -> Option<&Self::Status>;

    /// The conditions of a status.
    fn conditions(status: &Self::Status) -> &[Condition];
}

/// A kind that numbers refer to.
pub trait Referred: Declared {
    /// How numbers refer to it.
    fn referent(key: &Key) -> Referent;

    /// What its status has to be, so many numbers referring to it.
    fn wanted(&self, numbers: usize, now: Timestamp) -> Self::Status;
}

impl Declared for BusinessPhoneNumber {
    type Status = waxseal_crds::v1alpha1::BusinessPhoneNumberStatus;
    const CONTROLLER: Controller = Controller::Number;

    fn current(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    fn conditions(status: &Self::Status) -> &[Condition] {
        &status.conditions
    }
}

impl Declared for BusinessAccount {
    type Status = BusinessAccountStatus;
    const CONTROLLER: Controller = Controller::Account;

    fn current(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    fn conditions(status: &Self::Status) -> &[Condition] {
        &status.conditions
    }
}

impl Referred for BusinessAccount {
    fn referent(key: &Key) -> Referent {
        Referent::Account(key.clone())
    }

    fn wanted(&self, numbers: usize, now: Timestamp) -> Self::Status {
        account::status(self, numbers, now)
    }
}

impl Declared for DataRegion {
    type Status = DataRegionStatus;
    const CONTROLLER: Controller = Controller::Region;

    fn current(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    fn conditions(status: &Self::Status) -> &[Condition] {
        &status.conditions
    }
}

impl Referred for DataRegion {
    fn referent(key: &Key) -> Referent {
        Referent::Region(key.name.to_string())
    }

    fn wanted(&self, numbers: usize, now: Timestamp) -> Self::Status {
        region::status(self, numbers, now)
    }
}

impl Declared for RetentionPolicy {
    type Status = RetentionPolicyStatus;
    const CONTROLLER: Controller = Controller::Policy;

    fn current(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    fn conditions(status: &Self::Status) -> &[Condition] {
        &status.conditions
    }
}

impl Referred for RetentionPolicy {
    fn referent(key: &Key) -> Referent {
        Referent::Policy(key.name.to_string())
    }

    fn wanted(&self, numbers: usize, now: Timestamp) -> Self::Status {
        policy::status(self, numbers, now)
    }
}

/// One turn for an account, a region or a policy.
///
/// # Errors
/// [`Failure`].
pub async fn turn<K: Referred>(context: &Context, object: &K) -> Result<Turn, Failure> {
    let numbers = context.referring(&K::referent(&Key::of(object))).len();
    let wanted = object.wanted(numbers, Timestamp::now());
    update_status::write(context, object, object.current(), &wanted).await?;
    let now = K::conditions(&wanted);
    announce(&context.events, object, object.current().map_or(&[], K::conditions), now).await;
    let is_stalled = now.iter().any(|condition| condition.type_ == STALLED && condition.status == "True");
    Ok(Turn::of(if is_stalled { Outcome::Stalled } else { Outcome::Success }))
}

/// One turn for an object that cannot be read: its status says so. What it was made into before is left alone.
///
/// Its status is looked at and patched as plain JSON, and merged: applying would drop what else we have said there, the image among it.
///
/// # Errors
/// [`Failure`].
pub async fn unreadable<K: Declared>(context: &Context, kept: &Kept<K>, unreadable: &Unreadable<K>) -> Result<Turn, Failure> {
    let key = Key::of(kept);
    let generation = kept.meta().generation;
    let resource = ApiResource::erase::<K>(&());
    let api = update_status::api(context, &key, &resource);
    let there = send(Ask::new("read", &resource.kind, &key.name), api.get_opt(&key.name)).await?;
    let Some(there) = there else {
        return Ok(Turn::of(Outcome::Stalled));
    };
    let before = there.data.pointer("/status/conditions").cloned().unwrap_or_default();
    let before: Vec<Condition> = serde_json::from_value(before).unwrap_or_default();
    let conditions = conditions::list(conditions::unreadable(&unreadable.error), &before, generation, Timestamp::now());
    if before == conditions {
        return Ok(Turn::of(Outcome::Stalled));
    }
    let status = json!({ "status": { "observedGeneration": generation, "conditions": conditions } });
    let parameters = PatchParams {
        field_manager: Some(STATUS_FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    context.metrics.wrote(&resource.kind, "patch_status");
    let ask = Ask::new("write the status of", &resource.kind, &key.name);
    send(ask, api.patch_status(&key.name, &parameters, &Patch::Merge(&status))).await?;
    announce(&context.events, kept, &before, &conditions).await;
    Ok(Turn::of(Outcome::Stalled))
}
