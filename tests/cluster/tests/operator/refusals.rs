//! What cannot be done is refused in the status, stops what must not run, and never anything else.

use k8s_openapi::{
    api::{core::v1::ConfigMap, policy::v1::PodDisruptionBudget},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject},
};
use serde_json::json;
use waxseal_cluster::eventually;
use waxseal_crds::v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion, RetentionPolicy};
use waxseal_operator::children::Child;

use crate::{
    deletion::{has_keys, is_gone},
    world::{World, number, options, policy, with},
};

#[tokio::test]
async fn the_older_keeps_its_number_and_the_newer_has_its_turn() {
    let world = World::start().await;
    world.surroundings("acme").await;
    world.surroundings("globex").await;
    let operator = world.operate(options()).await;
    world.apply(&number("acme", "desk", "+15550100")).await;
    world.appears("acme", "desk", Child::Deployment).await;
    // Creation times have seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.apply(&number("globex", "desk", "+15550100")).await;
    let message = world.condition("globex", "desk", "Stalled", "True", "NumberTaken").await;
    // Whose it is, is not told across namespaces.
    assert!(message.contains("another namespace") && !message.contains("acme"), "{message}");
    world.event("globex", "desk", "NumberTaken").await;
    assert!(world.child("globex", "desk", Child::Deployment).await.is_none());
    assert_eq!(world.number("globex", "desk").await.status.unwrap().phone_number, None);
    assert!(!world.has_condition("acme", "desk", "Stalled").await);

    let numbers: Api<BusinessPhoneNumber> = world.api("acme");
    world.meddle(&numbers, "desk", json!({"spec": {"deletionPolicy": "Retain"}})).await;
    eventually("nothing is to be erased any more", || async {
        numbers.get("desk").await.ok()?.metadata.finalizers.is_none().then_some(())
    })
    .await;
    numbers.delete("desk", &DeleteParams::background()).await.unwrap();
    world.appears("globex", "desk", Child::Deployment).await;
    world.condition("globex", "desk", "Ready", "False", "Starting").await;
    // It comes back, and now it is the newer.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.apply(&number("acme", "desk", "+15550100")).await;
    world.condition("acme", "desk", "Stalled", "True", "NumberTaken").await;
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_stops_only_what_must_not_run() {
    let world = World::start().await;
    world.surroundings("acme").await;
    let operator = world.operate(options()).await;
    // Not yet declared: nothing runs, and it begins by itself.
    world
        .apply(&with(
            number("acme", "desk", "+15550100"),
            json!({"retentionPolicyRef": {"name": "later"}}),
        ))
        .await;
    world.condition("acme", "desk", "Stalled", "True", "PolicyNotFound").await;
    assert!(world.child("acme", "desk", Child::Deployment).await.is_none());
    world.apply(&policy("later", 7)).await;
    world.appears("acme", "desk", Child::Deployment).await;
    world.apply(&number("acme", "other", "+15550101")).await;
    world.appears("acme", "other", Child::Deployment).await;

    // Longer than is lawful in the region: stopped, with all that it has kept.
    let policies: Api<RetentionPolicy> = Api::all(world.client.clone());
    world.meddle(&policies, "later", json!({"spec": {"days": 20}})).await;
    let message = world.condition("acme", "desk", "Stalled", "True", "RetentionAboveCap").await;
    assert!(message.contains("14"), "{message}");
    eventually("nothing runs with it", || async {
        (world.replicas("acme", "desk").await == 0).then_some(())
    })
    .await;
    assert_eq!(world.replicas("acme", "other").await, 1);
    world.meddle(&policies, "later", json!({"spec": {"days": 10}})).await;
    eventually("it runs again", || async {
        (world.replicas("acme", "desk").await == 1).then_some(())
    })
    .await;
    // The same from the region's side.
    let regions: Api<DataRegion> = Api::all(world.client.clone());
    world.meddle(&regions, "br", json!({"spec": {"retentionCapDays": 8}})).await;
    world.condition("acme", "desk", "Stalled", "True", "RetentionAboveCap").await;
    eventually("nothing runs with it", || async {
        (world.replicas("acme", "desk").await == 0).then_some(())
    })
    .await;
    assert_eq!(world.replicas("acme", "other").await, 1);
    world.meddle(&regions, "br", json!({"spec": {"retentionCapDays": 14}})).await;
    eventually("it runs again", || async {
        (world.replicas("acme", "desk").await == 1).then_some(())
    })
    .await;

    // An account that was deleted by mistake: said, and nothing stops.
    let accounts: Api<BusinessAccount> = world.api("acme");
    accounts.delete("acme", &DeleteParams::default()).await.unwrap();
    let message = world.condition("acme", "desk", "Stalled", "True", "AccountNotFound").await;
    assert!(message.contains("acme"), "{message}");
    assert_eq!(world.replicas("acme", "desk").await, 1);
    // Drift is repaired again once it is known what is wanted.
    let services = world.children("acme", Child::Service);
    services.delete("desk-sidecar", &DeleteParams::default()).await.unwrap();
    world.apply(&crate::world::account("acme")).await;
    world.appears("acme", "desk", Child::Service).await;
    // A region that lacks what a cluster needs.
    world.meddle(&regions, "br", json!({"spec": {"redis": null}})).await;
    world.condition("acme", "desk", "Stalled", "True", "RegionIncomplete").await;
    assert_eq!(world.replicas("acme", "desk").await, 1);
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn names_of_others_are_left_alone() {
    let world = World::start().await;
    world.surroundings("acme").await;
    let mine = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "desk-sidecar", "namespace": "acme"}, "data": {"mine": "yes"}
    });
    world.apply(&mine).await;
    let operator = world.operate(options()).await;
    world.apply(&number("acme", "desk", "+15550100")).await;
    let message = world.condition("acme", "desk", "Stalled", "True", "NameTaken").await;
    assert!(message.contains("ConfigMap") && message.contains("desk-sidecar"), "{message}");
    let config_maps: Api<ConfigMap> = world.api("acme");
    let there = config_maps.get("desk-sidecar").await.unwrap();
    assert_eq!(
        (there.data.unwrap()["mine"].as_str(), there.metadata.owner_references),
        ("yes", None)
    );
    assert!(world.child("acme", "desk", Child::Deployment).await.is_none());

    // What only looks like ours, or carries our labels without being ours, is not deleted either.
    let labels = json!({"app.kubernetes.io/managed-by": "waxseal-operator", "app.kubernetes.io/instance": "shop"});
    let theirs = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "theirs", "namespace": "acme", "labels": labels},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}
    });
    world.apply(&theirs).await;
    world.apply(&number("acme", "shop", "+15550101")).await;
    world.appears("acme", "shop", Child::Deployment).await;
    world.settles().await;
    let budgets: Api<PodDisruptionBudget> = world.api("acme");
    assert!(budgets.get_opt("theirs").await.unwrap().is_some());

    // Once the name is free, the number goes on.
    config_maps.delete("desk-sidecar", &DeleteParams::default()).await.unwrap();
    let numbers: Api<BusinessPhoneNumber> = world.api("acme");
    world
        .meddle(
            &numbers,
            "desk",
            json!({"metadata": {"annotations": {"example.com/look": "again"}}}),
        )
        .await;
    world.appears("acme", "desk", Child::Deployment).await;
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn an_object_that_cannot_be_read_stands_in_nobodys_way() {
    let world = World::start().await;
    world.surroundings("acme").await;
    loosen(&world, "businessphonenumbers.waxseal.dev").await;
    loosen(&world, "dataregions.waxseal.dev").await;
    world.apply(&number("acme", "desk", "+15550100")).await;
    world
        .apply(&with(number("acme", "odd", "+15550101"), json!({"deletionPolicy": "Shred"})))
        .await;
    let mut odd = crate::world::region("odd");
    odd["spec"]["moons"] = json!(2);
    world.apply(&odd).await;
    world
        .apply(&with(number("acme", "moon", "+15550102"), json!({"regionRef": {"name": "odd"}})))
        .await;
    let operator = world.operate(options()).await;
    world.appears("acme", "desk", Child::Deployment).await;
    let message = world.condition("acme", "odd", "Stalled", "True", "Unreadable").await;
    assert!(message.contains("Shred"), "{message}");
    world.event("acme", "odd", "Unreadable").await;
    let resource = kube::core::ApiResource::erase::<DataRegion>(&());
    let regions: Api<DynamicObject> = Api::all_with(world.client.clone(), &resource);
    world.condition_of(regions.clone(), "odd", "Stalled", "True", "Unreadable").await;
    let message = world.condition("acme", "moon", "Stalled", "True", "RegionInvalid").await;
    assert!(message.contains("cannot be read"), "{message}");

    // One that ran and then cannot be read any more goes on as it was, with its image pinned.
    let resource = kube::core::ApiResource::erase::<BusinessPhoneNumber>(&());
    let numbers: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), "acme", &resource);
    world.meddle(&numbers, "desk", json!({"spec": {"deletionPolicy": "Shred"}})).await;
    world.condition("acme", "desk", "Stalled", "True", "Unreadable").await;
    assert_eq!(world.replicas("acme", "desk").await, 1);
    assert!(numbers.get("desk").await.unwrap().data.pointer("/status/image").is_some());
    // And a newer number of the same phone number does not get it meanwhile.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.apply(&number("acme", "copy", "+15550100")).await;
    world.condition("acme", "copy", "Stalled", "True", "NumberTaken").await;

    // Nothing more is written about them.
    let settled = world.settles().await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.writes(), settled);
    world.meddle(&numbers, "odd", json!({"spec": {"deletionPolicy": "Erase"}})).await;
    world.appears("acme", "odd", Child::Deployment).await;
    world.meddle(&regions, "odd", json!({"spec": {"moons": null}})).await;
    world.appears("acme", "moon", Child::Deployment).await;

    // It can be deleted. An operator that never could read it knows nothing of it but that it is to be erased.
    operator.stop().await.unwrap();
    let operator = world.operate(options()).await;
    numbers.delete("desk", &DeleteParams::background()).await.unwrap();
    is_gone(&world, "acme", "desk").await;
    assert!(!has_keys(&world, "acme", "desk").await);
    world.event("acme", "desk", "EraseGivenUp").await;
    operator.stop().await.unwrap();
}

