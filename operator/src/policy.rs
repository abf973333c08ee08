//! A `RetentionPolicy`: what is wrong with it, and what its status says. Pure.

use jiff::Timestamp;
use waxseal_crds::v1alpha1::{RetentionPolicy, RetentionPolicySpec, RetentionPolicyStatus};

use crate::{
    check::Check,
    conditions,
    fault::{Fault, Reason},
};

/// No Storage, in minutes.
const NO_STORAGE_MINUTES: i32 = 60;
const MINUTES_PER_DAY: i32 = 24 * 60;
/// How long the delivery of an event is tried unless the policy says otherwise.
const RETRY_WINDOW_MINUTES: i32 = 7 * MINUTES_PER_DAY;

/// Everything that is wrong with a policy, as far as it can tell itself.
#[must_use]
pub fn faults(policy: &RetentionPolicy) -> Vec<Fault> {
    let mut check = Check::new(Reason::PolicyInvalid);
    let spec = &policy.spec;
    if let Some(days) = spec.days {
        check.number("spec.days", days, 1..=30);
    }
    let Some(minutes) = retention_minutes(spec) else {
        check.wrong("spec", "must have exactly one of `days` (1 to 30) and `noStorage: {}` (60 minutes)");
        return check.done();
    };
    if let Some(days) = spec.media_lifetime_days {
        if spec.no_storage.is_some() {
            check.wrong(
                "spec.mediaLifetimeDays",
                "must not be set with `noStorage`: media then goes after 60 minutes like everything else",
            );
        } else {
            check.number("spec.mediaLifetimeDays", days, 1..=spec.days.unwrap_or(30).clamp(1, 30));
        }
    }
    if let Some(window) = spec.webhook_retry_window_minutes
        && !(1..=minutes).contains(&window)
    {
        check.wrong(
            "spec.webhookRetryWindowMinutes",
            format!("is {window} and must be 1 to {minutes}, the retention in minutes"),
        );
    }
    check.done()
}

/// How long anything about a consumer may exist, if exactly one of the two ways to say so is used.
#[must_use]
pub fn retention_minutes(spec: &RetentionPolicySpec) -> Option<i32> {
    match (spec.days, spec.no_storage) {
        (Some(days), None) => Some(days.saturating_mul(MINUTES_PER_DAY)),
        (None, Some(_)) => Some(NO_STORAGE_MINUTES),
        _ => None,
    }
}

/// How long the delivery of an event is tried; never longer than the retention.
#[must_use]
pub fn webhook_retry_window_minutes(spec: &RetentionPolicySpec, retention_minutes: i32) -> i32 {
    spec.webhook_retry_window_minutes
        .unwrap_or(RETRY_WINDOW_MINUTES)
        .min(retention_minutes)
}

/// What the status of a policy has to be.
#[must_use]
pub fn status(policy: &RetentionPolicy, numbers: usize, now: Timestamp) -> RetentionPolicyStatus {
    let previous = policy.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let generation = policy.metadata.generation;
    let faults = faults(policy);
    RetentionPolicyStatus {
        observed_generation: generation,
        retention_minutes: if faults.is_empty() { retention_minutes(&policy.spec) } else { None },
        numbers: Some(i32::try_from(numbers).unwrap_or(i32::MAX)),
        conditions: conditions::list(
            conditions::of_faults(&faults, "numbers can follow the policy"),
            previous,
            generation,
            now,
        ),
    }
}

#[cfg(test)]
mod tests {
    use waxseal_crds::v1alpha1::NoStorage;

    use super::*;
    use crate::testing::{gathered, with_policy};

    fn of(days: Option<i32>, no_storage: Option<NoStorage>) -> RetentionPolicyStatus {
        let gathered = with_policy(gathered("plain.yaml"), |policy| {
            policy.spec.days = days;
            policy.spec.no_storage = no_storage;
        });
        status(gathered.policy.as_ref().unwrap(), 1, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_retention_is_said_in_minutes_where_it_is_known() {
        assert_eq!(of(Some(30), None).retention_minutes, Some(43_200));
        assert_eq!(of(None, Some(NoStorage::default())).retention_minutes, Some(60));
        for wrong in [
            of(None, None),
            of(Some(1), Some(NoStorage::default())),
            of(Some(31), None),
            of(Some(i32::MAX), None),
        ] {
            assert_eq!(wrong.retention_minutes, None);
            assert_eq!(
                (wrong.conditions[0].status.as_str(), wrong.conditions[0].reason.as_str()),
                ("False", "PolicyInvalid")
            );
        }
    }

    #[test]
    fn events_are_never_tried_for_longer_than_the_retention() {
        let spec = |window| RetentionPolicySpec {
            webhook_retry_window_minutes: window,
            ..RetentionPolicySpec::default()
        };
        assert_eq!(webhook_retry_window_minutes(&spec(None), 60), 60);
        assert_eq!(webhook_retry_window_minutes(&spec(None), 43_200), 7 * 1440);
        assert_eq!(webhook_retry_window_minutes(&spec(Some(90)), 60), 60);
        assert_eq!(webhook_retry_window_minutes(&spec(Some(30)), 60), 30);
    }
}
