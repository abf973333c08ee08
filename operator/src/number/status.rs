//! The last step but for writing it: what the status of a number has to say, on every path there is.
//!
//! Needs no client and no clock. `kubectl get` shows one word of it, `kubectl describe` all of it: each message says what is so and, where
//! something is missing, what to do next. Only what the operator owns; `status.sidecar` is the sidecar's.

mod deletion;
mod progress;
mod reported;
mod trouble;

use jiff::Timestamp;
use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::Condition};
use kube::ResourceExt;
use waxseal_crds::v1alpha1::{BusinessPhoneNumber, BusinessPhoneNumberStatus, ProblemReason};

pub use self::{deletion::Deletion, trouble::Trouble};
use self::{progress::Progress, reported::Reported};
use super::{build::service, dereference::phone_number_id, validate::Validated};
use crate::{
    conditions::{self, Now, READY, RECONCILING, STALLED},
    fault::{Fault, Reason, sentence},
    names,
};

/// The type `ReconciliationPaused`.
pub const PAUSED: &str = "ReconciliationPaused";
/// The type `Scheduled`.
pub const SCHEDULED: &str = "Scheduled";

/// What is known about a number after a turn of the reconciler.
pub struct Observation<'a> {
    /// The number, with the status that it has.
    pub number: &'a BusinessPhoneNumber,
    /// How far the turn came.
    pub outcome: Outcome<'a>,
    /// The Deployment as it is now: what applying it returned, else what the cache holds.
    pub deployment: Option<&'a Deployment>,
    /// What keeps its pods from running, if anything. [`Trouble::of`] tells.
    pub trouble: Option<Trouble>,
    /// Now.
    pub now: Timestamp,
}

/// How far a turn of the reconciler came.
#[derive(Clone, Copy)]
pub enum Outcome<'a> {
    /// What is declared cannot be done. At least one fault.
    Invalid(&'a [Fault]),
    /// Somebody asked the operator to leave the number's objects alone.
    Paused,
    /// Everything is applied.
    Applied {
        /// What was declared.
        validated: &'a Validated,
        /// The digest of its configuration.
        digest: &'a str,
    },
    /// Everything is applied but the Deployment: its pods would be replaced, and enough others are being replaced at the moment.
    WaitingForRollOut {
        /// What was declared.
        validated: &'a Validated,
    },
    /// The API server refused an object. Trying again will not help.
    Refused {
        /// What was declared.
        validated: &'a Validated,
        /// Kind and name of the object, and the API server's words.
        error: &'a str,
    },
    /// It did not work this time, and is tried again.
    Failed {
        /// What happened.
        error: &'a str,
    },
    /// The number is being deleted.
    Deleting(Deletion<'a>),
}

/// The status of a number, but for what the sidecar says of itself.
#[must_use]
pub fn status(observation: &Observation<'_>) -> BusinessPhoneNumberStatus {
    let number = observation.number;
    let old = number.status.clone().unwrap_or_default();
    let generation = match observation.outcome {
        // What is declared now has not been done: whoever waits for it has to go on waiting.
        Outcome::Paused | Outcome::Failed { .. } => old.observed_generation.or(Some(0)),
        _ => number.metadata.generation,
    };
    let mut conditions = conditions::list(now(observation), &old.conditions, generation, observation.now);
    conditions.extend(paused(observation, &old.conditions));
    let own = is_own(observation.outcome);
    BusinessPhoneNumberStatus {
        observed_generation: generation,
        phone_number: own.then(|| number.spec.phone_number.clone()),
        phone_number_id: own.then(|| phone_number_id(number)),
        region: own.then(|| number.spec.region_ref.name.clone()),
        endpoint: match observation.outcome {
            Outcome::Applied { .. } | Outcome::WaitingForRollOut { .. } => Some(endpoint(number)),
            _ => old.endpoint.filter(|_| own),
        },
        // What was pinned stays pinned, whatever else is wrong.
        image: validated(observation.outcome)
            .map(|validated| validated.image.clone())
            .or(old.image),
        replicas: Some(
            observation
                .deployment
                .and_then(|deployment| deployment.status.as_ref()?.replicas)
                .unwrap_or(0)
                .clamp(0, 1000),
        ),
        selector: Some(names::selector_text(&number.name_any())),
        sidecar: None,
        conditions,
    }
}

fn validated<'a>(outcome: Outcome<'a>) -> Option<&'a Validated> {
    match outcome {
        Outcome::Applied { validated, .. } | Outcome::WaitingForRollOut { validated } | Outcome::Refused { validated, .. } => {
            Some(validated)
        }
        Outcome::Invalid(_) | Outcome::Paused | Outcome::Failed { .. } | Outcome::Deleting(_) => None,
    }
}

