//! One turn for one number: gather, validate, build, apply, and on every path there is, the status.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use kube::ResourceExt as _;
use tokio::time::Instant;
use tracing::{debug, info};
use waxseal_crds::v1alpha1::{BusinessPhoneNumber, BusinessPhoneNumberStatus, ProblemReason};

use super::{
    apply, build, erase,
    gather::{explain, gather},
    status::{self, Deletion, Observation, Outcome},
    validate::{Validated, validate},
};
use crate::{
    announce::announce,
    cache::Unreadable,
    children::Child,
    conditions,
    context::Context,
    fault::Fault,
    key::Key,
    metrics, names,
    request::{Ask, Failure},
    turn::Turn,
    update_status,
};

/// How far a turn came.
enum Ended {
    Invalid(Vec<Fault>),
    Paused,
    Applied {
        validated: Box<Validated>,
        digest: String,
        missing: Vec<Child>,
    },
    Waiting(Box<Validated>),
    Refused {
        validated: Box<Validated>,
        error: String,
    },
    Failed(Failure),
    Deleting(erase::Progress),
}

/// One turn for one number.
///
/// # Errors
/// What is to be tried again.
pub async fn turn(context: &Context, number: &Arc<BusinessPhoneNumber>) -> Result<Turn, Failure> {
    let key = Key::of(&**number);
    let ended = advance(context, &key, number).await;
    if !matches!(ended, Ended::Waiting(_)) {
        context.rollouts().withdraw(&key);
        context.wake_rollouts();
    }
    let written = write(context, &key, number, &ended).await;
    let turn = match ended {
        Ended::Failed(failure) if failure.is_namespace_terminating() => {
            debug!(number = %key, "its namespace is being deleted");
            Turn::of(metrics::Outcome::Waiting)
        }
        Ended::Failed(failure) => return Err(failure),
        Ended::Invalid(_) => Turn::of(metrics::Outcome::Stalled),
        // Whoever forbids it may allow it later, and nobody tells us.
        Ended::Refused { .. } => Turn::of(metrics::Outcome::Stalled).try_again(),
        Ended::Paused => Turn::of(metrics::Outcome::Paused),
        Ended::Applied { .. } => Turn::of(metrics::Outcome::Success),
        Ended::Waiting(_) => Turn::of(metrics::Outcome::Waiting),
        Ended::Deleting(progress) => match progress.again() {
            Some(period) => Turn::of(metrics::Outcome::Waiting).after(period),
            None => Turn::of(metrics::Outcome::Success),
        },
    };
    written?;
    Ok(turn)
}

