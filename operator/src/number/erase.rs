//! Deleting a number: its sidecars stop, a Job deregisters it at the relay and deletes what is in Redis and in the media
//! store, its keys go, the finalizer goes.
//!
//! Bounded. When the Job does not succeed in time, or nothing can be made in the namespace any more, the keys are destroyed all the same:
//! without the oldest chain key what is left in Redis is noise, and it expires by itself. What then may be left, the registration at the
//! relay, an event says. Each turn looks at how things are and does the next step, so an operator that starts anew goes on where another
//! stopped.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Secret},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use tracing::{info, warn};
use waxseal_crds::{
    meta::{ObjectRef, SecretKeyRef},
    v1alpha1::{BusinessPhoneNumber, BusinessPhoneNumberSpec, DeletionPolicy, Switch},
};

use super::{
    apply::{self, Error, Target},
    build::{self, Erasure, Source},
    gather::gather,
    validate::validate,
};
use crate::{
    cache::Unreadable,
    children::Child,
    context::Context,
    fault::Reason,
    key::{self, Key},
    names,
    request::{Ask, Failure, send},
};

/// How long sidecars may take to stop. A pod on a node that is lost never does, and its epoch is fenced off anyway.
const STOP_MAX: Duration = Duration::from_secs(120);
/// How often it is looked at, besides whenever something happens.
const PERIOD: Duration = Duration::from_secs(5);

/// How far the deletion is.
#[derive(Debug)]
pub enum Progress {
    /// The sidecars are being stopped.
    Stopping,
    /// The Job runs.
    Erasing {
        /// How often it has failed.
        failures: i32,
    },
    /// Something is in the way.
    Hindered(String),
    /// It was given up, and the number goes.
    GivenUp,
    /// It is done, and the number goes.
    Done,
}

impl Progress {
    /// When to look again.
    #[must_use]
    pub fn again(&self) -> Option<Duration> {
        match self {
            Self::Stopping | Self::Erasing { .. } | Self::Hindered(_) => Some(PERIOD),
            Self::GivenUp | Self::Done => None,
        }
    }
}

/// Whether the finalizer has to be added (`Some(true)`) or removed (`Some(false)`) while the number is not being deleted. It is there only
/// when there is something to do in the end: what is retained needs no clean-up but that of the garbage collector.
#[must_use]
pub fn finalizer_change(number: &BusinessPhoneNumber) -> Option<bool> {
    let wanted = number.spec.deletion_policy == DeletionPolicy::Erase;
    (has_finalizer(number) != wanted).then_some(wanted)
}

/// Whether the number waits for us before it goes.
#[must_use]
pub fn has_finalizer(number: &BusinessPhoneNumber) -> bool {
    let finalizers = number.metadata.finalizers.iter().flatten();
    finalizers.into_iter().any(|finalizer| finalizer == names::FINALIZER)
}