/// Where the number's HTTP API is.
fn endpoint(number: &BusinessPhoneNumber) -> String {
    let is_secured = number.spec.api_tls_secret_ref.is_some();
    service::endpoint(&number.namespace().unwrap_or_default(), &number.name_any(), is_secured)
}

/// Whether the phone number is this object's.
fn is_own(outcome: Outcome<'_>) -> bool {
    match outcome {
        Outcome::Invalid(faults) => !faults
            .iter()
            .any(|fault| matches!(fault.reason, Reason::NumberTaken | Reason::NumberInvalid)),
        _ => true,
    }
}

/// All conditions but for `ReconciliationPaused`.
fn now(observation: &Observation<'_>) -> Vec<Now> {
    let number = observation.number;
    match observation.outcome {
        Outcome::Invalid(faults) => invalid(observation, faults),
        Outcome::Deleting(deletion) => deletion::conditions(number, deletion),
        Outcome::Paused
        | Outcome::Applied { .. }
        | Outcome::WaitingForRollOut { .. }
        | Outcome::Refused { .. }
        | Outcome::Failed { .. } => running(observation),
    }
}

const GO_ON: &str = "; the sidecars go on as they were declared before";
const NONE_STARTED: &str = "; no sidecar is started";

fn invalid(observation: &Observation<'_>, faults: &[Fault]) -> Vec<Now> {
    let mut conditions = conditions::of_faults(faults, "");
    if let Some(first) = faults.first() {
        let stops = faults.iter().any(|fault| fault.reason.stops_sidecars());
        let runs = Progress::of(observation.deployment).is_some_and(|progress| progress.available > 0);
        let text = match (stops, runs) {
            (true, true) => "; the sidecars are being stopped",
            (true, false) => "; no sidecar runs",
            (false, true) => GO_ON,
            (false, false) => NONE_STARTED,
        };
        conditions[0] = Now::new(READY, false, first.reason.as_str(), format!("{}{text}", sentence(faults)));
    }
    conditions
}

/// The conditions of a number that has, or gets, a Deployment.
fn running(observation: &Observation<'_>) -> Vec<Now> {
    let progress = Progress::of(observation.deployment);
    let suspended = observation.number.spec.suspend;
    let report = observation.number.status.as_ref().and_then(|status| status.sidecar.as_ref());
    let reported = Reported::of(report, progress.as_ref());
    let cause = cause(observation, &reported);
    let mut conditions = vec![ready(observation, progress.as_ref(), cause.as_ref())];
    conditions.extend(advance(observation, progress.as_ref(), &reported, cause.as_ref()));
    if !suspended {
        conditions.extend(scheduled(observation, progress.as_ref()));
        conditions.extend(reported.conditions());
    }
    conditions
}

/// Why the sidecars are not ready, as far as anybody said.
struct Cause {
    reason: &'static str,
    message: String,
}

/// What keeps a pod from starting says more than what the last sidecar reported; that says more than that it ends again and again.
fn cause(observation: &Observation<'_>, reported: &Reported<'_>) -> Option<Cause> {
    let number = observation.number;
    let trouble = |crashes: bool| {
        observation
            .trouble
            .as_ref()
            .filter(|trouble| matches!(trouble, Trouble::Crashing) == crashes)
            .map(|trouble| Cause {
                reason: trouble.reason(),
                message: trouble.message(number),
            })
    };
    let replica_failure = || {
        progress::replica_failure(observation.deployment).map(|message| Cause {
            reason: "PodsRefused",
            message: format!("the cluster does not accept the sidecar's pods: {message}"),
        })
    };
    let problem = || reported.first_problem().map(|(reason, message)| Cause { reason, message });
    replica_failure()
        .or_else(|| trouble(false))
        .or_else(problem)
        .or_else(|| trouble(true))
}

fn ready(observation: &Observation<'_>, progress: Option<&Progress>, cause: Option<&Cause>) -> Now {
    let number = observation.number;
    let (namespace, name) = (number.namespace().unwrap_or_default(), number.name_any());
    if number.spec.suspend && !matches!(observation.outcome, Outcome::Paused) {
        return Now::new(
            READY,
            false,
            "Suspended",
            "`spec.suspend` is true: no sidecar runs, and what is stored expires as always. Set it to false to go on",
        );
    }
    if let Outcome::Refused { error, .. } = observation.outcome {
        let runs = progress.is_some_and(|progress| progress.available > 0);
        let text = if runs { GO_ON } else { NONE_STARTED };
        return Now::new(READY, false, "Refused", format!("{}{text}", refused(error)));
    }
    if let Some(progress) = progress
        && progress.available > 0
    {
        // The port answers, and nothing will reach anybody until somebody does something.
        let report = number.status.as_ref().and_then(|status| status.sidecar.as_ref());
        let refusal = report.and_then(|report| report.problems.iter().find(|problem| problem.reason == ProblemReason::RelayRefused));
        if let Some(refusal) = refusal {
            let text = format!("{}; what the business sends is accepted and waits", refusal.message);
            return Now::new(READY, false, refusal.reason.as_str(), text);
        }
        let text = format!(
            "{} of {} sidecars serve the number at {}",
            progress.available,
            progress.desired,
            endpoint(number)
        );
        return Now::new(READY, true, "Serving", text);
    }
    match (cause, progress) {
        (Some(cause), _) => Now::new(READY, false, cause.reason, cause.message.clone()),
        (None, None) => Now::new(READY, false, "Starting", "the sidecar has not been created yet"),
        (None, Some(progress)) if progress.deadline_exceeded => {
            Now::new(READY, false, "ProgressDeadlineExceeded", look_at_the_logs(&namespace, &name))
        }
        (None, Some(_)) => Now::new(
            READY,
            false,
            "Starting",
            format!(
                "waiting for the sidecar to become ready; if this lasts, look at `kubectl -n {namespace} logs deployment/{}`",
                names::sidecar(&name)
            ),
        ),
    }
}

