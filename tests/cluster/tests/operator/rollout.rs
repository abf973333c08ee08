//! Another image goes through a region a few numbers at a time.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use waxseal_cluster::eventually;
use waxseal_crds::v1alpha1::DataRegion;
use waxseal_operator::{children::Child, options::Options};

use crate::world::{World, number, options};

const NUMBERS: [&str; 3] = ["a", "b", "c"];

/// Does what the Deployment controller and a kubelet would: all pods are as declared, and serve.
async fn complete(world: &World, number: &str) {
    let deployments: Api<Deployment> = world.api("acme");
    let name = Child::Deployment.name(number);
    let generation = deployments.get(&name).await.unwrap().metadata.generation;
    let status = json!({"status": {
        "observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1
    }});
    deployments
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

async fn images(world: &World) -> Vec<String> {
    let mut images = Vec::new();
    for number in NUMBERS {
        let deployment = world.child("acme", number, Child::Deployment).await.unwrap();
        let image = deployment.data.pointer("/spec/template/spec/containers/0/image").unwrap();
        images.push(image.as_str().unwrap().to_owned());
    }
    images
}

#[tokio::test]
async fn a_new_image_goes_through_a_few_numbers_at_a_time() {
    let mut world = World::start().await;
    world.surroundings("acme").await;
    // Deployments are completed by hand here.
    world.control_plane.stop_controllers().unwrap();
    let mut options = Options {
        rollout_concurrency: 1,
        ..options()
    };
    options.settings.sidecar_image = "sidecar:1".into();
    let operator = world.operate(options.clone()).await;
    for (n, name) in NUMBERS.into_iter().enumerate() {
        world.apply(&number("acme", name, &format!("+1555010{n}"))).await;
        world.appears("acme", name, Child::Deployment).await;
        complete(&world, name).await;
        world.condition("acme", name, "Ready", "True", "Serving").await;
    }
    assert_eq!(images(&world).await, ["sidecar:1"; 3]);
    operator.stop().await.unwrap();

    // A new operator with another image restarts nothing.
    options.settings.sidecar_image = "sidecar:2".into();
    let operator = world.operate(options).await;
    world.settles().await;
    assert_eq!(images(&world).await, ["sidecar:1"; 3]);

    let regions: Api<DataRegion> = Api::all(world.client.clone());
    world
        .meddle(&regions, "br", json!({"spec": {"sidecar": {"image": "sidecar:3"}}}))
        .await;
    let mut rolled = BTreeSet::new();
    for round in 1..=NUMBERS.len() {
        let next = eventually("one more has the new image", || async {
            let images = images(&world).await;
            let new: Vec<usize> = (0..NUMBERS.len()).filter(|n| images[*n] == "sidecar:3").collect();
            assert!(new.len() <= round, "{images:?}");
            new.into_iter().find(|n| !rolled.contains(n))
        })
        .await;
        rolled.insert(next);
        world.settles().await;
        assert_eq!(images(&world).await.iter().filter(|image| *image == "sidecar:3").count(), round);
        for (n, name) in NUMBERS.into_iter().enumerate() {
            if !rolled.contains(&n) {
                world.condition("acme", name, "Reconciling", "True", "WaitingForRollOut").await;
                // The old one goes on serving.
                world.condition("acme", name, "Ready", "True", "Serving").await;
            }
        }
        complete(&world, NUMBERS[next]).await;
    }
    for name in NUMBERS {
        eventually("nothing is left to be done", || async {
            (!world.has_condition("acme", name, "Reconciling").await).then_some(())
        })
        .await;
        assert_eq!(world.number("acme", name).await.status.unwrap().image.as_deref(), Some("sidecar:3"));
    }
    operator.stop().await.unwrap();
}
