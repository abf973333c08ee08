//! Deleting numbers: erased by a Job, or in the end without one, and never for ever.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use waxseal_cluster::eventually;
use waxseal_crds::v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion};
use waxseal_operator::{children::Child, options::Options};

use crate::world::{World, number, options, with};

/// Does what a kubelet would: the pods of the Job that erases a number end like this.
async fn job_ends(world: &World, namespace: &str, number: &str, succeeds: bool) {
    let pods: Api<Pod> = world.api(namespace);
    let selector = format!("app.kubernetes.io/name=waxseal-erase,app.kubernetes.io/instance={number}");
    let pod = eventually("the Job has a pod", || async {
        let pods = pods.list(&ListParams::default().labels(&selector)).await.ok()?;
        let runs = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            phase == Some("Pending") && pod.metadata.deletion_timestamp.is_none()
        };
        pods.items.into_iter().find(runs)
    })
    .await;
    let phase = if succeeds { "Succeeded" } else { "Failed" };
    let status = json!({"status": {"phase": phase}});
    pods.patch_status(&pod.metadata.name.unwrap(), &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

async fn declared(world: &World, namespace: &str, name: &str, phone_number: &str, spec: Value) {
    world.apply(&with(number(namespace, name, phone_number), spec)).await;
    world.appears(namespace, name, Child::Deployment).await;
    eventually("it is said which image it runs", || async {
        world.number(namespace, name).await.status?.image.map(|_| ())
    })
    .await;
}

pub async fn is_gone(world: &World, namespace: &str, name: &str) {
    let numbers: Api<BusinessPhoneNumber> = world.api(namespace);
    eventually(&format!("{namespace}/{name} is gone"), || async {
        numbers.get_opt(name).await.ok()?.is_none().then_some(())
    })
    .await;
}

pub async fn has_keys(world: &World, namespace: &str, name: &str) -> bool {
    let secrets: Api<Secret> = world.api(namespace);
    secrets.get_opt(&format!("{name}-keys")).await.unwrap().is_some()
}

#[tokio::test]
async fn a_number_is_erased_by_its_job() {
    let world = World::start().await;
    world.surroundings("acme").await;
    let operator = world.operate(options()).await;
    let numbers: Api<BusinessPhoneNumber> = world.api("acme");

    declared(&world, "acme", "desk", "+15550100", json!({})).await;
    let finalizers = world.number("acme", "desk").await.metadata.finalizers.unwrap();
    assert_eq!(finalizers, ["waxseal.dev/erase"]);
    assert!(has_keys(&world, "acme", "desk").await);
    numbers.delete("desk", &DeleteParams::background()).await.unwrap();
    let job = world.appears("acme", "desk", Child::Job).await;
    assert_eq!(job.data.pointer("/spec/template/spec/containers/0/args"), Some(&json!(["erase"])));
    assert_eq!(world.replicas("acme", "desk").await, 0, "the sidecars stop first");
    assert!(has_keys(&world, "acme", "desk").await, "the Job needs them");
    world.condition("acme", "desk", "Ready", "False", "Deleting").await;
    // The first attempt fails, as Jobs' do.
    job_ends(&world, "acme", "desk", false).await;
    eventually("the failure is told", || async {
        let message = world.condition("acme", "desk", "Reconciling", "True", "Erasing").await;
        message.contains("1 times").then_some(())
    })
    .await;
    job_ends(&world, "acme", "desk", true).await;
    is_gone(&world, "acme", "desk").await;
    assert!(!has_keys(&world, "acme", "desk").await);
    for child in Child::ALL.into_iter().filter(|child| !child.is_optional()) {
        world.vanishes("acme", "desk", child).await;
    }

    // In the foreground the garbage collector takes at once what a number owns, and the Job has to run nonetheless.
    declared(&world, "acme", "shop", "+15550101", json!({})).await;
    numbers.delete("shop", &DeleteParams::foreground()).await.unwrap();
    world.appears("acme", "shop", Child::Job).await;
    job_ends(&world, "acme", "shop", true).await;
    is_gone(&world, "acme", "shop").await;
    assert!(!has_keys(&world, "acme", "shop").await);

    // Account, region and number at once, as `kubectl delete -f` does.
    declared(&world, "acme", "till", "+15550102", json!({})).await;
    let accounts: Api<BusinessAccount> = world.api("acme");
    let regions: Api<DataRegion> = Api::all(world.client.clone());
    numbers.delete("till", &DeleteParams::background()).await.unwrap();
    accounts.delete("acme", &DeleteParams::default()).await.unwrap();
    regions.delete("br", &DeleteParams::default()).await.unwrap();
    world.appears("acme", "till", Child::Job).await;
    job_ends(&world, "acme", "till", true).await;
    is_gone(&world, "acme", "till").await;
    assert!(!has_keys(&world, "acme", "till").await);
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_to_be_retained_is() {
    let world = World::start().await;
    world.surroundings("acme").await;
    let operator = world.operate(options()).await;
    let numbers: Api<BusinessPhoneNumber> = world.api("acme");
    declared(&world, "acme", "desk", "+15550100", json!({"deletionPolicy": "Retain"})).await;
    assert_eq!(world.number("acme", "desk").await.metadata.finalizers, None);
    // The finalizer follows the policy.
    for (policy, finalizers) in [("Erase", Some(vec!["waxseal.dev/erase".to_owned()])), ("Retain", None)] {
        world.meddle(&numbers, "desk", json!({"spec": {"deletionPolicy": policy}})).await;
        eventually(&format!("the finalizers of {policy}"), || async {
            (numbers.get("desk").await.ok()?.metadata.finalizers == finalizers).then_some(())
        })
        .await;
    }
    numbers.delete("desk", &DeleteParams::background()).await.unwrap();
    is_gone(&world, "acme", "desk").await;
    world.vanishes("acme", "desk", Child::Deployment).await;
    assert!(has_keys(&world, "acme", "desk").await);
    assert!(world.child("acme", "desk", Child::Job).await.is_none());
    // It comes back to its keys.
    declared(&world, "acme", "desk", "+15550100", json!({"deletionPolicy": "Retain"})).await;

    // A number that never ran has nothing to erase.
    world
        .apply(&with(
            number("acme", "never", "+15550101"),
            json!({"accountRef": {"name": "nobody"}}),
        ))
        .await;
    world.condition("acme", "never", "Stalled", "True", "AccountNotFound").await;
    numbers.delete("never", &DeleteParams::background()).await.unwrap();
    is_gone(&world, "acme", "never").await;
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_hangs_for_ever() {
    let world = World::start().await;
    world.surroundings("acme").await;
    world.surroundings("globex").await;
    let mut options: Options = options();
    options.settings.erase_deadline_seconds = 8;
    let operator = world.operate(options).await;
    let numbers: Api<BusinessPhoneNumber> = world.api("acme");

    // Nobody runs the Job.
    declared(&world, "acme", "desk", "+15550100", json!({})).await;
    numbers.delete("desk", &DeleteParams::background()).await.unwrap();
    world.appears("acme", "desk", Child::Job).await;
    is_gone(&world, "acme", "desk").await;
    assert!(!has_keys(&world, "acme", "desk").await, "without its keys, what is left is noise");
    let note = world.event("acme", "desk", "EraseGivenUp").await;
    assert!(note.contains("registration at the relay may be left"), "{note}");
    world.vanishes("acme", "desk", Child::Job).await;

    // The number is another's now.
    declared(&world, "globex", "desk", "+15550101", json!({})).await;
    let operator_away = operator;
    operator_away.stop().await.unwrap();

    // The namespace is being deleted: nothing can be made there any more.
    let operator = world.operate(crate::world::options()).await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.delete("globex", &DeleteParams::default()).await.unwrap();
    let begun = tokio::time::Instant::now();
    eventually("the namespace is gone", || async {
        namespaces.get_opt("globex").await.ok()?.is_none().then_some(())
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(60));
    operator.stop().await.unwrap();
}