/// Adds or removes the finalizer.
///
/// # Errors
/// [`Failure`]; a conflict when the number is not as it was thought to be.
pub async fn set_finalizer(context: &Context, key: &Key, number: &BusinessPhoneNumber, wanted: bool) -> Result<(), Failure> {
    let mut finalizers = number.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != names::FINALIZER);
    if wanted {
        finalizers.push(names::FINALIZER.to_owned());
    }
    let api: Api<BusinessPhoneNumber> = Api::namespaced(context.client.clone(), &key.namespace);
    let metadata = json!({ "finalizers": finalizers, "resourceVersion": number.metadata.resource_version, "uid": number.metadata.uid });
    let parameters = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    context.metrics.wrote("BusinessPhoneNumber", "patch");
    let ask = Ask::new("set the finalizers of", "BusinessPhoneNumber", &key.name);
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    match send(ask, api.patch_metadata(&key.name, &parameters, &patch)).await {
        Ok(answer) => {
            // The last finalizer takes the object with it, and there is no newer version that the watch could show.
            let is_last = answer.metadata.deletion_timestamp.is_some() && !wanted;
            let version = if is_last { u64::MAX } else { key::version(&answer) };
            context.written.note("BusinessPhoneNumber", key, version);
            Ok(())
        }
        Err(failure) if !wanted && failure.is_not_found() => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// The next step.
///
/// # Errors
/// [`Failure`]. It is tried again, until the time is over.
pub async fn step(context: &Context, key: &Key, number: &BusinessPhoneNumber, now: Timestamp) -> Result<Progress, Failure> {
    if !has_finalizer(number) {
        return Ok(Progress::Done);
    }
    if number.spec.deletion_policy == DeletionPolicy::Retain {
        set_finalizer(context, key, number, false).await?;
        return Ok(Progress::Done);
    }
    // An image is pinned before anything is made: a number without one never had a sidecar, and nothing is anywhere.
    let ran = number.status.as_ref().is_some_and(|status| status.image.is_some()) || context.children.has(key, Child::Deployment);
    if !ran {
        return leave(context, key, number).await;
    }
    let since = number.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
    let elapsed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let deadline = Duration::from_secs(u64::from(context.options.settings.erase_deadline_seconds));
    let job = context.children.job(key);
    if job.as_ref().is_some_and(|job| job.is_complete) && elapsed < deadline.saturating_mul(2) {
        info!(number = %key, "erased");
        return leave(context, key, number).await;
    }
    if elapsed >= deadline {
        return give_up(
            context,
            key,
            number,
            &format!("it could not be erased within {} seconds", deadline.as_secs()),
        )
        .await;
    }
    let result = match job {
        Some(job) if job.is_failed && !job.is_going => {
            // The next turn makes another.
            let target = target(context, key, number);
            target
                .delete(Child::Job, &names::erase(&key.name))
                .await
                .map(|()| Progress::Erasing { failures: job.failures })
        }
        Some(job) => Ok(Progress::Erasing { failures: job.failures }),
        None => Box::pin(begin(context, key, number, elapsed < STOP_MAX.min(deadline / 2))).await,
    };
    match result {
        Err(failure) if failure.is_namespace_terminating() => {
            give_up(
                context,
                key,
                number,
                "its namespace is being deleted, where nothing can be made any more",
            )
            .await
        }
        result => result,
    }
}

/// The next step for a number that cannot be read: as it was when it could be, or else only its keys are destroyed.
///
/// # Errors
/// [`Failure`].
pub async fn step_unreadable(
    context: &Context,
    key: &Key,
    unreadable: &Unreadable<BusinessPhoneNumber>,
    now: Timestamp,
) -> Result<Progress, Failure> {
    let number = BusinessPhoneNumber {
        metadata: unreadable.metadata.clone(),
        ..unreadable.before.as_deref().cloned().unwrap_or_else(unknown)
    };
    if unreadable.before.is_some() {
        step(context, key, &number, now).await
    } else if has_finalizer(&number) {
        give_up(context, key, &number, "it cannot be read, so it is not known where its data is").await
    } else {
        Ok(Progress::Done)
    }
}

/// Nothing is known but, by its finalizer, that it is to be erased.
fn unknown() -> BusinessPhoneNumber {
    let nothing = || ObjectRef { name: String::new() };
    let spec = BusinessPhoneNumberSpec {
        phone_number: String::new(),
        phone_number_id: None,
        display_name: None,
        account_ref: nothing(),
        region_ref: nothing(),
        retention_policy_ref: nothing(),
        webhook: None,
        pin_secret_ref: SecretKeyRef {
            name: String::new(),
            key: None,
        },
        throughput_messages_per_second: None,
        replicas: None,
        autoscaling: None,
        durability: None,
        api_tls_secret_ref: None,
        api_url: None,
        http_route: None,
        service_monitor: Switch::default(),
        suspend: false,
        deletion_policy: DeletionPolicy::Erase,
    };
    BusinessPhoneNumber::new("", spec)
}

/// Stops the sidecars, and once they have stopped makes the Job.
async fn begin(context: &Context, key: &Key, number: &BusinessPhoneNumber, may_wait: bool) -> Result<Progress, Failure> {
    let is_up = context.children.workload(key).is_some_and(|workload| workload.wanted != 0);
    if is_up {
        apply::scale(context, key, 0).await?;
    }
    let sidecars = context.children.pods(key).sidecars;
    if may_wait && (is_up || sidecars > 0) {
        return Ok(Progress::Stopping);
    }
    // The watch may be late: nothing must be made for a number that is gone already, since nobody would remove it.
    let numbers: Api<BusinessPhoneNumber> = Api::namespaced(context.client.clone(), &key.namespace);
    let ask = Ask::new("look for", "BusinessPhoneNumber", &key.name);
    let there = send(ask, numbers.get_metadata_opt(&key.name)).await?;
    if there.is_none_or(|there| there.metadata.uid != number.metadata.uid) {
        return Ok(Progress::Done);
    }
    let settings = &context.options.settings;
    let gathered = gather(context, key, &number.clone().into());
    let validated = validate(&gathered, settings);
    let taken = |reason: Reason| reason == Reason::NumberTaken;
    if validated
        .as_ref()
        .is_err_and(|faults| faults.iter().any(|fault| taken(fault.reason)))
    {
        // The registration at the relay is the other's.
        let why = "another BusinessPhoneNumber has the number now, whose registration must not be touched";
        return give_up(context, key, number, why).await;
    }
    let running = match &validated {
        Ok(_) => None,
        // Account, region and number are often deleted at once: then what ran until now says how.
        Err(_) => running(context, key).await?,
    };
    let source = match (&validated, &running) {
        (Ok(validated), _) => Source::Declared(validated),
        (Err(_), Some((deployment, config_map))) => Source::Running { deployment, config_map },
        (Err(_), None) => {
            let why = "what it refers to is gone, and so is its Deployment, which knew where its data is";
            return give_up(context, key, number, why).await;
        }
    };
    let erasure = match build::erasure(number, &source, settings) {
        Ok(erasure) => erasure,
        Err(error) => return Ok(Progress::Hindered(error.to_string())),
    };
    match make(&target(context, key, number), erasure).await {
        Ok(()) => {
            info!(number = %key, "erasing");
            Ok(Progress::Erasing { failures: 0 })
        }
        Err(Error::Taken(fault)) => Ok(Progress::Hindered(fault.to_string())),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

async fn make(target: &Target<'_>, erasure: Erasure) -> Result<(), Error> {
    let Erasure {
        service_account,
        role,
        role_binding,
        config_map,
        network_policy,
        job,
    } = erasure;
    target.child(Child::ServiceAccount, &service_account).await?;
    target.child(Child::Role, &role).await?;
    target.child(Child::RoleBinding, &role_binding).await?;
    target.child(Child::ConfigMap, &config_map).await?;
    if let Some(policy) = network_policy {
        target.child(Child::NetworkPolicy, &policy).await?;
    }
    target.child(Child::Job, &job).await
}

/// The number's Deployment and ConfigMap as they are.
async fn running(context: &Context, key: &Key) -> Result<Option<(Deployment, ConfigMap)>, Failure> {
    let name = names::sidecar(&key.name);
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), &key.namespace);
    let config_maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), &key.namespace);
    let deployment = send(Ask::new("read", "Deployment", &name), deployments.get_opt(&name)).await?;
    let config_map = send(Ask::new("read", "ConfigMap", &name), config_maps.get_opt(&name)).await?;
    Ok(deployment.zip(config_map))
}