/// Lets anything into the specs of a kind, as the definition of a later release might.
async fn loosen(world: &World, crd: &str) {
    let crds: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let mut definition = serde_json::to_value(crds.get(crd).await.unwrap()).unwrap();
    let version = &mut definition["spec"]["versions"][0];
    version["schema"]["openAPIV3Schema"]["properties"]["spec"] = open;
    version["selectableFields"] = json!([]);
    version["subresources"]["scale"] = json!(null);
    definition["metadata"]["managedFields"] = json!(null);
    crds.replace(crd, &kube::api::PostParams::default(), &serde_json::from_value(definition).unwrap())
        .await
        .unwrap();
    // Until objects are validated by it.
    let probe = with(number("acme", "probe", "+15550199"), json!({"deletionPolicy": "Shred", "moons": 1}));
    let mut region = crate::world::region("probe");
    region["spec"]["moons"] = json!(1);
    let probe = if crd.starts_with("dataregions") { region } else { probe };
    eventually("the definition is in force", || async {
        let made = world.try_apply(&probe).await.ok()?;
        (made.data.pointer("/spec/moons") == Some(&json!(1))).then_some(())
    })
    .await;
    if crd.starts_with("dataregions") {
        let regions: Api<DynamicObject> = Api::all_with(world.client.clone(), &kube::core::ApiResource::erase::<DataRegion>(&()));
        regions.delete("probe", &DeleteParams::default()).await.unwrap();
    } else {
        let numbers: Api<DynamicObject> = Api::namespaced_with(
            world.client.clone(),
            "acme",
            &kube::core::ApiResource::erase::<BusinessPhoneNumber>(&()),
        );
        numbers.delete("probe", &DeleteParams::default()).await.unwrap();
    }
}