fn refused(error: &str) -> String {
    format!(
        "the API server refuses what the number needs: {error}. Correct what it names, in this object, in its DataRegion or in the cluster"
    )
}

fn look_at_the_logs(namespace: &str, name: &str) -> String {
    format!(
        "the new sidecars do not become ready; look at `kubectl -n {namespace} describe pods -l {}` and `kubectl -n {namespace} logs deployment/{}`",
        names::selector_text(name),
        names::sidecar(name)
    )
}

/// `Reconciling` or `Stalled`, if either.
fn advance(observation: &Observation<'_>, progress: Option<&Progress>, reported: &Reported<'_>, cause: Option<&Cause>) -> Option<Now> {
    let number = observation.number;
    // While nothing is available, `Ready` says it already.
    let because = cause
        .filter(|_| progress.is_some_and(|progress| progress.available > 0))
        .map(|cause| format!(": {}", cause.message))
        .unwrap_or_default();
    let reconciling = |reason, message: String| Some(Now::new(RECONCILING, true, reason, message));
    let digest = match observation.outcome {
        Outcome::Paused => return None,
        Outcome::Refused { error, .. } => return Some(Now::new(STALLED, true, "Refused", refused(error))),
        Outcome::Failed { error } => return reconciling("Retrying", format!("it did not work this time and is tried again: {error}")),
        Outcome::WaitingForRollOut { .. } => {
            let text = "the new sidecars wait for their turn: other numbers' sidecars are being replaced at the moment";
            return reconciling("WaitingForRollOut", text.to_owned());
        }
        Outcome::Applied { digest, .. } => digest,
        Outcome::Invalid(_) | Outcome::Deleting(_) => return None,
    };
    let Some(progress) = progress else {
        return reconciling("Starting", "the sidecar is being created".to_owned());
    };
    if progress.deadline_exceeded && !progress.is_complete() {
        let message = match cause {
            Some(cause) => format!("the new sidecars do not become ready: {}", cause.message),
            None => look_at_the_logs(&number.namespace().unwrap_or_default(), &number.name_any()),
        };
        return Some(Now::new(STALLED, true, "ProgressDeadlineExceeded", message));
    }
    if !progress.is_complete() {
        let reason = if progress.available > 0 { "RollingOut" } else { "Starting" };
        return reconciling(reason, format!("{}{because}", progress.text()));
    }
    if !number.spec.suspend && reported.configuration().is_some_and(|configuration| configuration != digest) {
        let text = format!("the sidecar has not taken over the new configuration yet{because}");
        return reconciling("ConfigurationPending", text);
    }
    None
}

fn scheduled(observation: &Observation<'_>, progress: Option<&Progress>) -> Option<Now> {
    if let Some(trouble @ Trouble::Unschedulable { .. }) = &observation.trouble {
        let message = trouble.message(observation.number);
        return Some(Now::new(SCHEDULED, false, trouble.reason(), message));
    }
    progress.filter(|progress| progress.existing > 0).map(|_| {
        let text = format!(
            "all pods have nodes of the DataRegion '{}'",
            observation.number.spec.region_ref.name
        );
        Now::new(SCHEDULED, true, "Scheduled", text)
    })
}

/// About the object as it is now, even while everything else is about what was reconciled last.
fn paused(observation: &Observation<'_>, previous: &[Condition]) -> Vec<Condition> {
    if !matches!(observation.outcome, Outcome::Paused) {
        return Vec::new();
    }
    let text = format!(
        "the annotation `{}: paused` is set: the operator changes nothing; remove the annotation to go on",
        names::RECONCILE_ANNOTATION
    );
    conditions::list(
        vec![Now::new(PAUSED, true, "Paused", text)],
        previous,
        observation.number.metadata.generation,
        observation.now,
    )
}

#[cfg(test)]
mod tests;