/// It goes without having been erased; its keys are destroyed.
async fn give_up(context: &Context, key: &Key, number: &BusinessPhoneNumber, why: &str) -> Result<Progress, Failure> {
    let keys = match destroy_keys(context, key).await {
        Ok(()) => {
            "Its keys are destroyed, so what is left in Redis or in the region's bucket can be read by nobody; in Redis it expires by itself with \
             the retention."
                .to_owned()
        }
        // Somebody holds them, by a finalizer or a policy: that must not hold the number, too.
        Err(failure) if failure.status().is_some() => format!(
            "Its keys could not be destroyed ({failure}): delete the Secret '{}' by hand. What is left in Redis expires by itself with the retention.",
            names::keys(&key.name)
        ),
        Err(failure) => return Err(failure),
    };
    match remove_children(context, key, number).await {
        Err(failure) if failure.status().is_none() => return Err(failure),
        Err(failure) => warn!(number = %key, error = %failure, "left behind what was made to erase it"),
        Ok(()) => {}
    }
    set_finalizer(context, key, number, false).await?;
    remove_job(context, key, number).await;
    warn!(number = %key, why, "gave up erasing");
    let note = format!(
        "the number goes without having been erased completely: {why}. {keys} The registration at the relay may be left: consumers may still send to \
         it until somebody registers the number anew"
    );
    context.events.warning(number, "Erase", "EraseGivenUp", &note).await;
    Ok(Progress::GivenUp)
}

/// Destroys the keys, removes what was made for the Job, and lets the number go.
async fn leave(context: &Context, key: &Key, number: &BusinessPhoneNumber) -> Result<Progress, Failure> {
    destroy_keys(context, key).await?;
    remove_children(context, key, number).await?;
    set_finalizer(context, key, number, false).await?;
    remove_job(context, key, number).await;
    Ok(Progress::Done)
}

/// What was made for the Job has no owner, so that the garbage collector does not take it. The Job itself stays until the number goes: from
/// it follows, also after a restart, that there is nothing left to be done.
async fn remove_children(context: &Context, key: &Key, number: &BusinessPhoneNumber) -> Result<(), Failure> {
    let target = target(context, key, number);
    for (child, name) in context.children.unwanted(key, &[Child::Job]) {
        if context.has_kind(child) {
            target.delete(child, &name).await?;
        }
    }
    Ok(())
}

/// One that is left over goes by itself after a day.
async fn remove_job(context: &Context, key: &Key, number: &BusinessPhoneNumber) {
    if context.children.has(key, Child::Job)
        && let Err(failure) = target(context, key, number).delete(Child::Job, &names::erase(&key.name)).await
    {
        info!(number = %key, error = %failure, "the Job that erased the number is left over for a day");
    }
}

async fn destroy_keys(context: &Context, key: &Key) -> Result<(), Failure> {
    let name = names::keys(&key.name);
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
    context.metrics.wrote("Secret", "delete");
    match send(Ask::new("delete", "Secret", &name), api.delete(&name, &DeleteParams::background())).await {
        Ok(_) => {}
        Err(failure) if failure.is_not_found() => {}
        Err(failure) => return Err(failure),
    }
    context.children.set_keys(key, false);
    Ok(())
}

fn target<'a>(context: &'a Context, key: &'a Key, number: &'a BusinessPhoneNumber) -> Target<'a> {
    Target {
        context,
        key,
        uid: number.metadata.uid.as_deref().unwrap_or_default(),
    }
}
