//! The first step: what the references of a number lead to, out of the caches. Asks the API server for nothing.

use std::sync::{Arc, PoisonError};

use waxseal_crds::v1alpha1::BusinessPhoneNumber;

use super::dereference::{Gathered, Rival};
use crate::{
    cache::Kept,
    context::Context,
    fault::{Fault, Reason},
    key::Key,
};

/// What the references of a number lead to.
#[must_use]
pub fn gather(context: &Context, key: &Key, number: &Arc<BusinessPhoneNumber>) -> Gathered {
    let spec = &number.spec;
    let alike = context.index.read().unwrap_or_else(PoisonError::into_inner).alike(key, number);
    // One that cannot be read any more may still have a sidecar that runs, and counts as what it was.
    let rivals = alike.iter().filter_map(|other| {
        let other = context.numbers.get(other)?;
        Rival::of(number, other.last_readable()?)
    });
    Gathered {
        number: Arc::clone(number),
        account: readable(context.accounts.get(&Key::new(&key.namespace, &spec.account_ref.name))),
        region: readable(context.regions.get(&Key::cluster(&spec.region_ref.name))),
        policy: readable(context.policies.get(&Key::cluster(&spec.retention_policy_ref.name))),
        rivals: rivals.collect(),
    }
}

/// The faults as they are, but what is there and cannot be read is not called missing.
#[must_use]
pub fn explain(context: &Context, key: &Key, number: &BusinessPhoneNumber, faults: Vec<Fault>) -> Vec<Fault> {
    let spec = &number.spec;
    let explained = |fault: Fault| {
        let (reason, kind, name, error) = match fault.reason {
            Reason::AccountNotFound => {
                let name = &spec.account_ref.name;
                let account = context.accounts.get(&Key::new(&key.namespace, name));
                (Reason::AccountInvalid, "BusinessAccount", name, unreadable(account))
            }
            Reason::RegionNotFound => {
                let name = &spec.region_ref.name;
                (
                    Reason::RegionInvalid,
                    "DataRegion",
                    name,
                    unreadable(context.regions.get(&Key::cluster(name))),
                )
            }
            Reason::PolicyNotFound => {
                let name = &spec.retention_policy_ref.name;
                (
                    Reason::PolicyInvalid,
                    "RetentionPolicy",
                    name,
                    unreadable(context.policies.get(&Key::cluster(name))),
                )
            }
            _ => return fault,
        };
        match error {
            Some(error) => Fault::new(
                reason,
                fault.field,
                format!("names the {kind} '{name}', which cannot be read: {error}"),
            ),
            None => fault,
        }
    };
    faults.into_iter().map(explained).collect()
}

fn readable<K>(kept: Option<Kept<K>>) -> Option<Arc<K>> {
    kept?.readable().cloned()
}

fn unreadable<K>(kept: Option<Kept<K>>) -> Option<String> {
    match kept? {
        Kept::Readable(_) => None,
        Kept::Unreadable(unreadable) => Some(unreadable.error.clone()),
    }
}