/// One turn for a number that cannot be read: it can be deleted all the same. `None` when it is not being deleted.
///
/// # Errors
/// [`Failure`].
pub async fn turn_unreadable(context: &Context, unreadable: &Unreadable<BusinessPhoneNumber>) -> Result<Option<Turn>, Failure> {
    let is_paused = unreadable.metadata.annotations.as_ref().is_some_and(asks_to_pause);
    if unreadable.metadata.deletion_timestamp.is_none() || is_paused {
        return Ok(None);
    }
    let metadata = &unreadable.metadata;
    let key = Key::new(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let progress = Box::pin(erase::step_unreadable(context, &key, unreadable, Timestamp::now())).await?;
    Ok(Some(match progress.again() {
        Some(period) => Turn::of(metrics::Outcome::Waiting).after(period),
        None => Turn::of(metrics::Outcome::Success),
    }))
}

/// A turn took too long and was broken off: only the status is left to be written.
///
/// # Errors
/// [`Failure`].
pub async fn broken_off(context: &Context, number: &BusinessPhoneNumber) -> Result<(), Failure> {
    let key = Key::of(number);
    let failure = Failure::Timeout(Ask::new("reconcile", "BusinessPhoneNumber", &key.name));
    write(context, &key, number, &Ended::Failed(failure)).await
}

/// Whether somebody asked the operator to leave the number's objects alone.
#[must_use]
pub fn is_paused(number: &BusinessPhoneNumber) -> bool {
    asks_to_pause(number.annotations())
}

fn asks_to_pause(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(names::RECONCILE_ANNOTATION).is_some_and(|value| value == "paused")
}

async fn advance(context: &Context, key: &Key, number: &Arc<BusinessPhoneNumber>) -> Ended {
    if is_paused(number) {
        return Ended::Paused;
    }
    if number.metadata.deletion_timestamp.is_some() {
        return match erase::step(context, key, number, Timestamp::now()).await {
            Ok(progress) => Ended::Deleting(progress),
            Err(failure) => {
                info!(number = %key, error = %failure, "erasing is hindered");
                Ended::Deleting(erase::Progress::Hindered(failure.to_string()))
            }
        };
    }
    let gathered = gather(context, key, number);
    let result = match validate(&gathered, &context.options.settings) {
        Ok(validated) => Box::pin(run(context, key, number, validated)).await,
        Err(faults) => stop(context, key, explain(context, key, number, faults)).await,
    };
    result.unwrap_or_else(Ended::Failed)
}

/// What is declared can be done: it is.
async fn run(context: &Context, key: &Key, number: &Arc<BusinessPhoneNumber>, validated: Validated) -> Result<Ended, Failure> {
    // Before anything is made that has to be erased.
    if let Some(wanted) = erase::finalizer_change(number) {
        erase::set_finalizer(context, key, number, wanted).await?;
    }
    let validated = Box::new(validated);
    let objects = match build::build(&validated, &context.options.settings) {
        Ok(objects) => objects,
        Err(error) => {
            return Ok(Ended::Refused {
                validated,
                error: error.to_string(),
            });
        }
    };
    if lacks_keys(number) {
        // The sidecar says that the Secret is not there, or cannot be used; whether we made it once means nothing then.
        context.children.set_keys(key, false);
    }
    let digest = objects.digest.clone();
    let uid = number.uid().unwrap_or_default();
    let may_roll = || context.rollouts().request(key, Instant::now());
    let applied = match Box::pin(apply::apply(context, key, &uid, objects, may_roll)).await {
        Ok(applied) => applied,
        Err(apply::Error::Taken(fault)) => return Ok(Ended::Invalid(vec![fault])),
        Err(apply::Error::Failed(failure)) if is_final(&failure) => {
            return Ok(Ended::Refused {
                validated,
                error: failure.to_string(),
            });
        }
        Err(apply::Error::Failed(failure)) => return Err(failure),
    };
    if applied.is_waiting {
        return Ok(Ended::Waiting(validated));
    }
    let is_rolled = context.children.workload(key).is_none_or(|workload| workload.is_complete());
    if is_rolled && context.rollouts().finish(key) {
        context.wake_rollouts();
    }
    Ok(Ended::Applied {
        validated,
        digest,
        missing: applied.missing,
    })
}

/// What is declared cannot be done.
///
/// Where data would be kept for longer than is lawful, or another's number would be served, nothing may run: the Deployment is scaled to
/// nothing, keys and state stay. In all other cases what runs goes on as it was declared last: an account that was deleted by mistake, or a
/// region that was edited into something wrong, must not cut conversations; nothing of what is running has become wrong by it.
async fn stop(context: &Context, key: &Key, faults: Vec<Fault>) -> Result<Ended, Failure> {
    let stops = faults.iter().any(|fault| fault.reason.stops_sidecars());
    let is_up = context.children.workload(key).is_some_and(|workload| workload.wanted > 0);
    if stops && is_up {
        apply::scale(context, key, 0).await?;
        info!(number = %key, "stopped the sidecars: what is declared must not run");
    }
    if context.rollouts().finish(key) {
        context.wake_rollouts();
    }
    Ok(Ended::Invalid(faults))
}

/// Whether trying again with the same objects gives the same answer.
fn is_final(failure: &Failure) -> bool {
    failure.status().is_some_and(|status| status.is_invalid() || status.is_forbidden()) && !failure.is_namespace_terminating()
}

fn lacks_keys(number: &BusinessPhoneNumber) -> bool {
    let sidecar = number.status.as_ref().and_then(|status| status.sidecar.as_ref());
    sidecar.is_some_and(|sidecar| {
        sidecar
            .problems
            .iter()
            .any(|problem| problem.reason == ProblemReason::KeysUnavailable)
    })
}

async fn write(context: &Context, key: &Key, number: &BusinessPhoneNumber, ended: &Ended) -> Result<(), Failure> {
    // What goes has no status any more.
    if matches!(ended, Ended::Deleting(erase::Progress::Done | erase::Progress::GivenUp)) {
        return Ok(());
    }
    let status = status(context, key, number, ended);
    let before = number.status.as_ref();
    update_status::write(context, number, before, &status).await?;
    let before = before.map_or(&[][..], |status| &status.conditions);
    announce(&context.events, number, before, &status.conditions).await;
    Ok(())
}

fn status(context: &Context, key: &Key, number: &BusinessPhoneNumber, ended: &Ended) -> BusinessPhoneNumberStatus {
    let deployment = context.children.workload(key).map(|workload| workload.deployment());
    let pods = context.children.pods(key);
    let failed: Cow<'_, str> = match ended {
        Ended::Failed(failure) => failure.to_string().into(),
        _ => "".into(),
    };
    let outcome = match ended {
        Ended::Invalid(faults) => Outcome::Invalid(faults),
        Ended::Paused => Outcome::Paused,
        Ended::Applied { validated, digest, .. } => Outcome::Applied { validated, digest },
        Ended::Waiting(validated) => Outcome::WaitingForRollOut { validated },
        Ended::Refused { validated, error } => Outcome::Refused { validated, error },
        Ended::Failed(_) => Outcome::Failed { error: &failed },
        Ended::Deleting(progress) => Outcome::Deleting(match progress {
            erase::Progress::Stopping => Deletion::Stopping,
            erase::Progress::Erasing { failures } => Deletion::Erasing { failures: *failures },
            erase::Progress::Hindered(error) => Deletion::Hindered { error },
            erase::Progress::GivenUp => Deletion::GivenUp,
            erase::Progress::Done => Deletion::Done,
        }),
    };
    let now = Timestamp::now();
    let mut status = status::status(&Observation {
        number,
        outcome,
        deployment: deployment.as_ref(),
        trouble: pods.trouble,
        now,
    });
    if let Ended::Applied { missing, .. } = ended
        && !missing.is_empty()
    {
        // The number is served all the same, so this is not about `Ready`.
        let kinds: Vec<&str> = missing.iter().map(|child| child.kind()).collect();
        let text = format!(
            "the API server does not have the kind {}; install what brings it, or do not ask for it",
            kinds.join(" and ")
        );
        status.conditions.retain(|condition| condition.type_ != conditions::STALLED);
        let stalled = conditions::Now::new(conditions::STALLED, true, "KindMissing", text);
        let before = number.status.as_ref().map_or(&[][..], |status| &status.conditions);
        status
            .conditions
            .extend(conditions::list(vec![stalled], before, number.metadata.generation, now));
    }
    status
}
