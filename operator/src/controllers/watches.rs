//! Starts all watches: of what is declared, and of what belongs to numbers. What they tell goes into the caches and tables of the context,
//! and from there whose turn it is into the queues. Nothing here waits for the API server on behalf of an object.

use std::{future::Future, sync::Arc};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Resource, core::DeserializeGuard, runtime::watcher::Event};
use serde::de::DeserializeOwned;
use tokio::{task::JoinSet, time::sleep};
use waxseal_crds::v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion, RetentionPolicy};

use crate::{
    cache::{Cache, Change},
    children::{Child, Round, number_of},
    context::Context,
    declared::Referred,
    watch::{self, DISCOVERY_PERIOD, Ended, Pending, Ticket, follow},
};

/// Starts all watches. They run as long as the set lives; `pending` says when each has told what there is.
#[must_use]
pub fn start(context: &Arc<Context>, pending: &Pending) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (scope, namespace) in context.options.scopes().into_iter().enumerate() {
        let namespace = namespace.as_deref();
        let numbers: Api<DeserializeGuard<BusinessPhoneNumber>> = watch::namespaced(&context.client, namespace);
        tasks.spawn(declared(
            context,
            numbers,
            scope,
            pending.ticket("BusinessPhoneNumber"),
            |context| &context.numbers,
            Context::number_changed,
        ));
        let accounts: Api<DeserializeGuard<BusinessAccount>> = watch::namespaced(&context.client, namespace);
        tasks.spawn(declared(
            context,
            accounts,
            scope,
            pending.ticket("BusinessAccount"),
            |context| &context.accounts,
            referred,
        ));
        for child in Child::ALL {
            tasks.spawn(children(context, child, namespace, pending.ticket(child.kind())));
        }
        tasks.spawn(pods(context, namespace, pending.ticket("Pod")));
    }
    let regions: Api<DeserializeGuard<DataRegion>> = Api::all(context.client.clone());
    tasks.spawn(declared(
        context,
        regions,
        0,
        pending.ticket("DataRegion"),
        |context| &context.regions,
        referred,
    ));
    let policies: Api<DeserializeGuard<RetentionPolicy>> = Api::all(context.client.clone());
    tasks.spawn(declared(
        context,
        policies,
        0,
        pending.ticket("RetentionPolicy"),
        |context| &context.policies,
        referred,
    ));
    tasks
}

/// Follows a kind of ours in one namespace, or in all.
fn declared<K>(
    context: &Arc<Context>,
    api: Api<DeserializeGuard<K>>,
    scope: usize,
    mut ticket: Ticket,
    cache: fn(&Context) -> &Cache<K>,
    changed: fn(&Context, &Change<K>),
) -> impl Future<Output = ()> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    let context = Arc::clone(context);
    async move {
        let kind = K::kind(&()).into_owned();
        let handle = |event: Event<DeserializeGuard<K>>| {
            let is_listed = matches!(event, Event::InitDone);
            for change in cache(&context).event(scope, event) {
                changed(&context, &change);
            }
            if is_listed {
                ticket.done();
            }
        };
        follow(api, watch::of_declared(), &kind, context.seen(&kind), false, handle).await;
    }
}

/// An account, a region or a policy changed: look at it, and at the numbers that refer to it.
fn referred<K: Referred>(context: &Context, change: &Change<K>) {
    if change.new.is_none() {
        context.failures.clear(&(K::CONTROLLER, change.key.clone()));
        context.written.forget(&K::kind(&()), &change.key);
    }
    if change.is_significant() {
        context.referent_changed(&K::referent(&change.key));
    }
}

/// Follows a kind that belongs to numbers. A kind that the API server may do without is waited for.
fn children(
    context: &Arc<Context>,
    child: Child,
    namespace: Option<&str>,
    mut ticket: Ticket,
) -> impl Future<Output = ()> + Send + 'static {
    let context = Arc::clone(context);
    let namespace = namespace.map(str::to_owned);
    async move {
        let mut round = Round::default();
        loop {
            let api = watch::dynamic(&context.client, namespace.as_deref(), &child.resource());
            let handle = |event| match event {
                Event::Init => round = round.next(),
                Event::InitApply(object) | Event::Apply(object) => {
                    if context.children.seen(child, &object, round) {
                        push(&context, &object.metadata);
                    }
                }
                Event::Delete(object) => {
                    if context.children.gone(child, &object) {
                        push(&context, &object.metadata);
                    }
                }
                Event::InitDone => {
                    let has_come = !context.has_kind(child);
                    context.set_kind(child, true);
                    for key in context.children.listed(child, namespace.as_deref(), round) {
                        context.queues.numbers.push(&key);
                    }
                    if has_come {
                        // Whoever waits for the kind may go on.
                        context.queues.numbers.push_all(&context.numbers);
                    }
                    ticket.done();
                }
            };
            let ended = follow(
                api,
                watch::of_children(),
                child.kind(),
                context.seen(child.kind()),
                child.is_optional(),
                handle,
            )
            .await;
            match ended {
                Ended::KindMissing => {
                    context.set_kind(child, false);
                    let _ = context.children.listed(child, namespace.as_deref(), round.next());
                    ticket.done();
                    sleep(DISCOVERY_PERIOD).await;
                }
            }
        }
    }
}

/// Follows the pods of numbers, as far as their status has to say why they do not run.
fn pods(context: &Arc<Context>, namespace: Option<&str>, mut ticket: Ticket) -> impl Future<Output = ()> + Send + 'static {
    let context = Arc::clone(context);
    let namespace = namespace.map(str::to_owned);
    async move {
        let api: Api<Pod> = watch::namespaced(&context.client, namespace.as_deref());
        let handle = |event| match event {
            Event::Init => context.children.pods_forgotten(namespace.as_deref()),
            Event::InitApply(pod) | Event::Apply(pod) => {
                if context.children.pod_seen(&pod) {
                    push(&context, &pod.metadata);
                }
            }
            Event::Delete(pod) => {
                if context.children.pod_gone(&pod) {
                    push(&context, &pod.metadata);
                }
            }
            Event::InitDone => ticket.done(),
        };
        follow(api, watch::of_children(), "Pod", context.seen("Pod"), false, handle).await;
    }
}

fn push(context: &Context, metadata: &kube::api::ObjectMeta) {
    if let Some(key) = number_of(metadata) {
        context.queues.numbers.push(&key);
    }
}
