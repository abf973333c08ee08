//! What holds for whatever is observed.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::*;

fn any_turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        Just(Turn::Judged),
        Just(Turn::Paused),
        Just(Turn::Applied),
        Just(Turn::Waiting),
        Just(Turn::Refused),
        Just(Turn::Failed),
        (0..3_i32).prop_map(|failures| Turn::Deleting(Deletion::Erasing { failures })),
        Just(Turn::Deleting(Deletion::Done)),
    ]
}

fn any_trouble() -> impl Strategy<Value = Option<Trouble>> {
    proptest::option::of(prop_oneof![
        Just(Trouble::Crashing),
        ".{0,40}".prop_map(|message| Trouble::Unschedulable { message }),
        "x{40000}".prop_map(|message| Trouble::Waiting {
            what: Waiting::Configuration,
            message
        }),
    ])
}

fn any_report() -> impl Strategy<Value = Option<SidecarStatus>> {
    let problem = prop_oneof![
        Just(ProblemReason::SecretMissing),
        Just(ProblemReason::RedisUnavailable),
        Just(ProblemReason::RelayRefused),
        Just(ProblemReason::KeysUnavailable),
    ];
    let problems = proptest::collection::vec((problem, ".{0,20}"), 0..4);
    let webhook = prop_oneof![Just(WebhookState::None), Just(WebhookState::Failing), Just(WebhookState::Verified)];
    proptest::option::of(
        (problems, webhook, any::<bool>(), any::<bool>()).prop_map(|(problems, webhook, linked, loaded)| SidecarStatus {
            problems: problems
                .into_iter()
                .map(|(reason, message)| SidecarProblem { reason, message })
                .collect(),
            webhook,
            linked,
            configuration: Some(if loaded { DIGEST } else { "d0" }.to_owned()),
            ..SidecarStatus::default()
        }),
    )
}

proptest! {
    #[test]
    fn whatever_is_observed_reads_well(
        turn in any_turn(),
        counts in proptest::option::of((0..3_i32, 0..3_i32, 0..3_i32, 0..3_i32, 1..3_i64)),
        trouble in any_trouble(),
        report in any_report(),
        [suspend, there, cap] in any::<[bool; 3]>(),
    ) {
        let mut gathered = with_number(plain(), |number| {
            number.spec.suspend = suspend;
            number.status.get_or_insert_default().sidecar = report;
        });
        if !there {
            gathered.account = None;
        }
        if cap {
            gathered = crate::testing::with_region(gathered, |region| region.spec.retention_cap_days = 1);
        }
        let deployment = counts.map(|(desired, updated, existing, available, observed)| {
            deployment(desired, updated, existing, available, observed, &json!([]))
        });
        let first = observe(&gathered, &turn, deployment.as_ref(), trouble.clone(), at(10));
        let types: BTreeSet<&str> = first.conditions.iter().map(|condition| condition.type_.as_str()).collect();
        prop_assert_eq!(types.len(), first.conditions.len(), "each type once");
        prop_assert!(types.contains(READY) && first.conditions.len() <= 16);
        prop_assert!(!(types.contains(RECONCILING) && types.contains(STALLED)), "never both");
        for condition in &first.conditions {
            if [RECONCILING, STALLED, PAUSED].contains(&condition.type_.as_str()) {
                prop_assert_eq!(condition.status.as_str(), "True", "only there when true");
            }
            prop_assert!(condition.reason.chars().all(|c| c.is_ascii_alphanumeric()) && condition.reason.starts_with(|c: char| c.is_ascii_uppercase()));
            prop_assert!(condition.message.len() <= 32768);
        }
        prop_assert_eq!(&first.sidecar, &None);
        // The same again, later: nothing to write.
        let mut written = first.clone();
        written.sidecar = gathered.number.status.as_ref().and_then(|status| status.sidecar.clone());
        let mut next = gathered.clone();
        Arc::make_mut(&mut next.number).status = Some(written);
        let second = observe(&next, &turn, deployment.as_ref(), trouble, at(9999));
        prop_assert_eq!(first, second);
    }
}
