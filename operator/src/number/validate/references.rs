//! What the number's references lead to, and whether the number is its own.

use waxseal_crds::v1alpha1::BusinessPhoneNumber;

use super::super::dereference::{Gathered, Rival, Shared, created};
use crate::{
    account,
    fault::{Fault, Reason, sentence},
    policy, region,
};

/// Of two that are alike the older has the number; of two of the same second, the one with the lower uid.
pub(super) fn taken(number: &BusinessPhoneNumber, rivals: &[Rival]) -> Option<Fault> {
    let age = |created: Option<jiff::Timestamp>, uid: &str| (created.is_none(), created, uid.to_owned());
    let own = age(created(number), number.metadata.uid.as_deref().unwrap_or_default());
    let owner = rivals
        .iter()
        .map(|rival| (age(rival.created, &rival.uid), rival))
        .filter(|(age, _)| *age < own)
        .min_by(|(one, _), (other, _)| one.cmp(other))?
        .1;
    let (field, what) = match owner.shared {
        Shared::PhoneNumber => ("spec.phoneNumber", "number"),
        Shared::PhoneNumberId => ("spec.phoneNumberId", "id"),
    };
    // Who may see this namespace may not see the other.
    let who = if number.metadata.namespace.as_deref() == Some(&owner.namespace) {
        format!("the BusinessPhoneNumber '{}', which is older", owner.name)
    } else {
        "an older BusinessPhoneNumber in another namespace".to_owned()
    };
    Some(Fault::new(
        Reason::NumberTaken,
        field,
        format!(
            "is taken by {who}: every {what} can be declared once. Delete this object, or the other one, which then hands the {what} over"
        ),
    ))
}

/// What the references lead to.
pub(super) fn faults(gathered: &Gathered) -> Vec<Fault> {
    let spec = &gathered.number.spec;
    let namespace = gathered.number.metadata.namespace.as_deref().unwrap_or_default();
    let mut faults = Vec::new();
    let mut follow = |field: &str, kind: &str, name: &str, place: &str, target: Option<Vec<Fault>>, not_found: Reason| match target {
        None => faults.push(Fault::new(
            not_found,
            field,
            format!("names the {kind} '{name}', which does not exist{place}; create it, and this number goes on by itself"),
        )),
        Some(wrong) => faults.extend(wrong.first().map(|first| {
            let text = format!("names the {kind} '{name}', which cannot be used: {}", sentence(&wrong));
            Fault::new(first.reason, field, text)
        })),
    };
    follow(
        "spec.accountRef",
        "BusinessAccount",
        &spec.account_ref.name,
        &format!(" in namespace '{namespace}'"),
        gathered.account.as_deref().map(account::faults),
        Reason::AccountNotFound,
    );
    follow(
        "spec.regionRef",
        "DataRegion",
        &spec.region_ref.name,
        "",
        gathered.region.as_deref().map(region::faults),
        Reason::RegionNotFound,
    );
    follow(
        "spec.retentionPolicyRef",
        "RetentionPolicy",
        &spec.retention_policy_ref.name,
        "",
        gathered.policy.as_deref().map(policy::faults),
        Reason::PolicyNotFound,
    );
    faults.extend(above_cap(gathered));
    faults
}

fn above_cap(gathered: &Gathered) -> Option<Fault> {
    let (policy, region) = (gathered.policy.as_deref()?, gathered.region.as_deref()?);
    let (days, cap) = (policy.spec.days?, region.spec.retention_cap_days);
    let spec = &gathered.number.spec;
    (days > cap).then(|| {
        Fault::new(
            Reason::RetentionAboveCap,
            "spec.retentionPolicyRef",
            format!(
                "names the RetentionPolicy '{}', which keeps data for {days} days, and the DataRegion '{}' allows at most {cap}. \
                 Name a policy with at most {cap} days",
                spec.retention_policy_ref.name, spec.region_ref.name
            ),
        )
    })
}
