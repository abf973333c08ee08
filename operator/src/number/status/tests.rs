mod properties;

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use waxseal_crds::v1alpha1::{ProblemReason, Quality, SidecarProblem, SidecarStatus, WebhookState};

use super::{trouble::Waiting, *};
use crate::{
    number::{build, dereference::Gathered, validate::validate},
    settings::Settings,
    testing::{gathered, golden, with_number},
};

const DIGEST: &str = "d1";

fn settings() -> Settings {
    Settings {
        sidecar_image: "registry.example.com/sealed:9".to_owned(),
        ..Settings::default()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Desired, updated, existing, available; as a Deployment of generation 2 that was observed at `observed`.
fn deployment(desired: i32, updated: i32, existing: i32, available: i32, observed: i64, conditions: &serde_json::Value) -> Deployment {
    serde_json::from_value(json!({
        "metadata": { "name": "front-desk-sidecar", "generation": 2 },
        "spec": { "replicas": desired, "selector": {}, "template": {} },
        "status": {
            "replicas": existing,
            "updatedReplicas": updated,
            "availableReplicas": available,
            "observedGeneration": observed,
            "conditions": conditions,
        }
    }))
    .unwrap()
}

fn counts(desired: i32, updated: i32, existing: i32, available: i32) -> Option<Deployment> {
    Some(deployment(desired, updated, existing, available, 2, &json!([])))
}

fn late(available: i32) -> Option<Deployment> {
    let late = json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late" }]);
    Some(deployment(1, 1, 1 + available, available, 2, &late))
}

fn report(problems: &[(ProblemReason, &str)]) -> SidecarStatus {
    SidecarStatus {
        pod: Some("front-desk-sidecar-x".to_owned()),
        configuration: Some(DIGEST.to_owned()),
        identity_fingerprint: Some("f00d".to_owned()),
        linked: problems.is_empty(),
        webhook: WebhookState::Verified,
        quality: Quality::Green,
        problems: problems
            .iter()
            .map(|(reason, message)| SidecarProblem {
                reason: *reason,
                message: (*message).to_owned(),
            })
            .collect(),
        ..SidecarStatus::default()
    }
}

fn with_report(gathered: Gathered, report: SidecarStatus) -> Gathered {
    with_number(gathered, |number| {
        number.status.get_or_insert_default().sidecar = Some(report);
    })
}

fn plain() -> Gathered {
    gathered("plain.yaml")
}

/// How far a turn came, without what it borrows.
#[derive(Clone, Debug)]
enum Turn {
    Judged,
    Paused,
    Applied,
    Waiting,
    Refused,
    Failed,
    Deleting(Deletion<'static>),
}

fn observe(
    gathered: &Gathered,
    turn: &Turn,
    deployment: Option<&Deployment>,
    trouble: Option<Trouble>,
    now: Timestamp,
) -> BusinessPhoneNumberStatus {
    let validated = validate(gathered, &settings());
    let outcome = match (turn, &validated) {
        (Turn::Deleting(deletion), _) => Outcome::Deleting(*deletion),
        (Turn::Paused, _) => Outcome::Paused,
        (Turn::Failed, _) => Outcome::Failed {
            error: "the API server did not answer within 10 s",
        },
        (_, Err(faults)) => Outcome::Invalid(faults),
        (Turn::Applied | Turn::Judged, Ok(validated)) => Outcome::Applied { validated, digest: DIGEST },
        (Turn::Waiting, Ok(validated)) => Outcome::WaitingForRollOut { validated },
        (Turn::Refused, Ok(validated)) => Outcome::Refused {
            validated,
            error: "Deployment front-desk-sidecar: no PriorityClass with name important was found",
        },
    };
    status(&Observation {
        number: &gathered.number,
        outcome,
        deployment,
        trouble,
        now,
    })
}

fn text(status: &BusinessPhoneNumberStatus) -> String {
    let mut text = format!(
        "  observed {:?}, number {:?}, image {:?}, replicas {:?}, endpoint {:?}\n",
        status.observed_generation, status.phone_number, status.image, status.replicas, status.endpoint
    );
    for condition in &status.conditions {
        let Condition {
            type_,
            status,
            reason,
            message,
            observed_generation,
            ..
        } = condition;
        writeln!(text, "  {type_}={status} {reason} ({observed_generation:?}): {message}").unwrap();
    }
    text
}

/// Everything that can be the matter, by name. The golden file is the user's manual.
#[test]
#[allow(clippy::too_many_lines, reason = "a list")]
fn every_state_says_what_to_do() {
    use ProblemReason::{KeysUnavailable, RedisUnavailable, RelayRefused, SecretMissing};
    type Case = (&'static str, Gathered, Turn, Option<Deployment>, Option<Trouble>);
    let unschedulable = || {
        Some(Trouble::Unschedulable {
            message: "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector".to_owned(),
        })
    };
    let image = || {
        Some(Trouble::Waiting {
            what: Waiting::Image,
            message: "Back-off pulling image \"registry.example.com/sealed:9\"".to_owned(),
        })
    };
    let missing = (SecretMissing, "the Secret 'desk-pin' does not exist (spec.pinSecretRef)");
    let quota = json!([{ "type": "ReplicaFailure", "status": "True", "message": "pods \"x\" is forbidden: exceeded quota" }]);
    let suspended = with_number(plain(), |number| number.spec.suspend = true);
    let no_account = Gathered { account: None, ..plain() };
    let above = crate::testing::with_policy(plain(), |policy| policy.spec.days = Some(11));
    let taken = with_number(plain(), |number| number.spec.phone_number = "nonsense".to_owned());
    let other_configuration = SidecarStatus {
        configuration: Some("d0".to_owned()),
        ..report(&[])
    };
    let webhook = |state, last: Option<&str>| SidecarStatus {
        webhook: state,
        last_webhook_result: last.map(str::to_owned),
        ..report(&[])
    };
    let unlinked = SidecarStatus {
        linked: false,
        identity_fingerprint: None,
        webhook: WebhookState::None,
        ..report(&[])
    };
    let cases: Vec<Case> = vec![
        ("just created", plain(), Turn::Applied, None, None),
        ("first pod starts", plain(), Turn::Applied, counts(1, 1, 1, 0), None),
        (
            "serves, and nobody has reported yet",
            plain(),
            Turn::Applied,
            counts(1, 1, 1, 1),
            None,
        ),
        ("serves", with_report(plain(), report(&[])), Turn::Applied, counts(1, 1, 1, 1), None),
        (
            "not linked yet",
            with_report(plain(), unlinked),
            Turn::Applied,
            counts(1, 1, 1, 1),
            None,
        ),
        ("no node", plain(), Turn::Applied, counts(1, 1, 1, 0), unschedulable()),
        ("no image", plain(), Turn::Applied, counts(1, 1, 1, 0), image()),
        ("no image for too long", plain(), Turn::Applied, late(0), image()),
        (
            "new image does not come up, the old one serves",
            plain(),
            Turn::Applied,
            late(1),
            image(),
        ),
        ("too long, and nobody knows why", plain(), Turn::Applied, late(0), None),
        (
            "ends again and again",
            plain(),
            Turn::Applied,
            counts(1, 1, 1, 0),
            Some(Trouble::Crashing),
        ),
        (
            "ends again and again, and said why",
            with_report(
                plain(),
                report(&[(RedisUnavailable, "Redis at cache.data.svc:6379 does not answer")]),
            ),
            Turn::Applied,
            counts(1, 1, 1, 0),
            Some(Trouble::Crashing),
        ),
        (
            "over the quota",
            plain(),
            Turn::Applied,
            Some(deployment(1, 0, 0, 0, 2, &quota)),
            None,
        ),
        ("rolls", with_report(plain(), report(&[])), Turn::Applied, counts(2, 1, 3, 2), None),
        (
            "counts are about what was declared before",
            with_report(plain(), report(&[])),
            Turn::Applied,
            Some(deployment(1, 1, 1, 1, 1, &json!([]))),
            None,
        ),
        (
            "waits for its turn",
            with_report(plain(), report(&[])),
            Turn::Waiting,
            counts(1, 1, 1, 1),
            None,
        ),
        (
            "new configuration",
            with_report(plain(), other_configuration),
            Turn::Applied,
            counts(1, 1, 1, 1),
            None,
        ),
        (
            "secret missing",
            with_report(plain(), report(&[missing])),
            Turn::Applied,
            counts(1, 1, 1, 0),
            None,
        ),
        (
            "several problems",
            with_report(
                plain(),
                report(&[
                    missing,
                    (RelayRefused, "the relay does not accept the PIN"),
                    (KeysUnavailable, "the Secret 'front-desk-keys' cannot be read"),
                ]),
            ),
            Turn::Applied,
            counts(1, 1, 1, 0),
            None,
        ),
        (
            "answers, and the relay does not accept the number",
            with_report(plain(), report(&[(RelayRefused, "the relay does not accept the PIN")])),
            Turn::Applied,
            counts(1, 1, 1, 1),
            None,
        ),
        (
            "report of a pod that is gone",
            with_report(plain(), report(&[])),
            Turn::Applied,
            counts(1, 1, 1, 0),
            None,
        ),
        (
            "webhook not verified",
            with_report(plain(), webhook(WebhookState::Verifying, Some("HTTP 404"))),
            Turn::Applied,
            counts(1, 1, 1, 1),
            None,
        ),
        (
            "webhook fails",
            with_report(plain(), webhook(WebhookState::Failing, Some("Unreachable"))),
            Turn::Applied,
            counts(1, 1, 1, 1),
            None,
        ),
        (
            "suspended",
            with_report(suspended.clone(), report(&[])),
            Turn::Applied,
            counts(0, 0, 0, 0),
            None,
        ),
        ("being suspended", suspended, Turn::Applied, counts(0, 0, 1, 1), None),
        ("refused", plain(), Turn::Refused, None, None),
        (
            "refused, and runs",
            with_report(plain(), report(&[])),
            Turn::Refused,
            counts(1, 1, 1, 1),
            None,
        ),
        (
            "did not work this time",
            with_report(plain(), report(&[])),
            Turn::Failed,
            counts(1, 1, 1, 1),
            None,
        ),
        ("did not work the first time", plain(), Turn::Failed, None, None),
        ("paused from the start", plain(), Turn::Paused, None, None),
        (
            "paused, and runs",
            with_report(plain(), report(&[])),
            Turn::Paused,
            counts(1, 1, 1, 1),
            None,
        ),
        ("account not there", no_account.clone(), Turn::Judged, None, None),
        ("account not there any more", no_account, Turn::Judged, counts(1, 1, 1, 1), None),
        (
            "above the cap, and still runs",
            above.clone(),
            Turn::Judged,
            counts(1, 1, 1, 1),
            None,
        ),
        ("above the cap", above, Turn::Judged, counts(0, 0, 0, 0), None),
        ("not a number", taken, Turn::Judged, None, None),
        (
            "deleting: stopping",
            plain(),
            Turn::Deleting(Deletion::Stopping),
            counts(0, 0, 1, 1),
            None,
        ),
        (
            "deleting: erasing",
            plain(),
            Turn::Deleting(Deletion::Erasing { failures: 0 }),
            None,
            None,
        ),
        (
            "deleting: erasing fails",
            plain(),
            Turn::Deleting(Deletion::Erasing { failures: 2 }),
            None,
            None,
        ),
        (
            "deleting: hindered",
            plain(),
            Turn::Deleting(Deletion::Hindered {
                error: "its DataRegion 'chile' is gone, and so is its Deployment",
            }),
            None,
            None,
        ),
        ("deleting: given up", plain(), Turn::Deleting(Deletion::GivenUp), None, None),
        ("deleting: done", plain(), Turn::Deleting(Deletion::Done), None, None),
    ];
    let mut all = String::new();
    for (name, gathered, turn, deployment, trouble) in cases {
        let status = observe(&gathered, &turn, deployment.as_ref(), trouble, at(100));
        writeln!(all, "{name}:\n{}", text(&status)).unwrap();
    }
    golden("status.txt", &all);
}

#[test]
fn waiting_for_ready_is_not_fooled_by_an_older_generation() {
    let served = with_number(plain(), |number| {
        number.status = Some(observe(&plain(), &Turn::Applied, counts(1, 1, 1, 1).as_ref(), None, at(1)));
        number.metadata.generation = Some(4);
    });
    for turn in [Turn::Failed, Turn::Paused] {
        let status = observe(&served, &turn, counts(1, 1, 1, 1).as_ref(), None, at(2));
        let ready = &status.conditions[0];
        assert_eq!((ready.type_.as_str(), ready.status.as_str()), (READY, "True"));
        assert_eq!(
            (ready.observed_generation, status.observed_generation),
            (Some(3), Some(3)),
            "{turn:?}"
        );
    }
    let status = observe(&served, &Turn::Applied, counts(1, 1, 1, 1).as_ref(), None, at(2));
    assert_eq!(status.conditions[0].observed_generation, Some(4));
    let status = observe(&served, &Turn::Refused, counts(1, 1, 1, 1).as_ref(), None, at(2));
    assert_eq!(
        (status.conditions[0].status.as_str(), status.observed_generation),
        ("False", Some(4))
    );
}

#[test]
fn the_pinned_image_survives_whatever_is_wrong() {
    let pinned = with_number(plain(), |number| {
        number.status.get_or_insert_default().image = Some("pinned:1".to_owned());
    });
    let gone = Gathered {
        region: None,
        ..pinned.clone()
    };
    for (gathered, turn) in [
        (&gone, Turn::Judged),
        (&pinned, Turn::Paused),
        (&pinned, Turn::Failed),
        (&pinned, Turn::Refused),
        (&pinned, Turn::Deleting(Deletion::Stopping)),
    ] {
        let status = observe(gathered, &turn, None, None, at(1));
        assert_eq!(status.image.as_deref(), Some("pinned:1"), "{turn:?}");
    }
    let first = observe(&plain(), &Turn::Applied, None, None, at(1));
    assert_eq!(first.image, Some(settings().sidecar_image), "the first time pins");
}

#[test]
fn trouble_is_read_from_pods() {
    let pod = |status: serde_json::Value| -> Pod { serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap() };
    let waiting = |reason: &str| {
        pod(json!({ "containerStatuses": [{
            "name": "sidecar", "image": "", "imageID": "", "ready": false, "restartCount": 3,
            "state": { "waiting": { "reason": reason, "message": "why" } }
        }] }))
    };
    let unschedulable =
        pod(json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full" }] }));
    let gated = pod(json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" }] }));
    assert_eq!(Trouble::of(&[]), None);
    assert_eq!(Trouble::of(&[gated, waiting("ContainerCreating")]), None);
    assert_eq!(Trouble::of(&[waiting("CrashLoopBackOff")]), Some(Trouble::Crashing));
    assert_eq!(
        Trouble::of(&[waiting("CrashLoopBackOff"), waiting("ImagePullBackOff")]),
        Some(Trouble::Waiting {
            what: Waiting::Image,
            message: "why".to_owned()
        })
    );
    let mut leaving = unschedulable.clone();
    leaving.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(1)));
    assert_eq!(Trouble::of(&[leaving]), None);
    assert_eq!(
        Trouble::of(&[waiting("CrashLoopBackOff"), unschedulable]),
        Some(Trouble::Unschedulable {
            message: "full".to_owned()
        })
    );
}

#[test]
fn the_endpoint_says_when_the_api_speaks_tls() {
    let secured = with_number(plain(), |number| {
        number.spec.api_tls_secret_ref = Some(waxseal_crds::meta::ObjectRef {
            name: "desk-tls".to_owned(),
        });
    });
    let status = observe(&secured, &Turn::Applied, None, None, at(1));
    assert!(status.endpoint.unwrap().starts_with("https://"));
}

#[test]
fn the_endpoint_is_the_service() {
    let status = observe(&plain(), &Turn::Applied, None, None, at(1));
    let validated = validate(&plain(), &settings()).unwrap();
    let service = build::build(&validated, &settings()).unwrap().service;
    assert_eq!(
        status.endpoint,
        Some(format!(
            "http://{}.{}.svc",
            service.metadata.name.unwrap(),
            service.metadata.namespace.unwrap()
        ))
    );
}
